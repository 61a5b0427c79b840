"""Samplers: which samples come when, in each of the processes that train together."""

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from vicinal.rng import derive_seed, rank_and_world_size


class EpochSampler:
    """A batch sampler: lists of indices, shuffled anew each epoch by the seed and the epoch.

    Of several processes that train together each gets its own part: in training, its rows of every
    global batch; in validation, a contiguous block of samples.

    Attributes:
        epoch: the epoch to come. Set it to resume from there.
    """

    def __init__(self, count: int, batch_size: int, *, shuffle: bool, seed: int) -> None:
        self.count, self.batch_size, self.shuffle, self.seed = count, batch_size, shuffle, seed
        self.epoch = 0

    def generator(self, purpose: str) -> torch.Generator:
        """A generator for one purpose in the epoch to come."""
        return torch.Generator().manual_seed(derive_seed(self.seed, purpose, self.epoch))

    def __len__(self) -> int:
        rank, processes = rank_and_world_size()
        if self.shuffle:
            # Samples of an incomplete last batch would weigh more, so training drops it.
            return self.count // (self.batch_size * processes)
        return math.ceil(len(range(self.count)[rank::processes]) / self.batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        rank, processes = rank_and_world_size()
        if self.shuffle:
            own = self.order()[: len(self) * self.batch_size * processes]
            if processes > 1:
                own = own.view(-1, processes, self.batch_size)[:, rank].flatten()
        else:
            own = torch.arange(self.count).tensor_split(processes)[rank]
        self.epoch += 1  # at the start: an epoch that is abandoned halfway counts
        for batch in own.split(self.batch_size) if len(own) else ():
            yield batch.tolist()

    def order(self) -> Tensor:
        """The samples of a training epoch in their order, before any of them are left out."""
        return torch.randperm(self.count, generator=self.generator("order"))


class GivenSampler(EpochSampler):
    """Training batches in the order of a sampler of torch's, or of one like them.

    A sampler that draws from torch's global generator draws the same here for the same seed and
    epoch, and moves no random number that others draw.

    Args:
        sampler: gives indices anew each epoch, and has a length.
        batch_size: samples per batch, in each of the processes that train together.
        drop_last: leave an incomplete last batch out, as several processes always do: each must
            have as many batches.
        seed: of samplers without a generator of their own.
    """

    def __init__(self, sampler: Any, batch_size: int, *, drop_last: bool, seed: int = 0) -> None:
        super().__init__(len(sampler), batch_size, shuffle=True, seed=seed)
        self.sampler, self.drop_last = sampler, drop_last
        self._drawn: tuple[int, Tensor] | None = None

    def __len__(self) -> int:
        if self.drop_last or rank_and_world_size()[1] > 1:
            return super().__len__()
        return math.ceil(self.count / self.batch_size)

    def order(self) -> Tensor:
        # Looking at the first batch must not take an epoch from a sampler with a state of its own.
        if self._drawn is None or self._drawn[0] != self.epoch:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(derive_seed(self.seed, "order", self.epoch))
                self._drawn = self.epoch, torch.tensor([int(each) for each in self.sampler])
        return self._drawn[1]
