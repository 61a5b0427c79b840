"""MovedBlocks: images of whose blocks some are moved, blended block by block."""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from vicinal.mixing import compiled
from vicinal.mixing.as_pytree import tensors_as_leaves
from vicinal.mixing.blend import interpolate
from vicinal.mixing.move import move
from vicinal.mixing.pattern import ApplyRow, Pattern


@tensors_as_leaves()
@dataclass(frozen=True, eq=False)
class MovedBlocks(Pattern):
    """Move blocks within both images, and then blend the images block by block.

    Args:
        blocks: (B, 3, n, n) float32, for each block of a grid: the share that is of the sample, and
            the numbers of the blocks that are shown there of the sample and of its partner, counted
            row by row. Shares of 1, and the sample's own blocks in place, are neutral.
        size: height and width of the images for which the blocks were drawn. On images of another
            size, such as feature maps, they cover the same part.

    Where the grid does not divide a side evenly, blocks differ by one pixel: a larger place repeats
    the last line of a smaller block.
    """

    blocks: Tensor
    size: tuple[int, ...]

    tensors = ("blocks",)
    dtype = torch.float32

    @property
    def weight(self) -> Tensor:
        keep = self.blocks[:, 0]
        lines, columns = (
            move(pixels.float() / max(side, 1), keep.device)
            for pixels, side in zip(map(_pixels, self._edges(self.size)), self.size, strict=True)
        )
        return (keep * lines[:, None] * columns).sum((1, 2)).where(keep.amin((1, 2)) < 1, 1.0)

    def only(self, chosen: Tensor) -> Self:
        neutral = in_place(self.blocks.shape[-1], self.blocks.device)
        return self.with_tensors(self.blocks.where(chosen.view(-1, 1, 1, 1), neutral))

    @classmethod
    def from_values(cls, values: Tensor, size: tuple[int, ...]) -> Self:
        return cls(values, size)

    @classmethod
    def values_shape(cls, size: tuple[int, ...]) -> tuple[int, ...]:
        raise NotImplementedError("the grid does not follow from the size of the images")

    def with_tensors(self, *tensors: Tensor) -> Self:
        (blocks,) = tensors
        return type(self)(blocks, self.size)

    def apply(self, x: Tensor, partners: Tensor) -> Tensor:
        blocks = move(self.blocks, x.device)
        place = _Places(self._edges(x.shape[-2:]), x.device)
        keep = blocks[:, 0][:, place.line[:, None], place.column]
        keep = keep.view(len(x), *[1] * (x.ndim - 3), *keep.shape[1:])
        own, other = self.moved(x, partners)
        mixed = interpolate(other, own, keep)
        return mixed if x.is_contiguous() else torch.empty_like(x).copy_(mixed)

    def moved(self, x: Tensor, partners: Tensor) -> tuple[Tensor, Tensor]:
        _, *sources = move(self.blocks, x.device).unbind(1)
        place = _Places(self._edges(x.shape[-2:]), x.device)
        own, other = (place.moved(*each) for each in zip((x, partners), sources, strict=True))
        return own, other

    def row_function(self, x: Tensor) -> ApplyRow:
        alone = [type(self)(one, self.size) for one in self.blocks.cpu().split(1)]
        neutral = in_place(self.blocks.shape[-1], torch.device("cpu"))

        def apply_row(row: Tensor, partner: Tensor, i: int) -> None:
            if not torch.equal(alone[i].blocks[0, :2], neutral[:2]):
                row.copy_(alone[i].apply(row.unsqueeze(0), partner.unsqueeze(0))[0])

        return apply_row

    def apply_compiled(
        self, x: Tensor, partner: Tensor, other: Tensor | None, inplace: bool
    ) -> Tensor | None:
        edges = torch.stack(self._edges(x.shape[-2:]))
        return compiled.move_blocks(x, partner, self.blocks, edges, other, inplace)

    def _edges(self, sides: tuple[int, ...]) -> tuple[Tensor, Tensor]:
        """(n + 1,) int64: the lines, and the columns, at which blocks begin."""
        count = self.blocks.shape[-1]
        index = torch.arange(count + 1, device="cpu")
        height, width = (-(-index * side // count) for side in sides)  # rounded up, as for Masks
        return height, width


class _Places:
    """Of which block each line and column of an image is, and where it lies in the block."""

    def __init__(self, edges: tuple[Tensor, Tensor], device: torch.device) -> None:
        self.edges = [move(edge, device) for edge in edges]
        self.line, self.column = (
            torch.arange(len(edge) - 1, device=device).repeat_interleave(
                _pixels(edge), output_size=int(last[-1])
            )
            for edge, last in zip(self.edges, edges, strict=True)
        )

    def moved(self, x: Tensor, source: Tensor) -> Tensor:
        """The images with the blocks (B, n, n) that are shown at each place."""
        count = source.shape[-1]
        block = source.long()[:, self.line[:, None], self.column]
        down, across = (block // count, self.line[:, None]), (block % count, self.column)
        at = []
        for edge, (shown, place), side in zip(
            self.edges, (down, across), x.shape[-2:], strict=True
        ):
            pixel = torch.arange(side, device=x.device)
            pixel = pixel[:, None] if place.ndim == 2 else pixel
            start, last = edge[shown], (edge[shown + 1] - 1).maximum(edge[shown])
            at.append((start + pixel - edge[place]).minimum(last).clamp(max=side - 1))
        index = at[0] * x.shape[-1] + at[1]
        flat = x.flatten(-2)
        index = index.view(len(x), *[1] * (x.ndim - 3), flat.shape[-1]).expand(flat.shape)
        return flat.gather(-1, index).view(x.shape)


def in_place(count: int, device: torch.device) -> Tensor:
    """(3, n, n) what leaves a sample as it is.

    >>> in_place(2, torch.device("cpu")).tolist()
    [[[1.0, 1.0], [1.0, 1.0]], [[0.0, 1.0], [2.0, 3.0]], [[0.0, 1.0], [2.0, 3.0]]]
    """
    number = torch.arange(count * count, dtype=torch.float32, device=device).view(count, count)
    return torch.stack((torch.ones_like(number), number, number))


def _pixels(edges: Tensor) -> Tensor:
    return edges.diff()
