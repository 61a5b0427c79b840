"""A call of a torch function with mixed tensors among its arguments."""

from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch.utils import _pytree as pytree

from vicinal.mixed.tensor import MixedTensor, as_plain, make_mixed, map_mixed
from vicinal.mixed.weights import Unsupported, common_weight


@dataclass
class Call:
    """A call of a torch function with mixed tensors among its arguments.

    Args:
        func: the function, method or attribute getter, as ``__torch_function__`` receives it.
        name: its name, such as ``add_``.
        args, kwargs: its arguments.
        mixed: all mixed tensors among them.
    """

    func: Any
    name: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    mixed: list[MixedTensor]

    @property
    def first(self) -> Any:
        return self.args[0] if self.args else None

    @property
    def only_first_is_mixed(self) -> bool:
        return len(self.mixed) == 1 and self.mixed[0] is self.first

    def argument(self, position: int, name: str, default: Any = None) -> Any:
        return self.args[position] if len(self.args) > position else self.kwargs.get(name, default)

    def on_own(self) -> Any:
        """The function's result for the samples' own targets."""
        return self.func(*map_mixed(self.args, as_plain), **map_mixed(self.kwargs, as_plain))

    def on_both(self) -> tuple[Any, Any]:
        """The function's results for the samples' own targets and for the partners'."""

        def partners(tree: Any) -> Any:
            return map_mixed(tree, lambda tensor: tensor.partner)

        return self.on_own(), self.func(*partners(self.args), **partners(self.kwargs))

    def mixed_result(self, own: Any, partner: Any, weight: Tensor) -> MixedTensor:
        """Both results as a mixed tensor.

        Raises:
            Unsupported: their shapes differ, or the weight does not broadcast to them.
        """
        if not isinstance(own, Tensor) or own.shape != partner.shape or weight.ndim != own.ndim:
            raise Unsupported
        if any(size not in (1, own.shape[axis]) for axis, size in enumerate(weight.shape)):
            raise Unsupported
        return make_mixed(own, partner, weight, self.mixed[0].origin)

    def common_weight(self, ndim: int) -> Tensor:
        """The one weight of all mixed arguments, with ``ndim`` axes."""
        if any(tensor.ndim > ndim for tensor in self.mixed):
            raise Unsupported
        return common_weight([tensor.weight for tensor in self.mixed], ndim)


def has_tensors(result: Any) -> bool:
    return any(isinstance(leaf, Tensor) for leaf in pytree.tree_leaves(result))
