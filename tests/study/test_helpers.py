"""Processes that help with a comparison: they end with the one that began it, and it says so."""

import signal
import subprocess
import sys
import time

import pandas as pd
import psutil
import pytest

from vicinal.study import helpers
from vicinal.study.helpers import GRACE

WAITING = """
import signal, sys, time
from vicinal.study import helpers
helpers.GRACE = 0.1
{more}
helpers.end_with_parent()
print("ready", flush=True)
time.sleep(60)
"""


def helper(more=""):
    """A process that helps this one, and does nothing."""
    process = subprocess.Popen(
        [sys.executable, "-c", WAITING.format(more=more)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout.readline() == b"ready\n"
    return process


class TestAHelper:
    def test_is_asked_to_end_when_its_parent_is_gone(self):
        process = helper()
        assert process.poll() is None
        process.stdin.close()  # as the system does, however a process ends
        assert process.wait(10) == -signal.SIGTERM

    def test_is_ended_where_it_does_not(self):
        """As in the middle of a long batch, when no handler runs."""
        process = helper("signal.signal(signal.SIGTERM, signal.SIG_IGN)")
        process.stdin.close()
        assert process.wait(10) == 128 + signal.SIGTERM

    def test_is_not_ended_while_its_parent_lives(self):
        process = helper()
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.3)
        process.kill()
        process.wait()


class FakeProcess:
    """A helper that has ended, or waits until it is told to."""

    def __init__(self, command, *, env, **_):
        self.command, self.env, self.asked = command, env, []
        self.stdin = self
        self.code = FakeProcess.codes.pop(0)
        FakeProcess.made.append(self)

    def wait(self, timeout=None):
        if self.code == "stubborn" and timeout is not None:
            raise subprocess.TimeoutExpired("helper", timeout)
        while self.code in (None, "stubborn"):
            time.sleep(0.001)
        return self.code

    def terminate(self):
        self.asked.append("terminate")
        self.code = -15 if self.code is None else self.code

    def kill(self):
        self.asked.append("kill")
        self.code = -9

    def close(self):
        self.asked.append("close")


@pytest.fixture
def started(monkeypatch):
    FakeProcess.made, FakeProcess.codes = [], []
    monkeypatch.setattr(helpers.subprocess, "Popen", FakeProcess)
    return FakeProcess


def run_beside(started, codes, **options):
    """What is said while helpers with these exit codes run."""
    started.codes, lines = codes, []
    count, log = len(codes), lambda *line: lines.append(line)
    with helpers.helpers("out", None, threads=3, log=log, **options) as start:
        start(count)
        time.sleep(0.05)
        during = list(lines)
    assert lines == during  # that they are ended is no news
    return lines


class TestTheProcessThatBegan:
    @pytest.mark.parametrize(
        ("code", "said"),
        [(-9, "was ended by signal 9 (Killed)"), (2, "failed (status 2)")],
    )
    def test_says_that_one_ended_early(self, started, code, said):
        lines = run_beside(started, [None, code])
        assert lines == [("helper", f"one of the processes {said}: the others do its runs")]

    def test_says_nothing_of_one_that_is_done(self, started):
        assert run_beside(started, [0, None]) == []

    def test_ends_them_and_kills_one_that_does_not_end(self, started, monkeypatch):
        monkeypatch.setattr(helpers, "GRACE", 0.0)
        run_beside(started, [None, "stubborn"])
        assert [each.asked for each in started.made] == [
            ["terminate", "close"],
            ["terminate", "kill", "close"],
        ]

    def test_ends_them_after_an_error(self, started):
        started.codes = [None]

        def interrupted():
            with helpers.helpers("out", None, threads=1, log=print) as start:
                start(1)
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            interrupted()
        assert started.made[0].asked == ["terminate", "close"]

    def test_gives_each_its_threads_and_device(self, started):
        run_beside(started, [None, None], devices=["4", "5"])
        environments = [each.env for each in started.made]
        assert [each["CUDA_VISIBLE_DEVICES"] for each in environments] == ["5", "4"]
        assert {each["OMP_NUM_THREADS"] for each in environments} == {"3"}
        assert started.made[0].command[-3:] == ["compare-worker", "out", "inf"]


@pytest.fixture
def comparison(tmp_path):
    """A comparison by two processes, with runs that take as many epochs as they are asked to."""
    frame = pd.DataFrame({"a": range(200), "label": [i % 7 > 3 for i in range(200)]})
    frame.to_csv(tmp_path / "rows.csv", index=False)
    command = [sys.executable, "-m", "vicinal", "compare", "rows.csv", "--mix", "none,mixup"]

    def start(*options):
        process = subprocess.Popen(
            [*command, "--jobs", "2", "--out", "out", *options],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            text=True,
        )
        results = tmp_path / "out" / "results"
        deadline = time.monotonic() + 120
        while len(list(results.glob(".*.lock"))) < 2:  # both are training
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        (child,) = psutil.Process(process.pid).children()
        return process, child

    return start


@pytest.mark.slow
def test_a_helper_ends_with_its_parent_also_when_that_is_killed(comparison, tmp_path):
    process, child = comparison("--epochs", "100000", "--seeds", "1")
    process.kill()
    process.wait()
    assert child.wait(GRACE + 10) is None  # not a child of this process: its status is unknown
    assert not child.is_running()


@pytest.mark.slow
def test_a_comparison_goes_on_when_its_helper_dies(comparison, tmp_path):
    process, child = comparison("--epochs", "15", "--seeds", "2")
    child.kill()
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    assert "helper:         one of the processes was ended by signal 9 (Killed): the others" in out
    assert len(pd.read_csv(tmp_path / "out" / "runs.csv")) == 4
