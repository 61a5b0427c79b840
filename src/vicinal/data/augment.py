"""Random changes of images, drawn for each sample and made on the device for the whole batch.

A transform has two faces: ``train`` is random, ``valid`` brings images of the validation part to
the same shape and changes nothing else.
"""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from vicinal.errors import VicinalError
from vicinal.mixing.draws import to_device


class BatchTransform:
    """A change of a batch of images (B, 3, H, W), uint8 or float in [0, 1]."""

    def train(self, x: Tensor, generator: torch.Generator) -> Tensor:
        return x

    def valid(self, x: Tensor) -> Tensor:
        return x


def _check(right: bool, rule: str, value: object) -> None:
    if not right:
        raise VicinalError(f"{rule}, not {value}")


def _uniform(low: float, high: float, x: Tensor, generator: torch.Generator) -> Tensor:
    """One number for each row of ``x``, on its device."""
    draw = torch.rand(len(x), generator=generator) * (high - low) + low
    return to_device(draw, x.device)


def _chance(p: float, x: Tensor, generator: torch.Generator) -> Tensor:
    return _uniform(0, 1, x, generator) < p


class Translate(BatchTransform):
    """Shift by up to ``pixels`` each way, the border mirrored, and flip: for small images.

    Args:
        pixels: the largest shift.
        flip: mirror half of the images left to right.
    """

    def __init__(self, pixels: int, *, flip: bool = True) -> None:
        self.pixels, self.flip = pixels, flip

    def train(self, x: Tensor, generator: torch.Generator) -> Tensor:
        rows = self._shifted(x.shape[2], x, generator)
        columns = self._shifted(x.shape[3], x, generator)
        if self.flip:
            mirrored = _chance(0.5, x, generator)
            columns = torch.where(mirrored[:, None], columns.flip(1), columns)
        sample = torch.arange(len(x), device=x.device)[:, None, None]
        # Index channels last: three neighbouring bytes are copied for each pixel.
        pixels = x.permute(0, 2, 3, 1)[sample, rows[:, :, None], columns[:, None, :]]
        return pixels.permute(0, 3, 1, 2)

    def _shifted(self, length: int, x: Tensor, generator: torch.Generator) -> Tensor:
        """For each sample, the source index of every row (or column)."""
        shift = _uniform(-self.pixels, self.pixels + 1, x, generator).floor().long()
        source = torch.arange(length, device=x.device) + shift[:, None]
        period = max(2 * length - 2, 1)  # mirrored without repeating the border
        source = source.remainder(period)
        return torch.minimum(source, period - source)


