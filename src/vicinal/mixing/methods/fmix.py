"""FMix: regions of any shape, where a low-frequency image is bright."""

from typing import Unpack

import torch
from torch import Tensor

from vicinal.mixing.arguments import number
from vicinal.mixing.beta import sample_lam
from vicinal.mixing.method import Method, MethodOptions
from vicinal.mixing.paste import Masks


class FMix(Method):
    """Lay another sample on each where a random cloudy image is dark; the target counts the pixels.

    A share t from Beta(alpha, alpha) of the pixels is kept, the brightest ones. The number of
    pixels is rounded up or down by a fair coin, and the weight is what was in fact kept.

    Args:
        alpha: of the distribution of t; 1 is uniform, 0 mixes nothing.
        decay: how fast the amplitudes of the cloudy image fall with the frequency f, as f**-decay;
            0 scatters single pixels, large values give a few large regions.
        **options: of :class:`Method` and :class:`Mixer`: per, p, partners, half, fields, integers,
            maximum, pixelwise, seed.

    Raises:
        TypeError, ValueError: an argument is of the wrong kind or out of its range; the batch holds
            no images (B, ..., H, W).

    Source: E. Harris, A. Marcu, M. Painter, M. Niranjan, A. Prügel-Bennett, J. Hare, FMix:
    Enhancing Mixed Sample Data Augmentation, arXiv 2002.12047 (2020); the coin is that of the
    authors' code. That takes t itself as weight, less than one pixel away, and by a slip of an
    index gives its images only the two lowest horizontal frequencies: here they are alike in all
    directions, as the paper has them.

    >>> mixer = FMix(seed=0)
    >>> x, y = mixer(torch.arange(2.0).view(2, 1, 1, 1).expand(2, 1, 8, 8), torch.arange(2))
    >>> bool(torch.allclose(x[0].mean(), 1 - y.weight[0]))
    True
    """

    drawn_types = (Masks,)

    def __init__(
        self, alpha: float = 1.0, decay: float = 3.0, **options: Unpack[MethodOptions]
    ) -> None:
        super().__init__(**options)
        self.alpha = number("alpha", alpha)
        self.decay = number("decay", decay)

    def pattern(self, count: int, size: tuple[int, int], generator: torch.Generator) -> Masks:
        pixels = sample_lam(self.alpha, count, generator) * (size[0] * size[1])
        coin = torch.rand(count, generator=generator, dtype=torch.float64, device="cpu")
        pixels = torch.where(coin < 0.5, pixels.ceil(), pixels.floor())
        return Masks(brightest(low_frequency_images(count, size, self.decay, generator), pixels))


def low_frequency_images(
    count: int, size: tuple[int, int], decay: float, generator: torch.Generator
) -> Tensor:
    """(count, H, W) images of Gaussian noise whose amplitudes fall as ``frequency**-decay``.

    White noise is filtered, which gives the real part of filtered complex noise its distribution.
    """
    height, width = size
    noise = torch.empty(count, height, width, dtype=torch.float32, device="cpu")
    noise.normal_(generator=generator)
    if not noise.numel():  # which older versions of MKL do not transform
        return noise
    down = torch.fft.fftfreq(height, dtype=torch.float32, device="cpu").unsqueeze(1)
    across = torch.fft.rfftfreq(width, dtype=torch.float32, device="cpu")
    # In units of the lowest frequency, so that no decay overflows. A constant changes no mask.
    frequency = (down.square() + across.square()).sqrt() * max(height, width)
    spectrum = torch.fft.rfft2(noise).mul_(frequency.clamp_(min=1).pow_(-decay))
    return torch.fft.irfft2(spectrum, s=size)


def brightest(images: Tensor, pixels: Tensor) -> Tensor:
    """Where each image is brightest.

    Args:
        images: (B, H, W).
        pixels: (B,), how many pixels of each.

    Returns:
        (B, H, W) bool with exactly that many true, also where pixels are equally bright.
    """
    order = images.flatten(1).argsort(dim=1, descending=True)
    chosen = torch.arange(order.shape[1], device="cpu") < pixels.unsqueeze(1)
    return torch.empty_like(chosen).scatter_(1, order, chosen).view_as(images)
