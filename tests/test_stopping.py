"""Signals that ask a command to end: what it has is saved, and shells see which signal it was."""

import os
import signal
import subprocess
import sys
import time

import pytest

from vicinal import cli, stopping
from vicinal.errors import VicinalError
from vicinal.stopping import Stopped, check, held_back, stopping_on_signals


@pytest.fixture(autouse=True)
def _no_handler_stays():
    numbers = [*stopping.SIGNALS, signal.SIGCHLD]
    before = [signal.getsignal(each) for each in numbers]
    yield
    assert [signal.getsignal(each) for each in numbers] == before


def send(number):
    """A signal to this process, whose handler has run when this returns."""
    os.kill(os.getpid(), number)
    time.sleep(0.01)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
class TestASignal:
    def test_is_raised_as_ctrl_c_is(self, number):
        with pytest.raises(KeyboardInterrupt), stopping_on_signals():
            send(number)

    def test_gives_the_exit_status_that_shells_expect(self, number, monkeypatch):
        monkeypatch.setattr(cli, "app", lambda *_, **__: send(number))
        assert cli.run([]) == 128 + number

    def test_waits_for_the_end_of_a_section_that_must_not_be_left(self, number):
        done = []

        def write():
            with held_back():
                with held_back():
                    send(number)
                done.append("written")

        with pytest.raises(Stopped), stopping_on_signals():
            write()
        assert done == ["written"]

    def test_is_raised_again_where_a_finalizer_swallowed_it(self, number):
        class Finalized:
            def __del__(self):
                try:
                    send(number)
                except KeyboardInterrupt:
                    done.append("swallowed")

        done = []
        with stopping_on_signals():
            check()
            Finalized()
            assert done == ["swallowed"]
            with pytest.raises(Stopped):
                check()

    def test_that_is_ignored_stays_so(self, number):
        """As SIGHUP under nohup."""
        before = signal.signal(number, signal.SIG_IGN)
        try:
            with stopping_on_signals():
                send(number)
        finally:
            signal.signal(number, before)


def test_a_library_changes_no_handler():
    with held_back():
        check()
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_errors_after_a_signal_are_no_news(monkeypatch, capsys):
    """Such as that a worker process, which was sent it as well, has ended."""

    def failing(*_, **__):
        with held_back():
            send(signal.SIGTERM)
            raise RuntimeError("DataLoader worker is killed by signal: Terminated.")

    monkeypatch.setattr(cli, "app", failing)
    assert cli.run([]) == 143
    assert capsys.readouterr().err == ""


def test_a_mistake_is_reported_as_ever(monkeypatch, capsys):
    def failing(*_, **__):
        raise VicinalError("this is wrong")

    monkeypatch.setattr(cli, "app", failing)
    assert cli.run([]) == 2
    assert capsys.readouterr().err == "vicinal: this is wrong\n"


def test_of_workers_that_end_no_error_is_made_afterwards():
    ended = []
    before = signal.signal(signal.SIGCHLD, lambda *_: ended.append("a worker"))
    try:
        with stopping_on_signals():
            with pytest.raises(Stopped):
                send(signal.SIGTERM)
            subprocess.run([sys.executable, "-c", ""], check=True)
        assert ended == []
    finally:
        signal.signal(signal.SIGCHLD, before)


SAVING = """
import os, signal, sys, time
from vicinal import stopping
stopping.SAME_REQUEST = 0.3
with stopping.stopping_on_signals():
    if sys.argv[1:]:
        if os.fork() == 0:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(60)
        sys.exit(os.waitstatus_to_exitcode(os.wait()[1]) + 100)
    try:
        print("ready", flush=True)
        time.sleep(60)
    except KeyboardInterrupt:
        print("saving", flush=True)
        time.sleep(1.5)
        print("saved", flush=True)
"""


def saving(*signals, pause=0.0, **environment):
    """What a process says that is sent these signals one after the other; its exit code."""
    process = subprocess.Popen(
        [sys.executable, "-c", SAVING],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )
    assert process.stdout.readline() == "ready\n"
    for number in signals:
        process.send_signal(number)
        time.sleep(pause)
    return process.stdout.read().split(), process.wait()


HANGUP, TERMINATE, INTERRUPT = signal.SIGHUP, signal.SIGTERM, signal.SIGINT


@pytest.mark.slow
class TestASecondSignal:
    """Each takes a second, in a process of its own."""

    def test_is_an_echo_of_the_first_if_it_comes_with_it(self):
        assert saving(HANGUP, HANGUP, TERMINATE) == (["saving", "saved"], 0)

    def test_ends_the_process_at_once(self):
        assert saving(TERMINATE, TERMINATE, pause=0.5) == (["saving"], -TERMINATE)
        assert saving(TERMINATE, INTERRUPT, pause=0.1) == (["saving"], -INTERRUPT)

    def test_is_ignored_where_a_launcher_sends_it(self):
        told = (["saving", "saved"], 0)
        assert saving(TERMINATE, TERMINATE, pause=0.5, WORLD_SIZE="2") == told


def test_a_child_that_inherits_the_handlers_ends_as_ever():
    done = subprocess.run([sys.executable, "-c", SAVING, "child"], check=False, timeout=30)
    assert done.returncode == 100 - signal.SIGTERM
