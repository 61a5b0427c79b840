"""Times and plans."""

from typing import ClassVar

import pytest
import torch

from vicinal import DataLoaders, Learner
from vicinal.errors import VicinalError
from vicinal.study.budget import Plan, plan, trial
from vicinal.study.words import seconds_of, spoken


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("20m", 1200), ("1h30m", 5400), ("90s", 90), ("0.5h", 1800), (" 2M ", 120), ("1h1m1s", 3661)],
)
def test_a_time_is_read(text, seconds):
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "20", "m", "-5m", "0m", "5 minutes", "1.2.3m", "soon", "m5"])
def test_what_is_no_time_is_refused(text):
    with pytest.raises(VicinalError, match="--budget is a time such as 20m"):
        seconds_of(text)


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
def test_a_time_is_spoken(seconds, text):
    assert spoken(seconds) == text


class TestPlan:
    RUNS: ClassVar = [[11.0, 21.0]] * 5  # of each seed

    def test_as_many_seeds_as_fit(self):
        assert plan(self.RUNS, 32) == Plan(1, 2, 32.0)
        assert plan(self.RUNS, 64) == Plan(2, 4, 64.0)
        assert plan(self.RUNS, 1000) == Plan(5, 10, 160.0)

    def test_too_little_time_says_what_it_would_take(self):
        with pytest.raises(VicinalError, match="takes about 32 s, and 3 seeds of each 1 min 36 s"):
            plan(self.RUNS, 31)

    def test_what_is_done_takes_no_time(self):
        assert plan([[], [], [11.0], [11.0, 21.0]], 11, kept=3) == Plan(3, 1, 11.0)

    def test_seeds_that_were_begun_are_kept_whatever_the_time(self):
        assert plan([[], [21.0], [11.0, 21.0]], 5, kept=2) == Plan(2, 1, 21.0)


def test_a_trial_foretells_an_epoch():
    torch.manual_seed(0)
    x, y = torch.randn(4096, 64), torch.arange(4096) % 2
    dls = DataLoaders.from_tensors(x, y, x[:512], y[:512], bs=64, device="cpu")

    def make():
        return Learner(dls, torch.nn.Sequential(torch.nn.Linear(64, 256), torch.nn.Linear(256, 2)))

    cost = trial(make)
    learn = make()
    with learn.no_logging():
        learn.fit(3)
    real = min(row["seconds"] for row in learn.history)
    # Of the same order: a machine that others use is no clock.
    assert real / 10 < cost.epoch < 10 * real


def test_a_trial_of_one_batch_is_no_error():
    x, y = torch.randn(8, 2), torch.arange(8) % 2
    dls = DataLoaders.from_tensors(x, y, x, y, bs=8, device="cpu")
    cost = trial(lambda: Learner(dls, torch.nn.Linear(2, 2)))
    assert cost.epoch >= 0
