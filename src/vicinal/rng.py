"""Reproducible random numbers: one seed, one result, on every device, rank and worker."""

import ctypes
import hashlib
import itertools
import random
import sys
import warnings
from bisect import bisect_right
from typing import Any

import torch
from torch import Tensor, distributed
from torch.utils.data import get_worker_info


class RandomState:
    """A random state of its own, which advances no global generator.

    Args:
        seed: any integer; None takes one from torch's generator on the CPU when the state is first
            used, that is, when it draws or ``self.seed`` or ``state_dict()`` is read. The generator
            is read, but not advanced; to seed it later has no effect.

    Raises:
        TypeError: the seed is not an integer.

    It counts draws, and makes a new generator for each, seeded by a hash of the seed, the purpose,
    the rank and the data loader's worker. So the state is just two integers, the seed and the
    count: every rank may load the same state, and ranks and workers still draw differently.

    >>> _ = torch.manual_seed(42)
    >>> first, second = RandomState(), RandomState()
    >>> first.seed == second.seed
    False
    >>> seeds = first.seed, second.seed
    >>> _ = torch.manual_seed(42)
    >>> first, second = RandomState(), RandomState()
    >>> (first.seed, second.seed) == seeds
    True
    """

    def __init__(self, seed: int | None = None) -> None:
        if seed is not None and (isinstance(seed, bool) or not isinstance(seed, int)):
            raise TypeError(f"seed must be an integer or None, not {seed!r}")
        self.is_seeded = seed is not None
        self._seed = seed  # None until it is taken from torch's generator
        self._made_at = next(_CLOCK)
        # Compiled graphs count in a tensor (see mixing/blocks.py). It is read only after one has
        # run, because int() of a tensor is slow and breaks a graph that is being traced.
        self.count = 0
        self.graph_count = torch.zeros(1, dtype=torch.int64, device="cpu")
        self.is_in_graph = False
        self.loads = 0  # of states; see `key`
        self.sender_rank = 0  # the rank of the process that pickled this, if one did

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"sender_rank": rank_and_world_size()[0]}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _made_at=next(_CLOCK))

    @property
    def seed(self) -> int:
        """The seed; one that is taken from torch's generator is taken now, if it was not yet."""
        if self._seed is None:
            self._seed = _FIRST_USES.seed(self._made_at)
        return self._seed

    @seed.setter
    def seed(self, seed: int) -> None:
        self._seed = seed

    @property
    def has_seed(self) -> bool:
        """Whether the seed is settled: given, loaded, or taken from torch's generator."""
        return self._seed is not None

    @property
    def draws(self) -> int:
        """The number of draws so far."""
        return self.count + int(self.graph_count) if self.is_in_graph else self.count

    def next(self) -> int:
        """Count a draw, and return the number of draws before it."""
        draw = self.draws
        self.count += 1
        return draw

    def next_in_graph(self, count: Tensor) -> int:
        """Count a draw in a tensor, ``graph_count`` or a copy of it; else the same as ``next``."""
        self.is_in_graph = True
        return self.count + int(count.add_(1)) - 1

    @property
    def key(self) -> tuple[int, ...]:
        """All that generators depend on besides their purpose: seed, rank and worker.

        The number of loaded states comes last: it makes caches with this key draw again after each
        ``load_state_dict``, in case somebody has modified a cached tensor in place.
        """
        worker = _worker_seed()
        # A spawned worker is not in the process group. It draws for the rank that sent it its data.
        rank = rank_and_world_size()[0] or (self.sender_rank if worker else 0)
        return self.seed, rank, worker, self.loads

    def generator(self, *purpose: int) -> torch.Generator:
        """The generator for a purpose, such as the number of a draw."""
        own, rank, worker, _ = self.key
        seed = derive_seed(own, *purpose, rank, worker)
        return torch.Generator().manual_seed(seed)

    def state_dict(self) -> dict[str, int]:
        """The seed and the number of draws."""
        return {"seed": self.seed, "draws": self.draws}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Continue where the random state with this ``state_dict()`` was."""
        self.loads += 1
        self.seed = state["seed"]
        self.count = state["draws"]
        self.graph_count.zero_()


# Numbers that order what happens to random states in this process.
_CLOCK = itertools.count()


class _FirstUses:
    """The first uses of states without a seed, while torch's generator does not move.

    The generator's state alone is no seed: two mixers of one training would draw alike. Numbers in
    the order of first uses tell them apart, but they have to start again when the generator is
    seeded again, or a notebook's cell that begins with ``torch.manual_seed(42)`` would differ from
    run to run. torch does not say when it is seeded. So what counts is which uses came between the
    making of a state and its own first use: those are of states that exist at the same time.
    """

    REPEATED = 50  # so many states with one seed, before a warning

    def __init__(self) -> None:
        self.generator = b""
        self.times: list[int] = []
        self.repeated = 0

    def seed(self, made_at: int) -> int:
        """The seed of a state that was made at this time and is used now."""
        generator = torch_generator_digest()
        if generator != self.generator:
            self.generator, self.times, self.repeated = generator, [], 0
        number = len(self.times) - bisect_right(self.times, made_at)
        self.times.append(next(_CLOCK))
        self.repeated += number == 0
        if self.repeated == self.REPEATED:
            warnings.warn(
                f"{self.REPEATED} mixers without a seed have taken the same one, as torch's "
                "generator was in the same state at the first use of each: if you make a mixer for "
                "each batch, make one before the loop",
                stacklevel=2,
            )
        digest = hashlib.blake2b(repr((generator, number)).encode(), digest_size=8).digest()
        return int.from_bytes(digest, "little") >> 1


def torch_generator_digest() -> bytes:
    """What differs where the state of torch's generator on the CPU does; it is not advanced."""
    # By its address: torch may lack NumPy, and tolist() fails in torch.func's transforms.
    state = torch.default_generator.get_state()
    content = ctypes.string_at(state.data_ptr(), state.numel())
    return hashlib.blake2b(content, digest_size=16).digest()


_FIRST_USES = _FirstUses()
_IS_DISTRIBUTED = distributed.is_available()


def rank_and_world_size() -> tuple[int, int]:
    """The rank and the size of this process's group; (0, 1) without a group."""
    # distributed.is_initialized() without its indirections: this runs before every training step.
    in_group = _IS_DISTRIBUTED and distributed.GroupMember.WORLD is not None
    return (distributed.get_rank(), distributed.get_world_size()) if in_group else (0, 1)


def _worker_seed() -> int:
    # Not the worker's id but its seed, of which torch draws a new one each epoch: workers usually
    # restart then, and with the id they would repeat the draws of the epoch before.
    worker = get_worker_info()
    return 0 if worker is None else worker.seed


def seed_all(seed: int) -> None:
    """Seed the global generators of torch, Python and, where it is loaded, NumPy.

    Args:
        seed: 0 to 2**32 - 1, which is what NumPy takes.
    """
    random.seed(seed)
    torch.manual_seed(seed)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(seed)


def derive_seed(seed: int, *purpose: str | int) -> int:
    """Derive a seed for one of the independent random streams that belong to a seed.

    Hashed, not added up, so that seed 0 on rank 1 differs from seed 1 on rank 0. The result has the
    32 bits that torch's CPU generator uses of a seed.

    Args:
        seed: any integer.
        purpose: names and numbers that identify the stream.

    >>> derive_seed(0, 1) == derive_seed(1, 0)
    False
    """
    digest = hashlib.blake2b(repr((seed, *purpose)).encode(), digest_size=4).digest()
    return int.from_bytes(digest, "little")