class RandomView(BatchTransform):
    """Look at each image from a random view: crop, flip, rotate, zoom and tilt in one resampling.

    Args:
        size: side of the result in pixels; None keeps the image's own.
        min_scale: a crop shows at least this share of the image's area, in (0, 1].
        flip, flip_vert: mirror half of the images left to right, upside down.
        max_rotate: degrees either way.
        max_zoom: zoom in by up to this factor, 1 or more.
        max_warp: strength of a tilt of the image plane, in [0, 1), 0 for none.
        p: the share of samples that are rotated, zoomed and tilted.

    Borders are mirrored.

    Raises:
        VicinalError: a value lies outside its range.
    """

    def __init__(
        self,
        size: int | None = None,
        *,
        min_scale: float = 1.0,
        flip: bool = True,
        flip_vert: bool = False,
        max_rotate: float = 10.0,
        max_zoom: float = 1.1,
        max_warp: float = 0.2,
        p: float = 0.75,
    ) -> None:
        _check(size is None or size >= 2, "size must be 2 or more", size)
        _check(0 < min_scale <= 1, "min_scale must lie in (0, 1]", min_scale)
        _check(max_zoom >= 1, "max_zoom must be 1 or more", max_zoom)
        _check(0 <= max_warp < 1, "max_warp must lie in [0, 1)", max_warp)
        _check(0 <= p <= 1, "the share of samples that are changed must lie in [0, 1]", p)
        self.size, self.min_scale = size, min_scale
        self.flip, self.flip_vert = flip, flip_vert
        self.max_rotate, self.max_zoom, self.max_warp, self.p = max_rotate, max_zoom, max_warp, p

    def train(self, x: Tensor, generator: torch.Generator) -> Tensor:
        size = self.size or x.shape[-1]
        # Down to the resolution at which the smallest crop still has `size` pixels: what is left
        # to the resampling then needs no smoothing.
        x = resize(x, math.ceil(size / math.sqrt(self.min_scale)), only_shrink=True)
        grid = self._grid(x, size, generator)
        pixels = to_unit_floats(x)
        return F.grid_sample(pixels, grid, padding_mode="reflection", align_corners=False)

    def valid(self, x: Tensor) -> Tensor:
        return resize(x, self.size or x.shape[-1])

    def _grid(self, x: Tensor, size: int, generator: torch.Generator) -> Tensor:
        """Where each pixel of the result lies in the image: (B, size, size, 2) in [-1, 1]."""
        line = (torch.arange(size, device=x.device) * 2 + 1) / size - 1
        y_out, x_out = torch.meshgrid(line, line, indexing="ij")
        points = torch.stack([x_out, y_out, torch.ones_like(x_out)]).flatten(1)
        seen = (self._view(x, generator) @ points).reshape(-1, 3, size, size)
        return (seen[:, :2] / seen[:, 2:]).permute(0, 2, 3, 1)

    def _view(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """(B, 3, 3) homographies from the result's plane to the image's."""
        one, zero = torch.ones(len(x), device=x.device), torch.zeros(len(x), device=x.device)

        def matrix(*rows: Sequence[Tensor]) -> Tensor:
            return torch.stack([torch.stack(list(row), -1) for row in rows], -2)

        def sometimes(low: float, high: float, neutral: float) -> Tensor:
            drawn = _uniform(low, high, x, generator)
            return torch.where(_chance(self.p, x, generator), drawn, neutral)

        def sign(wanted: bool) -> Tensor:
            return torch.where(_chance(0.5 if wanted else 0.0, x, generator), -one, one)

        flip = matrix(
            [sign(self.flip), zero, zero], [zero, sign(self.flip_vert), zero], [zero, zero, one]
        )
        tilt_x, tilt_y = (sometimes(-self.max_warp, self.max_warp, 0.0) / 2 for _ in range(2))
        tilt = matrix([one, zero, zero], [zero, one, zero], [tilt_x, tilt_y, one])
        angle = sometimes(-self.max_rotate, self.max_rotate, 0.0).deg2rad()
        zoom = sometimes(1.0, self.max_zoom, 1.0).reciprocal()
        cosine, sine = angle.cos() * zoom, angle.sin() * zoom
        turn = matrix([cosine, -sine, zero], [sine, cosine, zero], [zero, zero, one])
        side = _uniform(self.min_scale, 1, x, generator).sqrt()
        left, top = ((1 - side) * _uniform(-1, 1, x, generator) for _ in range(2))
        crop = matrix([side, zero, left], [zero, side, top], [zero, zero, one])
        return crop @ turn @ tilt @ flip


class Lighting(BatchTransform):
    """Change brightness and contrast of each image by up to ``amount``, in [0, 1)."""

    def __init__(self, amount: float = 0.2, *, p: float = 0.75) -> None:
        _check(0 <= amount < 1, "the strength of lighting must lie in [0, 1)", amount)
        _check(0 <= p <= 1, "the share of samples that are changed must lie in [0, 1]", p)
        self.amount, self.p = amount, p

    def train(self, x: Tensor, generator: torch.Generator) -> Tensor:
        x = to_unit_floats(x)
        brightness, contrast = (self._factor(x, generator) for _ in range(2))
        mean = x.mean(dim=(1, 2, 3), keepdim=True)
        return ((x - mean) * contrast + mean).mul_(brightness).clamp_(0, 1)

    def _factor(self, x: Tensor, generator: torch.Generator) -> Tensor:
        drawn = _uniform(1 - self.amount, 1 + self.amount, x, generator)
        return torch.where(_chance(self.p, x, generator), drawn, 1.0)[:, None, None, None]


class Normalize(BatchTransform):
    """To floats of mean 0 and standard deviation 1 for each channel.

    Args:
        mean, std: of each channel, on the scale of [0, 1].

    >>> normalize = Normalize([0.5] * 3, [0.5] * 3)
    >>> normalize.valid(torch.full((1, 3, 1, 1), 255, dtype=torch.uint8)).flatten().tolist()
    [1.0, 1.0, 1.0]
    """

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        self.mean, self.std = list(mean), list(std)

    @classmethod
    def of(cls, pixels: Tensor) -> "Normalize":
        """By the mean and standard deviation of an (N, C, H, W) batch of images."""
        step = max(1, len(pixels) // 2000)
        sample = to_unit_floats(pixels[::step])
        std, mean = torch.std_mean(sample, dim=(0, 2, 3))
        return cls(mean.tolist(), std.clamp(min=1e-3).tolist())

    def train(self, x: Tensor, generator: torch.Generator) -> Tensor:
        return self.valid(x)

    def valid(self, x: Tensor) -> Tensor:
        mean, std = (torch.tensor(v, device=x.device)[:, None, None] for v in (self.mean, self.std))
        return (to_unit_floats(x) - mean).div_(std)

    def undo(self, x: Tensor) -> Tensor:
        """Back to [0, 1], to be shown."""
        mean, std = (torch.tensor(v, device=x.device)[:, None, None] for v in (self.mean, self.std))
        return (x.float() * std + mean).clamp(0, 1)


IMAGENET_STATS = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])


