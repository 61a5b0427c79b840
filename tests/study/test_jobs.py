from types import SimpleNamespace

import pytest
import torch

from vicinal.study import jobs
from vicinal.study.jobs import Jobs, LoadBeside, StartHelpers, choose_jobs, limited_threads


@pytest.mark.parametrize(
    ("asked", "runs", "processors", "gpus", "expected"),
    [
        (None, 9, 2, 0, Jobs(2, 1, True)),
        (None, 1, 8, 0, Jobs(1, None, True)),
        (None, 0, 8, 0, Jobs(1, None, True)),  # all are done
        (None, 3, 8, 0, Jobs(3, 2, True)),
        (None, 9, 1, 0, Jobs(1, None, True)),
        (2, 9, 8, 0, Jobs(2, 4, False)),
        (1, 9, 8, 0, Jobs(1, None, False)),
        (None, 9, 8, 4, Jobs(4, None, False)),
        (2, 9, 8, 4, Jobs(2, None, False)),
    ],
)
def test_processes_and_threads(asked, runs, processors, gpus, expected):
    assert choose_jobs(asked, runs, processors=processors, gpus=gpus) == expected


def test_what_was_chosen_is_said():
    assert "up to 2 at a time, of 1 thread each" in Jobs(2, 1, True).text
    assert not Jobs(2, 1, False).text
    assert not Jobs(1, None, True).text


def test_threads_are_as_before_afterwards():
    before = torch.get_num_threads()
    with limited_threads(before + 1):
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before


class Machine:
    """A clock that advances with each batch, and memory."""

    def __init__(self, monkeypatch, seconds_a_batch, free=10**12):
        self.now, self.started, self.runs = 0.0, [], 6
        self.seconds = seconds_a_batch
        monkeypatch.setattr(jobs.time, "monotonic", lambda: self.now)
        memory = SimpleNamespace(available=free)
        monkeypatch.setattr(jobs.psutil, "virtual_memory", lambda: memory)
        process = SimpleNamespace(memory_info=lambda: SimpleNamespace(rss=10**9))
        monkeypatch.setattr(jobs.psutil, "Process", lambda: process)

    def train(self, runs, shared, processors=4):
        """Trainings of 5 epochs of 4 batches."""
        self.runs = runs
        callback = StartHelpers(shared, lambda: self.runs, self.started.append, processors)
        dls = SimpleNamespace(train=range(4))
        learn = SimpleNamespace(epochs=5, training=True, dls=dls)
        while self.runs:
            callback.before_fit(learn)
            for _ in range(20):
                self.now += self.seconds
                callback.after_batch(learn)
            self.runs -= 1


def test_helpers_are_started_once_where_the_runs_take_long(monkeypatch):
    machine = Machine(monkeypatch, 1.0)
    machine.train(6, Jobs(4, 1, True))
    assert machine.started == [3]


def test_short_runs_start_none(monkeypatch):
    machine = Machine(monkeypatch, 0.1)
    machine.train(6, Jobs(4, 1, True))  # 12 seconds
    assert machine.started == []


def test_many_short_runs_are_long_together(monkeypatch):
    machine = Machine(monkeypatch, 0.05)
    machine.train(60, Jobs(4, 1, True))
    assert machine.started == [3]


def test_no_more_helpers_than_runs_and_memory(monkeypatch):
    machine = Machine(monkeypatch, 5.0)
    machine.train(2, Jobs(4, 1, True))
    assert machine.started == [1]
    machine, threads = Machine(monkeypatch, 5.0, free=2.5 * 10**9), []
    monkeypatch.setattr(jobs.torch, "set_num_threads", threads.append)
    machine.train(6, Jobs(4, 1, True), processors=8)
    assert machine.started == [2]
    assert threads == [2]  # of eight processors, for each of three processes


def test_what_comes_afterwards_is_loaded_once_while_the_last_runs_train():
    left, loaded = [3], []
    callback = LoadBeside(Jobs(2, 1, True), lambda: left[0], lambda: loaded.append(left[0]))
    for left[0] in (3, 2, 1):
        for epoch in range(3):
            callback.before_epoch(SimpleNamespace(epoch=epoch))
            if callback.thread is not None:
                callback.thread.join()
    assert loaded == [2]
