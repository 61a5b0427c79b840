"""Geometric augmentation: shifts, flips, and random crops with rotation, zoom and tilt."""

import math
from collections.abc import Sequence
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from vicinal.data.augment.transform import (
    BatchTransform,
    chance,
    check,
    to_unit_floats,
    uniform,
)
from vicinal.data.sizes import Size, sides


class Translate(BatchTransform):
    """Shift by up to ``pixels`` each way, the border mirrored, and flip: for small images.

    Args:
        pixels: the largest shift.
        flip: mirror half of the images left to right.

    Raises:
        VicinalError: ``pixels`` is negative.
    """

    def __init__(self, pixels: int, *, flip: bool = True) -> None:
        check(pixels >= 0, "the largest shift must be 0 pixels or more", pixels)
        self.pixels, self.flip = pixels, flip

    def train(self, x: Tensor, generator: torch.Generator) -> Tensor:
        rows = self._shifted(x.shape[2], x, generator)
        columns = self._shifted(x.shape[3], x, generator)
        if self.flip:
            mirrored = chance(0.5, x, generator)
            columns = torch.where(mirrored[:, None], columns.flip(1), columns)
        sample = torch.arange(len(x), device=x.device)[:, None, None]
        # Index channels last: three neighbouring bytes are copied for each pixel.
        pixels = x.permute(0, 2, 3, 1)[sample, rows[:, :, None], columns[:, None, :]]
        return pixels.permute(0, 3, 1, 2)

    def train_masks(self, masks: Tensor, generator: torch.Generator) -> Tensor:
        """The masks (B, H, W) of images that :meth:`train` changes with an equal generator."""
        return self.train(masks[:, None], generator)[:, 0]

    def _shifted(self, length: int, x: Tensor, generator: torch.Generator) -> Tensor:
        """For each sample, the source index of every row (or column)."""
        shift = uniform(-self.pixels, self.pixels + 1, x, generator).floor().long()
        source = torch.arange(length, device=x.device) + shift[:, None]
        period = max(2 * length - 2, 1)  # mirrored without repeating the border
        source = source.remainder(period)
        return torch.minimum(source, period - source)


class HasEpoch(Protocol):
    """Knows which epoch it is, such as the sampler of a training split."""

    epoch: int


class AlternatingFlip(BatchTransform):
    """Mirror half of the images left to right, and in the next epoch the other half.

    Each image alternates, so it never looks the same in two epochs in a row. Which half it belongs
    to depends on its own pixels alone, and so is the same in every epoch, however the images are
    ordered, read and divided among processes.

    Args:
        sampler: of the training split, ``dls.train.sampler``.

    Source: K. Jordan, 94% on CIFAR-10 in 3.29 seconds on a single GPU (2024), section 3.6.

    >>> from types import SimpleNamespace
    >>> sampler = SimpleNamespace(epoch=0)
    >>> x = torch.tensor([[[[1, 2]]], [[[3, 5]]]], dtype=torch.uint8)
    >>> flip = AlternatingFlip(sampler)
    >>> flip.train(x, torch.Generator()).flatten(1).tolist()
    [[2, 1], [3, 5]]
    >>> sampler.epoch = 1
    >>> flip.train(x, torch.Generator()).flatten(1).tolist()
    [[1, 2], [5, 3]]
    """

    def __init__(self, sampler: HasEpoch) -> None:
        self.sampler = sampler

    def train(self, x: Tensor, generator: torch.Generator) -> Tensor:
        pixels = (x * 255).round() if x.is_floating_point() else x
        is_odd = pixels.flatten(1).sum(1, dtype=torch.int64) % 2 == 1
        mirrored = is_odd ^ bool(self.sampler.epoch % 2)
        return torch.where(mirrored[:, None, None, None], x.flip(-1), x)


