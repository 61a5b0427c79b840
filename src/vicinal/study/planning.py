"""What a comparison runs, with how many processes, and for how many seeds there is time."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch

from vicinal.formatting import pluralize
from vicinal.learner.learner import Learner
from vicinal.processes import default_device, processors
from vicinal.study.arms import Arm, size_text
from vicinal.study.budget import Cost, measure_cost, plan_seeds, usable
from vicinal.study.cluster import RayCluster
from vicinal.study.experiment import Experiment
from vicinal.study.formatting import format_duration
from vicinal.study.jobs import WORTH, Jobs, choose_jobs
from vicinal.study.store import ResultStore

Log = Callable[[str, str], None]


@dataclass(frozen=True)
class RunPlan:
    """What to run, and until when.

    Args:
        seeds: of each arm.
        deadline: a time of ``time.monotonic``; None for no limit.
        expected: the seconds that a run of each arm takes, by its name.
    """

    seeds: int
    deadline: float | None = None
    expected: dict[str, float] = field(default_factory=dict)


def left_to_do(experiment: Experiment, seeds: int, store: ResultStore | None) -> int:
    """How many runs are not done."""
    return sum(store is None or not store.has(*run) for run in experiment.runs(seeds))


def share_runs(asked: int | None, budget: float | None, runs: int, kept: int | None) -> Jobs:
    """How the runs are shared by processes; of as many threads as were kept from before."""
    if asked is None and not gpus() and budget is not None and budget < 2 * WORTH:
        asked = 1  # there is no time for another process to start
    return choose_jobs(asked, runs, processors=processors(), gpus=gpus(), threads=kept)


@dataclass(frozen=True)
class Left:
    """What is not done yet.

    Args:
        experiment: whose runs they are.
        expected: as :func:`expected_seconds` gives them.
        seeds: how many the user wants.
        store: the results of earlier calls; None where there are none.
    """

    experiment: Experiment
    expected: dict[str, float]
    seeds: int
    store: ResultStore | None

    def seconds(self, number: int, arms: Sequence[Arm]) -> list[float]:
        """Of the runs of these arms with the seed of this number, from 0."""
        seed = self.experiment.config.first_seed + number
        return [
            self.expected[arm.name]
            for arm in arms
            if self.store is None or not self.store.has(arm, seed)
        ]

    def by_seed(self, arms: Sequence[Arm] | None = None) -> list[list[float]]:
        """For each seed the seconds of the runs of these arms, or of all."""
        found = self.experiment.arms if arms is None else arms
        return [self.seconds(number, found) for number in range(self.seeds)]


def plan_runs(
    left: Left, least: int, began: float, budget: float | None, jobs: int, log: Log
) -> RunPlan:
    """What there is time for; of a map, what it costs is told.

    Args:
        left: what is to do.
        least: how many seeds an earlier call planned.
        began: when this call began, by ``time.monotonic``.
        budget: seconds that all of it may take from then on; None for no limit.
        jobs: processes that share the runs.
        log: is told.
    """
    if left.experiment.is_map:
        _tell_costs(left, jobs, log)
    if budget is None:
        return RunPlan(left.seeds, expected=left.expected)
    seconds, spent = usable(budget), time.monotonic() - began
    fitting = plan_seeds(left.by_seed(), seconds - spent, least, jobs=jobs, spent=spent)
    fewer = f", of the {left.seeds} that were asked for" if fitting.seeds < left.seeds else ""
    about = format_duration(fitting.seconds)
    log("budget", f"{pluralize(fitting.seeds, 'seed')} of each arm, about {about}{fewer}")
    return RunPlan(fitting.seeds, began + seconds, left.expected)


def _tell_costs(left: Left, jobs: int, log: Log) -> None:
    """What the cells of a map cost, before they are begun."""
    cells: dict[float, list[str]] = {}
    for cell in sorted({arm.cell for arm in left.experiment.arms}):
        arms = [arm for arm in left.experiment.arms if arm.cell == cell]
        about = format_duration(sum(map(sum, left.by_seed(arms))) / jobs)
        text = f"{about} for {pluralize(cell.epochs, 'epoch')}"
        cells.setdefault(cell.train_size, []).append(text)
    for size, texts in cells.items():
        log("cost", f"{size_text(size)}: {', '.join(texts)}")
    about = format_duration(sum(map(sum, left.by_seed())) / jobs)
    at_once = f", {pluralize(jobs, 'run')} at once" if jobs > 1 else ""
    log("cost", f"about {about} in all{at_once}; the cheapest cells are done first")


def expected_seconds(experiment: Experiment, cluster: RayCluster | None) -> dict[str, float]:
    """What a run of each arm takes, by its name; measured by short trials.

    Each number of samples that pass through the network for one has a trial of its own, of an arm
    that mixes where there is one, and of the largest training size, which is timed best.
    """
    # fine_tune trains the head alone for an epoch first.
    frozen = 1 if experiment.task.fit is Learner.fine_tune else 0
    counts = {arm.name: experiment.train_count(arm) for arm in experiment.arms}
    tried: dict[float, Arm] = {}
    for arm in sorted(experiment.arms, key=lambda arm: (not arm.mixes, -counts[arm.name])):
        tried.setdefault(experiment.passes(arm), arm)

    def trial(arm: Arm) -> Cost:
        if cluster is not None:
            return cluster.trial(arm.name)
        seed = experiment.config.first_seed
        return measure_cost(
            lambda: experiment.prepare(arm, seed).learn,
            experiment.ood_passes,
            experiment.curve_looks,
        )

    costs = {passes: trial(arm) for passes, arm in tried.items()}

    def seconds(arm: Arm) -> float:
        passes = experiment.passes(arm)
        share = counts[arm.name] / counts[tried[passes].name]
        return costs[passes].run(frozen + arm.epochs, share)

    return {arm.name: seconds(arm) for arm in experiment.arms}


def gpus() -> int:
    """How many GPUs there are."""
    return torch.accelerator.device_count() if default_device().type != "cpu" else 0
