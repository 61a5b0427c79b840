"""Work through the runs of a comparison, alone or beside other processes that do the same."""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from rich.progress import Progress, TaskID
from torch import Tensor

from vicinal.errors import VicinalError
from vicinal.files import written
from vicinal.learner.events import Callback
from vicinal.learner.learner import Learner
from vicinal.learner.resume import Checkpoint
from vicinal.study.arms import Arm
from vicinal.study.runner import Deadline, Fit, Result, TimeIsUp, run

WAIT = 0.5  # seconds between looks at what another process is at
ENDINGS = RESULT, CHECKPOINT = ".result", ".checkpoint"
LOCK = ".lock"

OTHERWISE = "was trained with other settings: name another folder, or remove it"

# From an arm and a seed to a learner that mixes, how it is trained, and which training samples
# have labels that were made wrong.
Prepare = Callable[[Arm, int], tuple[Learner, Fit, Tensor]]


@dataclass(frozen=True)
class Store:
    """The results in a folder: a file for each run that has ended, and a checkpoint of others.

    Args:
        folder: where they are.
        settings: from an arm to what tells its runs apart from those that are trained otherwise.
    """

    folder: Path
    settings: Callable[[Arm], str]

    def file(self, arm: Arm, seed: int, ending: str) -> Path:
        hidden = "." if ending == LOCK else ""
        return self.folder / f"{hidden}{arm.name}-seed{seed}{ending}"

    def lock(self, arm: Arm, seed: int) -> FileLock:
        """Is held by the process that is at a run; it is the system's, which takes it back."""
        return FileLock(self.file(arm, seed, LOCK))

    def has(self, arm: Arm, seed: int) -> bool:
        """Whether a run has ended, whatever it gave."""
        return self.file(arm, seed, RESULT).exists()

    def load(self, arm: Arm, seed: int) -> Result | None:
        """The result of a run; None where it has not ended.

        Raises:
            VicinalError: it is damaged, or of other settings.
        """
        file = self.file(arm, seed, RESULT)
        with suppress(FileNotFoundError):
            found = Result.load(file)
            if found.settings != self.settings(arm):
                raise VicinalError(f"{file} {OTHERWISE}")
            return found
        return None

    def save(self, arm: Arm, result: Result) -> None:
        kept = replace(result, settings=self.settings(arm))
        with written(self.folder):
            kept.save(self.file(arm, result.seed, RESULT))
        self.file(arm, result.seed, CHECKPOINT).unlink(missing_ok=True)


class RunCheckpoint(Checkpoint):
    """A checkpoint that knows its settings, and goes on with none of others.

    Raises:
        VicinalError: the one that is there is damaged, or of other settings.
    """

    def __init__(self, file: Path, settings: str) -> None:
        super().__init__(file, resume=True)
        self.settings = settings
        if self.found and dict(self.found["callbacks"]).get(self.name) != self.state_dict():
            raise VicinalError(f"{file} {OTHERWISE}")

    def state_dict(self) -> dict[str, str]:
        return {"settings": self.settings}

    def load_state_dict(self, state: dict[str, str]) -> None:
        """Nothing is to be done: they are the same."""


class Advance(Callback):
    """Moves the progress bar on with each batch; an epoch is one of its units."""

    order = 90

    def __init__(self, bar: Progress, task: TaskID, called: str) -> None:
        self.bar, self.task, self.called = bar, task, called

    def before_epoch(self, learn: Learner) -> None:
        self.step = 1 / (len(learn.dls.train) + len(learn.dls.valid))
        epoch = f"epoch {learn.epoch + 1}/{learn.epochs}"
        self.bar.update(self.task, description=f"{self.called}, {epoch}")

    def after_batch(self, learn: Learner) -> None:
        self.bar.advance(self.task, self.step)


class Work:
    """The runs of a comparison, one after the other.

    Each run that ends is kept at once. A run that was killed goes on after its last whole epoch.
    Several processes, also on other machines that see the folder, may work at the same runs: each
    takes what nobody else is at.

    Args:
        runs: every arm with its seeds, in their order.
        prepare: makes what a run needs.
        store: where results are kept.
        deadline: a time of ``time.monotonic``; no run is begun that would end later.
        expected: seconds that a run of an arm takes, where that is known before.
        done: is called with each result, how many there are by now, and whether it is new: this
            process or another one has done it since the work began.
        bar: shows how far it is.
    """

    def __init__(
        self,
        runs: Sequence[tuple[Arm, int]],
        prepare: Prepare,
        store: Store,
        *,
        deadline: float | None = None,
        expected: dict[str, float] | None = None,
        done: Callable[[Result, int, bool], Any],
        bar: Progress,
    ) -> None:
        self.runs, self.prepare, self.store = list(runs), prepare, store
        self.deadline, self.expected = deadline, dict(expected or {})
        self.done, self.bar = done, bar
        self.results: list[Result] = []

    def do(self) -> list[Result]:
        """Do all that is not done yet, and return the results of all, as far as time allows."""
        self.task = self.bar.add_task("", total=sum(arm.epochs for arm, _ in self.runs))
        self.kept = {run for run in self.runs if self.store.has(*run)}
        left = sorted(self.runs, key=lambda run: run not in self.kept)  # so that these count first
        with self.bar:
            while left:
                before = len(left)
                left = [each for each in left if not self._ended(*each)]
                if len(left) == before:
                    time.sleep(WAIT)  # others are at all of them
        return self.results

    def _ended(self, arm: Arm, seed: int) -> bool:
        """Do a run if nobody else does; whether it needs no more looking at."""
        found = self.store.load(arm, seed)
        if found is None:
            lock = self.store.lock(arm, seed)
            try:
                lock.acquire(timeout=0)
            except Timeout:  # another process is at it, which is waited for while there is time
                return self._is_late()
            try:
                found = self.store.load(arm, seed) or self._run(arm, seed)
            except TimeIsUp:
                return True
            finally:
                lock.release()
        else:
            self.bar.advance(self.task, arm.epochs)
        self._check(found)
        self.results.append(found)
        self.done(found, len(self.results), (arm, seed) not in self.kept)
        return True

    def _is_late(self, seconds: float = 0.0) -> bool:
        """Whether it will be too late in so many seconds."""
        return self.deadline is not None and time.monotonic() + seconds > self.deadline

    def _check(self, result: Result) -> None:
        """See to it that all are measured on the same samples, as they are compared one by one."""
        others = {other.validated for other in self.results if not other.failed}
        if not result.failed and others - {result.validated}:
            raise VicinalError(
                f"the validation part of {result.arm} with seed {result.seed} is not that of the "
                "runs before: make it the same for all seeds"
            )

    def _run(self, arm: Arm, seed: int) -> Result:
        if self._is_late(self.expected.get(arm.name, 0.0)):
            raise TimeIsUp("the run would end too late")
        began = time.monotonic()
        file = self.store.file(arm, seed, CHECKPOINT)
        checkpoint = RunCheckpoint(file, self.store.settings(arm))
        learn, fit, wrong = self.prepare(arm, seed)
        called = f"{arm.method}, seed {seed}"
        extra: list[Callback] = [
            checkpoint,
            Advance(self.bar, self.task, called),
        ]
        if self.deadline is not None:
            extra.append(Deadline(self.deadline))
        with learn.no_logging():
            result = run(arm.name, seed, learn, fit, wrong, extra)
        self._check(result)
        self.store.save(arm, result)
        self.expected[arm.name] = time.monotonic() - began
        return result
