"""The random numbers of mixing: weights and partners, seeded and resumable.

Everything is drawn on the CPU, so that a seed gives the same mixes on every device, and goes to
the device in one asynchronous copy, so that no draw makes the host wait for it.
"""

import hashlib
import math
import secrets
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, distributed
from torch.utils.data import get_worker_info

from vicinal.mixing.move import moved


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
        self.seed = secrets.randbits(63) if seed is None else seed
        # Compiled graphs count in a tensor, which is looked at only once there are any.
        self.count = 0
        self.graph_count = torch.zeros(1, dtype=torch.int64, device="cpu")
        self.is_in_graph = False
        self.loaded = 0
        self.sender = 0  # the rank of the process that has sent it, where it was sent

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"sender": place()[0]}

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
        rank = place()[0] or (self.sender if worker else 0)
        return self.seed, rank, worker, self.loaded

    def generator(self, *purpose: int) -> torch.Generator:
        """The generator for a purpose, such as the draw of a certain number."""
        own, rank, worker, _ = self.source
        seed = stream(own, *purpose, rank, worker)
        return torch.Generator().manual_seed(seed)

    def state_dict(self) -> dict[str, int]:
        return {"seed": self.seed, "draws": self.draws}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.loaded += 1
        self.seed = state["seed"]
        self.count = state["draws"]
        self.graph_count.zero_()


_IS_DISTRIBUTED = distributed.is_available()


def place() -> tuple[int, int]:
    """The rank of this process, and how many there are in its group; outside of one, (0, 1)."""
    # The same as is_initialized(), without its detours.
    in_group = _IS_DISTRIBUTED and distributed.GroupMember.WORLD is not None
    return (distributed.get_rank(), distributed.get_world_size()) if in_group else (0, 1)


def _worker() -> int:
    worker = get_worker_info()
    # torch gives each worker another seed each epoch, by the loader's own generator.
    return 0 if worker is None else worker.seed


def stream(seed: int, *purpose: str | int) -> int:
    """A seed for one of the streams of random numbers that belong to a seed.

    Hashed rather than added up, so that seed 0 on rank 1 is not seed 1 on rank 0; to the 32 bits
    that torch's CPU generator makes use of.

    >>> stream(0, 1) == stream(1, 0)
    False
    """
    digest = hashlib.blake2b(repr((seed, *purpose)).encode(), digest_size=4).digest()
    return int.from_bytes(digest, "little")


def symmetric_beta(alpha: float, count: int, generator: torch.Generator) -> Tensor:
    """Draw ``count`` numbers from Beta(alpha, alpha), as float64 in [0, 1].

    Without rejection, for every alpha: if E is exponential and V uniform, then
    1/2 + cos(2 pi V) / (2 sqrt(cos(2 pi V)^2 + 1 / (exp(E / alpha) - 1))) has this distribution.
    It is Bailey's polar form of Student's t with 2 alpha degrees of freedom, mapped to the beta
    distribution.

    Args:
        alpha: above 0; infinity gives halves.

    Source: R. W. Bailey, Polar generation of random variates with the t-distribution,
    Mathematics of Computation 62 (1994); L. Devroye, Random variate generation in one line of
    code, Winter Simulation Conference (1996), section 5.

    >>> draws = symmetric_beta(0.4, 10_000, torch.Generator().manual_seed(0))
    >>> bool(abs(draws.mean() - 0.5) < 0.02)
    True
    """
    if alpha == 1:  # uniform
        return torch.rand(count, generator=generator, dtype=torch.float64, device="cpu")
    uniform = torch.rand(2, count, generator=generator, dtype=torch.float64, device="cpu")
    cosine = uniform[0].mul_(2 * math.pi).cos_()
    # log1p(-U) and expm1 keep full precision where U is near 0 and where alpha is huge.
    spread = uniform[1].neg_().log1p_().div_(-alpha).expm1_().reciprocal_()
    radius = spread.add_(cosine.square()).sqrt_()
    return cosine.div_(radius).mul_(0.5).add_(0.5)


def kept_share(alpha: float, count: int, generator: torch.Generator) -> Tensor:
    """Draw from Beta(alpha, alpha) what samples keep of themselves; with alpha 0, all of it."""
    if alpha == 0:
        return torch.ones(count, dtype=torch.float64, device="cpu")
    return symmetric_beta(alpha, count, generator)


def cycle(batches: int, count: int, generator: torch.Generator) -> Tensor:
    """One random cycle: nobody is his own partner, and no pair appears twice (from 3 on).

    Returns:
        (batches, count) int64: for each sample, its partner in its own batch.

    >>> partner = cycle(2, 5, torch.Generator().manual_seed(0))
    >>> bool((partner == torch.arange(5)).any())
    False
    """
    order = shuffle(batches, count, generator)
    return torch.empty_like(order).scatter_(1, order, order.roll(-1, 1))


def shuffle(batches: int, count: int, generator: torch.Generator) -> Tensor:
    """A plain shuffle, as in most published code: about one sample a batch meets itself."""
    each = [torch.randperm(count, generator=generator, device="cpu") for _ in range(batches)]
    return torch.stack(each)


def pairs(batches: int, count: int, generator: torch.Generator) -> Tensor:
    """A random pairing: two samples are each other's partner; of an odd count, one stays alone.

    >>> (partner,) = pairs(1, 4, torch.Generator().manual_seed(0))
    >>> bool((partner[partner] == torch.arange(4)).all())
    True
    """
    order = shuffle(batches, count, generator)
    swapped, paired = order.clone(), count // 2 * 2
    swapped[:, :paired:2], swapped[:, 1:paired:2] = order[:, 1:paired:2], order[:, :paired:2]
    return torch.empty_like(order).scatter_(1, order, swapped)


def reverse(batches: int, count: int, generator: torch.Generator) -> Tensor:
    """The batch read backwards: no random number is drawn."""
    return torch.arange(count - 1, -1, -1, device="cpu").expand(batches, count)


PARTNERS: dict[str, Callable[[int, int, torch.Generator], Tensor]] = {
    "cycle": cycle,
    "shuffle": shuffle,
    "pairs": pairs,
    "reverse": reverse,
}


def to_device(drawn: Tensor, device: torch.device) -> Tensor:
    """Move a drawn tensor to a device without making the host wait."""
    if drawn.ndim and len(drawn) > 1 and drawn.stride(0) == 0:  # one for the whole batch
        return to_device(drawn[:1], device).expand_as(drawn)
    if device.type == "cuda":
        drawn = drawn.pin_memory()
    return moved(drawn, device)
