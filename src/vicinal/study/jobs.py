"""How many processes share the runs of a comparison, with how many threads, and from when on."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psutil
import torch

from vicinal.formatting import pluralize
from vicinal.learner.events import Callback
from vicinal.learner.learner import Learner

TRIED = 1.0  # seconds of training, after which it is known how long the runs will take
WORTH = 20.0  # seconds of runs: a process that starts in between needs some five for itself
MEMORY = 1.2  # times what this process takes is set aside for another one


@dataclass(frozen=True)
class Jobs:
    """How the runs of a comparison are shared.

    Args:
        processes: this one, and helpers.
        threads: of each; None for as many as torch takes.
        chosen: whether vicinal has chosen them. Helpers are then started where they are worth it.
    """

    processes: int
    threads: int | None
    chosen: bool

    @property
    def text(self) -> str:
        """What the user is told."""
        if not self.chosen or self.processes == 1:
            return ""
        threads = pluralize(self.threads or 1, "thread")
        return (
            f"up to {self.processes} at a time, of {threads} each: together they do more than one "
            "that takes all processors (as --jobs 1 does)"
        )


def choose_jobs(
    asked: int | None, runs: int, *, processors: int, gpus: int, threads: int | None = None
) -> Jobs:
    """How many processes, and threads of each.

    A small network gains little from a second thread, and another training gains all of it.

    Args:
        asked: ``--jobs``; None for what suits.
        runs: that are to be done.
        threads: of each, where results of as many are there already.

    >>> choose_jobs(None, 9, processors=2, gpus=0)
    Jobs(processes=2, threads=1, chosen=True)
    >>> choose_jobs(None, 6, processors=16, gpus=0)
    Jobs(processes=6, threads=2, chosen=True)
    >>> choose_jobs(None, 6, processors=16, gpus=2), choose_jobs(1, 6, processors=16, gpus=0)
    (Jobs(processes=2, threads=None, chosen=False), Jobs(processes=1, threads=None, chosen=False))
    """
    if gpus:
        return Jobs(asked or gpus, threads, False)
    threads = threads and min(threads, processors)
    processes = asked or max(1, min(runs, processors // (threads or 1)))
    if threads is None and processes > 1:
        threads = max(1, processors // processes)
    return Jobs(processes, threads, asked is None)


@contextmanager
def limited_threads(threads: int | None) -> Iterator[None]:
    """Within this context torch takes so many threads; None leaves them as they are."""
    before = torch.get_num_threads()
    try:
        if threads is not None:
            torch.set_num_threads(threads)
        yield
    finally:
        torch.set_num_threads(before)


class LoadBeside(Callback):
    """Load what comes after the runs, while the last of them train: a processor may be idle then.

    Args:
        jobs: how many processes share the runs.
        left: how many runs are not done yet, the present one among them.
        load: is called once, in a thread.
    """

    order = 95

    def __init__(self, jobs: Jobs, left: Callable[[], int], load: Callable[[], None]) -> None:
        self.jobs, self.left, self.load = jobs, left, load
        self.thread: threading.Thread | None = None

    def before_epoch(self, learn: Learner) -> None:
        is_second = learn.epoch > 0  # in the first, others may still be in their runs before
        if self.thread is None and is_second and self.left() <= self.jobs.processes:
            self.thread = threading.Thread(target=self.load, daemon=True)
            self.thread.start()


class StartHelpers(Callback):
    """Start helpers once it is known that the runs that are left will take long.

    It is known after a second of the first training: how far it came by then, and how much
    memory a process needs. A helper that there is no memory for is not started.

    Args:
        jobs: how many, with this process.
        left: how many runs are not done yet, the present one among them.
        start: starts so many helpers.
        processors: how many there are; fewer helpers leave more of them to each.
        expected: the seconds that the runs take, where trials have told.
    """

    order = 95

    def __init__(
        self,
        jobs: Jobs,
        left: Callable[[], int],
        start: Callable[[int], None],
        processors: int,
        expected: float = 0.0,
    ) -> None:
        self.jobs, self.left, self.start, self.processors = jobs, left, start, processors
        self.expected = expected
        self.began: float | None = None
        self.runs = left()
        self.decided = jobs.processes == 1

    def before_fit(self, learn: Learner) -> None:
        if self.began is None:
            self.began = time.monotonic()
        self.batches = 0

    def after_batch(self, learn: Learner) -> None:
        if self.decided or not learn.training:
            return
        self.batches += 1
        assert self.began is not None
        elapsed = time.monotonic() - self.began
        left = self.left()
        done = self.runs - left + self.batches / (learn.epochs * len(learn.dls.train))
        if elapsed < TRIED or not left:
            return
        self.decided = max(self.expected, elapsed / done * (self.runs - done)) >= WORTH
        if self.decided:
            self._start(left - 1)

    def _start(self, most: int) -> None:
        needed = MEMORY * psutil.Process().memory_info().rss
        room = int(psutil.virtual_memory().available / needed)
        count = min(self.jobs.processes - 1, most, room)
        if count < self.jobs.processes - 1:
            torch.set_num_threads(max(1, self.processors // (count + 1)))
        self.start(count)
