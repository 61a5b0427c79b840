"""Random erasing of a rectangle of each image."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from vicinal.data.augment.color import IMAGENET_STATS
from vicinal.data.augment.transform import BatchTransform, by_channel, check
from vicinal.mixing.move import pin_and_move


class RandomErasing(BatchTransform):
    """Fill a random rectangle of an image with one colour, or with noise.

    The rectangle is wholly inside; its position is drawn evenly. Its area is drawn evenly, too, and
    the logarithm of its aspect ratio evenly in the part of the range with which that area fits
    into the image: the paper draws both again until they fit. Sides are rounded to pixels.

    Args:
        p: the fraction of images of which a rectangle is erased.
        scale: smallest and largest area, as fractions of the image's.
        ratio: smallest and largest height of the rectangle, as multiples of its width. One value
            twice in ``scale`` and ``(1, 1)`` here cut squares of a fixed side.
        mean: the colour, on the scale of [0, 1]; the data's mean becomes 0 once it is normalised.
        std: of normal noise around it for each pixel and channel, clamped to [0, 1]; 0 for none.
            Each batch has one image of noise, of which every rectangle shows its own part.

    Raises:
        VicinalError: a value lies outside its range, or images have another number of channels.

    Source: Z. Zhong, L. Zheng, G. Kang, S. Li, Y. Yang, Random Erasing Data Augmentation, AAAI
    2020 (arXiv:1708.04896, 2017), algorithm 1; the defaults, and to fill with the data's mean or
    noise around it, are timm's.

    >>> erasing = RandomErasing(p=1, scale=(0.25, 0.25), ratio=(1, 1), mean=[0, 0, 0])
    >>> x = erasing.train(torch.ones(1, 3, 8, 8), torch.Generator().manual_seed(0))
    >>> int((x[0, 0] == 0).sum())
    16
    """

    moves_pixels = False

    def __init__(
        self,
        p: float = 0.5,
        *,
        scale: tuple[float, float] = (0.02, 1 / 3),
        ratio: tuple[float, float] = (0.3, 1 / 0.3),
        mean: Sequence[float] = IMAGENET_STATS[0],
        std: Sequence[float] = (0.0, 0.0, 0.0),
    ) -> None:
        check(0 <= p <= 1, "the share of samples that are changed must lie in [0, 1]", p)
        check(0 <= scale[0] <= scale[1] <= 1, "scale must rise within [0, 1]", scale)
        check(0 < ratio[0] <= ratio[1] < math.inf, "ratio must rise, above 0", ratio)
        check(all(0 <= level <= 1 for level in mean), "the mean must lie in [0, 1]", mean)
        check(all(0 <= noise < math.inf for noise in std), "std must be 0 or more", std)
        check(len(mean) == len(std), f"std must have {len(mean)} values, as the mean", len(std))
        self.p, self.scale, self.ratio, self.mean, self.std = p, scale, ratio, mean, std

    def train(self, x: Tensor, generator: torch.Generator) -> Tensor:
        check(
            x.shape[1] == len(self.mean),
            f"images to be filled with {len(self.mean)} channels have as many",
            x.shape[1],
        )
        height, width = x.shape[2:]
        edges = self._edges(len(x), height, width, generator)
        top, bottom, left, right = pin_and_move(edges, x.device)[:, :, None]
        row, column = (torch.arange(side, device=x.device) for side in (height, width))
        rows, columns = (top <= row) & (row < bottom), (left <= column) & (column < right)
        erased = rows[:, None, :, None] & columns[:, None, None, :]
        return torch.where(erased, self._fill(x, generator), x)

    def _edges(self, count: int, height: int, width: int, generator: torch.Generator) -> Tensor:
        """(4, B): top, bottom, left and right; the last two lie just outside."""
        luck, size, shape, down, across = torch.rand(
            5, count, generator=generator, dtype=torch.float64, device="cpu"
        )
        share = self.scale[0] + (self.scale[1] - self.scale[0]) * size
        flattest, tallest = (
            torch.full_like(share, limit).clamp(share * height / width, height / width / share)
            for limit in self.ratio
        )
        ratio = flattest * (tallest / flattest) ** shape
        rows = (share * height * width * ratio).sqrt().round()
        columns = (share * height * width / ratio).sqrt().round()
        top = (down * (height - rows + 1)).floor()
        left = (across * (width - columns + 1)).floor()
        bottom = torch.where(luck < self.p, top + rows, top)
        return torch.stack([top, bottom, left, left + columns]).long()

    def _fill(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """(C, 1, 1), or (C, H, W) where it is noise, on the device of ``x``."""
        fill = by_channel(self.mean, x)
        if any(self.std):
            noise = torch.randn(x.shape[1:], generator=generator, device="cpu")
            fill = (fill + pin_and_move(noise, x.device) * by_channel(self.std, x)).clamp_(0, 1)
        if not x.is_floating_point():
            fill = (fill * 255).round_()
        return fill.to(x.dtype)
