"""How long runs take, and how many fit into the time that there is."""

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from vicinal.errors import VicinalError
from vicinal.learner.events import Callback, CancelTrain, CancelValidate
from vicinal.learner.learner import Learner

UNITS = (3600, 60, 1)  # hours, minutes, seconds
WARM_UP, TIMED = 2, 6  # batches of a trial
PASSES = 7  # through the validation part, to measure all there is
CANCELS = {True: CancelTrain, False: CancelValidate}


def seconds_of(text: str) -> float:
    """A time such as ``20m``, ``1h30m`` or ``90s``, in seconds.

    Raises:
        VicinalError: it is none.

    >>> seconds_of("1h30m")
    5400.0
    """
    found = re.fullmatch(r"(?:([\d.]+)h)?(?:([\d.]+)m)?(?:([\d.]+)s)?", text.strip().lower())
    try:
        parts = [float(number or 0) for number in found.groups()] if found else []
    except ValueError:
        parts = []
    total = sum(part * unit for part, unit in zip(parts, UNITS, strict=False))
    if not total > 0:
        raise VicinalError(f"--budget is a time such as 20m, 1h30m or 90s, not {text!r}")
    return total


def spoken(seconds: float) -> str:
    """A time for people.

    >>> spoken(42.3), spoken(200), spoken(5000)
    ('42 s', '3 min 20 s', '1 h 23 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min" + (f" {whole % 60} s" if whole % 60 else "")
    whole = round(seconds / 60)
    return f"{whole // 60} h" + (f" {whole % 60} min" if whole % 60 else "")


@dataclass(frozen=True)
class Cost:
    """What a run costs, in seconds: to begin it and measure it, and for each epoch."""

    once: float
    epoch: float

    def run(self, epochs: int) -> float:
        return self.once + epochs * self.epoch


class Stopwatch(Callback):
    """Times some batches of training and of validation, and ends the training then."""

    order = 98

    def __init__(self) -> None:
        self.times: dict[bool, list[float]] = {True: [], False: []}

    def after_batch(self, learn: Learner) -> None:
        if learn.loss is not None:
            learn.loss.item()  # waits for the device
        self.times[learn.training].append(time.perf_counter())
        if len(self.times[learn.training]) == WARM_UP + TIMED:
            raise CANCELS[learn.training]

    def seconds(self, training: bool) -> float:
        """The mean time of a batch; of one alone, nothing is known."""
        times = self.times[training]
        first = min(WARM_UP, len(times) - 1)
        return (times[-1] - times[first]) / max(1, len(times) - 1 - first) if times else 0.0


def trial(make: Callable[[], tuple[Learner, Any]]) -> Cost:
    """Find out what a run costs, by some batches of one.

    Args:
        make: makes a learner that mixes, and how it is trained.
    """
    began = time.perf_counter()
    learn, _ = make()
    begun = time.perf_counter() - began
    watch = Stopwatch()
    with learn.no_logging():
        learn.fit(1, cbs=watch)
    train, valid = (
        watch.seconds(training) * len(part)
        for training, part in ((True, learn.dls.train), (False, learn.dls.valid))
    )
    return Cost(begun + PASSES * valid, train + valid)


def fitting(seeds: int, epochs: Sequence[int], cost: Cost, budget: float) -> int:
    """How many of the seeds fit into the time.

    Args:
        seeds: how many are wished for.
        epochs: of every arm.
        cost: of a run.
        budget: seconds.

    Raises:
        VicinalError: not even one of each arm does.
    """
    each = sum(cost.run(n) for n in epochs)
    if each > budget:
        raise VicinalError(
            f"--budget {spoken(budget)} is too small: one run of each of the {len(epochs)} arms "
            f"takes about {spoken(each)}, and 3 seeds of each {spoken(3 * each)}; give that, or "
            "fewer epochs, arms or samples"
        )
    return min(seeds, int(budget / each))
