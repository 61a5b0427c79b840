"""Columns: a pattern that replaces some columns of each row by those of its partner."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Self

import torch
from torch import Tensor

from vicinal.mixing.as_pytree import tensors_as_leaves
from vicinal.mixing.move import move
from vicinal.mixing.pattern import ApplyRow, Pattern


def row_size(tensors: list[Tensor]) -> tuple[int, int]:
    """The size to draw for: (1, the number of columns of all (B, F) tensors together)."""
    for tensor in tensors:
        _check_is_row(tensor)
    if any(first is second for first, second in combinations(tensors, 2)):
        raise ValueError(
            "a tensor appears twice in this batch, so that its columns would count twice: name the "
            "fields to mix"
        )
    columns = sum(tensor.shape[1] for tensor in tensors)
    if not columns:
        raise ValueError("there are no columns in this batch: give tensors (B, F)")
    return 1, columns


def _check_is_row(x: Tensor) -> None:
    if x.ndim != 2:
        raise ValueError(
            f"a tensor of shape {tuple(x.shape)} has no columns to choose from: give (B, F), or "
            "name the fields to mix"
        )


@tensors_as_leaves()
@dataclass(frozen=True, eq=False)
class Columns(Pattern):
    """Take the partner's columns where a keep mask is false.

    Args:
        keep: (B, F) bool, true for the columns that a row keeps of itself; all true is neutral. It
            covers the columns of all tensors in the batch, one tensor after the other.
    """

    keep: Tensor

    tensors = ("keep",)
    copies = True
    spatial = False
    size_of = staticmethod(row_size)
    dtype = torch.bool

    @property
    def weight(self) -> Tensor:
        return self.keep.float().mean(1)

    def only(self, chosen: Tensor) -> Self:
        return type(self)(self.keep | ~chosen.unsqueeze(1))

    @classmethod
    def values_shape(cls, size: tuple[int, ...]) -> tuple[int, ...]:
        return size[1:]

    def for_tensors(self, tensors: Sequence[Tensor]) -> list[Self]:
        widths = [tensor.shape[1] for tensor in tensors]
        if sum(widths) != self.keep.shape[1]:
            raise ValueError(
                f"the mix was drawn for {self.keep.shape[1]} columns, but this batch has "
                f"{sum(widths)}"
            )
        return [type(self)(keep) for keep in self.keep.split(widths, dim=1)]

    def check(self, x: Tensor) -> None:
        _check_is_row(x)

    def apply(self, x: Tensor, partners: Tensor) -> Tensor:
        return torch.where(self._keep_for(x), x, partners)

    def row_function(self, x: Tensor) -> ApplyRow:
        keep = self._keep_for(x)

        def apply_row(row: Tensor, partner: Tensor, i: int) -> None:
            row.copy_(torch.where(keep[i], row, partner))

        return apply_row

    def _keep_for(self, x: Tensor) -> Tensor:
        (own,) = self.for_tensors([x])
        keep = move(own.keep, x.device)
        # torch.where() returns a tensor with the mask's strides, if those of its inputs differ.
        return keep if x.is_contiguous() else torch.empty_like(x, dtype=torch.bool).copy_(keep)
