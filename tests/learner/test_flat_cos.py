"""The flat-cosine schedule, against its formula."""

import math

import pytest
import torch
from torch import nn

from vicinal import AccumulateGradients, Callback, Checkpoint, Learner, VicinalError


class Rates(Callback):
    def __init__(self):
        self.rates = []

    def before_step(self, learn):
        self.rates.append([g["lr"] for g in learn.optimizer.param_groups])

    def after_fit(self, learn):
        self.last = [g["lr"] for g in learn.optimizer.param_groups]


def halves(model):
    return [list(model[0].parameters()), list(model[1].parameters())]


def fit(dls, epochs=2, lr=0.1, cbs=(), **kwargs):
    rates = Rates()
    model = nn.Sequential(nn.Linear(2, 3, bias=False), nn.Linear(3, 2, bias=False))
    Learner(dls, model, splitter=halves).fit_flat_cos(epochs, lr, cbs=[rates, *cbs], **kwargs)
    return rates


@pytest.mark.parametrize("pct_start", [0, 0.33, 0.75, 0.99])
@pytest.mark.parametrize("div_final", [1e5, 10])
def test_it_is_flat_and_then_a_cosine(dls, pct_start, div_final):
    rates = fit(dls, pct_start=pct_start, div_final=div_final)
    low = 0.1 / div_final
    annealed = [max(0, step / 20 - pct_start) / (1 - pct_start) for step in range(21)]
    expected = [low + (0.1 - low) * (1 + math.cos(math.pi * share)) / 2 for share in annealed]
    assert [r[0] for r in rates.rates] == pytest.approx(expected[:20])
    assert rates.last[0] == pytest.approx(low)


def test_three_quarters_are_flat(dls):
    rates = [r[0] for r in fit(dls).rates]
    assert rates[:16] == [0.1] * 16
    assert rates[16:] == sorted(rates[16:], reverse=True)
    assert rates[16] < 0.1


def test_the_groups_of_a_slice_keep_their_ratio(dls):
    rates = fit(dls, lr=slice(1e-3, 1e-1))
    assert all(high == pytest.approx(100 * low) for low, high in rates.rates)
    assert rates.last == pytest.approx([1e-8, 1e-6])


def test_one_step(dls):
    assert fit(dls, epochs=1, cbs=[AccumulateGradients(100)]).rates == [[0.1, 0.1]]


@pytest.mark.parametrize(("kwargs", "message"), [
    ({"pct_start": 1}, "pct_start must be 0 or more and below 1, not 1"),
    ({"pct_start": -0.1}, "pct_start must be 0 or more and below 1, not -0.1"),
    ({"pct_start": math.nan}, "pct_start must be 0 or more and below 1, not nan"),
    ({"div_final": 0}, "div_final must be a number above 0, not 0"),
    ({"div_final": math.inf}, "div_final must be a number above 0, not inf"),
])  # fmt: skip
def test_what_cannot_be_is_refused(dls, kwargs, message):
    with pytest.raises(VicinalError, match=message):
        fit(dls, **kwargs)


def test_it_goes_on_from_a_checkpoint(dls, tmp_path):
    class Stop(Callback):
        def before_epoch(self, learn):
            if learn.epoch == 2:
                raise KeyboardInterrupt

    def train(*cbs):
        dls.train.sampler.epoch = 0
        torch.manual_seed(0)
        learn = Learner(dls, nn.Linear(2, 2))
        learn.fit_flat_cos(4, 0.1, cbs=list(cbs))
        return learn.model.weight

    whole = train()
    with pytest.raises(KeyboardInterrupt):
        train(Checkpoint(tmp_path / "c"), stop := Stop())
    stop.before_epoch = lambda learn: None
    assert torch.equal(train(Checkpoint(tmp_path / "c", resume=True), stop), whole)
