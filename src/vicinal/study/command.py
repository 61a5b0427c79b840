"""What ``vicinal compare`` does: from a config to a folder with the answer."""

import os
import time
from collections.abc import Collection
from dataclasses import replace
from functools import partial
from math import inf
from pathlib import Path
from typing import Any

import torch

from vicinal.errors import VicinalError
from vicinal.formatting import join_and, pluralize
from vicinal.processes import processors, this_process
from vicinal.progress import progress_bar
from vicinal.stopping import held_back
from vicinal.study.analysis import Analysis
from vicinal.study.answer import answer
from vicinal.study.arms import NONE, Arm, comparisons, make_arms, sizes_text
from vicinal.study.cells import axes, tables_of
from vicinal.study.cluster import RayCluster
from vicinal.study.config import ExperimentConfig
from vicinal.study.experiment import Experiment
from vicinal.study.folder import ComparisonFolder, load_writers
from vicinal.study.formatting import format_duration
from vicinal.study.helpers import end_with_parent, helpers
from vicinal.study.jobs import Jobs, LoadBeside, StartHelpers, limited_threads
from vicinal.study.on_ray import RayRunner
from vicinal.study.planning import (
    Left,
    Log,
    RunPlan,
    expected_seconds,
    gpus,
    left_to_do,
    plan_runs,
    share_runs,
)
from vicinal.study.ray_worker import Job
from vicinal.study.result import Result
from vicinal.study.runner import Runner
from vicinal.study.store import ResultStore
from vicinal.study.training_set import check_label_noise, check_train_sizes
from vicinal.tasks import TrainOptions
from vicinal.tasks.run_config import default_folder

SEEDS = 3
LAST_SEED = 2**62  # as the first of several, which are all below 2**63


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
        jobs: how many processes share the runs; None takes one for each GPU, or without GPUs as
            many as do most on the processors.
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
    _check_config(config)
    cluster = None if ray is None else RayCluster(ray)
    folder = ComparisonFolder(out or default_folder(config.options.data, resume, "compare"))
    folder.check(may_exist=resume or overwrite)
    before = folder.settings() if resume else None
    if resume and before is None:
        log("resume", f"{folder.path} holds no comparison yet: starting one")
    experiment = _experiment(config, before, folder, typed)
    _log_setup(experiment, log)
    least = before["seeds"] if before else 0
    seeds = seeds or least or SEEDS
    if seeds < least:
        raise VicinalError(
            f"--seeds {seeds} is fewer than the {least} of the comparison in {folder.path}: leave "
            "it out, or begin another one"
        )
    store = experiment.store(folder.results)
    earlier = store if before else None
    kept = before.get("threads") if before and jobs is None else None
    share = share_runs(jobs, budget, left_to_do(experiment, seeds, earlier), kept)
    if cluster is not None:
        share = Jobs(1, kept and min(kept, processors()), chosen=False)
    plan = RunPlan(seeds)
    with limited_threads(share.threads):  # also of the trial, which must be as slow as the runs
        at_once, threads = share.processes, torch.get_num_threads()
        if cluster is not None:
            at_once = cluster.plan(partial(Job.of, experiment, folder.results), kept or threads)
            threads = cluster.job.threads
            log("ray", cluster.describe())
        if kept and threads != kept:
            log("threads", f"{threads}, not {kept} as before: the last bits of results may differ")
        if budget is not None or (experiment.is_map and left_to_do(experiment, seeds, earlier)):
            left = Left(experiment, expected_seconds(experiment, cluster), seeds, earlier)
            plan = plan_runs(left, least, began, budget, at_once, log)
        for line in experiment.check_subsets(experiment.seeds(plan.seeds)):
            log(*line)
        if overwrite:
            folder.clear()
        folder.begin(experiment, plan.seeds, kept or threads)
        try:
            _run(experiment, folder, store, plan, share, cluster, log)
        except NoResults:
            if before is None:  # the user can correct the mistake, and give the same command again
                folder.remove()
            raise
    return folder.report


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
    if jobs is not None and jobs > max(processors(), gpus()):
        raise VicinalError(f"--jobs {jobs} is more than the {processors()} processors: use fewer")


def _check_config(config: ExperimentConfig) -> None:
    """Refuse what goes with no data, before they are read."""
    check_label_noise(config.label_noise)
    check_train_sizes(config.train_sizes)
    if not 0 <= config.first_seed <= LAST_SEED:
        raise VicinalError(
            f"--first-seed must be between 0 and {LAST_SEED}, not {config.first_seed}"
        )
    if config.mixes or config.alphas:
        mixes = config.mixes or (NONE, "mixup")  # whatever the data are, these are compared
        make_arms(mixes, config.alphas, config.epochs, config.options, (), config.train_sizes)
    for epochs in config.epochs:
        replace(config.options, epochs=epochs)


