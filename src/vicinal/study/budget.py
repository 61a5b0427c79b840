"""How long runs take, and how many fit into the time that there is."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vicinal.errors import VicinalError
from vicinal.learner.events import Callback, CancelTrain, CancelValidate
from vicinal.learner.learner import Learner
from vicinal.study.words import spoken

WARM_UP, TIMED = 2, 6  # batches of a trial
PASSES = 7  # through the validation part, to measure all there is
CANCELS = {True: CancelTrain, False: CancelValidate}


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


def trial(make: Callable[[], Learner]) -> Cost:
    """Find out what a run costs, by some batches of one.

    Args:
        make: makes a learner that mixes.
    """
    began = time.perf_counter()
    learn = make()
    begun = time.perf_counter() - began
    watch = Stopwatch()
    with learn.no_logging():
        learn.fit(1, cbs=watch)
    train, valid = (
        watch.seconds(training) * len(part)
        for training, part in ((True, learn.dls.train), (False, learn.dls.valid))
    )
    return Cost(begun + PASSES * valid, train + valid)


@dataclass(frozen=True)
class Plan:
    """How many seeds there is time for.

    Args:
        seeds: of every arm, those that are done among them.
        runs: how many are still to be done.
        seconds: that they take.
    """

    seeds: int
    runs: int
    seconds: float


def plan(runs: Sequence[Sequence[float]], budget: float, kept: int = 0) -> Plan:
    """Plan what fits into the time.

    Args:
        runs: for each seed, the seconds of every run that is still to be done.
        budget: seconds.
        kept: how many seeds are planned whatever the time, as some of their runs are done.

    Raises:
        VicinalError: nothing is done yet, and not even one run of each arm fits.

    >>> plan([[10.0, 10.0]] * 5, budget=45.0)
    Plan(seeds=2, runs=4, seconds=40.0)
    """
    first = sum(runs[0])
    if first > budget and not kept:
        raise VicinalError(
            f"--budget is too small: one run of each of the {len(runs[0])} arms takes about "
            f"{spoken(first)}, and 3 seeds of each {spoken(3 * first)}; give that, or fewer "
            "epochs, arms or samples"
        )
    planned = Plan(0, 0, 0.0)
    for seed, seconds in enumerate(runs):
        total = planned.seconds + sum(seconds)
        if total > budget and seed >= kept:
            break
        planned = Plan(seed + 1, planned.runs + len(seconds), total)
    return planned
