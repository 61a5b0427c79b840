"""ResultStore: the folder with the result of each run, and the checkpoints of unfinished ones."""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from vicinal.errors import VicinalError
from vicinal.files import written
from vicinal.learner.resume import Checkpoint
from vicinal.study.arms import Arm
from vicinal.study.result import REMEDY, Result

if TYPE_CHECKING:
    from vicinal.learner.learner import Learner

SUFFIXES = RESULT, CHECKPOINT = ".result", ".checkpoint"
LOCK = ".lock"
EVERY = 5.0  # seconds between checkpoints

OTHER_SETTINGS = "was trained with other settings: name another folder, or remove it"


@dataclass(frozen=True)
class ResultStore:
    """The results in a folder: a file for each finished run, and a checkpoint of others.

    Args:
        folder: where the files are.
        settings: from an arm to a digest of its settings; results of other settings are refused.
    """

    folder: Path
    settings: Callable[[Arm], str]

    def file(self, arm: Arm, seed: int, suffix: str) -> Path:
        hidden = "." if suffix == LOCK else ""
        return self.folder / f"{hidden}{arm.name}-seed{seed}{suffix}"

    def lock(self, arm: Arm, seed: int) -> FileLock:
        """The lock that a process holds while it works on a run.

        It is the operating system's, which releases it when the process is killed.
        """
        return FileLock(self.file(arm, seed, LOCK))

    def has(self, arm: Arm, seed: int) -> bool:
        """Whether a run has finished, or diverged."""
        return self.file(arm, seed, RESULT).exists()

    def load(self, arm: Arm, seed: int) -> Result | None:
        """The result of a run; None where it has not finished.

        Raises:
            VicinalError: the file is damaged, of another run, or of other settings.
        """
        file = self.file(arm, seed, RESULT)
        with suppress(FileNotFoundError):
            result = Result.load(file)
            if (result.arm, result.seed) != (arm.name, seed):
                raise VicinalError(
                    f"{file} holds the result of {result.arm} with seed {result.seed}: {REMEDY}"
                )
            if result.settings != self.settings(arm):
                raise VicinalError(f"{file} {OTHER_SETTINGS}")
            return result
        return None

    def save(self, arm: Arm, result: Result) -> None:
        """Write a result, and remove the checkpoint of its run.

        Raises:
            VicinalError: it cannot be written.
        """
        result = replace(result, settings=self.settings(arm))
        with written(self.folder):
            result.save(self.file(arm, result.seed, RESULT))
        self.file(arm, result.seed, CHECKPOINT).unlink(missing_ok=True)

    def checkpoint(self, arm: Arm, seed: int) -> "RunCheckpoint":
        """The checkpoint of a run, from which it resumes if there is one.

        Raises:
            VicinalError: the checkpoint is damaged, or of other settings.
        """
        return RunCheckpoint(self.file(arm, seed, CHECKPOINT), self.settings(arm))


class RunCheckpoint(Checkpoint):
    """A checkpoint that stores the digest of its settings, and refuses one of other settings.

    It is not saved again within seconds: an epoch of few samples can be shorter than its writing.

    Raises:
        VicinalError: the checkpoint is damaged, or of other settings.
    """

    def __init__(self, file: Path, settings: str) -> None:
        super().__init__(file, resume=True)
        self.settings = settings
        if self.found and dict(self.found["callbacks"]).get(self.name) != self.state_dict():
            raise VicinalError(f"{file} {OTHER_SETTINGS}")

    def before_fit(self, learn: "Learner") -> None:
        super().before_fit(learn)
        self.saved = time.monotonic()

    def after_epoch(self, learn: "Learner") -> None:
        if time.monotonic() >= self.saved + EVERY:
            super().after_epoch(learn)
            self.saved = time.monotonic()

    def state_dict(self) -> dict[str, str]:
        return {"settings": self.settings}

    def load_state_dict(self, state: dict[str, str]) -> None:
        """Nothing to restore: the constructor has compared them."""
