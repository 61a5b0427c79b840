"""Batches of sounds: waves of one length, cut or padded with silence."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from vicinal.data.augment import BatchTransform
from vicinal.data.waves import Waves
from vicinal.rng import derive_seed


class SoundData(Dataset[tuple[Tensor, Tensor]]):
    """Sounds with their targets.

    Args:
        waves: the sounds.
        targets: (N, ...) of each.
        length: of the waves in a batch, in samples.
        seed: of where sounds are cut; None takes their middle.
    """

    batches_are_new = True

    def __init__(self, waves: Waves, targets: Tensor, length: int, seed: int | None = None) -> None:
        self.waves, self.y, self.length, self.seed = waves, targets, length, seed

    def __len__(self) -> int:
        return len(self.y)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        x, y = self.__getitems__([index])
        return x[0], y[0]

    def __getitems__(self, indices: Sequence[int]) -> tuple[Tensor, Tensor]:
        places: Any = [0.5] * len(indices)
        if self.seed is not None:
            # Batches differ from epoch to epoch, and so the draws do, whichever worker reads them.
            generator = torch.Generator().manual_seed(derive_seed(self.seed, "crops", *indices))
            places = torch.rand(len(indices), generator=generator, dtype=torch.float64).tolist()
        x = torch.zeros(len(indices), self.length)
        for row, index, place in zip(x, indices, places, strict=True):
            put(row, torch.from_numpy(self.waves.wave(index).astype(np.float32)), place)
        return x, self.y[list(indices)]


def put(row: Tensor, wave: Tensor, place: float = 0.5) -> None:
    """Write a wave, or where it is longer a part of it, into a row of silence.

    Args:
        row: (length,) zeros.
        wave: (T,) floats.
        place: in [0, 1], where the part begins or the wave comes to be; 0.5 is the middle.
    """
    spare = len(wave) - len(row)
    start = min(int(place * (abs(spare) + 1)), abs(spare))
    if spare >= 0:
        row.copy_(wave[start : start + len(row)])
    else:
        row[start : start + len(wave)] = wave


class ToSpectrogram(BatchTransform):
    """Waves to spectrograms, by the network's own layer."""

    def __init__(self, layer: Any) -> None:
        self.layer = layer

    @torch.no_grad()
    def train(self, x: Tensor, generator: torch.Generator) -> Tensor:
        spectrograms: Tensor = self.layer(x)
        return spectrograms

    @torch.no_grad()
    def valid(self, x: Tensor) -> Tensor:
        spectrograms: Tensor = self.layer(x)
        return spectrograms
