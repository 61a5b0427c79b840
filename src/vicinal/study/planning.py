"""What a comparison runs, with how many processes, and for how many seeds there is time."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import torch

from vicinal.learner.learner import Learner
from vicinal.processes import default_device, processors
from vicinal.study.arms import Arm
from vicinal.study.budget import Cost, measure_cost, plan_seeds
from vicinal.study.cluster import RayCluster
from vicinal.study.experiment import Experiment
from vicinal.study.formatting import format_duration, pluralize
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


def plan_runs(
    experiment: Experiment,
    costs: dict[int, Cost],
    seeds: int,
    least: int,
    store: ResultStore | None,
    began: float,
    seconds: float,
    jobs: int,
    log: Log,
) -> RunPlan:
    """What there is time for.

    Args:
        costs: as :func:`measure_costs` gives them.
        seeds: how many the user wants.
        least: how many an earlier call planned.
        store: the results of earlier calls; None where there are none.
        began: when this call began, by ``time.monotonic``.
        seconds: how long all of it may take from then on.
    """
    # fine_tune trains the head alone for an epoch first.
    frozen = 1 if experiment.task.fit is Learner.fine_tune else 0
    expected = {
        arm.name: costs[experiment.passes(arm)].run(frozen + arm.epochs) for arm in experiment.arms
    }

    def left(seed: int) -> list[float]:
        arms = [arm for arm in experiment.arms if store is None or not store.has(arm, seed)]
        return [expected[arm.name] for arm in arms]

    runs = [left(seed) for seed in range(seeds)]
    spent = time.monotonic() - began
    fitting = plan_seeds(runs, seconds - spent, least, jobs=jobs, spent=spent)
    fewer = f", of the {seeds} that were asked for" if fitting.seeds < seeds else ""
    about = format_duration(fitting.seconds)
    log("budget", f"{pluralize(fitting.seeds, 'seed')} of each arm, about {about}{fewer}")
    return RunPlan(fitting.seeds, began + seconds, expected)


def measure_costs(experiment: Experiment, cluster: RayCluster | None) -> dict[int, Cost]:
    """What a run costs, for each number of samples that pass through the network for one.

    It is measured by short trials, of arms that mix where there are some.
    """
    tried: dict[int, Arm] = {}
    for arm in sorted(experiment.arms, key=lambda arm: not arm.mixes):
        tried.setdefault(experiment.passes(arm), arm)

    def trial(arm: Arm) -> Cost:
        if cluster is not None:
            return cluster.trial(arm.name)
        return measure_cost(lambda: experiment.prepare(arm, 0).learn, experiment.ood_passes)

    return {passes: trial(arm) for passes, arm in tried.items()}


def gpus() -> int:
    """How many GPUs there are."""
    return torch.accelerator.device_count() if default_device().type != "cpu" else 0
