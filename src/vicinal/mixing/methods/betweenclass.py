"""BetweenClass: blend sounds by their loudness."""

from typing import Unpack

import torch

from vicinal.mixing.arguments import decibels, whole
from vicinal.mixing.beta import sample_lam
from vicinal.mixing.loudness import LoudnessBlend
from vicinal.mixing.method import Method, MethodOptions


class BetweenClass(Method):
    """Blend waveforms such that each is heard in proportion to its share: between-class learning.

    The perceived share r of a sound beside its partner is uniform in [0, 1], and is its share of
    the target. With equal amplitudes, a loud sound would drown a quiet one. So waveforms x1 and x2
    become ``(p * x1 + (1 - p) * x2) / sqrt(p**2 + (1 - p)**2)``, where
    ``p = 1 / (1 + 10**((G1 - G2) / 20) * (1 - r) / r)``, and G1 and G2 are their sound levels in
    decibels. For two uncorrelated sounds of the same level, the root preserves the power.

    The level of a sound is the maximum over A-weighted windows of about 0.1 s, which overlap by
    half. If one of both sounds is silent, p is r.

    Args:
        rate: samples per second, which determine the window and the frequencies.
        snr: the smallest and the largest signal-to-noise ratio in decibels, of a sound above its
            partner; it is then uniform between these, and r is its share of both amplitudes,
            ``1 / (1 + 10**(-snr / 20))``. None draws r itself.
        **options: of :class:`Method` and :class:`Mixer`: per, p, partners, half, fields, integers,
            maximum, pixelwise, seed.

    Raises:
        TypeError, ValueError: an argument has the wrong type or is out of range; the batch does not
            hold floats (B, T) or (B, ..., T).

    Source: Y. Tokozume, Y. Ushiku, T. Harada, Learning from Between-class Examples for Deep Sound
    Recognition, ICLR 2018, section 3.2; windows of 2048 samples at 16 kHz and 4096 at 44.1 kHz are
    from the authors' code, and other rates use the power of two nearest to 0.1 s. Deviations: both
    sounds may be of the same class, which the paper and ``partners="other_class"`` exclude; silence
    is not treated as a sound at -80 dB, to which the paper's code turns the other sound down; and
    power is averaged over the channels.

    >>> mixer = BetweenClass(rate=16_000, seed=0)
    >>> x, y = mixer(torch.randn(8, 16_000), torch.arange(8))
    >>> x.shape, y.weight.shape
    (torch.Size([8, 16000]), torch.Size([8]))
    """

    block_size = 16

    def __init__(
        self,
        rate: int,
        *,
        snr: tuple[float, float] | None = None,
        **options: Unpack[MethodOptions],
    ) -> None:
        super().__init__(**options)
        self.rate = whole("rate", rate)
        self.snr = None if snr is None else decibels("snr", snr)

    @property
    def drawn_types(self) -> tuple[LoudnessBlend]:  # type: ignore[override]
        return (LoudnessBlend(torch.empty(0, dtype=torch.float32, device="cpu"), self.rate),)

    def pattern(
        self, count: int, size: tuple[int, int], generator: torch.Generator
    ) -> LoudnessBlend:
        if self.snr is None:
            return LoudnessBlend(sample_lam(1.0, count, generator).float(), self.rate)
        low, high = self.snr
        drawn = torch.rand(count, generator=generator, dtype=torch.float64, device="cpu")
        ratio = 10 ** (-(low + (high - low) * drawn) / 20)
        return LoudnessBlend((1 / (1 + ratio)).float(), self.rate)
