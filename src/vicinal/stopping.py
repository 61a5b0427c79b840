"""Signals that ask a process to end: SIGTERM and SIGHUP end a command as Ctrl-C does."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

# Those that this system has: Windows has no SIGHUP.
NAMES = ("SIGINT", "SIGTERM", "SIGHUP")
SIGNALS = [getattr(signal, name) for name in NAMES if hasattr(signal, name)]
# A shell and the system both tell that a terminal was closed, and launchers and clusters send
# SIGTERM to a process and to its parent, which hands it on: that is one request to end.
SAME_REQUEST = 1.0  # seconds


class Stopped(KeyboardInterrupt):
    """The process was asked to end; whatever saves after Ctrl-C does so after other signals."""


class _Requests:
    """What this process was asked, while :func:`stopping_on_signals` listens."""

    def __init__(self) -> None:
        self.process, self.number, self.at = os.getpid(), 0, 0.0
        self.held = 0  # how many sections that must not be left are under way
        self.workers_end: Any = None  # what was called when a child ends, before the request
        # A launcher ends all its processes as soon as one has ended, while others still save.
        self.is_launched = os.environ.get("WORLD_SIZE", "1") != "1"

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self.process:  # a child that inherited the handler, such as a worker
            end_by(number)
        elif not self.number:
            self.number, self.at = number, time.monotonic()
            # Workers were perhaps sent it, too: that they end is no error any more.
            if hasattr(signal, "SIGCHLD"):
                self.workers_end = signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            if not self.held:
                raise Stopped
        elif not self.is_launched and self._is_another(number):
            end_by(number)

    def _is_another(self, number: int) -> bool:
        """Whether a signal is more than an echo of the first."""
        return number == signal.SIGINT or time.monotonic() > self.at + SAME_REQUEST


_requests: _Requests | None = None


def end_by(number: int) -> None:
    """End this process at once, as the signal does where nothing handles it."""
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


@contextmanager
def stopping_on_signals() -> Iterator[None]:
    """Within this context a signal that asks to end raises :class:`Stopped`; a second one ends.

    It is for programs that own their process. Signals that are ignored, as under ``nohup``, stay
    so, and the handlers are those of before afterwards. Outside of the main thread, which alone can
    handle signals, it changes nothing.
    """
    global _requests
    before: dict[int, Any] = {}
    earlier, requests = _requests, _Requests()
    try:
        for each in SIGNALS:
            handler = signal.getsignal(each)
            if handler not in (signal.SIG_IGN, None):  # None: not of Python's making
                signal.signal(each, requests)
                before[each] = handler
    except ValueError:  # not the main thread
        pass
    _requests = requests if before else earlier
    try:
        yield
    finally:
        _requests = earlier
        for each, handler in before.items():
            signal.signal(each, handler)
        if requests.workers_end is not None:
            signal.signal(signal.SIGCHLD, requests.workers_end)


def status() -> int:
    """The exit status of a process that was asked to end, as shells expect it; 0 if it was not."""
    return 128 + _requests.number if _requests is not None and _requests.number else 0


def check() -> None:
    """Raise :class:`Stopped` if it was raised where Python swallows it, as in a finalizer."""
    if status():
        raise Stopped


@contextmanager
def held_back() -> Iterator[None]:
    """Within this context the first signal that asks to end waits until the end of it."""
    requests = _requests
    if requests is None:
        yield
        return
    was_asked = bool(requests.number)
    requests.held += 1
    try:
        yield
    finally:
        requests.held -= 1
    if requests.number and not was_asked and not requests.held:
        raise Stopped
