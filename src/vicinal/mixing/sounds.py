"""Sounds: waveforms blended so that each is heard by its share."""

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


@tensors_as_leaves("lam")
@dataclass(frozen=True, eq=False)
class Sounds(RowPattern):
    """Blend waveforms, (B, T) or (B, ..., T), the louder one by less than its share.

    Args:
        lam: (B,) floats in [0, 1], the share by which each sound is heard; 1 is neutral.
        rate: samples per second.
    """

    rate: int

    # Of another pattern at the same rate: what was drawn does not tell it.
    def from_values(self, values: Tensor, size: tuple[int, int]) -> Self:  # type: ignore[override]
        return type(self)(values, self.rate)

    def check(self, x: Tensor) -> None:
        if not x.is_floating_point():
            kind = str(x.dtype).removeprefix("torch.")
            raise TypeError(f"{kind} values are no waveforms: give floats around 0")
        if x.ndim < 2:
            raise ValueError(
                f"a tensor of shape {tuple(x.shape)} has no time to listen to: give waveforms "
                "(B, ..., T), or name the fields to mix"
            )

    def apply(self, x: Tensor, partners: Tensor) -> Tensor:
        own, theirs = loudness(x, self.rate), loudness(partners, self.rate)
        weight = move(self.lam, x.device).to(own.dtype)
        # Of silence no share is heard, however much it is turned up: it is blended as it is.
        are_heard = (own > 0) & (theirs > 0)
        gain = weight * theirs / (weight * theirs + (1 - weight) * own)
        gain = gain.where(are_heard, weight).where(weight < 1, 1.0)
        scale = (gain.square() + (1 - gain).square()).rsqrt()
        mixed = over_rows(gain * scale, x) * x + over_rows((1 - gain) * scale, x) * partners
        return torch.where(over_rows(weight < 1, x), mixed.to(x.dtype), x)

    def row_function(self, x: Tensor) -> ApplyRow:
        shows = (self.lam < 1).tolist()

        def apply_row(row: Tensor, partner: Tensor, i: int) -> None:
            if shows[i]:
                alone = type(self)(self.lam[i : i + 1], self.rate)
                row.copy_(alone.apply(row.unsqueeze(0), partner.unsqueeze(0))[0])

        return apply_row


def loudness(x: Tensor, rate: int) -> Tensor:
    """How loud sounds are where they are loudest: an amplitude, not a level in decibels.

    The A-weighted power of windows of about a tenth of a second, of which each overlaps half of
    the next, averaged over the channels; the root of the largest.

    Args:
        x: (B, ..., T) floats.
        rate: samples per second.

    Returns:
        (B,) float32, or float64 for such; without a gradient.

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
    """By how much the amplitude at each frequency, in hertz, counts: IEC 61672, but for 2 dB."""
    f = frequency.square()
    low = (f + 20.6**2) * ((f + 107.7**2) * (f + 737.9**2)).sqrt()
    return (f / low) * (f / (f / 12194**2 + 1))