class RandomView(BatchTransform):
    """Crop, flip, rotate, zoom and tilt at random, in one resampling.

    Args:
        size: side of the square result in pixels, or its (height, width); None keeps the image's.
        min_scale: a crop covers at least this fraction of the image's area, in (0, 1].
        flip, flip_vert: mirror half of the images left to right, upside down.
        max_rotate: degrees either way.
        max_zoom: zoom in by up to this factor, 1 or more.
        max_warp: strength of a tilt of the image plane, in [0, 1), 0 for none.
        p: the fraction of samples that are rotated, zoomed and tilted.

    Borders are mirrored.

    Raises:
        VicinalError: a value lies outside its range.
    """

    def __init__(
        self,
        size: Size | None = None,
        *,
        min_scale: float = 1.0,
        flip: bool = True,
        flip_vert: bool = False,
        max_rotate: float = 10.0,
        max_zoom: float = 1.1,
        max_warp: float = 0.2,
        p: float = 0.75,
    ) -> None:
        check(size is None or min(sides(size)) >= 2, "size must be 2 or more", size)
        check(0 < min_scale <= 1, "min_scale must lie in (0, 1]", min_scale)
        check(math.isfinite(max_rotate), "max_rotate must be finite", max_rotate)
        check(1 <= max_zoom < math.inf, "max_zoom must be 1 or more, and finite", max_zoom)
        check(0 <= max_warp < 1, "max_warp must lie in [0, 1)", max_warp)
        check(0 <= p <= 1, "the share of samples that are changed must lie in [0, 1]", p)
        self.size, self.min_scale = size, min_scale
        self.flip, self.flip_vert = flip, flip_vert
        self.max_rotate, self.max_zoom, self.max_warp, self.p = max_rotate, max_zoom, max_warp, p

    def train(self, x: Tensor, generator: torch.Generator) -> Tensor:
        height, width = self._sides(x)
        # First shrink to the resolution at which the smallest crop still has enough pixels: the
        # resampling, which has no antialiasing, then never shrinks by much.
        enough = [math.ceil(side / math.sqrt(self.min_scale)) for side in (height, width)]
        x = resize(x, (enough[0], enough[1]), only_shrink=True)
        grid = self._grid(x, height, width, generator)
        pixels = to_unit_floats(x)
        return F.grid_sample(pixels, grid, padding_mode="reflection", align_corners=False)

    def train_masks(self, masks: Tensor, generator: torch.Generator) -> Tensor:
        """The masks (B, H, W) of images that :meth:`train` changes with an equal generator.

        Each pixel gets the class of the nearest one.
        """
        grid = self._grid(masks, *self._sides(masks[:, None]), generator)
        pixels = masks[:, None].float()
        moved = F.grid_sample(
            pixels, grid, mode="nearest", padding_mode="reflection", align_corners=False
        )
        return moved[:, 0].to(masks.dtype)

    def valid(self, x: Tensor) -> Tensor:
        return resize(x, self.size) if self.size else x

    def valid_masks(self, masks: Tensor) -> Tensor:
        """The masks (B, H, W) of images that :meth:`valid` changes."""
        if not self.size:
            return masks
        pixels = F.interpolate(masks[:, None].float(), sides(self.size), mode="nearest-exact")
        return pixels[:, 0].to(masks.dtype)

    def _sides(self, x: Tensor) -> tuple[int, int]:
        """Height and width of the result for a batch (B, C, H, W)."""
        return sides(self.size) if self.size else (x.shape[2], x.shape[3])

    def _grid(self, x: Tensor, height: int, width: int, generator: torch.Generator) -> Tensor:
        """The source position of each pixel of the result: (B, height, width, 2) in [-1, 1]."""
        lines = [(torch.arange(n, device=x.device) * 2 + 1) / n - 1 for n in (height, width)]
        y_out, x_out = torch.meshgrid(*lines, indexing="ij")
        points = torch.stack([x_out, y_out, torch.ones_like(x_out)]).flatten(1)
        seen = (self._view(x, width / height, generator) @ points).reshape(-1, 3, height, width)
        return (seen[:, :2] / seen[:, 2:]).permute(0, 2, 3, 1)

    def _view(self, x: Tensor, aspect: float, generator: torch.Generator) -> Tensor:
        """(B, 3, 3) homographies from the result's plane to the image's."""
        one, zero = torch.ones(len(x), device=x.device), torch.zeros(len(x), device=x.device)

        def matrix(*rows: Sequence[Tensor]) -> Tensor:
            return torch.stack([torch.stack(list(row), -1) for row in rows], -2)

        def sometimes(low: float, high: float, neutral: float) -> Tensor:
            drawn = uniform(low, high, x, generator)
            return torch.where(chance(self.p, x, generator), drawn, neutral)

        def sign(enabled: bool) -> Tensor:
            return torch.where(chance(0.5 if enabled else 0.0, x, generator), -one, one)

        flip = matrix(
            [sign(self.flip), zero, zero], [zero, sign(self.flip_vert), zero], [zero, zero, one]
        )
        tilt_x, tilt_y = (sometimes(-self.max_warp, self.max_warp, 0.0) / 2 for _ in range(2))
        tilt = matrix([one, zero, zero], [zero, one, zero], [tilt_x, tilt_y, one])
        angle = sometimes(-self.max_rotate, self.max_rotate, 0.0).deg2rad()
        zoom = sometimes(1.0, self.max_zoom, 1.0).reciprocal()
        cosine, sine = angle.cos() * zoom, angle.sin() * zoom
        # Both sides are 2 long in the plane's units, whatever they are in pixels.
        turn = matrix(
            [cosine, -sine / aspect, zero], [sine * aspect, cosine, zero], [zero, zero, one]
        )
        side = uniform(self.min_scale, 1, x, generator).sqrt()
        left, top = ((1 - side) * uniform(-1, 1, x, generator) for _ in range(2))
        crop = matrix([side, zero, left], [zero, side, top], [zero, zero, one])
        return crop @ turn @ tilt @ flip


def resize(x: Tensor, size: Size, *, only_shrink: bool = False) -> Tensor:
    """Resize a batch of images to a size, with antialiasing.

    Args:
        x: (B, 3, H, W).
        size: side of a square, or (height, width).
        only_shrink: leave a side as it is where it is smaller.
    """
    height, width = (
        min(side, wanted) if only_shrink else wanted
        for side, wanted in zip(x.shape[-2:], sides(size), strict=True)
    )
    if (height, width) == x.shape[-2:]:
        return x
    if x.device.type != "cpu":  # antialiasing of uint8 is implemented there only
        x = to_unit_floats(x)
    return F.interpolate(x, (height, width), mode="bilinear", antialias=True, align_corners=False)
