"""What a task on a Ray cluster does: one run of a comparison, on whichever node has room."""

import os
import pickle
import secrets
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from rich.progress import Progress, TaskID

from vicinal.errors import VicinalError
from vicinal.memory import keep_freed_memory
from vicinal.processes import default_device
from vicinal.study.budget import Cost, measure_cost
from vicinal.study.config import ExperimentConfig
from vicinal.study.experiment import Experiment
from vicinal.study.runner import Runner
from vicinal.study.store import RESULT, ResultStore
from vicinal.tasks import TrainOptions

Report = Callable[[str, float], Any]

DIGITS = "digits"  # a name, also where there is such a folder
REPORTED = 1.0  # seconds between reports of a run


@dataclass(frozen=True)
class Job:
    """What all runs of a comparison have in common; every task is sent it.

    Args:
        config, resolved, choices: of the :class:`Experiment`, with absolute paths.
        arms: the names of its arms.
        fingerprint: of the data as the user's machine has them.
        settings: for each arm the digest that the store there holds its results against.
        results: the folder of that store; a node may see it or not.
        token: the name of a file in it, by which a node knows that it sees the same folder.
        threads: of each run. Results on the CPU depend on it in their last bits.
        gpu: whether Ray gives each run one.
    """

    config: ExperimentConfig
    resolved: TrainOptions
    choices: dict[str, str]
    arms: tuple[str, ...]
    fingerprint: str
    settings: dict[str, str]
    results: Path
    token: str
    threads: int
    gpu: bool

    @classmethod
    def of(cls, experiment: Experiment, results: Path, threads: int, gpu: bool) -> "Job":
        """The job of an experiment on this machine."""
        config, resolved = experiment.config, experiment.resolved
        options, ood = _absolute(config.options), config.ood
        if ood is not None and Path(ood).exists():
            ood = os.path.abspath(ood)
        return cls(
            config=replace(config, options=options, ood=ood),
            resolved=_absolute(resolved),
            choices=experiment.choices,
            arms=tuple(arm.name for arm in experiment.arms),
            fingerprint=experiment.fingerprint(),
            settings=experiment.digests(),
            results=results.absolute(),
            token=f".{secrets.token_hex(8)}.seen",
            threads=threads,
            gpu=gpu,
        )

    def is_shared(self) -> bool:
        """Whether this node sees the folder of results."""
        with suppress(OSError):
            # Listed, as a network file system may remember that a file was not there.
            return self.token in os.listdir(self.results)
        return False


def _absolute(options: TrainOptions) -> TrainOptions:
    """With paths that are the same on another node, whatever the folder its processes are in."""
    data, model = options.data, options.model
    if data != DIGITS and Path(data).exists():
        data = os.path.abspath(data)
    if model is not None and os.sep in model and Path(model).exists():
        model = os.path.abspath(model)
    return replace(options, data=data, model=model)


class Reporter(Progress):
    """A progress bar that is shown elsewhere.

    Args:
        report: is called with what the run is doing and how much of it is done, in
            units of the bar.
    """

    def __init__(self, report: Report) -> None:
        super().__init__(disable=True)
        self.report, self.text, self.work, self.told = report, "", 0.0, 0.0

    def update(self, task_id: TaskID, *, description: str | None = None, **_: Any) -> None:
        self.text = description or self.text
        self._tell()

    def advance(self, task_id: TaskID, advance: float = 1) -> None:
        self.work += advance
        self._tell()

    def _tell(self) -> None:
        if time.monotonic() - self.told > REPORTED:
            self.report(self.text, self.work)
            self.told = time.monotonic()


def do_run(
    pickled: bytes, node: str, arm: str, seed: int, begin: Callable[[bool], bool], report: Report
) -> bytes | None:
    """Do one run, as a process of ``--jobs`` does it: with the lock, from the last checkpoint.

    Args:
        pickled: the :class:`Job`.
        node: the name of this one, for messages.
        arm, seed: which run.
        begin: is called with whether this node sees the folder of results, and says whether there
            is time for the run.
        report: as for :class:`Reporter`.

    Returns:
        The file of the result; None where there was no time.

    Raises:
        VicinalError: this node cannot do it, as it has other data, or no GPU.
    """
    job, experiment = _prepared(pickled, node)
    shared = job.is_shared()
    if not begin(shared):
        return None
    arms = {each.name: each for each in experiment.arms}
    with _results(job, shared) as folder:
        store = ResultStore(folder, lambda arm: job.settings[arm.name])
        run = arms[arm], seed
        Runner([run], experiment.prepare, store, bar=Reporter(report)).run()
        return store.file(*run, RESULT).read_bytes()


def try_run(pickled: bytes, node: str, arm: str) -> Cost:
    """What a run costs on this node, by a short trial."""
    _, experiment = _prepared(pickled, node)
    (tried,) = (each for each in experiment.arms if each.name == arm)
    return measure_cost(
        lambda: experiment.prepare(tried, 0).learn, experiment.ood_passes, experiment.curve_looks
    )


def _prepared(pickled: bytes, node: str) -> tuple[Job, Experiment]:
    # Ray cancels a task by this signal, which a Ray that was started in the background ignores.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    job: Job = pickle.loads(pickled)
    torch.set_num_threads(job.threads)
    if job.gpu and default_device().type == "cpu":
        raise VicinalError(
            f"torch sees no GPU on node {node}, although Ray gives one to each run: install a "
            "torch for that GPU there"
        )
    return job, _experiment(pickled, node)


@lru_cache(maxsize=1)  # Ray gives the next run to the same process
def _experiment(pickled: bytes, node: str) -> Experiment:
    """The experiment, with the data as this node has them."""
    keep_freed_memory()
    job: Job = pickle.loads(pickled)
    try:
        experiment = Experiment(job.config, job.resolved, job.choices, job.arms)
    except VicinalError as error:
        raise VicinalError(f"on node {node}: {error}") from None
    if experiment.fingerprint() != job.fingerprint:
        raise VicinalError(
            f"node {node} has other data in {job.config.options.data}: make them the same on all "
            "nodes, or put them where all nodes see them"
        )
    return experiment


@contextmanager
def _results(job: Job, shared: bool) -> Iterator[Path]:
    """The folder of results; where this node does not see it, one for this run alone."""
    if shared:
        yield job.results
        return
    with TemporaryDirectory(prefix="vicinal-") as folder:
        yield Path(folder)
