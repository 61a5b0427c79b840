"""How long runs take, and how many fit into a budget of time."""

import heapq
import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from vicinal.errors import VicinalError
from vicinal.formatting import pluralize
from vicinal.learner.events import Callback, CancelTrain, CancelValidate
from vicinal.learner.learner import Learner
from vicinal.progress import status
from vicinal.study.curve_points import SAMPLES, points, stride
from vicinal.study.formatting import format_duration
from vicinal.study.measures import MEASURES
from vicinal.study.measuring import CHANGED

WARM_UP, TIMED = 2, 6  # batches of a trial
# Through the validation part: one for the outputs, and through other images; and through the
# samples of the measures that run the network again.
PASSES = 1 + sum(measure.passes for measure in MEASURES.values() if measure.on_batch is None)
AGAIN = sum(measure.passes for measure in MEASURES.values() if measure.on_batch is not None)
# What is set aside for the report, and for what no trial can foresee: a share, and seconds.
MARGIN, LEAST_MARGIN = 0.05, 5.0
LONGER = 1.3  # a run may take this many times as long as a short trial predicts
CANCELS = {True: CancelTrain, False: CancelValidate}


@dataclass(frozen=True)
class Cost:
    """What a run costs, in seconds: once, to train an epoch, and to validate.

    Args:
        once: to set up and measure.
        training: of an epoch.
        validation: of a point of the learning curve.
    """

    once: float
    training: float
    validation: float

    def run(self, epochs: int, share: float = 1.0) -> float:
        """A training of this length, which is not validated after every epoch.

        Args:
            epochs: the length.
            share: of the training samples that it was measured with; more than 1 for more.
        """
        validations = len(points(epochs))
        return self.once + epochs * share * self.training + validations * self.validation


class Stopwatch(Callback):
    """Times some batches of training and of validation, and then ends the training.

    ``times`` has, for training and for validation, the start and the end of each batch.
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
            learn.loss.item()  # wait for the device
        self.times[learn.training].append(time.perf_counter())
        if len(self.times[learn.training]) > WARM_UP + TIMED:
            raise CANCELS[learn.training]

    def seconds(self, training: bool) -> float:
        """The mean time of a batch after the warm-up; of few batches, that of the last one."""
        times = self.times[training]
        timed = min(TIMED, max(1, len(times) - 1 - WARM_UP))
        return (times[-1] - times[-1 - timed]) / timed


def measure_cost(make: Callable[[], Learner], more: float = 0.0, looks: int = 1) -> Cost:
    """What a run costs, by a trial of some batches.

    Args:
        make: makes the learner of a run.
        more: passes through other data, in units of the validation part.
        looks: how many times a point of the learning curve looks at about as many samples.
    """
    began = time.perf_counter()
    learn = make()
    learn.dls.prepare()
    setup = time.perf_counter() - began
    watch = Stopwatch()
    with status("trying out how long a run takes"), learn.no_logging():
        learn.fit(1, cbs=watch)
    train, valid = (
        watch.seconds(training) * len(part)
        for training, part in ((True, learn.dls.train), (False, learn.dls.valid))
    )
    again, point = (valid / stride(learn.dls.valid, count) for count in (CHANGED, SAMPLES))
    return Cost(setup + (PASSES + more) * valid + AGAIN * again, train, looks * point)


@dataclass(frozen=True)
class SeedPlan:
    """How many seeds there is time for.

    Args:
        seeds: of every arm, including those that are done.
        runs: how many remain.
        seconds: how long these take.
    """

    seeds: int
    runs: int
    seconds: float


def usable(budget: float) -> float:
    """The part of a budget for runs; the margin is set aside."""
    return budget - min(budget / 2, max(MARGIN * budget, LEAST_MARGIN))


def budget_for(seconds: float) -> float:
    """The budget of which this many seconds are usable.

    >>> [usable(budget_for(seconds)) for seconds in (3.0, 50.0, 950.0)]
    [3.0, 50.0, 950.0]
    """
    return min(2 * seconds, max(seconds + LEAST_MARGIN, seconds / (1 - MARGIN)))


def plan_seeds(
    runs: Sequence[Sequence[float]],
    budget: float,
    least: int = 0,
    *,
    jobs: int = 1,
    spent: float = 0.0,
) -> SeedPlan:
    """How many seeds fit into a budget.

    Args:
        runs: for each seed, the seconds of every run that remains.
        budget: seconds that are left for them.
        least: how many seeds to plan in any case, as some of their runs are done.
        jobs: processes; each takes the next run as soon as it is free.
        spent: seconds that this call has used already.

    Raises:
        VicinalError: nothing is done yet, and not even one run of each arm fits.

    >>> plan_seeds([[10.0, 10.0]] * 5, budget=45.0)
    SeedPlan(seeds=2, runs=4, seconds=40.0)
    """
    idle = [0.0] * jobs
    first = max(_after(runs[0], idle))
    if first > budget and not least:
        seeds = pluralize(len(runs), "seed")
        every = max(_after([run for seed in runs for run in seed], idle))
        raise VicinalError(
            f"--budget is too small: for one run of each of the {len(runs[0])} arms give about "
            f"{_suggested(first + spent)}, and for {seeds} of each "
            f"{_suggested(every + spent)}; or fewer epochs, arms or samples"
        )
    planned, ends = SeedPlan(0, 0, 0.0), idle
    for seed, seconds in enumerate(runs):
        ends = _after(seconds, ends)
        if max(ends) > budget and seed >= least:
            break
        planned = SeedPlan(seed + 1, planned.runs + len(seconds), max(ends))
    return planned


def _suggested(seconds: float) -> str:
    """The budget to ask the user for."""
    return format_duration(math.ceil(budget_for(LONGER * seconds)))


def _after(runs: Iterable[float], ends: Sequence[float]) -> list[float]:
    """When each process becomes free, if these runs are shared by processes free at ``ends``.

    >>> _after([60.0, 60.0, 60.0], [0.0, 0.0])
    [60.0, 120.0]
    """
    ends = list(ends)
    for seconds in runs:
        heapq.heapreplace(ends, ends[0] + seconds)
    return ends
