"""Timing several candidates fairly on a noisy machine."""

import random
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import torch

from vicinal.progress import pulse


@dataclass
class Candidate:
    """Something to time.

    Args:
        name: what the table calls it.
        call: what is timed.
        prepare: runs before each call, untimed, such as restoring a batch.
        seconds: the time of each call, filled by :func:`interleave`.
    """

    name: str
    call: Callable[[], object]
    prepare: Callable[[], object] = lambda: None
    seconds: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


def interleave(candidates: list[Candidate], budget: float, device: torch.device) -> None:
    """Time all candidates in turn, in a new order each round, for about ``budget`` seconds.

    Other load on the machine then slows all candidates alike, and none always runs after the same
    one, in the cache that it left. Two calls of each warm up; at least five are timed.
    """
    for candidate in candidates * 2:
        _time(candidate, device)
    order = list(candidates)
    shuffle = random.Random(0).shuffle
    for candidate in candidates:
        candidate.seconds.clear()
    end = time.perf_counter() + budget
    while time.perf_counter() < end or len(candidates[0].seconds) < 5:
        shuffle(order)
        for candidate in order:
            candidate.seconds.append(_time(candidate, device))


def _time(candidate: Candidate, device: torch.device) -> float:
    pulse()  # here, where nothing is timed
    candidate.prepare()
    _synchronize(device)
    start = time.perf_counter()
    candidate.call()
    _synchronize(device)  # calls on a GPU return before their kernels have run
    return time.perf_counter() - start


def _synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
