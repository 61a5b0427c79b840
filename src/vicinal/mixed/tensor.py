"""MixedTensor: targets as a tensor that stands for two."""

import copy
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from vicinal.mixing.batch import map_leaves
from vicinal.mixing.move import move
from vicinal.mixing.target import MixedTarget, over_rows


class MixedTensor(Tensor):
    """A tensor of targets that stands for two: each sample's own, and its partner's.

    To code that knows nothing of mixing it is the tensor of the samples' own targets. But what is
    computed from it is computed for both, and where samples are summed up or averaged, each
    counts by its weight. So any loss that is made of torch's losses, or of operations on each
    sample, is the exact loss of :class:`vicinal.MixLoss`, in code that stays as it is; the share of
    right answers, ``(output.argmax(1) == y).float().mean()``, counts each label by its weight.

    Made by :func:`as_tensors`. What makes numbers of it (``tolist``, ``item``, ``numpy``) gives the
    samples' own. Where it is used, ``torch.compile`` breaks the graph; for a whole step in one
    graph take :class:`vicinal.MixLoss`.

    Raises:
        ValueError: an operation cannot be computed for both; most can that treat each sample alone.
            Or targets of two mixes come together in one.

    Attributes:
        partner: the partners' values, of the tensor's shape and dtype.
        weight: the share of the samples' own, of a size that broadcasts to the tensor's.

    >>> import torch.nn.functional as F
    >>> target = MixedTarget(torch.tensor([0, 1]), torch.tensor([1, 0]), torch.tensor([0.7, 1.0]))
    >>> y = as_tensors(target)
    >>> y.tolist()
    [0, 1]
    >>> output = torch.tensor([[2.0, 0.0], [0.0, 1.0]])
    >>> F.cross_entropy(output, y)
    tensor(0.5201)
    >>> (output.argmax(1) == y).float().mean()  # (0.7 + 1) / 2
    tensor(0.8500)
    >>> -(output.log_softmax(1) * F.one_hot(y, 2)).sum(1).mean()
    tensor(0.5201)
    """

    partner: Tensor
    weight: Tensor
    origin: "Origin"

    @classmethod
    def __torch_function__(
        cls, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        from vicinal.mixed.compute import compute

        with torch._C.DisableTorchFunctionSubclass():
            return compute(func, args, kwargs or {})

    def as_subclass(self, cls: type) -> "MixedTensor":  # type: ignore[override]
        """Itself: a tensor of another class, which libraries would make of it, stands for one."""
        return self

    def __reduce_ex__(self, protocol: Any) -> Any:
        return make, (plain(self), self.partner, self.weight, self.origin)

    def __deepcopy__(self, memo: Any) -> "MixedTensor":
        parts = copy.deepcopy((plain(self), self.partner, self.weight), memo)
        return make(*parts, self.origin)

    def __repr__(self) -> str:  # type: ignore[override]
        return f"MixedTensor(own={plain(self)}, partner={self.partner}, weight={self.weight})"


class Origin:
    """The mix that tensors come from; values of different mixes do not go together.

    Attributes:
        is_learnt: whether both targets came to a number of which a gradient can be taken.
    """

    is_learnt = False


@torch.compiler.disable  # type: ignore[untyped-decorator]
def as_tensors(target: Any) -> Any:
    """The targets that a mixer gave, each :class:`MixedTarget` among them as one tensor.

    Args:
        target: a :class:`MixedTarget`, or a nested batch of them; all of one mix.
    """
    origin = Origin()

    def as_tensor(_: Any, leaf: Any) -> Any:
        if not isinstance(leaf, MixedTarget):
            return leaf
        return make(leaf.own, leaf.partner, over_rows(leaf.weight, leaf.own), origin)

    return map_leaves(as_tensor, target)


def is_learnt(target: Any) -> bool:
    """Whether a loss was computed from these targets, of both samples.

    Of targets that are mixed themselves, such as masks where boxes are pasted, any loss is.

    >>> y = as_tensors(MixedTarget(torch.tensor([0]), torch.tensor([1]), torch.tensor([0.7])))
    >>> loss = torch.nn.functional.cross_entropy(torch.zeros(1, 2, requires_grad=True), y)
    >>> is_learnt(y)
    True
    """
    origins = [tensor.origin for tensor in mixed_among((target,))]
    return not origins or any(origin.is_learnt for origin in origins)


def own_targets(target: Any) -> Any:
    """The same targets without their partners."""
    return each_mixed(target, plain)


def make(own: Tensor, partner: Tensor, weight: Tensor, origin: Origin) -> MixedTensor:
    """A mixed tensor of its parts; the weight has the axes of the others."""
    mixed = torch._C.TensorBase.as_subclass(own, MixedTensor)
    mixed.partner, mixed.origin = plain(partner), origin
    mixed.weight = move(weight, own.device)
    return mixed


def plain(tensor: Tensor) -> Tensor:
    """The tensor as one of torch's own."""
    # Not by the method, which fastai replaces by one that hands on all attributes.
    with torch._C.DisableTorchFunctionSubclass():
        return torch._C.TensorBase.as_subclass(tensor, Tensor)


def each_mixed(tree: Any, function: Callable[[MixedTensor], Any]) -> Any:
    """The nested arguments, each mixed tensor among them replaced."""
    return pytree.tree_map(lambda leaf: function(leaf) if is_mixed(leaf) else leaf, tree)


def mixed_among(tree: Any) -> Iterator[MixedTensor]:
    return (leaf for leaf in pytree.tree_leaves(tree) if is_mixed(leaf))


def is_mixed(value: Any) -> bool:
    return isinstance(value, MixedTensor)
