"""FMix: paste regions of any shape, where a random low-frequency image is dark."""

from typing import Unpack

import torch
from torch import Tensor

from vicinal.mixing.arguments import number
from vicinal.mixing.beta import sample_lam
from vicinal.mixing.method import Method, MethodOptions
from vicinal.mixing.paste import Masks


class FMix(Method):
    """Paste another sample on each where a random low-frequency image is dark.

    A sample keeps the brightest pixels, a share λ of them, from Beta(alpha, alpha). Their number is
    rounded up or down with equal probability. The weight of the target is the exact share of pixels
    that a sample keeps.

    Args:
        alpha: of the distribution of λ; 1 is uniform, 0 mixes nothing.
        decay: the amplitude of frequency f in the random image is f**-decay; 0 scatters single
            pixels, large values make a few large regions.
        **options: of :class:`Method` and :class:`Mixer`: per, p, partners, half, fields, integers,
            maximum, pixelwise, seed.

    Raises:
        TypeError, ValueError: an argument has the wrong type or is out of range; the batch holds
            no images (B, ..., H, W).

    Source: E. Harris, A. Marcu, M. Painter, M. Niranjan, A. Prügel-Bennett, J. Hare, FMix:
    Enhancing Mixed Sample Data Augmentation, arXiv 2002.12047 (2020); random rounding is from the
    authors' code. That code uses λ itself as the weight, which differs by less than one pixel; and
    by an indexing error, its images have only the two lowest horizontal frequencies. Here they are
    isotropic, as in the paper.

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
    """(count, H, W) images of Gaussian noise with amplitudes ``frequency**-decay``.

    This filters real white noise; the paper takes the real part of filtered complex noise, which
    has the same distribution.
    """
    height, width = size
    noise = torch.empty(count, height, width, dtype=torch.float32, device="cpu")
    noise.normal_(generator=generator)
    if not noise.numel():  # older versions of MKL fail on empty tensors
        return noise
    down = torch.fft.fftfreq(height, dtype=torch.float32, device="cpu").unsqueeze(1)
    across = torch.fft.rfftfreq(width, dtype=torch.float32, device="cpu")
    # In units of the lowest frequency, so that no decay overflows. Neither this factor nor the
    # constant part of an image changes which pixels are brightest.
    frequency = (down.square() + across.square()).sqrt() * max(height, width)
    spectrum = torch.fft.rfft2(noise).mul_(frequency.clamp_(min=1).pow_(-decay))
    return torch.fft.irfft2(spectrum, s=size)


def brightest(images: Tensor, pixels: Tensor) -> Tensor:
    """A mask of the brightest pixels of each image.

    Args:
        images: (B, H, W).
        pixels: (B,) the number of pixels to select.

    Returns:
        (B, H, W) bool with exactly that many true values, even if pixels are equally bright.
    """
    order = images.flatten(1).argsort(dim=1, descending=True)
    chosen = torch.arange(order.shape[1], device="cpu") < pixels.unsqueeze(1)
    return torch.empty_like(chosen).scatter_(1, order, chosen).view_as(images)
