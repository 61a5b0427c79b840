"""How long runs take, and how many fit into the time that there is."""

import heapq
import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from vicinal.errors import VicinalError
from vicinal.learner.events import Callback, CancelTrain, CancelValidate
from vicinal.learner.learner import Learner
from vicinal.study.words import counted, spoken

WARM_UP, TIMED = 2, 6  # batches of a trial
PASSES = 7  # through the validation part, to measure all there is
# Of the time, for what no trial can foresee and for the report; and seconds.
MARGIN, LEAST_MARGIN = 0.05, 5.0
LONGER = 1.3  # than a trial says, which is short, a run may take
CANCELS = {True: CancelTrain, False: CancelValidate}


@dataclass(frozen=True)
class Cost:
    """What a run costs, in seconds: to begin it and measure it, and for each epoch."""

    once: float
    epoch: float

    def run(self, epochs: int) -> float:
        return self.once + epochs * self.epoch


class Stopwatch(Callback):
    """Times some batches of training and of validation, and ends the training then.

    Of each it keeps when it began, and when each batch ended.
    """

    order = 98

    def __init__(self) -> None:
        self.times: dict[bool, list[float]] = {True: [], False: []}

    def before_train(self, learn: Learner) -> None:
        self.times[True].append(time.perf_counter())

    def before_validate(self, learn: Learner) -> None:
        self.times[False].append(time.perf_counter())

    def after_batch(self, learn: Learner) -> None:
        if learn.loss is not None:
            learn.loss.item()  # waits for the device
        self.times[learn.training].append(time.perf_counter())
        if len(self.times[learn.training]) > WARM_UP + TIMED:
            raise CANCELS[learn.training]

    def seconds(self, training: bool) -> float:
        """The mean time of a batch; that of the last one, where there are few."""
        times = self.times[training]
        timed = min(TIMED, max(1, len(times) - 1 - WARM_UP))
        return (times[-1] - times[-1 - timed]) / timed


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
        seconds: until they are.
    """

    seeds: int
    runs: int
    seconds: float


def usable(budget: float) -> float:
    """What of the time is for runs; the rest is for what no trial can foresee."""
    return budget - min(budget / 2, max(MARGIN * budget, LEAST_MARGIN))


def needed(seconds: float) -> float:
    """The time of which so much is usable.

    >>> [usable(needed(seconds)) for seconds in (3.0, 50.0, 950.0)]
    [3.0, 50.0, 950.0]
    """
    return min(2 * seconds, max(seconds + LEAST_MARGIN, seconds / (1 - MARGIN)))


def plan(
    runs: Sequence[Sequence[float]],
    budget: float,
    kept: int = 0,
    *,
    jobs: int = 1,
    spent: float = 0.0,
) -> Plan:
    """Plan what fits into the time.

    Args:
        runs: for each seed, the seconds of every run that is still to be done.
        budget: seconds that are left for them.
        kept: how many seeds are planned whatever the time, as some of their runs are done.
        jobs: processes; each takes the next run as soon as it is free.
        spent: seconds that were spent before.

    Raises:
        VicinalError: nothing is done yet, and not even one run of each arm fits.

    >>> plan([[10.0, 10.0]] * 5, budget=45.0)
    Plan(seeds=2, runs=4, seconds=40.0)
    """
    idle = [0.0] * jobs
    first = max(_after(runs[0], idle))
    if first > budget and not kept:
        each = counted(len(runs), "seed")
        every = max(_after([run for seed in runs for run in seed], idle))
        raise VicinalError(
            f"--budget is too small: for one run of each of the {len(runs[0])} arms give about "
            f"{_asked(first + spent)}, and for {each} of each {_asked(every + spent)}; or fewer "
            "epochs, arms or samples"
        )
    planned, ends = Plan(0, 0, 0.0), idle
    for seed, seconds in enumerate(runs):
        ends = _after(seconds, ends)
        if max(ends) > budget and seed >= kept:
            break
        planned = Plan(seed + 1, planned.runs + len(seconds), max(ends))
    return planned


def _asked(seconds: float) -> str:
    """The budget to ask for."""
    return spoken(math.ceil(needed(LONGER * seconds)))


def _after(runs: Iterable[float], ends: Sequence[float]) -> list[float]:
    """When each process is free, once these runs are shared by those that are so at ``ends``.

    >>> _after([60.0, 60.0, 60.0], [0.0, 0.0])
    [60.0, 120.0]
    """
    ends = list(ends)
    for seconds in runs:
        heapq.heapreplace(ends, ends[0] + seconds)
    return ends
