"""BetweenClass: sounds mixed so that each is heard by its share."""

from typing import Unpack

import torch

from vicinal.mixing.arguments import whole
from vicinal.mixing.beta import sample_lam
from vicinal.mixing.method import Method, MethodOptions
from vicinal.mixing.sounds import Sounds


class BetweenClass(Method):
    """Mix waveforms by what is heard of them: between-class learning.

    A share r, even in [0, 1], is what is to be heard of a sound beside its partner, and its share
    of the target. A loud sound drowns a soft one of the same size, so the waveforms x1 and x2 are
    mixed as ``(p * x1 + (1 - p) * x2) / sqrt(p**2 + (1 - p)**2)``, where
    ``p = 1 / (1 + 10**((G1 - G2) / 20) * (1 - r) / r)`` and G1 and G2 are their sound levels in
    decibels. The root keeps the power of the sum of two unrelated sounds that are equally loud.

    The level of a sound is the largest A-weighted one of windows of about 0.1 s, of which each
    overlaps half of the next. Where one of both sounds is silent, p is r.

    Args:
        rate: samples per second; it says what a window is, and which frequencies are heard.
        **options: of :class:`Method` and :class:`Mixer`: per, p, partners, half, fields, integers,
            maximum, pixelwise, seed.

    Raises:
        TypeError, ValueError: an argument is of the wrong kind or out of its range; the batch holds
            something else than floats (B, T) or (B, ..., T).

    Source: Y. Tokozume, Y. Ushiku, T. Harada, Learning from Between-class Examples for Deep Sound
    Recognition, ICLR 2018, section 3.2; windows of 2048 samples at 16 kHz and of 4096 at 44.1 kHz
    are the authors' code's, and other rates take the power of two that is nearest to 0.1 s. There,
    both sounds are of different classes; here, they may be of one. There, silence counts as a sound
    at -80 dB, so that the other one is turned down to it. Power is averaged over the channels.

    >>> mixer = BetweenClass(rate=16_000, seed=0)
    >>> x, y = mixer(torch.randn(8, 16_000), torch.arange(8))
    >>> x.shape, y.weight.shape
    (torch.Size([8, 16000]), torch.Size([8]))
    """

    block_size = 16

    def __init__(self, rate: int, **options: Unpack[MethodOptions]) -> None:
        super().__init__(**options)
        self.rate = whole("rate", rate)

    @property
    def drawn_types(self) -> tuple[Sounds]:  # type: ignore[override]
        return (Sounds(torch.empty(0, device="cpu"), self.rate),)

    def pattern(self, count: int, size: tuple[int, int], generator: torch.Generator) -> Sounds:
        return Sounds(sample_lam(1.0, count, generator).float(), self.rate)
