"""Brightness, contrast, colour, and normalization."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from vicinal.data.augment.transform import (
    BatchTransform,
    by_channel,
    chance,
    check,
    to_unit_floats,
    uniform,
)
from vicinal.mixing.move import pin_and_move

# Mean and standard deviation of each channel.
IMAGENET_STATS = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
CIFAR_STATS = ([0.491, 0.482, 0.447], [0.247, 0.243, 0.261])
MNIST_STATS = ([0.131], [0.308])

# Matrices of RGB: to the grey of the same luma (ITU-R BT.601), to the grey of the same mean, and a
# quarter turn around the axis of greys.
LUMA = torch.tensor([[0.299, 0.587, 0.114]], dtype=torch.float64, device="cpu").expand(3, 3)
MEAN = torch.full((3, 3), 1 / 3, dtype=torch.float64, device="cpu")
QUARTER = torch.tensor(
    [[0, -1, 1], [1, 0, -1], [-1, 1, 0]], dtype=torch.float64, device="cpu"
) / math.sqrt(3)
SAME = torch.eye(3, dtype=torch.float64, device="cpu")


class Lighting(BatchTransform):
    """Change brightness and contrast of each image by up to ``amount``, in [0, 1)."""

    moves_pixels = False

    def __init__(self, amount: float = 0.2, *, p: float = 0.75) -> None:
        check(0 <= amount < 1, "the strength of lighting must lie in [0, 1)", amount)
        check(0 <= p <= 1, "the share of samples that are changed must lie in [0, 1]", p)
        self.amount, self.p = amount, p

    def train(self, x: Tensor, generator: torch.Generator) -> Tensor:
        x = to_unit_floats(x)
        brightness, contrast = (self._factor(x, generator) for _ in range(2))
        mean = x.mean(dim=(1, 2, 3), keepdim=True)
        return ((x - mean) * contrast + mean).mul_(brightness).clamp_(0, 1)

    def _factor(self, x: Tensor, generator: torch.Generator) -> Tensor:
        drawn = uniform(1 - self.amount, 1 + self.amount, x, generator)
        return torch.where(chance(self.p, x, generator), drawn, 1.0)[:, None, None, None]


class ColorJitter(BatchTransform):
    """Change brightness, contrast, saturation and hue of each image, by one affine map of RGB.

    In this order: brightness scales the pixels, contrast what differs from the image's mean luma,
    saturation what differs from the grey of a pixel's luma, and hue turns RGB around the axis of
    greys. Results are floats; they are clamped to [0, 1] once, at the end.

    Args:
        brightness, contrast, saturation: factors are drawn evenly from 1 ± this, in [0, 1].
        hue: the angle is drawn evenly from ± this, in turns, in [0, 0.5].
        p: the fraction of samples that each of the four changes, drawn independently.

    Raises:
        VicinalError: a value is out of its range, or images do not have three channels.

    Source: the first three are torchvision's ``adjust_brightness``, ``adjust_contrast`` and
    ``adjust_saturation`` before they clamp. Hue is the rotation of T. Karras et al., Training
    Generative Adversarial Networks with Limited Data, NeurIPS 2020, appendix B: it keeps the mean
    of R, G and B. torchvision's ``adjust_hue`` keeps the largest and the smallest of them, and so
    is no linear map; a third of a turn, which makes red green and green blue, is the same in both.

    >>> jitter = ColorJitter(saturation=0.5, hue=0.1)
    >>> grey = torch.full((1, 3, 2, 2), 0.5)
    >>> torch.allclose(jitter.train(grey, torch.Generator().manual_seed(0)), grey)
    True
    """

    moves_pixels = False

    def __init__(
        self,
        brightness: float = 0.0,
        contrast: float = 0.0,
        saturation: float = 0.0,
        hue: float = 0.0,
        *,
        p: float = 1.0,
    ) -> None:
        check(0 <= brightness <= 1, "the change of brightness must lie in [0, 1]", brightness)
        check(0 <= contrast <= 1, "the change of contrast must lie in [0, 1]", contrast)
        check(0 <= saturation <= 1, "the change of saturation must lie in [0, 1]", saturation)
        check(0 <= hue <= 0.5, "the change of hue must lie in [0, 0.5]", hue)
        check(0 <= p <= 1, "the share of samples that are changed must lie in [0, 1]", p)
        self.brightness, self.contrast, self.saturation = brightness, contrast, saturation
        self.hue, self.p = hue, p

    def train(self, x: Tensor, generator: torch.Generator) -> Tensor:
        check(x.shape[1] == 3, "images whose colours change have 3 channels", x.shape[1])
        x = to_unit_floats(x)
        mean = x.mean((2, 3))[:, :, None]
        maps = pin_and_move(self._maps(len(x), generator).to(x.dtype), x.device)
        color, offset = maps.split([3, 1], dim=1)
        return torch.baddbmm(offset @ mean, color, x.flatten(2)).clamp_(0, 1).view(x.shape)

    def _maps(self, count: int, generator: torch.Generator) -> Tensor:
        """(B, 4, 3): of pixels, the matrix; of the image's mean, what is added to all channels."""
        most = torch.tensor(
            [self.brightness, self.contrast, self.saturation, self.hue], device="cpu"
        )
        change, luck = torch.rand(4, 2, count, generator=generator, device="cpu").unbind(1)
        change = ((2 * change - 1) * most[:, None] * (luck < self.p)).double()
        brightness, contrast, saturation = 1 + change[:3, :, None, None]
        angle = 2 * math.pi * change[3, :, None, None]
        colorful = LUMA + saturation * (SAME - LUMA)
        turned = MEAN + angle.cos() * (SAME - MEAN) + angle.sin() * QUARTER
        rows = [contrast * (turned @ colorful), (1 - contrast) * LUMA[:1]]
        return brightness * torch.cat(rows, dim=1)


class Normalize(BatchTransform):
    """Normalize to floats of mean 0 and standard deviation 1 for each channel.

    Args:
        mean, std: of each channel, on the scale of [0, 1].

    Raises:
        VicinalError: a standard deviation is not above 0.

    >>> normalize = Normalize([0.5] * 3, [0.5] * 3)
    >>> normalize.valid(torch.full((1, 3, 1, 1), 255, dtype=torch.uint8)).flatten().tolist()
    [1.0, 1.0, 1.0]
    """

    moves_pixels = False

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        check(all(deviation > 0 for deviation in std), "standard deviations must be above 0", std)
        self.mean, self.std = list(mean), list(std)

    @classmethod
    def of(cls, pixels: Tensor) -> "Normalize":
        """With the mean and standard deviation of (N, C, H, W) images."""
        step = max(1, len(pixels) // 2000)
        sample = to_unit_floats(pixels[::step])
        std, mean = torch.std_mean(sample, dim=(0, 2, 3))
        return cls(mean.tolist(), std.clamp(min=1e-3).tolist())

    @classmethod
    def from_stats(cls, mean: Sequence[float], std: Sequence[float]) -> "Normalize":
        """The same as ``Normalize(mean, std)``: ``Normalize.from_stats(*imagenet_stats)``."""
        return cls(mean, std)

    def train(self, x: Tensor, generator: torch.Generator) -> Tensor:
        return self.valid(x)

    def valid(self, x: Tensor) -> Tensor:
        mean, std = by_channel(self.mean, x), by_channel(self.std, x)
        return (to_unit_floats(x) - mean).div_(std)

    def undo(self, x: Tensor) -> Tensor:
        """Undo the normalization: floats in [0, 1], to be shown."""
        return (x.float() * by_channel(self.std, x) + by_channel(self.mean, x)).clamp(0, 1)
