"""A call of one of torch's functions with mixed tensors among its arguments."""

from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch.utils import _pytree as pytree

from vicinal.mixed.shares import Refused, agreed
from vicinal.mixed.tensor import MixedTensor, each_mixed, make, own_targets


@dataclass
class Call:
    """A call of one of torch's functions with mixed tensors among its arguments."""

    func: Any
    name: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    found: list[MixedTensor]

    @property
    def first(self) -> Any:
        return self.args[0] if self.args else None

    @property
    def is_alone(self) -> bool:
        """Whether the first argument is the only mixed one."""
        return len(self.found) == 1 and self.found[0] is self.first

    def argument(self, position: int, name: str, default: Any = None) -> Any:
        return self.args[position] if len(self.args) > position else self.kwargs.get(name, default)

    def own(self) -> Any:
        return self.func(*own_targets(self.args), **own_targets(self.kwargs))

    def both(self) -> tuple[Any, Any]:
        def partners(tree: Any) -> Any:
            return each_mixed(tree, lambda tensor: tensor.partner)

        return self.own(), self.func(*partners(self.args), **partners(self.kwargs))

    def result(self, own: Any, partner: Any, weight: Tensor) -> Any:
        if not isinstance(own, Tensor) or own.shape != partner.shape or weight.ndim != own.ndim:
            raise Refused
        if any(size not in (1, own.shape[axis]) for axis, size in enumerate(weight.shape)):
            raise Refused
        return make(own, partner, weight, self.found[0].origin)

    def agreed(self, ndim: int) -> Tensor:
        """The weight of all mixed tensors that come together here."""
        if any(tensor.ndim > ndim for tensor in self.found):
            raise Refused
        return agreed([tensor.weight for tensor in self.found], ndim)


def has_tensors(result: Any) -> bool:
    return any(isinstance(leaf, Tensor) for leaf in pytree.tree_leaves(result))
