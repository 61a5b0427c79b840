"""A pattern that blends waveforms, each heard in proportion to its share, and their loudness."""

import math
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from vicinal.mixing.as_pytree import tensors_as_leaves
from vicinal.mixing.blend import RowPattern
from vicinal.mixing.move import move
from vicinal.mixing.pattern import ApplyRow
from vicinal.mixing.target import over_rows

MANY_CHANNELS, FEW_SAMPLES = 8, 128


@tensors_as_leaves()
@dataclass(frozen=True, eq=False)
class LoudnessBlend(RowPattern):
    """Blend waveforms, (B, T) or (B, ..., T), such that each is heard in proportion to its share.

    A louder waveform is multiplied by less than its share.

    Args:
        lam: (B,) floats in [0, 1], the perceived share of each sound; 1 is neutral.
        rate: samples per second.
    """

    rate: int

    def with_tensors(self, *tensors: Tensor) -> Self:
        (lam,) = tensors
        return type(self)(lam, self.rate)

    # A method of an instance, not of the class: the drawn values do not include the rate. So the
    # mixer's `drawn_types` holds an instance.
    def from_values(self, values: Tensor, size: tuple[int, ...]) -> Self:  # type: ignore[override]
        return self.with_tensors(values)

    def check(self, x: Tensor) -> None:
        if not x.is_floating_point():
            kind = str(x.dtype).removeprefix("torch.")
            raise TypeError(f"{kind} values are no waveforms: give floats around 0")
        if x.ndim < 2:
            raise ValueError(
                f"a tensor of shape {tuple(x.shape)} has no time dimension: give waveforms "
                "(B, ..., T), or name the fields to mix"
            )

        if x.ndim > 2 and x.shape[-1] <= MANY_CHANNELS < FEW_SAMPLES <= x.shape[-2]:
            raise ValueError(
                f"a tensor of shape {tuple(x.shape)} seems to have its channels last: give "
                "waveforms (B, ..., T), such as x.transpose(-1, -2)"
            )

    def apply(self, x: Tensor, partners: Tensor) -> Tensor:
        own, theirs = loudness(x, self.rate), loudness(partners, self.rate)
        weight = move(self.lam, x.device).to(own.dtype)
        # No gain makes silence audible, and with two silent sounds this divides 0 by 0: blend them
        # by their shares.
        are_audible = (own > 0) & (theirs > 0)
        gain = weight * theirs / (weight * theirs + (1 - weight) * own)
        gain = gain.where(are_audible, weight).where(weight < 1, 1.0)
        scale = (gain.square() + (1 - gain).square()).rsqrt()
        mixed = over_rows(gain * scale, x) * x + over_rows((1 - gain) * scale, x) * partners
        return torch.where(over_rows(weight < 1, x), mixed.to(x.dtype), x)

    def row_function(self, x: Tensor) -> ApplyRow:
        is_mixed = (self.lam < 1).tolist()

        def apply_row(row: Tensor, partner: Tensor, i: int) -> None:
            if is_mixed[i]:
                alone = type(self)(self.lam[i : i + 1], self.rate)
                row.copy_(alone.apply(row.unsqueeze(0), partner.unsqueeze(0))[0])

        return apply_row


def loudness(x: Tensor, rate: int) -> Tensor:
    """The loudness of sounds in their loudest window, as an amplitude, not in decibels.

    The root of the largest A-weighted power, averaged over the channels, of windows of about 0.1 s
    that overlap by half.

    Args:
        x: (B, ..., T) floats.
        rate: samples per second.

    Returns:
        (B,) float32, or float64 for float64; without a gradient.

    >>> time = torch.arange(8000) / 8000
    >>> hum, whistle = (torch.sin(2 * math.pi * hertz * time) for hertz in (50, 2000))
    >>> soft, loud = loudness(torch.stack([hum, whistle]), rate=8000)
    >>> bool(loud > 30 * soft)
    True
    """
    x = x.detach().to(torch.promote_types(x.dtype, torch.float32))
    if not x.numel():
        return x.new_zeros(len(x))
    length = min(2 ** max(round(math.log2(rate / 10)), 0), x.shape[-1])
    window = torch.hann_window(length, dtype=x.dtype, device=x.device)
    spectrum = torch.fft.rfft(x.unfold(-1, length, max(length // 2, 1)) * window)
    frequency = torch.fft.rfftfreq(length, 1 / rate, dtype=x.dtype, device=x.device)
    power = spectrum.abs().square() @ a_weighting(frequency).square()
    return power.reshape(len(x), -1, power.shape[-1]).mean(1).amax(1).sqrt()


def a_weighting(frequency: Tensor) -> Tensor:
    """The A-weighting of amplitudes at frequencies in hertz: IEC 61672, without its +2 dB.

    A constant factor cancels out, as only ratios of loudness are used.
    """
    f = frequency.square()
    low = (f + 20.6**2) * ((f + 107.7**2) * (f + 737.9**2)).sqrt()
    return (f / low) * (f / (f / 12194**2 + 1))
