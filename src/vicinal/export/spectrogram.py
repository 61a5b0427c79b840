"""Spectrograms by products of matrices, as exported graphs have no Fourier transform to rely on."""

import math

import torch
from torch import Tensor, nn

from vicinal.models.sound import QUIET, LogMel


class LogMelByProducts(nn.Module):
    """What a :class:`~vicinal.models.sound.LogMel` gives for waves of one length.

    It computes in float64, so that quiet bands beside loud ones are as exact as by a transform.

    Args:
        layer: with the mean and the deviation that it has learned.
        length: of the waves, in samples.

    >>> layer, waves = LogMel(8000, hop=80), torch.randn(2, 1000)
    >>> torch.allclose(LogMelByProducts(layer, 1000)(waves), layer(waves), atol=1e-4)
    True
    """

    places: Tensor
    basis: Tensor
    filters: Tensor
    mean: Tensor
    std: Tensor

    def __init__(self, layer: LogMel, length: int) -> None:
        super().__init__()
        window = layer.window.double().cpu()
        width, n_fft = len(window), layer.n_fft
        # Windows are centred: half of a transform's silence is put around the wave. Beside the
        # window, a transform sees zeros.
        self.around = n_fft // 2
        before = (n_fft - width) // 2
        starts = torch.arange(1 + length // layer.hop) * layer.hop + before
        inside = torch.arange(width)
        angles = torch.outer(inside + before, torch.arange(n_fft // 2 + 1)).double() * (
            2 * math.pi / n_fft
        )
        basis = window[:, None] * torch.cat([angles.cos(), angles.sin()], dim=1)
        self.register_buffer("places", starts[:, None] + inside)
        self.register_buffer("basis", basis)
        # Of `power + 1e-8`, onnxscript 0.7 drops the sum, as of a zero: so the power is in units of
        # that, and 1 is added.
        self.register_buffer("filters", layer.filters.double().cpu() / QUIET)
        self.register_buffer("mean", layer.mean.double().cpu() - math.log(QUIET))
        self.register_buffer("std", layer.std.double().cpu())

    def forward(self, x: Tensor) -> Tensor:
        silence = x.new_zeros((x.shape[0], self.around)).double()
        padded = torch.cat([silence, x.double(), silence], dim=1)
        products = padded[:, self.places] @ self.basis  # (B, frames, cosines and sines)
        cosines, sines = products.chunk(2, dim=-1)
        power = cosines * cosines + sines * sines
        levels = (power @ self.filters.T + 1).log().transpose(1, 2)
        return ((levels - self.mean) / self.std).float()[:, None]