def to_unit_floats(x: Tensor) -> Tensor:
    """uint8 to floats in [0, 1]; floats stay."""
    return x if x.is_floating_point() else x.float().div_(255)


def resize(x: Tensor, size: int, *, only_shrink: bool = False) -> Tensor:
    """A batch of square images to ``size`` pixels, smoothed where they shrink."""
    if x.shape[-1] == x.shape[-2] == size or (only_shrink and min(x.shape[-2:]) <= size):
        return x
    if x.device.type != "cpu":  # only there uint8 can be resized with smoothing
        x = to_unit_floats(x)
    return F.interpolate(x, (size, size), mode="bilinear", antialias=True, align_corners=False)


def aug_transforms(
    *,
    size: int | None = None,
    min_scale: float = 1.0,
    do_flip: bool = True,
    flip_vert: bool = False,
    max_rotate: float = 10.0,
    max_zoom: float = 1.1,
    max_warp: float = 0.2,
    max_lighting: float = 0.2,
    p_affine: float = 0.75,
    p_lighting: float = 0.75,
) -> list[BatchTransform]:
    """The usual changes for photos, under fastai's names and with its defaults.

    Args:
        size: side of the images that the network sees; None keeps that of the items.
        min_scale: smallest share of an image's area that a crop shows.
        do_flip, flip_vert: mirror left to right, upside down.
        max_rotate: degrees; ``max_zoom``: factor; ``max_warp``, ``max_lighting``: strength.
        p_affine, p_lighting: the share of samples that these touch.

    Raises:
        VicinalError: a value lies outside its range.

    >>> [type(t).__name__ for t in aug_transforms(size=224, min_scale=0.9)]
    ['RandomView', 'Lighting']
    """
    view = RandomView(
        size,
        min_scale=min_scale,
        flip=do_flip,
        flip_vert=flip_vert,
        max_rotate=max_rotate,
        max_zoom=max_zoom,
        max_warp=max_warp,
        p=p_affine,
    )
    return [view, Lighting(max_lighting, p=p_lighting)]
