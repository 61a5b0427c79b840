"""What ``vicinal compare`` does: from a question to a folder with its answer."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import Any

import torch

from vicinal.errors import VicinalError
from vicinal.learner.learner import Learner
from vicinal.processes import default_device, processors, this_process
from vicinal.progress import progress_bar
from vicinal.runs import default_folder
from vicinal.study.answer import said
from vicinal.study.arms import Arm, comparisons
from vicinal.study.budget import plan, trial, usable
from vicinal.study.folder import ComparisonFolder
from vicinal.study.question import Question, Trainings
from vicinal.study.runner import Result
from vicinal.study.study import Study
from vicinal.study.words import counted, spoken
from vicinal.study.work import Store, Work
from vicinal.tasks import TrainOptions

SEEDS = 3

Tell = Callable[[str, str], None]


def compare_data(
    question: Question,
    *,
    seeds: int | None,
    budget: float | None,
    out: Path | None,
    resume: bool,
    overwrite: bool,
    jobs: int | None,
    typed: Collection[str] = (),
    tell: Tell,
) -> Path:
    """Answer a question, and leave the answer in a folder.

    Args:
        question: what is asked.
        seeds: how many; None takes 3, or as many as before.
        budget: seconds that all of it may take; None for as long as it takes.
        out: the folder; None takes the next free one below ``runs``, or to resume, the last one.
        resume: go on with the comparison that is there; seeds and arms may be added.
        overwrite: replace it.
        jobs: how many processes work at it; None takes one for each GPU.
        typed: the names of settings that are to be as before, though they be the default.
        tell: is called with a name and a text for each thing that was found or chosen.

    Returns:
        The report.

    Raises:
        VicinalError: the data, the settings or the folder do not serve, or the time was up before
            a run had ended.
        KeyboardInterrupt: after what was found is written.
    """
    began = time.monotonic()
    _check(seeds, jobs, resume, overwrite)
    folder = ComparisonFolder(out or default_folder(question.options.data, resume, "compare"))
    folder.check(may_hold_one=resume or overwrite)
    before = folder.settings() if resume else None
    if resume and before is None:
        tell("resume", f"nothing is in {folder.path} yet: it is begun")
    trainings = _trainings(question, before, folder, typed)
    _tell_plan(trainings, tell)
    kept = before["seeds"] if before else 0
    seeds, jobs = seeds or kept or SEEDS, jobs or max(1, _gpus())
    if seeds < kept:
        raise VicinalError(
            f"--seeds {seeds} is fewer than the {kept} of the comparison in {folder.path}: leave "
            "it out, or begin another one"
        )
    if jobs > 1 and not _gpus():  # before the trial, which is to be as slow as the runs
        torch.set_num_threads(_threads(jobs))
    schedule = Schedule(seeds)
    store = trainings.store(folder.results)
    if budget is not None:
        kept_in = store if before else None
        schedule = _scheduled(trainings, seeds, kept, kept_in, began, usable(budget), jobs, tell)
    if overwrite:
        folder.clear()
    folder.begin(trainings, schedule.seeds)
    try:
        _work(trainings, folder, store, schedule, jobs, tell)
    except Unstarted:
        if before is None:  # what is wrong can be mended, and all of it asked again
            folder.remove()
        raise
    return folder.report


@dataclass(frozen=True)
class Schedule:
    """What is to be done until when.

    Args:
        seeds: of each arm.
        deadline: a time of ``time.monotonic``; None for no end.
        expected: the seconds that a run of each arm takes, by its name.
    """

    seeds: int
    deadline: float | None = None
    expected: dict[str, float] = field(default_factory=dict)


class Unstarted(VicinalError):
    """A comparison ended before any of its runs had."""


def _check(seeds: int | None, jobs: int | None, resume: bool, overwrite: bool) -> None:
    if resume and overwrite:
        raise VicinalError("--overwrite and --resume exclude each other: leave out one of them")
    if this_process().num_processes > 1:
        raise VicinalError("vicinal compare starts its own processes: call it alone, with --jobs")
    for name, number in (("seeds", seeds), ("jobs", jobs)):
        if number is not None and number < 1:
            raise VicinalError(f"--{name} must be 1 or more, not {number}")
    if jobs is not None and jobs > max(processors(), _gpus()):
        raise VicinalError(f"--jobs {jobs} is more than the {processors()} processors: use fewer")


def help_compare(path: Path, seconds: float) -> None:
    """Work at the runs of a comparison that another process has begun, and say nothing."""
    folder = ComparisonFolder(path)
    before = folder.settings()
    if before is None:
        raise VicinalError(f"{path} holds no comparison")
    options = TrainOptions(before["asked"]["options"]["data"])
    trainings = _trainings(Question(options), before, folder)
    bar = progress_bar()
    bar.disable = True
    Work(
        trainings.runs(before["seeds"]),
        trainings.prepare,
        trainings.store(folder.results),
        deadline=None if seconds == inf else time.monotonic() + seconds,
        done=lambda *_: None,
        bar=bar,
    ).do()


def _trainings(
    question: Question,
    before: dict[str, Any] | None,
    folder: ComparisonFolder,
    typed: Collection[str] = (),
) -> Trainings:
    """What is to be trained, as it was asked and chosen before."""
    if before is None:
        found = Trainings(question)
        if len(found.split.valid) < 2:
            raise VicinalError("one validation sample can tell nothing: hold out more, by --valid")
        return found
    asked, resolved = (
        question.merged_with(before["asked"], typed),
        TrainOptions(**before["resolved"]),
    )
    found = Trainings(asked, resolved, before.get("chosen"))
    if found.task.fingerprint() != before["listed"]:
        raise VicinalError(
            f"the data are not what they were when the comparison in {folder.path} was begun: "
            "bring back what was there, or begin another one"
        )
    left_out = set(before["arms"]) - {arm.name for arm in found.arms}
    if left_out:
        raise VicinalError(
            f"the comparison in {folder.path} has {', '.join(sorted(left_out))}, too: arms may be "
            "added by --mix, --alpha and --epochs, but name all that are there"
        )
    return found


def _tell_plan(trainings: Trainings, tell: Tell) -> None:
    tell("data", trainings.task.describe())
    for note in trainings.split.notes:
        tell(*note.split(": ", 1))
    for name, reason in trainings.chosen.items():
        if name != "epochs":
            tell(name, reason)
    for arm, baseline in comparisons(trainings.arms):
        epochs = counted(arm.epochs, "epoch")
        tell("compared", f"{arm.method} with {baseline.method}, {epochs}")


def _scheduled(
    trainings: Trainings,
    seeds: int,
    kept: int,
    store: Store | None,
    began: float,
    seconds: float,
    jobs: int,
    tell: Tell,
) -> Schedule:
    """What there is time for, by a short trial of a run that mixes.

    Args:
        seeds: how many are wished for.
        kept: how many were planned before.
        store: where results from before are; None where there are none.
        began: when, by ``time.monotonic``.
        seconds: from then on, for all of it.
    """
    tried = next(arm for arm in trainings.arms if arm.mixes)
    cost = trial(lambda: trainings.prepare(tried, 0)[0])
    frozen = 1 if trainings.task.fit is Learner.fine_tune else 0  # epochs of the head alone
    expected = {arm.name: cost.run(frozen + arm.epochs) for arm in trainings.arms}

    def left(seed: int) -> list[float]:
        arms = [arm for arm in trainings.arms if store is None or not store.has(arm, seed)]
        return [expected[arm.name] for arm in arms]

    runs = [left(seed) for seed in range(seeds)]
    spent = time.monotonic() - began
    found = plan(runs, seconds - spent, kept, jobs=jobs, spent=spent)
    fewer = f", of the {seeds} that were asked for" if found.seeds < seeds else ""
    about = spoken(found.seconds)
    tell("budget", f"{counted(found.seeds, 'seed')} of each arm, about {about}{fewer}")
    return Schedule(found.seeds, began + seconds, expected)


def _work(
    trainings: Trainings,
    folder: ComparisonFolder,
    store: Store,
    schedule: Schedule,
    jobs: int,
    tell: Tell,
) -> None:
    """Do what is to be done, and write and say what was found, also where it was stopped."""
    runs = trainings.runs(schedule.seeds)
    done = sum(store.has(*run) for run in runs)
    if done:
        tell("done before", f"{done} of {counted(len(runs), 'run')} in {folder.path}")
    tell("runs", f"{len(runs)}: {len(trainings.arms)} arms of {counted(schedule.seeds, 'seed')}")
    work = Work(
        runs,
        trainings.prepare,
        store,
        deadline=schedule.deadline,
        expected=schedule.expected,
        done=_Teller(trainings.arms, len(runs), tell),
        bar=progress_bar(),
    )
    try:
        with _helpers(jobs, folder, schedule.deadline):
            work.do()
    except VicinalError as error:
        if not work.results:
            raise Unstarted(str(error)) from None
        raise
    finally:
        _conclude(folder, trainings, work.results, len(runs), tell)
    if not work.results:
        raise VicinalError(
            "the time was up before a run had ended: give more, and go on with --resume"
        )


class _Teller:
    """Says what each run gave that was not done before, and how long the others will take."""

    def __init__(self, arms: list[Arm], runs: int, tell: Tell) -> None:
        self.arms, self.runs, self.tell = {arm.name: arm for arm in arms}, runs, tell
        self.began, self.new = time.monotonic(), 0

    def __call__(self, result: Result, count: int, is_new: bool) -> None:
        if not is_new:
            return
        self.new += 1
        arm = self.arms[result.arm]
        name = f"{arm.method}, {counted(arm.epochs, 'epoch')}, seed {result.seed}"
        found = "diverged" if result.failed else Study([arm], [result]).summary(result)
        left = (time.monotonic() - self.began) / self.new * (self.runs - count)
        more = f"; about {spoken(left)} left" if count < self.runs else ""
        self.tell(f"run {count} of {self.runs}", f"{name}: {found}{more}")


def _conclude(
    folder: ComparisonFolder, trainings: Trainings, results: list[Result], runs: int, tell: Tell
) -> None:
    """Write and say what was found, also where it was stopped half-way."""
    if not results:
        return
    if len(results) < runs:
        tell("not done", f"{runs - len(results)} of {runs} runs: go on with --resume")
    study = Study(trainings.arms, results)
    folder.write(
        study,
        title=f"Does mixing help on {trainings.question.options.data}?",
        command=trainings.question.command(max(result.seed for result in results) + 1),
        settings=trainings.settings(),
        images=trainings.board(),
    )
    print()
    for sentence in said(study):
        print(sentence)


@contextmanager
def _helpers(jobs: int, folder: ComparisonFolder, deadline: float | None) -> Iterator[None]:
    """Other processes that work at the same runs, for as long as this one does."""
    seconds = inf if deadline is None else deadline - time.monotonic()
    command = [sys.executable, "-m", "vicinal", "help-compare", str(folder.path), str(seconds)]
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
    """Of each of several processes."""
    return max(1, processors() // jobs)


def _gpus() -> int:
    return torch.accelerator.device_count() if default_device().type != "cpu" else 0
