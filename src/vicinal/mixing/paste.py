"""Patterns that paste regions of the partner: boxes and masks.

Pixels are selected, not multiplied by 0 and 1: so any dtype can be pasted, and an inf or nan of the
partner outside of the region has no effect.
"""

from dataclasses import dataclass
from math import prod
from operator import mul
from typing import Self

import torch
from torch import Tensor

from vicinal.mixing import compiled
from vicinal.mixing.as_pytree import tensors_as_leaves
from vicinal.mixing.blend import interpolate
from vicinal.mixing.move import move
from vicinal.mixing.pattern import ApplyRow, Pattern
from vicinal.mixing.tensors import last_sides, last_sides_without_channels, volume_sides


@tensors_as_leaves()
@dataclass(frozen=True, eq=False)
class Boxes(Pattern):
    """Paste a box of the partner at the same position.

    Args:
        corners: (B, 4) int64: top, bottom, left, right in pixels; bottom and right are exclusive.
            An empty box is neutral. For volumes (B, 6): first where it starts and stops in depth.
        size: height and width of the images for which the boxes were drawn, or depth, height and
            width of volumes. On images of another size, such as feature maps, they cover the same
            part.
    """

    corners: Tensor
    size: tuple[int, ...]

    tensors = ("corners",)
    copies = True
    dtype = torch.int64

    @property
    def weight(self) -> Tensor:
        sides = self.corners[:, 1::2] - self.corners[:, ::2]
        pixels = max(prod(self.size), 1)
        return sides.prod(1).float().div_(-pixels).add_(1)

    def only(self, chosen: Tensor) -> Self:
        return self.with_tensors(self.corners * chosen.unsqueeze(1))

    @classmethod
    def from_values(cls, values: Tensor, size: tuple[int, ...]) -> Self:
        return cls(values, size)

    @classmethod
    def values_shape(cls, size: tuple[int, ...]) -> tuple[int, ...]:
        return (2 * len(size),)

    def with_tensors(self, *tensors: Tensor) -> Self:
        (corners,) = tensors
        return type(self)(corners, self.size)

    def apply(self, x: Tensor, partners: Tensor) -> Tensor:
        # A comparison per row and per column and one broadcast, not a mask for each pixel.
        corners = self._corners_for(x)
        count = len(self.size)
        outside = _along(_outside(corners[:, :2], x.shape[-count]), x, -count)
        for axis in range(1 - count, 0):
            edges = corners[:, 2 * (axis + count) :][:, :2]
            outside = outside | _along(_outside(edges, x.shape[axis]), x, axis)
        return torch.where(outside, x, self._pasted(partners, corners))

    def row_function(self, x: Tensor) -> ApplyRow:
        corners = self._corners_for(x).tolist()
        sides = x.shape[-len(self.size) :]

        def apply_row(row: Tensor, partner: Tensor, i: int) -> None:
            starts = [max(start, 0) for start in corners[i][::2]]
            stops = [min(stop, side) for stop, side in zip(corners[i][1::2], sides, strict=True)]
            if all(start < stop for start, stop in zip(starts, stops, strict=True)):
                patch = self._patch(partner, starts, stops)
                _window(row, starts, stops).copy_(patch)

        return apply_row

    def apply_compiled(
        self, x: Tensor, partner: Tensor, other: Tensor | None, inplace: bool
    ) -> Tensor | None:
        if len(self.size) > 2:
            return None
        return compiled.paste(x, partner, self._corners_for(x), other, inplace)

    def _corners_for(self, x: Tensor) -> Tensor:
        """The corners, on the device of ``x`` and scaled to its height and width."""
        corners = self.corners
        if not (x.is_cpu and corners.is_cpu):
            corners = move(corners, x.device)
        sides = tuple(x.shape[-len(self.size) :])
        if sides == self.size:
            return corners
        scale = [s / of for s, of in zip(sides, self.size, strict=True) for _ in range(2)]
        edges = zip(corners.unbind(1), scale, strict=True)
        return torch.stack([(edge * times).round().long() for edge, times in edges], 1)

    def _pasted(self, partners: Tensor, corners: Tensor) -> Tensor:
        """Tensors (B, ..., H, W) that hold, inside the boxes, what is pasted of the partners."""
        return partners

    def _patch(self, partner: Tensor, starts: list[int], stops: list[int]) -> Tensor:
        """What is pasted into the box of one row, given its partner (..., H, W)."""
        return _window(partner, starts, stops)