def compare_worker(path: Path, seconds: float) -> None:
    """Do runs of a comparison that another process has begun, and print nothing."""
    end_with_parent()
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
    experiment = Experiment(
        merged, TrainOptions(**before["resolved"]), before.get("choices"), before["arms"]
    )
    if experiment.fingerprint() != before["data"]:
        raise VicinalError(
            f"the data have changed since the comparison in {folder.path} was begun: restore them, "
            "or begin another one"
        )
    left_out = set(before["arms"]) - {arm.name for arm in experiment.arms}
    if left_out:
        raise VicinalError(
            f"the comparison in {folder.path} has {', '.join(sorted(left_out))}, too: arms may be "
            "added by --mix, --alpha, --epochs and --train-size, but name all that are there"
        )
    return experiment


def _log_setup(experiment: Experiment, log: Log) -> None:
    log("data", experiment.task.describe())
    for note in experiment.split.notes:
        log(*note.split(": ", 1))
    if experiment.ood is not None:
        log("other data", experiment.ood.text)
    for name, reason in experiment.choices.items():
        if name != "epochs":
            log(name, reason)
    if experiment.is_map:
        _log_map(experiment, log)
        return
    for arm, baseline in comparisons(experiment.arms):
        epochs = pluralize(arm.epochs, "epoch")
        log("compared", f"{arm.method} with {baseline.method}, {epochs}")


def _log_map(experiment: Experiment, log: Log) -> None:
    """What is compared in each cell; all cells have the same arms."""
    arms = [arm for arm in experiment.arms if arm.cell == experiment.arms[0].cell]
    for arm, baseline in comparisons(arms):
        log("compared", f"{arm.method} with {baseline.method}")
    sizes, lengths = axes(experiment.arms)
    *others, longest = lengths
    epochs = join_and([*map(str, others), pluralize(longest, "epoch")])
    log("cells", f"{len(sizes) * len(lengths)}: {sizes_text(sizes)}; {epochs}")


def _run(
    experiment: Experiment,
    folder: ComparisonFolder,
    store: ResultStore,
    plan: RunPlan,
    jobs: Jobs,
    cluster: RayCluster | None,
    log: Log,
) -> None:
    """Do the runs, and write and print what they gave, also where they were stopped."""
    runs = experiment.runs(plan.seeds)
    done = sum(store.has(*run) for run in runs)
    if done:
        log("done before", f"{done} of {pluralize(len(runs), 'run')} in {folder.path}")
    log("runs", f"{len(runs)}: {len(experiment.arms)} arms of {pluralize(plan.seeds, 'seed')}")
    if jobs.text:
        log("processes", jobs.text)
    runner_type = Runner if cluster is None else partial(RayRunner, cluster, log)
    runner = runner_type(
        runs,
        experiment.prepare,
        store,
        deadline=plan.deadline,
        expected=plan.expected,
        done=_RunLogger(runs, plan.expected, log),
        idle=load_writers,
        bar=progress_bar(),
    )
    try:
        threads = jobs.threads or max(1, processors() // jobs.processes)
        with helpers(
            folder.path, plan.deadline, threads=threads, devices=_devices(), log=log
        ) as start:
            runner.callbacks.append(LoadBeside(jobs, runner.left, load_writers))
            if jobs.chosen:
                left = sum(plan.expected.get(a.name, 0.0) for a, s in runs if not store.has(a, s))
                runner.callbacks.append(StartHelpers(jobs, runner.left, start, processors(), left))
            else:
                start(jobs.processes - 1)
            runner.run()
    except VicinalError as error:
        if not runner.results:
            raise NoResults(str(error)) from None
        raise
    except KeyboardInterrupt:
        if not runner.results:
            log("stopped", "before a run had finished: go on with --resume")
        raise
    finally:
        with held_back():  # a signal that comes now must not leave half of it
            _conclude(folder, experiment, runner.results, len(runs), log)
    if not runner.results:
        raise VicinalError(
            "the time was up before a run had finished: give more, and go on with --resume"
        )


class _RunLogger:
    """Logs each new result, and how long the other runs will take."""

    def __init__(self, runs: list[tuple[Arm, int]], expected: dict[str, float], log: Log) -> None:
        self.arms, self.runs, self.log = {arm.name: arm for arm, _ in runs}, len(runs), log
        # Where no trial told how long runs take, their length does.
        self.costs = expected or {arm.name: float(arm.epochs) for arm, _ in runs}
        self.left = sum(self.costs[arm.name] for arm, _ in runs)
        self.began, self.new = time.monotonic(), 0.0

    def __call__(self, result: Result, count: int, is_new: bool) -> None:
        self.left -= self.costs[result.arm]
        if not is_new:
            return
        self.new += self.costs[result.arm]
        arm = self.arms[result.arm]
        name = f"{arm.method}, {arm.cell.text}, seed {result.seed}"
        outcome = "diverged" if result.failed else Analysis([arm], [result]).summary(result)
        left = (time.monotonic() - self.began) / self.new * self.left
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
        command=experiment.command(len({result.seed for result in results})),
        settings=[
            *experiment.settings(),
            *experiment.check_subsets(sorted({result.seed for result in results})),
        ],
        images=experiment.board(),
    )
    print()
    for table in tables_of(analysis) if analysis.is_map and analysis.measures else ():
        print(f"{table}\n")
    for sentence in sentences:
        print(sentence)


def _devices() -> list[str]:
    """The GPUs by number, of which each process takes one."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    return visible.split(",") if visible else [str(number) for number in range(gpus())]
