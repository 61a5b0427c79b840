"""Helpers: the other processes of ``vicinal compare --jobs``, which end with the one that began."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from math import inf
from pathlib import Path

GRACE = 10.0  # seconds to end in, as a batch may be long


@contextmanager
def helpers(
    path: Path,
    deadline: float | None,
    *,
    threads: int,
    devices: Sequence[str] = (),
    log: Callable[[str, str], None],
) -> Iterator[Callable[[int], None]]:
    """Other processes that do runs of a comparison, until this context ends.

    They end with this process, however it ends: each reads from a pipe, and the system closes this
    end of it. One that ends early is reported; the others go on with what it did.

    Args:
        path: the folder of the comparison.
        deadline: a time of ``time.monotonic``; None for no limit.
        threads: of each.
        devices: the GPUs that they take in turn, this process the first one.
        log: called with a name and a text, also by another thread.

    Yields:
        A function that starts so many of them.
    """
    started: list[subprocess.Popen[bytes]] = []
    is_over = threading.Event()

    def start(count: int) -> None:
        seconds = inf if deadline is None else deadline - time.monotonic()
        command = [sys.executable, "-m", "vicinal", "compare-worker", str(path), str(seconds)]
        for number in range(1, count + 1):
            environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
            if devices:
                environment["CUDA_VISIBLE_DEVICES"] = devices[number % len(devices)]
            process = subprocess.Popen(
                command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
            )
            started.append(process)
            threading.Thread(target=_report, args=(process, is_over, log), daemon=True).start()

    try:
        yield start
    finally:
        is_over.set()
        _end(started)


def _report(
    process: "subprocess.Popen[bytes]", is_over: threading.Event, log: Callable[[str, str], None]
) -> None:
    """Wait for a helper, and say so if it ends before its time."""
    code = process.wait()
    if code and not is_over.is_set():
        how = (
            f"was ended by signal {-code} ({signal.strsignal(-code)})"
            if code < 0
            else f"failed (status {code})"
        )
        log("helper", f"one of the processes {how}: the others do its runs")


def _end(processes: "Sequence[subprocess.Popen[bytes]]") -> None:
    for process in processes:
        process.terminate()
    until = time.monotonic() + GRACE
    for process in processes:
        try:
            process.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        assert process.stdin is not None
        process.stdin.close()


def end_with_parent() -> None:
    """End this process when the one that started it has ended; for helpers.

    It is asked to end as by SIGTERM, and is ended if it does not, as in the middle of a long batch.
    """
    threading.Thread(target=_wait_for_parent, daemon=True).start()


def _wait_for_parent() -> None:
    # Not by sys.stdin, whose lock would be held when the interpreter ends.
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE)
    os._exit(128 + signal.SIGTERM)
