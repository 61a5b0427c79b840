"""MixedTensor: mixed targets as a tensor subclass."""

import copy
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from vicinal.mixed.uncompiled import uncompiled
from vicinal.mixing.batch import map_leaves
from vicinal.mixing.move import move
from vicinal.mixing.target import MixedTarget, over_rows


class MixedTensor(Tensor):
    """A tensor of targets that holds two values for each: the sample's own and its partner's.

    To code that knows nothing of mixing, it is the tensor of the samples' own targets. But torch
    functions compute their result for both, and a sum or mean over samples counts each of the two
    by its weight. So any loss that is built from torch's losses, or from operations on each sample,
    equals that of :class:`vicinal.MixLoss` exactly, without a change of its code; the accuracy
    ``(output.argmax(1) == y).float().mean()`` counts each label by its weight.

    Create it with :func:`as_tensors`. Conversions to numbers (``tolist``, ``item``, ``numpy``) give
    the samples' own targets. ``torch.compile`` breaks the graph where it is used; for a whole step
    in one graph use :class:`vicinal.MixLoss`.

    Raises:
        ValueError: an operation cannot be computed for both targets (most operations on each sample
            can), or its operands are targets of two mixes.

    Attributes:
        partner: the partners' values, of the tensor's shape and dtype.
        weight: λ, the share of the own values, of a shape that broadcasts to the tensor's.

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
        from vicinal.mixed.dispatch import dispatch  # it imports this module

        with torch._C.DisableTorchFunctionSubclass():
            return dispatch(func, args, kwargs or {})

    def as_subclass(self, cls: type) -> "MixedTensor":  # type: ignore[override]
        """Itself: libraries (fastai) recast tensors to their own class, which drops the partner."""
        return self

    def __reduce_ex__(self, protocol: Any) -> Any:
        return make_mixed, (as_plain(self), self.partner, self.weight, self.origin)

    def __deepcopy__(self, memo: Any) -> "MixedTensor":
        parts = copy.deepcopy((as_plain(self), self.partner, self.weight), memo)
        return make_mixed(*parts, self.origin)

    def __repr__(self) -> str:  # type: ignore[override]
        return f"MixedTensor(own={as_plain(self)}, partner={self.partner}, weight={self.weight})"


class Origin:
    """The mix that mixed tensors come from; those of different mixes cannot be combined.

    Attributes:
        reached_loss: whether both targets entered a scalar that requires grad.
    """

    reached_loss = False


@uncompiled
def as_tensors(target: Any) -> Any:
    """Convert a mixer's targets to :class:`MixedTensor`.

    Args:
        target: a :class:`MixedTarget`, or a nested batch of them; all of one mix.

    Returns:
        The same nested batch, each :class:`MixedTarget` a :class:`MixedTensor` of its shape; other
        leaves as they are.
    """
    origin = Origin()

    def as_tensor(_: Any, leaf: Any) -> Any:
        if not isinstance(leaf, MixedTarget):
            return leaf
        return make_mixed(leaf.own, leaf.partner, over_rows(leaf.weight, leaf.own), origin)

    return map_leaves(as_tensor, target)


def reached_loss(target: Any) -> bool:
    """Whether a loss that requires grad was computed from both of each sample's targets.

    It is false where the loss read the targets as numbers, and so saw the own ones alone. Targets
    that are blended or pasted themselves hold no pair, so it is always true of them.

    >>> y = as_tensors(MixedTarget(torch.tensor([0]), torch.tensor([1]), torch.tensor([0.7])))
    >>> loss = torch.nn.functional.cross_entropy(torch.zeros(1, 2, requires_grad=True), y)
    >>> reached_loss(y)
    True
    """
    origins = [tensor.origin for tensor in mixed_leaves((target,))]
    return not origins or any(origin.reached_loss for origin in origins)


def own_targets(target: Any) -> Any:
    """The samples' own targets alone, for metrics that are not computed from mixed targets.

    Args:
        target: a :class:`MixedTarget`, a :class:`MixedTensor`, or a nested batch of them.

    Returns:
        The same nested batch with plain tensors in their place, in the same memory; other leaves,
        such as plain targets, as they are.

    >>> from vicinal import MixUp
    >>> x, target = MixUp(seed=0)(torch.rand(3, 4), torch.tensor([2, 0, 1]))
    >>> own_targets(target)
    tensor([2, 0, 1])
    >>> torch.bincount(own_targets(as_tensors(target)))
    tensor([1, 1, 1])
    """

    def own(_: Any, leaf: Any) -> Any:
        if isinstance(leaf, MixedTarget):
            leaf = leaf.own
        return as_plain(leaf) if is_mixed(leaf) else leaf

    return map_leaves(own, target)


def make_mixed(own: Tensor, partner: Tensor, weight: Tensor, origin: Origin) -> MixedTensor:
    """A mixed tensor of its parts; the weight has as many axes as the two values."""
    mixed = torch._C.TensorBase.as_subclass(own, MixedTensor)
    mixed.partner, mixed.origin = as_plain(partner), origin
    mixed.weight = move(weight, own.device)
    return mixed


def as_plain(tensor: Tensor) -> Tensor:
    """The tensor's own values as a :class:`torch.Tensor`, in the same memory."""
    # Not by the method as_subclass: fastai replaces it by one that copies all attributes.
    with torch._C.DisableTorchFunctionSubclass():
        return torch._C.TensorBase.as_subclass(tensor, Tensor)


def map_mixed(tree: Any, function: Callable[[MixedTensor], Any]) -> Any:
    """The nested arguments with the function applied to each mixed tensor among them."""
    if isinstance(tree, MixedTensor):
        return function(tree)
    if isinstance(tree, _LEAVES):
        return tree
    # The usual containers of arguments by hand: pytree takes ten times as long.
    if type(tree) in (tuple, list):
        return type(tree)([map_mixed(part, function) for part in tree])
    if type(tree) is dict:
        return {name: map_mixed(part, function) for name, part in tree.items()}
    return pytree.tree_map(lambda leaf: function(leaf) if is_mixed(leaf) else leaf, tree)


def mixed_leaves(tree: Any) -> Iterator[MixedTensor]:
    found: list[MixedTensor] = []
    map_mixed(tree, found.append)
    return iter(found)


_LEAVES = (Tensor, int, float, str, type(None), torch.dtype, torch.device)


def is_mixed(value: Any) -> bool:
    return isinstance(value, MixedTensor)
