"""The schedules: flat and cosine against its formula, and one cycle."""

import math
from functools import partial

import pytest
import schedulefree
import torch
from small_trainings import network, sgd
from torch import nn

from vicinal import AccumulateGradients, Callback, Checkpoint, DataLoaders, Learner, VicinalError


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
def test_bad_arguments(dls, kwargs, message):
    with pytest.raises(VicinalError, match=message):
        fit(dls, **kwargs)


def test_it_resumes_from_a_checkpoint(dls, tmp_path):
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


def test_one_cycle_warms_up_and_anneals(dls):
    rates = Rates()
    Learner(dls, network()).fit_one_cycle(2, 0.1, cbs=rates)
    highest = [step[0] for step in rates.rates]
    assert len(highest) == 20
    assert highest[0] == pytest.approx(0.1 / 25)
    assert max(highest) == pytest.approx(0.1, rel=0.05)
    assert highest.index(max(highest)) in (4, 5)
    assert highest[-1] < 0.1 / 50


@pytest.mark.parametrize("opt", [sgd, torch.optim.Adam, partial(torch.optim.SGD, momentum=0.9)])
def test_one_cycle_takes_any_optimizer_of_torchs(dls, opt):
    Learner(dls, network(), opt_func=opt).fit_one_cycle(1, 0.01)


@pytest.mark.parametrize("pct_start", [0.01, 0.25, 0.99])
@pytest.mark.parametrize("steps", range(1, 9))
def test_one_cycle_of_few_steps(steps, pct_start):
    x, y = torch.randn(4, 2), torch.tensor([0, 1, 0, 1])
    dls = DataLoaders.from_tensors(x, y, x, y, bs=4, device="cpu")
    Learner(dls, network()).fit_one_cycle(steps, 0.01, pct_start=pct_start)


def test_a_first_beta_of_zero_is_no_momentum_to_cycle(dls):
    """One cycle would give it up to 0.95; AggMo keeps its buffers by these numbers."""

    class Betas(Callback):
        def after_step(self, learn):
            self.found = {group["betas"] for group in learn.optimizer.param_groups}

    betas = Betas()
    opt_func = partial(torch.optim.Adam, betas=(0.0, 0.99))
    Learner(dls, network(), opt_func=opt_func).fit_one_cycle(1, 0.1, cbs=betas)
    assert betas.found == {(0.0, 0.99)}


def test_an_optimizer_that_torch_would_not_schedule_is_refused(dls):
    def wrapped(groups, lr):
        return schedulefree.ScheduleFreeWrapper(torch.optim.SGD(groups, lr), momentum=0.9)

    learn = Learner(dls, network(), opt_func=wrapped)
    with pytest.raises(VicinalError, match=r"no ScheduleFreeWrapper, .*: train by fit"):
        learn.fit_one_cycle(1, 0.1)
    learn.fit(1, 0.1)
