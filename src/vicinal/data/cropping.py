"""RandomCropping: a random part of an image, drawn anew whenever the image is read."""

import math
from dataclasses import dataclass, replace

import torch

from vicinal.data.resizing import Box, Resizing
from vicinal.errors import VicinalError

ATTEMPTS = 10


@dataclass(frozen=True)
class RandomCropping(Resizing):
    """A random part of an image, resized; in validation, the middle of the whole image.

    The part has a share of the image's area and an aspect ratio that are drawn, and is squished to
    the size. If ten draws do not fit in the image, it is the largest part in the middle whose
    aspect ratio is in range. In validation the whole image is squished.

    Args:
        height, width: in pixels, 1 or more.
        min_scale, max_scale: the share of the area, in (0, 1].
        ratio: range of the part's width over its height.
        val_xtra: in validation, the size is first enlarged by this share, up to a multiple of 8,
            and then cropped.
        draws: of one crop, by :meth:`drawn`; none in validation.

    Raises:
        VicinalError: a value is out of its range.

    Source: C. Szegedy et al., Going Deeper with Convolutions, CVPR 2015, as fastai draws it.

    >>> RandomCropping(448, 448).placed(512, 512)
    ((32.0, 32.0, 480.0, 480.0), (448, 448))
    """

    min_scale: float = 0.08
    max_scale: float = 1.0
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    val_xtra: float = 0.14
    draws: tuple[tuple[float, float, float, float], ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.min_scale <= self.max_scale <= 1:
            raise VicinalError(
                "min_scale and max_scale must lie in (0, 1], the smaller one first, not "
                f"{self.min_scale} and {self.max_scale}"
            )
        if not 0 < self.ratio[0] <= self.ratio[1]:
            raise VicinalError(
                f"ratio must be two numbers above 0, the smaller one first, not {self.ratio}"
            )
        if self.val_xtra < 0:
            raise VicinalError(f"val_xtra must be 0 or more, not {self.val_xtra}")

    def drawn(self, generator: torch.Generator) -> "RandomCropping":
        """The same with one random crop, which depends on the image's shape alone."""
        numbers = torch.rand(ATTEMPTS, 4, generator=generator, dtype=torch.float64).tolist()
        low, high = map(math.log, self.ratio)
        draws = tuple(
            (
                self.min_scale + scale * (self.max_scale - self.min_scale),
                math.exp(low + ratio * (high - low)),
                left,
                top,
            )
            for scale, ratio, left, top in numbers
        )
        return replace(self, draws=draws)

    def turned(self) -> "RandomCropping":
        low, high = self.ratio
        draws = tuple((scale, 1 / ratio, top, left) for scale, ratio, left, top in self.draws)
        swapped = replace(self, height=self.width, width=self.height)
        return replace(swapped, ratio=(1 / high, 1 / low), draws=draws)

    def least(self, height: int, width: int) -> tuple[int, int]:
        (left, top, right, bottom), _ = self.placed(height, width)
        enlarged = height * self.height / (bottom - top), width * self.width / (right - left)
        return math.ceil(enlarged[0]), math.ceil(enlarged[1])

    def placed(self, height: float, width: float) -> tuple[Box, tuple[int, int]]:
        for scale, ratio, left, top in self.draws:
            across = round(math.sqrt(scale * width * height * ratio))
            down = round(math.sqrt(scale * width * height / ratio))
            if 1 <= across <= width and 1 <= down <= height:
                start, above = int(left * (width - across + 1)), int(top * (height - down + 1))
                return (start, above, start + across, above + down), (self.height, self.width)
        if self.draws:
            low, most = self.ratio
            wide, high = min(width, height * most), min(height, width / low)
        else:
            extra = math.ceil(max(self.height, self.width) * self.val_xtra / 8) * 8
            wide = width * self.width / (self.width + extra)
            high = height * self.height / (self.height + extra)
        x, y = (width - wide) / 2, (height - high) / 2
        return (x, y, x + wide, y + high), (self.height, self.width)
