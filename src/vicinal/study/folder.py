"""The folder of a comparison: its config, the results, the tables and the report."""

import contextlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout

from vicinal import __version__
from vicinal.errors import VicinalError
from vicinal.files import check_writable, write_file, written
from vicinal.stored import Misfit, check_fields, misfit, read_object
from vicinal.study.analysis import Analysis
from vicinal.study.config import ExperimentConfig
from vicinal.study.experiment import Experiment
from vicinal.study.store import LOCK, SUFFIXES
from vicinal.tasks.run_config import check_stored_options

SETTINGS, RESULTS, REPORT, ANSWER = "comparison.json", "results", "report.html", "answer.txt"
FIELDS = {
    "vicinal": str,
    "torch": str,
    "config": ExperimentConfig,
    "resolved": dict[str, Any],
    "choices": dict[str, str],
    "data": str,
    "arms": list[str],
    "seeds": int,
    "threads": int | None,
}
REQUIRED = ("config", "resolved", "data", "arms", "seeds")
TABLES = ("runs.csv", "differences.csv")


@dataclass(frozen=True)
class ComparisonFolder:
    """The folder of a comparison."""

    path: Path

    @property
    def results(self) -> Path:
        return self.path / RESULTS

    @property
    def report(self) -> Path:
        return self.path / REPORT

    def settings(self) -> dict[str, Any] | None:
        """What :meth:`begin` wrote; None where there is nothing.

        Raises:
            VicinalError: they cannot be read.
        """
        file = self.path / SETTINGS
        try:
            settings = read_object(file)
        except FileNotFoundError:
            return None
        _modernise(settings)
        try:
            check_fields(settings, FIELDS, needed=REQUIRED)
            check_stored_options(settings["config"]["options"], "config.options")
            check_stored_options(settings["resolved"], "resolved")
            for name in ("arms", "seeds"):
                if not settings[name] or (name == "seeds" and settings[name] < 1):
                    raise Misfit(f"{name} must be one or more")
        except VicinalError as error:
            raise misfit(file, error, settings.get("vicinal")) from None
        return settings

    def check(self, *, may_exist: bool) -> None:
        """Check that the folder may be written to.

        Raises:
            VicinalError: it holds something else, or a comparison that must not be overwritten.
        """
        if os.path.isfile(self.path):  # Path's would raise for a long name
            raise VicinalError(f"--out {self.path} is a file: name a folder")
        found = self.settings()
        if found is None and self.path.exists() and not self._is_empty():
            raise VicinalError(f"--out {self.path} holds other files: name a new folder")
        if found is not None and not may_exist:
            raise VicinalError(
                f"--out {self.path} already holds a comparison: go on with it with --resume, "
                "replace it with --overwrite, or name another folder"
            )
        check_writable(self.path, f"--out {self.path}")

    def _is_empty(self) -> bool:
        """Whether it holds nothing, or what a comparison leaves that is killed as it begins."""
        inside = [*self.path.iterdir(), *(self.results.iterdir() if self.results.is_dir() else ())]
        return all(each == self.results for each in inside)

    def begin(self, experiment: Experiment, seeds: int, threads: int | None = None) -> None:
        """Make the folder, and write the config and the choices that were made for it."""
        with written(f"--out {self.path}"):
            self.results.mkdir(parents=True, exist_ok=True)
        settings = {
            "vicinal": __version__,
            "torch": torch.__version__,
            "config": experiment.config.to_json(),
            "resolved": asdict(experiment.resolved),
            "choices": experiment.choices,
            "data": experiment.fingerprint(),
            "arms": [arm.name for arm in experiment.arms],
            "seeds": seeds,
            "threads": threads,  # of each run: the last bits of results on the CPU depend on it
        }
        write_file(self.path / SETTINGS, json.dumps(settings, indent=2) + "\n")

    def clear(self) -> None:
        """Remove all files of a comparison.

        Raises:
            VicinalError: another process is working on one of its runs.
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
        runs = [file for suffix in SUFFIXES for file in self.results.glob(f"*{suffix}")]
        # What a process left that was killed while it wrote.
        runs += [file for suffix in SUFFIXES for file in self.results.glob(f".*{suffix}.*")]
        for file in (*own, *runs, *self.results.glob(f".*{LOCK}")):
            file.unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove the comparison, and its folders if they hold nothing else."""
        self.clear()
        for folder in (self.results, self.path):
            with contextlib.suppress(OSError):
                folder.rmdir()

    def write(self, analysis: Analysis, answer: Sequence[str], **report: Any) -> None:
        """Write the tables, the answer and the report.

        Args:
            analysis: the results.
            answer: in sentences, the headline first.
            **report: as for :func:`vicinal.study.report.write_report`.
        """
        import pandas as pd

        from vicinal.study.report import write_report

        differences = pd.DataFrame(analysis.differences(), columns=analysis.columns)
        tables = (analysis.frame(), differences)
        for name, table in zip(TABLES, tables, strict=True):
            write_file(self.path / name, table.to_csv(index=False))
        write_file(self.path / ANSWER, "\n".join(answer) + "\n")
        write_report(self.report, analysis, answer, **report)


def load_writers() -> None:
    """Import what :meth:`ComparisonFolder.write` needs, to draw above all: it takes a second."""
    import pandas as pd  # noqa: F401

    from vicinal.study import report  # noqa: F401


def _modernise(settings: dict[str, Any]) -> None:
    """Write the one training size of early versions as the sizes of a map."""
    config = settings.get("config")
    if isinstance(config, dict) and "train_size" in config:
        size = config.pop("train_size")
        config["train_sizes"] = [] if size is None else [size]
