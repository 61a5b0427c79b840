"""Completion: what a mixer may look at, once the random part of a mix is drawn by sizes alone."""

from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from vicinal.mixing.batch import halves, map_leaves, tensors_to_mix
from vicinal.mixing.mix import Mix
from vicinal.mixing.nested import Integers


@dataclass(frozen=True, eq=False)
class Batch:
    """The samples and targets that a mix is completed for.

    Args:
        x: (B, ...) samples, a tensor or a nested batch.
        y: (B, ...) their targets, of any kind, or None where nobody has given them.
        other: ``(x, y)``, the partners row by row, where they come from a second batch (or from
            the second half of this one, with the option ``half``); None where they are samples of
            this batch, by ``mix.partner``.
        fields, integers, maximum: as the outermost mixer has them; see :class:`Mixer`.

    >>> import torch
    >>> batch = Batch(torch.tensor([0.0, 10.0, 20.0]), torch.tensor([5, 6, 7]))
    >>> batch.partners(Mix(torch.tensor([2, 0, 1]), torch.ones(3)))
    (tensor([20.,  0., 10.]), tensor([7, 5, 6]))
    """

    x: Any
    y: Any = None
    other: tuple[Any, Any] | None = None
    fields: tuple[str | int, ...] | None = None
    integers: Integers = "raise"
    maximum: tuple[str | int, ...] | None = None

    def mixed(self) -> list[Tensor]:
        """The tensors of the samples that are mixed, without masks and lengths."""
        return tensors_to_mix(self.x, self.fields, self.integers, self.maximum)

    def partners(self, mix: Mix) -> tuple[Any, Any]:
        """The samples and targets of the partners, row by row."""
        if self.other is not None:
            return self.other
        return rows(self.x, mix.partner), rows(self.y, mix.partner)

    def halved(self) -> "Batch":
        """The first half of this batch, of which the second half brings the partners."""
        (x, other_x), (y, other_y) = halves(self.x), (None, None)
        if self.y is not None:
            y, other_y = halves(self.y)
        return replace(self, x=x, y=y, other=(other_x, other_y))


def rows(batch: Any, index: Tensor) -> Any:
    """The rows of every tensor of a nested batch, in this order; what is no tensor stays."""

    def of_leaf(_: Any, leaf: Any) -> Any:
        is_batch = isinstance(leaf, Tensor) and leaf.ndim > 0
        return leaf.index_select(0, index.to(leaf.device)) if is_batch else leaf

    return map_leaves(of_leaf, batch)