@tensors_as_leaves()
@dataclass(frozen=True, eq=False)
class Spans(Boxes):
    """Paste a span along the second to last dimension, whatever the last one holds."""

    size_of = staticmethod(last_sides)


@tensors_as_leaves()
@dataclass(frozen=True, eq=False)
class LastSpans(Spans):
    """Paste a span along the last dimension."""

    size_of = staticmethod(last_sides_without_channels)


@tensors_as_leaves()
@dataclass(frozen=True, eq=False)
class Cuboids(Boxes):
    """Paste a box of volumes, (B, C, D, H, W), which spans a part of the depth, too."""

    size_of = staticmethod(volume_sides)


@tensors_as_leaves()
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

    def _patch(self, partner: Tensor, starts: list[int], stops: list[int]) -> Tensor:
        for start, stop, axis in zip(starts, stops, (-2, -1), strict=True):
            side, shrunk = partner.shape[axis], stop - start
            nearest = torch.arange(shrunk, device=partner.device) * side // shrunk
            partner = partner.index_select(axis, nearest)
        return partner


@tensors_as_leaves()
@dataclass(frozen=True, eq=False)
class Masks(Pattern):
    """Paste the partner where a keep mask is false.

    Args:
        keep: (B, H, W) bool, true for the pixels that a sample keeps of itself; all true is
            neutral. (B, D, H, W) for the voxels of volumes. Resized to images of another size by
            nearest-neighbour sampling.
    """

    keep: Tensor

    tensors = ("keep",)
    copies = True
    dtype = torch.bool

    @property
    def size(self) -> tuple[int, ...]:  # type: ignore[override]
        return tuple(self.keep.shape[1:])

    @property
    def weight(self) -> Tensor:
        return self.keep.float().mean(tuple(range(1, self.keep.ndim)))

    def only(self, chosen: Tensor) -> Self:
        chosen = chosen.view(-1, *[1] * (self.keep.ndim - 1))
        return type(self)(self.keep.where(chosen, torch.ones_like(self.keep)))

    @classmethod
    def values_shape(cls, size: tuple[int, ...]) -> tuple[int, ...]:
        return size

    def apply(self, x: Tensor, partners: Tensor) -> Tensor:
        keep = self._keep_for(x)
        return _masked(x, partners, keep.view(len(x), *[1] * (x.ndim - keep.ndim), *keep.shape[1:]))

    def row_function(self, x: Tensor) -> ApplyRow:
        keep = self._keep_for(x)

        def apply_row(row: Tensor, partner: Tensor, i: int) -> None:
            row.copy_(_masked(row, partner, keep[i]))

        return apply_row

    def _keep_for(self, x: Tensor) -> Tensor:
        keep = move(self.keep, x.device)
        for axis in range(1 - keep.ndim, 0):
            side, drawn = x.shape[axis], keep.shape[axis]
            if side != drawn:
                nearest = torch.arange(side, device=x.device) * drawn // side
                keep = keep.index_select(axis, nearest)
        return keep


@tensors_as_leaves()
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


def _window(row: Tensor, starts: list[int], stops: list[int]) -> Tensor:
    """``row[..., top:bottom, left:right]``, in a third of the time that indexing takes.

    For boxes, that time matters: there is little else to do for a row.
    """
    if len(starts) == 2:  # without loops, in half of the time
        (top, left), (bottom, right) = starts, stops
        down, across = row.stride()[-2:]
        return row.as_strided(
            (*row.shape[:-2], bottom - top, right - left),
            row.stride(),
            row.storage_offset() + top * down + left * across,
        )
    count = len(starts)
    sides = [stop - start for start, stop in zip(starts, stops, strict=True)]
    return row.as_strided(
        (*row.shape[:-count], *sides),
        row.stride(),
        row.storage_offset() + sum(map(mul, starts, row.stride()[-count:])),
    )
