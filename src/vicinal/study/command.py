"""What ``vicinal compare`` does: from a question to a folder with its answer."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from vicinal.errors import VicinalError
from vicinal.processes import default_device, processors
from vicinal.progress import progress_bar
from vicinal.runs import default_folder
from vicinal.study.answer import answer, headline
from vicinal.study.arms import Arm, comparisons
from vicinal.study.budget import Cost, fitting, spoken, trial
from vicinal.study.folder import ComparisonFolder
from vicinal.study.question import Question, Trainings
from vicinal.study.runner import Result
from vicinal.study.study import Study
from vicinal.study.work import Store, Work

SEEDS = 3
MARGIN = 0.05  # of the time, for what no trial can foresee and for the report

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
    helps: bool,
    tell: Tell,
) -> Path:
    """Answer a question, and leave the answer in a folder.

    Args:
        question: what is asked.
        seeds: how many; None takes 3, or as many as before.
        budget: seconds that all of it may take; None for as long as it takes.
        out: the folder; None takes the next free one below ``runs``, or to resume, the last one.
        resume: go on with the comparison that is there; seeds may be added.
        overwrite: replace it.
        jobs: how many processes work at it; None takes one for each GPU.
        helps: this process only works, and says and writes nothing else.
        tell: is called with a name and a text for each thing that was found or chosen.

    Returns:
        The report.

    Raises:
        VicinalError: the data, the settings or the folder do not serve.
        KeyboardInterrupt: after what was found is written.
    """
    began = time.monotonic()
    if resume and overwrite:
        raise VicinalError("--overwrite and --resume exclude each other: leave out one of them")
    for name, number in (("seeds", seeds), ("jobs", jobs)):
        if number is not None and number < 1:
            raise VicinalError(f"--{name} must be 1 or more, not {number}")
    folder = ComparisonFolder(out or default_folder(question.wishes.data, resume, "compare"))
    folder.check(may_hold_one=resume or overwrite)
    before = folder.settings() if resume else None
    if before is not None:
        question = question.as_before(before["asked"])
    seeds = seeds or (before or {}).get("seeds", SEEDS)
    trainings = Trainings(question)
    _tell_plan(trainings, tell)
    deadline = None
    expected: dict[str, float] = {}
    if budget is not None:
        cost = trial(lambda: trainings.prepare(trainings.arms[-1], 0)[:2])
        seeds, expected = _planned(trainings.arms, seeds, cost, budget, tell)
        deadline = began + budget * (1 - MARGIN)
    if overwrite:
        folder.clear()
    if not helps:
        folder.begin(question, seeds)
    runs = [(arm, seed) for seed in range(seeds) for arm in trainings.arms]
    tell("runs", f"{len(runs)}: {len(trainings.arms)} arms of {_counted(seeds, 'seed')}")
    teller = _Teller(trainings.arms, len(runs), tell)
    bar = progress_bar()
    bar.disable = bar.disable or helps
    work = Work(
        runs,
        trainings.prepare,
        Store(folder.results),
        deadline=deadline,
        expected=expected,
        done=teller,
        bar=bar,
    )
    try:
        with _helpers(jobs, folder, question.wishes.data, deadline):
            work.do()
    finally:
        if not helps:
            _conclude(folder, trainings, work.results, len(runs), tell)
    return folder.report


def _tell_plan(trainings: Trainings, tell: Tell) -> None:
    tell("data", trainings.task.describe())
    for note in trainings.split.notes:
        tell(*note.split(": ", 1))
    for name, reason in trainings.task.reasons:
        if name != "epochs":
            tell(name, reason)
    for arm, baseline in comparisons(trainings.arms):
        epochs = _counted(arm.epochs, "epoch")
        tell("compared", f"{arm.method} with {baseline.method}, {epochs}")


def _planned(
    arms: list[Arm], seeds: int, cost: Cost, budget: float, tell: Tell
) -> tuple[int, dict[str, float]]:
    """How many seeds there is time for, and how long a run of each arm takes."""
    planned = fitting(seeds, [arm.epochs for arm in arms], cost, budget * (1 - MARGIN))
    expected = {arm.name: cost.run(arm.epochs) for arm in arms}
    total = planned * sum(expected.values())
    fewer = f", of the {seeds} that were asked for" if planned < seeds else ""
    tell(
        "budget",
        f"{spoken(budget)}: {_counted(planned, 'seed')} of each arm, about {spoken(total)}{fewer}",
    )
    return planned, expected


class _Teller:
    """Says what each run gave, and how long the others will take."""

    def __init__(self, arms: list[Arm], runs: int, tell: Tell) -> None:
        self.arms, self.runs, self.tell = {arm.name: arm for arm in arms}, runs, tell
        self.began = time.monotonic()

    def __call__(self, result: Result, count: int) -> None:
        arm = self.arms[result.arm]
        name = f"{arm.method}, {_counted(arm.epochs, 'epoch')}, seed {result.seed}"
        found = "diverged" if result.failed else Study([arm], [result]).summary(result)
        left = (time.monotonic() - self.began) / count * (self.runs - count)
        more = f"; about {spoken(left)} left" if count < self.runs else ""
        self.tell(f"run {count} of {self.runs}", f"{name}: {found}{more}")


def _conclude(
    folder: ComparisonFolder, trainings: Trainings, results: list[Result], runs: int, tell: Tell
) -> None:
    """Write and say what was found, also where it was stopped half-way."""
    if not results:
        return
    study = Study(trainings.arms, results)
    if len(results) < runs:
        tell("not done", f"{runs - len(results)} of {runs} runs: go on with --resume")
    folder.write(
        study,
        title=f"Does mixing help on {trainings.question.wishes.data}?",
        command=trainings.question.command(max(result.seed for result in results) + 1),
        settings=trainings.settings(),
        images=trainings.board(),
    )
    print()
    for sentence in (headline(study), *answer(study)):
        print(sentence)


@contextmanager
def _helpers(
    jobs: int | None, folder: ComparisonFolder, data: str, deadline: float | None
) -> Iterator[None]:
    """Other processes that work at the same runs, for as long as this one does."""
    gpus = torch.accelerator.device_count() if default_device().type != "cpu" else 0
    jobs = jobs or max(1, gpus)
    if jobs > 1 and not gpus:
        torch.set_num_threads(max(1, processors() // jobs))
    command = [sys.executable, "-m", "vicinal", "compare", data, "--out", str(folder.path)]
    command += ["--resume", "--helps", "--jobs", "1"]
    if deadline is not None:
        command += ["--budget", f"{max(1.0, deadline - time.monotonic()):.0f}s"]
    started = []
    for number in range(1, jobs):
        environment = dict(os.environ)
        if gpus:
            environment["CUDA_VISIBLE_DEVICES"] = str(number % gpus)
        else:
            environment["OMP_NUM_THREADS"] = str(max(1, processors() // jobs))
        started.append(subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL))
    try:
        yield
    finally:
        for process in started:
            process.terminate()
            process.wait()


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'s' if number != 1 else ''}"
