"""Samplers: which samples come when, in each of the processes that train together."""

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from vicinal.rng import derive_seed, rank_and_world_size, torch_generator_digest


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
        for number, batch in enumerate(own.split(self.batch_size) if len(own) else ()):
            seed = derive_seed(self.seed, "worker", self.epoch, rank, number)
            yield Rows(batch.tolist(), seed)

    def order(self) -> Tensor:
        """The samples of a training epoch in their order, before any of them are left out."""
        return torch.randperm(self.count, generator=self.generator("order"))

    def state_dict(self) -> dict[str, Any]:
        """What the epochs to come depend on, to resume from there."""
        return {"epoch": self.epoch}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where the sampler with this ``state_dict()`` was."""
        self.epoch = state["epoch"]


class Rows(list[int]):
    """The samples of a batch, and the seed of what a worker process draws for them."""

    def __init__(self, rows: list[int], seed: int) -> None:
        super().__init__(rows)
        self.seed = seed


class GivenSampler(EpochSampler):
    """Training batches in the order of a sampler of torch's, or of one like them.

    A sampler that draws from torch's global generator draws the same here for the same seed and
    epoch, and moves no random number that others draw.

    Args:
        sampler: gives indices anew each epoch, and has a length.
        batch_size: samples per batch, in each of the processes that train together.
        drop_last: leave an incomplete last batch out, as several processes always do: each must
            have as many batches.
        seed: of samplers without a generator of their own; None takes one from torch's generator,
            which is read, but not advanced.
    """

    def __init__(
        self, sampler: Any, batch_size: int, *, drop_last: bool, seed: int | None = None
    ) -> None:
        seed = derive_seed(0, torch_generator_digest().hex()) if seed is None else seed
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

    def state_dict(self) -> dict[str, Any]:
        state: dict[str, Any] = {**super().state_dict(), "seed": self.seed}
        if self._drawn is not None and self._drawn[0] == self.epoch:
            state["drawn"] = self._drawn[1]
        if hasattr(self.sampler, "state_dict") and hasattr(self.sampler, "load_state_dict"):
            state["sampler"] = self.sampler.state_dict()
        elif self._own_generator is not None:
            state["generator"] = self._own_generator.get_state()
        return state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self.seed, drawn = state["seed"], state.get("drawn")
        self._drawn = None if drawn is None else (self.epoch, drawn)
        if "sampler" in state:
            self.sampler.load_state_dict(state["sampler"])
        if "generator" in state and self._own_generator is not None:
            self._own_generator.set_state(state["generator"])

    @property
    def _own_generator(self) -> torch.Generator | None:
        found = getattr(self.sampler, "generator", None)
        return found if isinstance(found, torch.Generator) else None
