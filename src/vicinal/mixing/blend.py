"""Blend: each row becomes weight * itself + (1 - weight) * its partner."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Self

import torch
from torch import Tensor

from vicinal.mixing import compiled
from vicinal.mixing.as_pytree import tensors_as_leaves
from vicinal.mixing.move import move
from vicinal.mixing.pattern import ApplyRow, Pattern
from vicinal.mixing.scratch import BLOCK, scratch
from vicinal.mixing.target import over_rows


@dataclass(frozen=True, eq=False)
class RowPattern(Pattern):
    """The base class of patterns that mix whole rows, by one number for each.

    Args:
        lam: (B,) floats in [0, 1], the share of itself that each row keeps; 1 is neutral.
    """

    lam: Tensor

    tensors: ClassVar[tuple[str, ...]] = ("lam",)
    spatial = False
    size_of = None
    dtype = torch.float32

    @property
    def weight(self) -> Tensor:
        return self.lam

    def only(self, chosen: Tensor) -> Self:
        others = [getattr(self, name) for name in self.tensors[1:]]
        return self.with_tensors(self.lam.where(chosen, 1.0), *others)


@tensors_as_leaves()
@dataclass(frozen=True, eq=False)
class Blend(RowPattern):
    """Blend whole rows; the arguments are those of :class:`RowPattern`."""

    def apply(self, x: Tensor, partners: Tensor) -> Tensor:
        weight = move(self.lam, x.device)
        return interpolate(partners, x, over_rows(weight, x))

    def row_function(self, x: Tensor) -> ApplyRow:
        lam = self.lam.tolist()

        def apply_row(row: Tensor, partner: Tensor, i: int) -> None:
            if lam[i] < 1:  # else 0 * inf of the partner would be nan
                interpolate_into(row, partner, row, lam[i])

        return apply_row

    def apply_compiled(
        self, x: Tensor, partner: Tensor, other: Tensor | None, inplace: bool
    ) -> Tensor | None:
        return compiled.blend(x, partner, self.lam, other, inplace)

    def apply_small_rows(
        self, x: Tensor, partner: Tensor, other: Tensor | None, inplace: bool
    ) -> Tensor | None:
        if not compiled.are_dense(x, other):
            return None
        out = x if inplace else torch.empty_like(x)
        rows, mixed = flat_rows(x), flat_rows(out)
        others = None if other is None else flat_rows(other)
        weight = self.lam.to(x.device).unsqueeze(1)
        # 0 * inf is nan: a row that keeps all of itself is its own partner, so that an inf or nan
        # of the drawn one leaves no trace.
        is_mixed = weight < 1
        sources = partner.to(x.device).where(is_mixed[:, 0], torch.arange(len(x), device=x.device))
        whole = weight[:, 0].eq(1).nonzero()[:, 0]  # rows whose own inf would become inf - inf
        for block in column_blocks(len(x), rows.shape[1], max(x.element_size(), 4)):
            own = rows[:, block]
            # In place, this overwrites the block: all partners are gathered first.
            partners = scratch("partners", own.shape, own.dtype)
            if others is None:
                torch.index_select(own, 0, sources, out=partners)
            else:
                torch.where(is_mixed, others[:, block], own, out=partners)
            kept = own[whole] if len(whole) else None
            interpolate_into(mixed[:, block], partners, own, weight)
            if kept is not None:
                mixed[:, block].index_copy_(0, whole, kept)
        return out


def interpolate(start: Tensor, end: Tensor, weight: Tensor) -> Tensor:
    """torch.lerp with the weight at full precision, rounded once at the end.

    A weight rounded to bfloat16 has 8 significant bits, and the mixed sample would no longer match
    its target's weight; nor would it after a rounding in between.

    Args:
        start: the partners.
        end: the samples themselves.
        weight: the share of ``end``. Where it is 1, an inf or nan in either has no other effect
            than that ``end`` keeps its own.
    """
    if weight.requires_grad:
        start = torch.where(weight < 1, start, end)  # its gradient is 0 * (end - start) there
    if end.dtype in (torch.float32, torch.float64) or end.is_complex():
        mixed = torch.lerp(start, end, weight.to(end.dtype))
    else:
        mixed = torch.lerp(start.float(), end.float(), weight.float())
        mixed = mixed.round_() if end.dtype == torch.uint8 else mixed
    return torch.where(weight < 1, mixed.to(end.dtype), end)  # 0 * inf is nan


def interpolate_into(out: Tensor, start: Tensor, end: Tensor, weight: Tensor | float) -> None:
    """:func:`interpolate` into ``out``, which may be ``end``; a float weight must be below 1."""
    if isinstance(weight, float):
        if end.dtype == torch.uint8:
            out.copy_(torch.lerp(start.float(), end.float(), weight).round_())
        else:
            torch.lerp(start, end, weight, out=out)
    elif end.dtype == torch.float32:
        torch.lerp(start, end, weight.to(end.dtype), out=out)
    else:
        out.copy_(interpolate(start, end, weight))


def column_blocks(rows: int, columns: int, bytes_each: int) -> Iterator[slice]:
    """Slices of columns, such that one slice of all rows takes about ``BLOCK`` bytes."""
    width = max(BLOCK // (rows * bytes_each), 64)
    return (slice(start, start + width) for start in range(0, columns, width))


def flat_rows(x: Tensor) -> Tensor:
    """A (B, n) view of a dense batch, each row in the order of memory."""
    return (x if x.is_contiguous() else x.movedim(1, -1)).view(len(x), -1)
