"""EpochSampler: which samples come when, in each of the processes that train together."""

import math
from collections.abc import Iterator

import torch

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
            order = torch.randperm(self.count, generator=self.generator("order"))
            together = order[: len(self) * self.batch_size * processes]
            own = together.view(-1, processes, self.batch_size)[:, rank].flatten()
        else:
            own = torch.arange(self.count).tensor_split(processes)[rank]
        self.epoch += 1  # at the start: an epoch that is abandoned halfway counts
        for batch in own.split(self.batch_size) if len(own) else ():
            yield batch.tolist()
