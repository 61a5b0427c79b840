"""Durations, and how many runs fit into a budget."""

from types import SimpleNamespace
from typing import ClassVar

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vicinal import DataLoaders, Learner
from vicinal.errors import VicinalError
from vicinal.study.budget import Cost, SeedPlan, measure_cost, plan_seeds
from vicinal.study.formatting import format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("20m", 1200), ("1h30m", 5400), ("90s", 90), ("0.5h", 1800), (" 2M ", 120), ("1h1m1s", 3661)],
)
def test_a_duration_is_parsed(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "20", "m", "-5m", "0m", "5 minutes", "1.2.3m", "soon", "m5"])
def test_anything_else_is_refused(text):
    with pytest.raises(VicinalError, match="--budget takes a duration such as 20m"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.2, "0.2 s"),
        (59.6, "1 min"),
        (60, "1 min"),
        (119.7, "2 min"),
        (3599.8, "1 h"),
        (7300, "2 h 2 min"),
    ],
)
def test_a_duration_is_formatted(seconds, text):
    assert format_duration(seconds) == text


class TestPlan:
    RUNS: ClassVar = [[11.0, 21.0]] * 5  # of each seed

    def test_as_many_seeds_as_fit(self):
        assert plan_seeds(self.RUNS, 32) == SeedPlan(1, 2, 32.0)
        assert plan_seeds(self.RUNS, 64) == SeedPlan(2, 4, 64.0)
        assert plan_seeds(self.RUNS, 1000) == SeedPlan(5, 10, 160.0)

    def test_too_little_time_says_how_much_is_needed(self):
        with pytest.raises(
            VicinalError, match="give about 47 s, and for 5 seeds of each 3 min 39 s"
        ):
            plan_seeds(self.RUNS, 31)

    def test_finished_runs_take_no_time(self):
        assert plan_seeds([[], [], [11.0], [11.0, 21.0]], 11, least=3) == SeedPlan(3, 1, 11.0)

    def test_seeds_that_were_begun_are_planned_in_any_case(self):
        assert plan_seeds([[], [21.0], [11.0, 21.0]], 5, least=2) == SeedPlan(2, 1, 21.0)

    def test_a_run_is_not_split_between_processes(self):
        runs = [[60.0] * 3] * 3
        with pytest.raises(
            VicinalError, match="about 2 min 45 s, and for 3 seeds of each 6 min 51 s"
        ):
            plan_seeds(runs, 95, jobs=2)
        assert plan_seeds(runs, 120, jobs=2) == SeedPlan(1, 3, 120.0)
        assert plan_seeds(runs, 180, jobs=2) == SeedPlan(2, 6, 180.0)

    @given(st.lists(st.lists(st.floats(1, 100), min_size=1), min_size=1), st.integers(1, 5))
    def test_processes_are_busy_until_the_last_runs(self, runs, jobs):
        planned, every = (
            plan_seeds(runs, float("inf"), jobs=jobs),
            [each for seed in runs for each in seed],
        )
        assert planned.runs == len(every)
        alone = sum(every) / jobs
        assert max(*every, alone) * 0.999 <= planned.seconds <= 1.001 * (alone + max(every))


@pytest.mark.parametrize("train", [1, 2, 3, 8, 9, 30])
@pytest.mark.parametrize("valid", [1, 2, 3, 30])
def test_a_trial_times_parts_of_few_batches_too(monkeypatch, train, valid):
    """By a clock that advances a second with a training batch, and two with a validation batch."""
    clock = SimpleNamespace(now=0.0)
    clock.perf_counter = lambda: clock.now
    monkeypatch.setattr("vicinal.study.budget.time", clock)

    class Ticking(torch.nn.Linear):
        def forward(self, x):
            clock.now += 1.0 if self.training else 2.0
            return super().forward(x)

    x, y = torch.randn(240, 2), torch.arange(240) % 2
    dls = DataLoaders.from_tensors(
        x[: 4 * train], y[: 4 * train], x[: 8 * valid], y[: 8 * valid], bs=4, device="cpu"
    )
    assert (len(dls.train), len(dls.valid)) == (train, valid)
    cost = measure_cost(lambda: Learner(dls, Ticking(2, 2)), more=0.5)
    assert (cost.training, cost.validation) == (train, 2 * valid)
    assert cost.once == 8.5 * 2 * valid
    twice = measure_cost(lambda: Learner(dls, Ticking(2, 2)), looks=2)
    assert twice.validation == 2 * cost.validation


def test_a_trial_predicts_an_epoch():
    torch.manual_seed(0)
    x, y = torch.randn(4096, 64), torch.arange(4096) % 2
    dls = DataLoaders.from_tensors(x, y, x[:512], y[:512], bs=64, device="cpu")

    def make():
        return Learner(dls, torch.nn.Sequential(torch.nn.Linear(64, 256), torch.nn.Linear(256, 2)))

    cost = measure_cost(make)
    learn = make()
    with learn.no_logging():
        learn.fit(3)
    real = min(row["seconds"] for row in learn.history)
    # Of the same order: a machine that others use is no clock.
    assert real / 10 < cost.training + cost.validation < 10 * real


def test_a_trial_of_one_batch_works():
    x, y = torch.randn(8, 2), torch.arange(8) % 2
    dls = DataLoaders.from_tensors(x, y, x, y, bs=8, device="cpu")
    cost = measure_cost(lambda: Learner(dls, torch.nn.Linear(2, 2)))
    assert cost.training > 0


def test_a_run_is_not_validated_after_every_epoch():
    assert Cost(5.0, 1.0, 2.0).run(10) == 5 + 10 + 20
    assert Cost(5.0, 1.0, 2.0).run(150) == 5 + 150 + 40
