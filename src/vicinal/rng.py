"""Random numbers that can be told again: one seed, one result, on every device, rank and worker."""

import hashlib
import secrets
from typing import Any

import torch
from torch import Tensor, distributed
from torch.utils.data import get_worker_info


class RandomState:
    """Random numbers of its own: no global generator is read or moved by it.

    Args:
        seed: any integer; None takes one from the operating system, kept in ``self.seed``.

    It hands out generators, each made from the seed, a purpose, the rank in a group of processes
    and the data loader's worker, and counts the draws. So a state is two integers, which every rank
    may load, and ranks and workers draw differently.
    """

    def __init__(self, seed: int | None = None) -> None:
        if seed is not None and (isinstance(seed, bool) or not isinstance(seed, int)):
            raise TypeError(f"seed must be an integer or None, not {seed!r}")
        self.is_seeded = seed is not None
        self.seed = secrets.randbits(63) if seed is None else seed
        # Compiled graphs count in a tensor, which is looked at only once there are any.
        self.count = 0
        self.graph_count = torch.zeros(1, dtype=torch.int64, device="cpu")
        self.is_in_graph = False
        self.loaded = 0
        self.sender = 0  # the rank of the process that has sent it, where it was sent

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"sender": rank_and_world_size()[0]}

    @property
    def draws(self) -> int:
        """How many draws there have been."""
        return self.count + int(self.graph_count) if self.is_in_graph else self.count

    def next(self) -> int:
        """Count a draw; how many there have been before."""
        draw = self.draws
        self.count += 1
        return draw

    def next_in_graph(self, count: Tensor) -> int:
        """The same, counted in a tensor: the graph's own count, or a copy of it."""
        self.is_in_graph = True
        return self.count + int(count.add_(1)) - 1

    @property
    def source(self) -> tuple[int, ...]:
        """What the generators are made from, besides their purpose.

        Last comes how often a state was loaded, from which on everything is drawn anew.
        """
        worker = _worker()
        # A worker that was spawned is in no group, and draws for the process that it reads for.
        rank = rank_and_world_size()[0] or (self.sender if worker else 0)
        return self.seed, rank, worker, self.loaded

    def generator(self, *purpose: int) -> torch.Generator:
        """The generator for a purpose, such as the draw of a certain number."""
        own, rank, worker, _ = self.source
        seed = derive_seed(own, *purpose, rank, worker)
        return torch.Generator().manual_seed(seed)

    def state_dict(self) -> dict[str, int]:
        return {"seed": self.seed, "draws": self.draws}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.loaded += 1
        self.seed = state["seed"]
        self.count = state["draws"]
        self.graph_count.zero_()


_IS_DISTRIBUTED = distributed.is_available()


def rank_and_world_size() -> tuple[int, int]:
    """The rank of this process, and how many there are in its group; outside of one, (0, 1)."""
    # The same as is_initialized(), without its detours.
    in_group = _IS_DISTRIBUTED and distributed.GroupMember.WORLD is not None
    return (distributed.get_rank(), distributed.get_world_size()) if in_group else (0, 1)


def _worker() -> int:
    worker = get_worker_info()
    # torch gives each worker another seed each epoch, by the loader's own generator.
    return 0 if worker is None else worker.seed


def derive_seed(seed: int, *purpose: str | int) -> int:
    """A seed for one of the streams of random numbers that belong to a seed.

    Hashed rather than added up, so that seed 0 on rank 1 is not seed 1 on rank 0; to the 32 bits
    that torch's CPU generator makes use of.

    >>> derive_seed(0, 1) == derive_seed(1, 0)
    False
    """
    digest = hashlib.blake2b(repr((seed, *purpose)).encode(), digest_size=4).digest()
    return int.from_bytes(digest, "little")
