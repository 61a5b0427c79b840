"""What ``vicinal compare`` does: from a config to a folder with the answer."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from math import inf
from pathlib import Path
from typing import Any

import torch

from vicinal.errors import VicinalError
from vicinal.learner.learner import Learner
from vicinal.processes import default_device, processors, this_process
from vicinal.progress import progress_bar
from vicinal.runs import default_folder
from vicinal.study.analysis import Analysis
from vicinal.study.answer import answer
from vicinal.study.arms import Arm, comparisons
from vicinal.study.budget import measure_cost, plan_seeds, usable
from vicinal.study.cluster import RayCluster
from vicinal.study.config import ExperimentConfig
from vicinal.study.experiment import Experiment
from vicinal.study.folder import ComparisonFolder
from vicinal.study.formatting import format_duration, pluralize
from vicinal.study.on_ray import RayRunner
from vicinal.study.ray_worker import Job
from vicinal.study.result import Result
from vicinal.study.runner import Runner
from vicinal.study.store import ResultStore
from vicinal.tasks import TrainOptions

SEEDS = 3

Log = Callable[[str, str], None]


def compare_data(
    config: ExperimentConfig,
    *,
    seeds: int | None,
    budget: float | None,
    out: Path | None,
    resume: bool,
    overwrite: bool,
    jobs: int | None,
    ray: str | None = None,
    typed: Collection[str] = (),
    log: Log,
) -> Path:
    """Run an experiment, and write its answer to a folder.

    Args:
        config: what to compare.
        seeds: how many; None takes 3, or as many as before.
        budget: seconds that all of it may take; None for no limit.
        out: the folder; None takes the next free one below ``runs``, or to resume, the last one.
        resume: go on with the comparison that is there; seeds and arms may be added.
        overwrite: replace it.
        jobs: how many processes share the runs; None takes one for each GPU.
        ray: the address of a Ray cluster that does the runs instead; None for this machine.
        typed: the names of settings that the user typed, as for
            :meth:`ExperimentConfig.merged_with`.
        log: called with a name and a text for each thing that was found or chosen.

    Returns:
        The report.

    Raises:
        VicinalError: the data, the settings or the folder cannot be used, or the time was up
            before a run had finished.
        KeyboardInterrupt: after the results so far are written.
    """
    began = time.monotonic()
    _check(seeds, jobs, resume, overwrite, ray)
    cluster = None if ray is None else RayCluster(ray)
    folder = ComparisonFolder(out or default_folder(config.options.data, resume, "compare"))
    folder.check(may_exist=resume or overwrite)
    before = folder.settings() if resume else None
    if resume and before is None:
        log("resume", f"{folder.path} holds no comparison yet: starting one")
    experiment = _experiment(config, before, folder, typed)
    _log_setup(experiment, log)
    least = before["seeds"] if before else 0
    kept = before.get("threads") if before and jobs is None else None
    seeds, jobs = seeds or least or SEEDS, jobs or max(1, _gpus())
    if seeds < least:
        raise VicinalError(
            f"--seeds {seeds} is fewer than the {least} of the comparison in {folder.path}: leave "
            "it out, or begin another one"
        )
    # Before the trial, which must be as slow as the runs.
    if kept:
        torch.set_num_threads(min(kept, processors()))
    elif jobs > 1 and not _gpus():
        torch.set_num_threads(_threads(jobs))
    if cluster is not None:
        wanted = kept or torch.get_num_threads()
        jobs = cluster.plan(partial(Job.of, experiment, folder.results), wanted)
        log("ray", cluster.describe())
    threads = cluster.job.threads if cluster else torch.get_num_threads()
    if kept and threads != kept:
        log("threads", f"{threads}, not {kept} as before: the last bits of results may differ")
    plan = RunPlan(seeds)
    store = experiment.store(folder.results)
    if budget is not None:
        earlier = store if before else None
        plan = _plan(experiment, seeds, least, earlier, began, usable(budget), jobs, cluster, log)
    if overwrite:
        folder.clear()
    folder.begin(experiment, plan.seeds, kept or threads)
    try:
        _run(experiment, folder, store, plan, jobs, cluster, log)
    except NoResults:
        if before is None:  # the user can correct the mistake, and give the same command again
            folder.remove()
        raise
    return folder.report


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


class NoResults(VicinalError):
    """A comparison failed before any of its runs had finished."""


def _check(
    seeds: int | None, jobs: int | None, resume: bool, overwrite: bool, ray: str | None
) -> None:
    if ray is not None and jobs is not None:
        raise VicinalError(
            "--ray and --jobs exclude each other: leave out --jobs, as Ray does as many runs at "
            "once as its nodes have room for"
        )
    if resume and overwrite:
        raise VicinalError("--overwrite and --resume exclude each other: leave out one of them")
    if this_process().num_processes > 1:
        raise VicinalError("vicinal compare starts its own processes: call it alone, with --jobs")
    for name, number in (("seeds", seeds), ("jobs", jobs)):
        if number is not None and number < 1:
            raise VicinalError(f"--{name} must be 1 or more, not {number}")
    if jobs is not None and jobs > max(processors(), _gpus()):
        raise VicinalError(f"--jobs {jobs} is more than the {processors()} processors: use fewer")


def compare_worker(path: Path, seconds: float) -> None:
    """Do runs of a comparison that another process has begun, and print nothing."""
    folder = ComparisonFolder(path)
    before = folder.settings()
    if before is None:
        raise VicinalError(f"{path} holds no comparison")
    options = TrainOptions(before["config"]["options"]["data"])
    experiment = _experiment(ExperimentConfig(options), before, folder)
    bar = progress_bar()
    bar.disable = True
    Runner(
        experiment.runs(before["seeds"]),
        experiment.prepare,
        experiment.store(folder.results),
        deadline=None if seconds == inf else time.monotonic() + seconds,
        bar=bar,
    ).run()


def _experiment(
    config: ExperimentConfig,
    before: dict[str, Any] | None,
    folder: ComparisonFolder,
    typed: Collection[str] = (),
) -> Experiment:
    """The experiment, with the choices of the one in the folder where it is resumed."""
    if before is None:
        experiment = Experiment(config)
        if len(experiment.split.valid) < 2:
            raise VicinalError(
                "one validation sample is too few to compare: hold out more, by --valid"
            )
        return experiment
    merged = config.merged_with(before["config"], typed)
    experiment = Experiment(merged, TrainOptions(**before["resolved"]), before.get("choices"))
    if experiment.task.fingerprint() != before["data"]:
        raise VicinalError(
            f"the data have changed since the comparison in {folder.path} was begun: restore them, "
            "or begin another one"
        )
    left_out = set(before["arms"]) - {arm.name for arm in experiment.arms}
    if left_out:
        raise VicinalError(
            f"the comparison in {folder.path} has {', '.join(sorted(left_out))}, too: arms may be "
            "added by --mix, --alpha and --epochs, but name all that are there"
        )
    return experiment


def _log_setup(experiment: Experiment, log: Log) -> None:
    log("data", experiment.task.describe())
    for note in experiment.split.notes:
        log(*note.split(": ", 1))
    for name, reason in experiment.choices.items():
        if name != "epochs":
            log(name, reason)
    for arm, baseline in comparisons(experiment.arms):
        epochs = pluralize(arm.epochs, "epoch")
        log("compared", f"{arm.method} with {baseline.method}, {epochs}")


def _plan(
    experiment: Experiment,
    seeds: int,
    least: int,
    store: ResultStore | None,
    began: float,
    seconds: float,
    jobs: int,
    cluster: RayCluster | None,
    log: Log,
) -> RunPlan:
    """What there is time for, by a short trial of an arm that mixes.

    Args:
        seeds: how many the user wants.
        least: how many an earlier call planned.
        store: the results of earlier calls; None where there are none.
        began: when this call began, by ``time.monotonic``.
        seconds: how long all of it may take from then on.
    """
    tried = next(arm for arm in experiment.arms if arm.mixes)
    if cluster is None:
        cost = measure_cost(lambda: experiment.prepare(tried, 0).learn)
    else:
        cost = cluster.trial(tried.name)
    # fine_tune trains the head alone for an epoch first.
    frozen = 1 if experiment.task.fit is Learner.fine_tune else 0
    expected = {arm.name: cost.run(frozen + arm.epochs) for arm in experiment.arms}

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


def _run(
    experiment: Experiment,
    folder: ComparisonFolder,
    store: ResultStore,
    plan: RunPlan,
    jobs: int,
    cluster: RayCluster | None,
    log: Log,
) -> None:
    """Do the runs, and write and print what they gave, also where they were stopped."""
    runs = experiment.runs(plan.seeds)
    done = sum(store.has(*run) for run in runs)
    if done:
        log("done before", f"{done} of {pluralize(len(runs), 'run')} in {folder.path}")
    log("runs", f"{len(runs)}: {len(experiment.arms)} arms of {pluralize(plan.seeds, 'seed')}")
    runner_type = Runner if cluster is None else partial(RayRunner, cluster, log)
    runner = runner_type(
        runs,
        experiment.prepare,
        store,
        deadline=plan.deadline,
        expected=plan.expected,
        done=_RunLogger(experiment.arms, len(runs), log),
        bar=progress_bar(),
    )
    try:
        with _workers(1 if cluster else jobs, folder, plan.deadline):
            runner.run()
    except VicinalError as error:
        if not runner.results:
            raise NoResults(str(error)) from None
        raise
    finally:
        _conclude(folder, experiment, runner.results, len(runs), log)
    if not runner.results:
        raise VicinalError(
            "the time was up before a run had finished: give more, and go on with --resume"
        )


class _RunLogger:
    """Logs each new result, and how long the other runs will take."""

    def __init__(self, arms: list[Arm], runs: int, log: Log) -> None:
        self.arms, self.runs, self.log = {arm.name: arm for arm in arms}, runs, log
        self.began, self.new = time.monotonic(), 0

    def __call__(self, result: Result, count: int, is_new: bool) -> None:
        if not is_new:
            return
        self.new += 1
        arm = self.arms[result.arm]
        name = f"{arm.method}, {pluralize(arm.epochs, 'epoch')}, seed {result.seed}"
        outcome = "diverged" if result.failed else Analysis([arm], [result]).summary(result)
        left = (time.monotonic() - self.began) / self.new * (self.runs - count)
        more = f"; about {format_duration(left)} left" if count < self.runs else ""
        self.log(f"run {count} of {self.runs}", f"{name}: {outcome}{more}")


def _conclude(
    folder: ComparisonFolder, experiment: Experiment, results: list[Result], runs: int, log: Log
) -> None:
    """Write and print what was found so far."""
    if not results:
        return
    if len(results) < runs:
        log("not done", f"{runs - len(results)} of {runs} runs: go on with --resume")
    analysis = Analysis(experiment.arms, results)
    sentences = answer(analysis)
    folder.write(
        analysis,
        sentences,
        title=f"Does mixing help on {experiment.config.options.data}?",
        command=experiment.config.command(max(result.seed for result in results) + 1),
        settings=experiment.settings(),
        images=experiment.board(),
    )
    print()
    for sentence in sentences:
        print(sentence)


@contextmanager
def _workers(jobs: int, folder: ComparisonFolder, deadline: float | None) -> Iterator[None]:
    """Other processes that do runs of the same comparison, for as long as this one does."""
    seconds = inf if deadline is None else deadline - time.monotonic()
    command = [sys.executable, "-m", "vicinal", "compare-worker", str(folder.path), str(seconds)]
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    devices = visible.split(",") if visible else [str(number) for number in range(_gpus())]
    started = []
    for number in range(1, jobs):
        environment = {**os.environ, "OMP_NUM_THREADS": str(_threads(jobs))}
        if devices:
            environment["CUDA_VISIBLE_DEVICES"] = devices[number % len(devices)]
        started.append(subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL))
    try:
        yield
    finally:
        for process in started:
            process.terminate()
            process.wait()


def _threads(jobs: int) -> int:
    """The number of threads of each of several processes."""
    return max(1, processors() // jobs)


def _gpus() -> int:
    return torch.accelerator.device_count() if default_device().type != "cpu" else 0
