"""RayCluster: runs of a comparison as tasks on the nodes of a Ray cluster."""

import os
import pickle
import signal
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any

import psutil
import torch

from vicinal import __version__
from vicinal.errors import VicinalError
from vicinal.formatting import pluralize
from vicinal.study.budget import Cost
from vicinal.study.ray_worker import Job

ANSWER = 10.0  # seconds in which an address must accept a connection
CONNECT = 60.0  # seconds in which Ray must be there: its own limit is several minutes
GB = 10**9
# Of the memory that this process has with the data read; training and measuring take more.
MEMORY = 1.5


class Lost(Exception):
    """A run ended with its node or its process, and says how: it may be done again."""


@dataclass(frozen=True)
class Need:
    """What Ray sets aside for a run: processors, GPUs, and bytes of memory."""

    cpus: int
    gpus: int
    memory: int

    def fits(self, resources: Mapping[str, float]) -> int:
        """How many runs a node with such resources does at once.

        >>> Need(2, 0, 10**9).fits({"CPU": 8.0, "memory": 3e9})
        3
        """
        wanted = {"CPU": self.cpus, "GPU": self.gpus, "memory": self.memory}
        room = (resources.get(name, 0.0) // each for name, each in wanted.items() if each)
        return int(min(room, default=0))

    def __str__(self) -> str:
        gpu = ", a GPU" if self.gpus else ""
        processors = pluralize(self.cpus, "processor")
        return f"{processors}{gpu} and {self.memory / GB:.1f} GB of memory"


def import_ray() -> Any:
    """Ray, which comes with an extra.

    Raises:
        VicinalError: it is not installed.
    """
    try:
        import ray
        import ray.exceptions
        import ray.util.scheduling_strategies
    except ImportError:
        raise VicinalError("--ray needs Ray: pip install 'vicinal[ray]'") from None
    return ray


class RayCluster:
    """A connection to a Ray cluster, until this process ends.

    Args:
        address: ``auto``, or where the cluster answers: ``10.0.0.1:6379``, from one of its nodes;
            ``ray://10.0.0.1:10001``, from elsewhere.

    Attributes:
        need: of each run, after :meth:`plan`.

    Raises:
        VicinalError: Ray is not installed, or does not answer at this address.
    """

    need: Need
    job: Job

    def __init__(self, address: str) -> None:
        self.ray, self.address = import_ray(), address
        check_answers(address)
        # In a thread: its own limit of time cannot be set, and in the main one it would replace
        # what handles SIGTERM.
        ended: list[BaseException | None] = []
        connecting = threading.Thread(target=self._connect, args=(ended,), daemon=True)
        connecting.start()
        connecting.join(CONNECT)
        if threading.current_thread() is threading.main_thread():
            # Ray prints addresses of its code at this signal, before Python's handler is called.
            signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGTERM))
        if not ended:
            raise VicinalError(
                f"--ray {address} is not answered by a Ray cluster within {CONNECT:.0f} seconds: "
                "give HOST:6379 on a node of it, or ray://HOST:10001 from elsewhere"
            )
        if ended[0] is not None:
            raise VicinalError(
                f"--ray {address}: {_first_sentence(ended[0])}: start a cluster with `ray start "
                "--head`, or give the address of one"
            )

    def _connect(self, ended: list[BaseException | None]) -> None:
        try:
            # Nodes that die are reported by ourselves, and not by pages of their last logs.
            self.ray._private.worker._worker_logs_enabled = False
            self.ray.init(address=self.address, log_to_driver=False, logging_level="error")
            ended.append(None)
        except (Exception, SystemExit) as error:
            ended.append(error)

    def plan(self, job: Callable[[int, bool], Job], threads: int) -> int:
        """Decide what a run needs.

        Args:
            job: makes the job from the number of threads of a run and whether it has a GPU.
            threads: that a run should have; it gets fewer where no node has as many processors,
                or a GPU's share of them is smaller.

        Returns:
            How many runs there can be at once, at least 1.
        """
        nodes = [node for node in self.nodes() if node.get("CPU", 0) >= 1]
        on_gpus = [node for node in nodes if can_use_gpus() and node.get("GPU", 0) >= 1]
        gpus = int(bool(on_gpus))
        share = min((int(node["CPU"] // node["GPU"]) for node in on_gpus), default=threads)
        largest = max((int(node["CPU"]) for node in on_gpus or nodes), default=threads)
        cpus = max(1, min(threads, largest, share))
        memory = int(MEMORY * psutil.Process().memory_info().rss)
        self.need = Need(cpus, gpus, memory)
        self.job = job(cpus, bool(gpus))
        self.pickled = pickle.dumps(self.job)
        return max(1, self.room())

    def nodes(self) -> list[dict[str, float]]:
        """The resources of each node that is alive."""
        return [node["Resources"] for node in self.ray.nodes() if node["Alive"]]

    def room(self) -> int:
        """How many runs all nodes can do at once, if they do nothing else."""
        return sum(map(self.need.fits, self.nodes()))

    def describe(self) -> str:
        """The nodes and what each run gets."""
        nodes = sum(self.need.fits(node) > 0 for node in self.nodes())
        threads = pluralize(self.job.threads, "thread")
        return (
            f"{pluralize(nodes, 'node')}, up to {pluralize(self.room(), 'run')} at once, each with "
            f"{threads} on {self.need}"
        )

    def begin(self, deadline: float | None) -> None:
        """Make what runs report to, on the node of this process, which it ends with."""
        seconds = None if deadline is None else deadline - time.monotonic()
        here = self.ray.get_runtime_context().get_node_id()
        # Not softly: from a node without processors, Ray would move it to one that may be lost.
        on = self.ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(here, soft=False)
        board = self.ray.remote(num_cpus=0, scheduling_strategy=on)(_board())
        self.board = board.remote(seconds)

    def submit(self, arm: str, seed: int, seconds: float) -> Any:
        """Send a run, of which it is known how many seconds it takes, or 0; gives its handle."""
        self.board.forget.remote(arm, seed)  # where it was lost, it is under way no more
        return self._send("do_run", arm, seed, self.board, seconds)

    def trial(self, arm: str) -> Cost:
        """What a run costs, tried on a node.

        Raises:
            VicinalError: the node cannot do it.
        """
        try:
            return self.get(self._send("try_run", arm))
        except Lost as lost:
            raise VicinalError(f"the trial for --budget failed: {lost}") from None

    def _send(self, name: str, *arguments: Any) -> Any:
        need = self.need
        resources = {"num_cpus": need.cpus, "num_gpus": need.gpus, "memory": need.memory}
        # What was lost is sent again by us, who can tell the user, and count.
        task = self.ray.remote(**resources, max_retries=0)(_task())
        return task.remote(_versions(), self.pickled, name, *arguments)

    def wait(self, handles: Sequence[Any], seconds: float) -> list[Any]:
        """Those that have ended, after at most so many seconds."""
        if not handles:
            return []
        ended, _ = self.ray.wait(list(handles), num_returns=len(handles), timeout=seconds)
        return list(ended)

    def get(self, handle: Any) -> Any:
        """What a task returned.

        Raises:
            Lost: its node or its process ended.
            VicinalError: the run cannot be done.
        """
        known = self.ray.exceptions
        try:
            refused, result = self.ray.get(handle)
        except known.RayTaskError as error:
            if isinstance(error.cause, VicinalError):
                raise VicinalError(str(error.cause)) from None
            if isinstance(error.cause, known.TaskCancelledError):
                raise Lost("it was cancelled") from None
            raise
        except known.OutOfMemoryError:
            raise Lost("its node ran out of memory") from None
        except (known.NodeDiedError, known.LocalRayletDiedError):
            raise Lost("its node was lost") from None
        except (known.WorkerCrashedError, known.ObjectLostError):
            raise Lost("its process ended") from None
        except known.RayError as error:
            raise Lost(_first_sentence(error)) from None
        if refused:
            raise VicinalError(refused)
        return result

    def reports(self) -> dict[tuple[str, int], tuple[str, bool, str, float]]:
        """By arm and seed, of runs that have begun: the node, whether it sees the folder of
        results, what it is doing, and how much of it is done."""
        try:
            return self.ray.get(self.board.reports.remote(), timeout=10)
        except self.ray.exceptions.RayError:
            return {}  # they are for the eye alone

    def cancel(self, handles: Sequence[Any], seconds: float) -> None:
        """End tasks; what has not ended after so many seconds is killed."""
        for handle in handles:
            self.ray.cancel(handle)
        ended = self.wait(handles, seconds)
        for handle in handles:
            if handle not in ended:
                self.ray.cancel(handle, force=True)


def can_use_gpus() -> bool:
    """Whether torch is built for GPUs; this machine itself need not have one."""
    return torch.accelerator.current_accelerator(check_available=False) is not None


def check_answers(address: str) -> None:
    """Refuse an address where nothing listens.

    Raises:
        VicinalError: it is no address, or there is no answer in time.
    """
    named = address
    if address == "auto":
        named = os.environ.get("RAY_ADDRESS") or _current_cluster() or ""
    elif address == "local":
        raise VicinalError("--ray local is no cluster: on one machine, --jobs shares the runs")
    host, _, port = named.removeprefix("ray://").rpartition(":")
    if address == "auto" and not port.isdecimal():
        return  # Ray looks for one, and says so where there is none
    if not host or not port.isdecimal():
        raise VicinalError(
            f"--ray takes auto or an address, such as 10.0.0.1:6379 or ray://10.0.0.1:10001, not "
            f"{address}"
        )
    try:
        socket.create_connection((host, int(port)), timeout=ANSWER).close()
    except (OSError, OverflowError) as error:
        at = named if named == address else f"{address} ({named})"
        reason = getattr(error, "strerror", None) or f"no answer within {ANSWER:.0f} seconds"
        raise VicinalError(
            f"--ray {at} cannot be reached ({reason}): start a cluster with `ray start --head`, or "
            "give the address of one"
        ) from None


def _current_cluster() -> str | None:
    """Where `ray start` on this machine has written the address of its cluster."""
    try:
        return Path(os.environ.get("RAY_TMPDIR", "/tmp"), "ray", "ray_current_cluster").read_text()
    except OSError:
        return None


def _first_sentence(error: BaseException) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text.partition(". ")[0].rstrip(".")


def _versions() -> dict[str, str]:
    return {"vicinal": __version__, "torch": torch.__version__.partition("+")[0]}


# A function and a class inside of a function are sent as code. Others are sent as the name of their
# module, which a node without vicinal, or with another one, could not look up.


def _task() -> Callable[..., tuple[str, Any]]:
    """A task: checks that its node has the same versions, and then does what it is sent."""

    def task(
        versions: dict[str, str], pickled: bytes, name: str, *arguments: Any
    ) -> tuple[str, Any]:
        import importlib
        import socket

        import ray

        node = f"{socket.gethostname()} ({ray.util.get_node_ip_address()})"
        for package, version in versions.items():
            try:
                found = importlib.import_module(package).__version__.partition("+")[0]
            except ImportError as error:
                return (
                    f"node {node} cannot import {package} ({error}): install vicinal[train,ray] "
                    f"{versions['vicinal']} in the environment that Ray runs in there"
                ), None
            if found != version:
                return (
                    f"node {node} has {package} {found}, and this machine {version}: install the "
                    "same version on all nodes"
                ), None
        worker = importlib.import_module("vicinal.study.ray_worker")
        if name == "try_run":
            return "", worker.try_run(pickled, node, *arguments)
        arm, seed, board, seconds = arguments

        def begin(shared: bool) -> bool:
            return ray.get(board.begin.remote(arm, seed, node, shared, seconds))

        def report(text: str, work: float) -> None:
            board.report.remote(arm, seed, text, work)

        return "", worker.do_run(pickled, node, arm, seed, begin, report)

    return task


def _board() -> type:
    """The class of an actor that runs report to."""

    class Board:
        def __init__(self, seconds: float | None) -> None:
            import time

            self.deadline = inf if seconds is None else time.monotonic() + seconds
            self.runs: dict[tuple[str, int], tuple[str, bool, str, float]] = {}

        def begin(self, arm: str, seed: int, node: str, shared: bool, seconds: float) -> bool:
            import time

            if time.monotonic() + seconds > self.deadline:
                return False
            self.runs[arm, seed] = node, shared, "", 0.0
            return True

        def report(self, arm: str, seed: int, text: str, work: float) -> None:
            if (arm, seed) in self.runs:
                node, shared, _, _ = self.runs[arm, seed]
                self.runs[arm, seed] = node, shared, text, work

        def forget(self, arm: str, seed: int) -> None:
            self.runs.pop((arm, seed), None)

        def reports(self) -> dict[tuple[str, int], tuple[str, bool, str, float]]:
            return self.runs

    return Board
