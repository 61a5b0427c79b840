"""Patterns that paste regions of the partner: boxes and masks.

Pixels are selected, not multiplied by 0 and 1: so any dtype can be pasted, and an inf or nan of the
partner outside of the region has no effect.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from vicinal.mixing import compiled
from vicinal.mixing.as_pytree import tensors_as_leaves
from vicinal.mixing.blend import interpolate
from vicinal.mixing.images import last_sides, last_sides_without_channels
from vicinal.mixing.move import move
from vicinal.mixing.pattern import ApplyRow, Pattern


@tensors_as_leaves("corners")
@dataclass(frozen=True, eq=False)
class Boxes(Pattern):
    """Paste a box of the partner at the same position.

    Args:
        corners: (B, 4) int64: top, bottom, left, right in pixels; bottom and right are exclusive.
            An empty box is neutral.
        size: height and width of the images for which the boxes were drawn. On images of another
            size, such as feature maps, they cover the same part.
    """

    corners: Tensor
    size: tuple[int, int]

    copies = True
    dtype = torch.int64

    @property
    def weight(self) -> Tensor:
        sides = self.corners[:, 1::2] - self.corners[:, ::2]
        pixels = max(self.size[0] * self.size[1], 1)
        return sides.prod(1).float().div_(-pixels).add_(1)

    def only(self, chosen: Tensor) -> Self:
        return type(self)(self.corners * chosen.unsqueeze(1), self.size)

    @classmethod
    def from_values(cls, values: Tensor, size: tuple[int, int]) -> Self:
        return cls(values, size)

    @classmethod
    def values_shape(cls, size: tuple[int, int]) -> tuple[int, ...]:
        return (4,)

    @property
    def values(self) -> Tensor:
        return self.corners

    def map(self, function: Callable[[Tensor], Tensor]) -> Self:
        return type(self)(function(self.corners), self.size)

    def apply(self, x: Tensor, partners: Tensor) -> Tensor:
        # A comparison per row and per column and one broadcast, not a mask for each pixel.
        corners = self._corners_for(x)
        outside = _along(_outside(corners[:, :2], x.shape[-2]), x, -2)
        outside = outside | _along(_outside(corners[:, 2:], x.shape[-1]), x, -1)
        return torch.where(outside, x, self._pasted(partners, corners))

    def row_function(self, x: Tensor) -> ApplyRow:
        corners = self._corners_for(x).tolist()

        def apply_row(row: Tensor, partner: Tensor, i: int) -> None:
            top, left = max(corners[i][0], 0), max(corners[i][2], 0)
            bottom, right = min(corners[i][1], x.shape[-2]), min(corners[i][3], x.shape[-1])
            if top < bottom and left < right:
                patch = self._patch(partner, top, bottom, left, right)
                _window(row, top, bottom, left, right).copy_(patch)

        return apply_row

    def apply_compiled(
        self, x: Tensor, partner: Tensor, other: Tensor | None, inplace: bool
    ) -> Tensor | None:
        return compiled.paste(x, partner, self._corners_for(x), other, inplace)

    def _corners_for(self, x: Tensor) -> Tensor:
        """The corners, on the device of ``x`` and scaled to its height and width."""
        corners = self.corners
        if not (x.is_cpu and corners.is_cpu):
            corners = move(corners, x.device)
        height, width = x.shape[-2:]
        if (height, width) == self.size:
            return corners
        scale = [height / self.size[0]] * 2 + [width / self.size[1]] * 2
        edges = zip(corners.unbind(1), scale, strict=True)
        return torch.stack([(edge * times).round().long() for edge, times in edges], 1)

    def _pasted(self, partners: Tensor, corners: Tensor) -> Tensor:
        """Tensors (B, ..., H, W) that hold, inside the boxes, what is pasted of the partners."""
        return partners

    def _patch(self, partner: Tensor, top: int, bottom: int, left: int, right: int) -> Tensor:
        """What is pasted into the box of one row, given its partner (..., H, W)."""
        return _window(partner, top, bottom, left, right)


@tensors_as_leaves("corners")
@dataclass(frozen=True, eq=False)
class Spans(Boxes):
    """Paste a span along the second to last dimension, whatever the last one holds."""

    size_of = staticmethod(last_sides)


@tensors_as_leaves("corners")
@dataclass(frozen=True, eq=False)
class LastSpans(Spans):
    """Paste a span along the last dimension."""

    size_of = staticmethod(last_sides_without_channels)


@tensors_as_leaves("corners")
@dataclass(frozen=True, eq=False)
class ResizedBoxes(Boxes):
    """Paste the whole partner into a box, shrunk to it by nearest-neighbour sampling."""

    def apply_compiled(
        self, x: Tensor, partner: Tensor, other: Tensor | None, inplace: bool
    ) -> Tensor | None:
        return None

    def _pasted(self, partners: Tensor, corners: Tensor) -> Tensor:
        for edges, axis in ((corners[:, :2], -2), (corners[:, 2:], -1)):
            side = partners.shape[axis]
            start, stop = edges.split(1, dim=1)
            offset = torch.arange(side, device=edges.device) - start
            # Outside of the box, which may be empty, any valid index will do.
            pixel = (offset * side // (stop - start).clamp(min=1)).clamp(0, side - 1)
            partners = partners.gather(axis, _along(pixel, partners, axis).expand(partners.shape))
        return partners

    def _patch(self, partner: Tensor, top: int, bottom: int, left: int, right: int) -> Tensor:
        for side, shrunk, axis in (
            (partner.shape[-2], bottom - top, -2),
            (partner.shape[-1], right - left, -1),
        ):
            nearest = torch.arange(shrunk, device=partner.device) * side // shrunk
            partner = partner.index_select(axis, nearest)
        return partner


@tensors_as_leaves("keep")
@dataclass(frozen=True, eq=False)
class Masks(Pattern):
    """Paste the partner where a keep mask is false.

    Args:
        keep: (B, H, W) bool, true for the pixels that a sample keeps of itself; all true is
            neutral. Resized to images of another size by nearest-neighbour sampling.
    """

    keep: Tensor

    copies = True
    dtype = torch.bool

    @property
    def size(self) -> tuple[int, int]:  # type: ignore[override]
        return self.keep.shape[-2], self.keep.shape[-1]

    @property
    def weight(self) -> Tensor:
        return self.keep.float().mean((1, 2))

    def only(self, chosen: Tensor) -> Self:
        return type(self)(self.keep.where(chosen[:, None, None], torch.ones_like(self.keep)))

    @classmethod
    def from_values(cls, values: Tensor, size: tuple[int, int]) -> Self:
        return cls(values)

    @classmethod
    def values_shape(cls, size: tuple[int, int]) -> tuple[int, ...]:
        return size

    @property
    def values(self) -> Tensor:
        return self.keep

    def map(self, function: Callable[[Tensor], Tensor]) -> Self:
        return type(self)(function(self.keep))

    def apply(self, x: Tensor, partners: Tensor) -> Tensor:
        keep = self._keep_for(x)
        return _masked(x, partners, keep.view(len(x), *[1] * (x.ndim - 3), *x.shape[-2:]))

    def row_function(self, x: Tensor) -> ApplyRow:
        keep = self._keep_for(x)

        def apply_row(row: Tensor, partner: Tensor, i: int) -> None:
            row.copy_(_masked(row, partner, keep[i]))

        return apply_row

    def _keep_for(self, x: Tensor) -> Tensor:
        keep = move(self.keep, x.device)
        for axis in (-2, -1):
            side, drawn = x.shape[axis], keep.shape[axis]
            if side != drawn:
                nearest = torch.arange(side, device=x.device) * drawn // side
                keep = keep.index_select(axis, nearest)
        return keep


@tensors_as_leaves("keep")
@dataclass(frozen=True, eq=False)
class SoftMasks(Masks):
    """Blend pixel by pixel, by a keep mask of floats in [0, 1]."""

    copies = False
    dtype = torch.float32


def _masked(x: Tensor, partner: Tensor, keep: Tensor) -> Tensor:
    if keep.dtype == torch.bool:
        return torch.where(keep, x, partner)
    return interpolate(partner, x, keep)


def _outside(edges: Tensor, side: int) -> Tensor:
    """(B, 2) starts and stops to (B, side) bool."""
    index = torch.arange(side, device=edges.device)
    return (index < edges[:, :1]) | (index >= edges[:, 1:])


def _along(values: Tensor, x: Tensor, axis: int) -> Tensor:
    """Reshape (B, n) values to broadcast along an axis of a (B, ...) tensor."""
    shape = [1] * x.ndim
    shape[0], shape[axis] = values.shape
    return values.view(shape)


def _window(row: Tensor, top: int, bottom: int, left: int, right: int) -> Tensor:
    """``row[..., top:bottom, left:right]``, in a third of the time that indexing takes.

    For boxes, that time matters: there is little else to do for a row.
    """
    down, across = row.stride()[-2:]
    return row.as_strided(
        (*row.shape[:-2], bottom - top, right - left),
        row.stride(),
        row.storage_offset() + top * down + left * across,
    )
