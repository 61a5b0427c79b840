"""RayRunner: the runs of an experiment on the nodes of a Ray cluster."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from math import inf
from typing import Any

from rich.progress import TaskID

from vicinal.errors import VicinalError
from vicinal.files import write_file
from vicinal.formatting import pluralize
from vicinal.study.arms import Arm
from vicinal.study.cluster import Lost, RayCluster
from vicinal.study.result import Result
from vicinal.study.runner import Runner
from vicinal.study.store import CHECKPOINT, LOCK, RESULT

POLL = 0.5  # seconds between looks at the cluster
END = 10.0  # seconds that a run has to end when it is cancelled
BUSY = 60.0  # seconds without any run under way, after which that is said
PATIENCE = 300.0  # seconds for a node to come, as one of a cluster that grows by itself does
LOSSES = 5  # how often a run may be lost
SHOWN = 8  # runs in the progress bar

Log = Callable[[str, str], None]


class RayRunner(Runner):
    """Does the runs of an experiment as tasks on a Ray cluster, all that have room at once.

    A run that is lost with its node or process is sent again, and resumes after its last whole
    epoch where its new node sees the folder of results. One that fails otherwise is not.

    Args:
        cluster: with its plan made.
        log: called with a name and a text when a run is lost, or waits for a node.
        *arguments, **options: as for :class:`Runner`. Runs are prepared on the nodes.
    """

    def __init__(self, cluster: RayCluster, log: Log, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.cluster, self.log = cluster, log
        self.sent: dict[Any, tuple[Arm, int]] = {}
        self.losses: Counter[tuple[Arm, int]] = Counter()
        self.bars: dict[tuple[str, int], TaskID] = {}
        self.apart: set[str] = set()  # nodes that do not see the folder
        self.had_room, self.roomless_since = False, 0.0
        self.idle_since: float | None = None
        self.finished = 0.0  # in units of the bar

    def run(self) -> list[Result]:
        """Do all runs that are not done yet, and return the results of all that time allows.

        Raises:
            VicinalError: a node cannot do a run, no node has room for one, or a run was lost too
                often.
        """
        self.task = self.bar.add_task("", total=sum(arm.cell.work for arm, _ in self.runs))
        self.earlier = {run for run in self.runs if self.store.has(*run)}
        with self.bar, self._token():
            for run in self.runs:
                if run in self.earlier:
                    self._load(*run)
            self.cluster.begin(self.deadline)
            try:
                for run in self.runs:
                    if run not in self.earlier:
                        self._send(run)
                while self.sent and not self._is_late():
                    self._look()
            finally:
                self._end()
        return self.results

    def _end(self) -> None:
        """Cancel what is not done; what has just been done is kept."""
        self.cluster.cancel(list(self.sent), END)
        for handle in self.cluster.wait(list(self.sent), 0):
            with suppress(Exception):  # most were cancelled; what ends the comparison is known
                content = self.cluster.get(handle)
                if content is not None:
                    self._store(*self.sent[handle], content)

    @contextmanager
    def _token(self) -> Iterator[None]:
        """A file by which nodes know whether they see the folder."""
        token = self.store.folder / self.cluster.job.token
        token.touch()
        try:
            yield
        finally:
            token.unlink(missing_ok=True)

    def _load(self, arm: Arm, seed: int) -> None:
        """Take a result from the store."""
        result = self.store.load(arm, seed)
        assert result is not None
        self._keep(arm, seed, result)
        self.finished += arm.cell.work

    def _send(self, run: tuple[Arm, int]) -> None:
        arm, seed = run
        seconds = self.expected.get(arm.name, 0.0)
        self.sent[self.cluster.submit(arm.name, seed, seconds)] = run

    def _look(self) -> None:
        for handle in self.cluster.wait(list(self.sent), POLL):
            run = self.sent.pop(handle)
            try:
                content = self.cluster.get(handle)
            except Lost as lost:
                self._send_again(run, str(lost))
                continue
            if content is not None:  # else it would have ended too late
                self._store(*run, content)
        reports = self.cluster.reports()
        running = {(arm.name, seed): arm for arm, seed in self.sent.values()}
        now = {run: report for run, report in reports.items() if run in running}
        self._show(now, running)
        for node in {node for node, shared, _, _ in now.values() if not shared} - self.apart:
            self.apart.add(node)
            self.log(
                "folder",
                f"node {node} does not see {self.store.folder.absolute()}: a run that is lost "
                "there starts anew",
            )
        if self.sent and not now:
            self._check_room()
        else:
            self.idle_since = None

    def _store(self, arm: Arm, seed: int, content: bytes) -> None:
        """Store a result, where its node has not done so, and take it from there."""
        if not self.store.has(arm, seed):
            write_file(self.store.file(arm, seed, RESULT), content)
            self.store.file(arm, seed, CHECKPOINT).unlink(missing_ok=True)
        self._load(arm, seed)

    def _send_again(self, run: tuple[Arm, int], reason: str) -> None:
        arm, seed = run
        self.losses[run] += 1
        name = f"{arm.method}, {arm.cell.text}, seed {seed}"
        if self.losses[run] > LOSSES:
            raise VicinalError(
                f"the run {name} was lost {self.losses[run]} times ({reason}): go on with --resume "
                "when that is mended"
            )
        self.log("lost", f"{name}: {reason}; it is sent to another one")
        # A file server may hold the lock of a machine that is gone. Should another process hold
        # it, both do this run, with the same result.
        self.store.file(arm, seed, LOCK).unlink(missing_ok=True)
        self._send(run)

    def _check_room(self) -> None:
        """Refuse to wait in silence, or for ever, where no run has a node.

        A cluster may start its nodes only when something waits for them, or replace a lost one.
        """
        now = time.monotonic()
        if self.cluster.room():
            self.had_room, self.roomless_since = True, 0.0
            self.idle_since = self.idle_since or now
            if now - self.idle_since > BUSY:
                self.log("waiting", f"others use what a run needs: {self.cluster.need}")
                self.idle_since = inf  # said once
            return
        need, nodes = self.cluster.need, self.cluster.nodes()
        lacks = f"no node of the cluster has {need}, which a run needs"
        if not self.had_room and any(node.get("CPU", 0) >= 1 for node in nodes):
            raise VicinalError(f"{lacks}: add a larger one, or train with smaller batches or data")
        if not self.roomless_since:
            self.roomless_since = now
            self.log("waiting", f"{lacks}; for {PATIENCE / 60:.0f} minutes at most")
        if now - self.roomless_since > PATIENCE:
            raise VicinalError(f"{lacks}, and none came: add one, and go on with --resume")

    def _show(
        self,
        reports: dict[tuple[str, int], tuple[str, bool, str, float]],
        running: dict[tuple[str, int], Arm],
    ) -> None:
        """A bar for all runs, and one for each of those that are under way."""
        for run in [*self.bars]:
            if run not in reports:
                self.bar.remove_task(self.bars.pop(run))
        for run, (node, _, text, work) in reports.items():
            arm = running[run]
            if run not in self.bars and len(self.bars) < SHOWN:
                self.bars[run] = self.bar.add_task("", total=arm.cell.work)
            if run in self.bars:
                described = f"{text or f'{arm.method}, seed {run[1]}'} on {node}"
                self.bar.update(self.bars[run], description=described, completed=work)
        under_way = sum(work for *_, work in reports.values())
        self.bar.update(
            self.task,
            description=f"{len(reports)} of {pluralize(len(self.sent), 'run')} under way",
            completed=self.finished + under_way,
        )
