"""The folder of a comparison: what was asked, each result, the tables and the report."""

import contextlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from filelock import FileLock, Timeout

from vicinal import __version__
from vicinal.errors import VicinalError
from vicinal.files import write_file, written
from vicinal.study.answer import said
from vicinal.study.question import Trainings
from vicinal.study.report import write_report
from vicinal.study.study import Study
from vicinal.study.work import ENDINGS, LOCK

SETTINGS, RESULTS, REPORT, ANSWER = "comparison.json", "results", "report.html", "answer.txt"
KEPT = ("asked", "resolved", "listed", "arms", "seeds")
TABLES = ("runs.csv", "differences.csv")


@dataclass(frozen=True)
class ComparisonFolder:
    """Where a comparison is kept."""

    path: Path

    @property
    def results(self) -> Path:
        return self.path / RESULTS

    @property
    def report(self) -> Path:
        return self.path / REPORT

    def settings(self) -> dict[str, Any] | None:
        """What was asked before; None where nothing was.

        Raises:
            VicinalError: they cannot be read.
        """
        file = self.path / SETTINGS
        try:
            settings: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
            return settings if all(settings[name] for name in KEPT) else None
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise VicinalError(
                f"{file} cannot be read ({error}): it is no comparison of this version"
            ) from None

    def check(self, *, may_hold_one: bool) -> None:
        """See to it that the folder may be written to.

        Raises:
            VicinalError: it holds something else, or a comparison that is to be kept.
        """
        if self.path.is_file():
            raise VicinalError(f"--out {self.path} is a file: name a folder")
        held = self.settings()
        if held is None and self.path.exists() and any(self.path.iterdir()):
            raise VicinalError(f"--out {self.path} holds other files: name a new folder")
        if held is not None and not may_hold_one:
            raise VicinalError(
                f"--out {self.path} already holds a comparison: go on with it with --resume, "
                "replace it with --overwrite, or name another folder"
            )

    def begin(self, trainings: Trainings, seeds: int) -> None:
        """Make the folder, and write what is asked and what was chosen for it."""
        with written(f"--out {self.path}"):
            self.results.mkdir(parents=True, exist_ok=True)
        settings = {
            "vicinal": __version__,
            "torch": torch.__version__,
            "asked": trainings.question.to_json(),
            "resolved": asdict(trainings.resolved),
            "chosen": trainings.chosen,
            "listed": trainings.task.fingerprint(),
            "arms": [arm.name for arm in trainings.arms],
            "seeds": seeds,
        }
        write_file(self.path / SETTINGS, json.dumps(settings, indent=2) + "\n")

    def clear(self) -> None:
        """Remove all that a comparison leaves.

        Raises:
            VicinalError: another process is at one of its runs.
        """
        for file in self.results.glob(f".*{LOCK}"):
            try:
                with FileLock(file, timeout=0):
                    pass
            except Timeout:
                raise VicinalError(
                    f"--out {self.path} is in use by another comparison: wait for it, or name "
                    "another folder"
                ) from None
        own = [self.path / name for name in (SETTINGS, REPORT, ANSWER, *TABLES)]
        kept = [file for ending in ENDINGS for file in self.results.glob(f"*{ending}")]
        for file in (*own, *kept, *self.results.glob(f".*{LOCK}")):
            file.unlink(missing_ok=True)

    def remove(self) -> None:
        """Take it away, as if it had never been begun; what others put there stays."""
        self.clear()
        for folder in (self.results, self.path):
            with contextlib.suppress(OSError):
                folder.rmdir()

    def write(self, study: Study, **told: Any) -> None:
        """Write the tables, the answer and the report."""
        tables = (study.frame(), pd.DataFrame(study.differences()))
        for name, table in zip(TABLES, tables, strict=True):
            write_file(self.path / name, table.to_csv(index=False))
        write_file(self.path / ANSWER, "\n".join(said(study)) + "\n")
        write_report(self.report, study, **told)
