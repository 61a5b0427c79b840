"""The learning rate range test: what it finds, and that it undoes everything."""

import copy
import itertools
import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from torch import nn

from vicinal import (
    EMA,
    AccumulateGradients,
    Callback,
    CancelBatch,
    CancelFit,
    Checkpoint,
    EarlyStopping,
    Learner,
    MixUp,
    SaveBest,
    Schedule,
    VicinalError,
    plots,
)
from vicinal.learner.lr_find import GrowingRate
from vicinal.learner.suggestions import in_longest_fall


def network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(2, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.1), nn.Linear(16, 2)
    )


def sgd(groups, lr):
    return torch.optim.SGD(groups, lr=lr)


class Watch(Callback):
    order = 2000

    def __init__(self, at=None, error=None):
        self.at, self.error, self.heard = at, error, []

    def record(self, learn, event):
        self.heard.append((event, [g["lr"] for g in learn.optimizer.param_groups]))

    def before_batch(self, learn):
        self.record(learn, "batch")
        if len(self.heard) == self.at:
            raise self.error

    def before_validate(self, learn):
        self.record(learn, "validate")

    def after_epoch(self, learn):
        self.record(learn, "epoch")


def test_the_rates_grow_exponentially(dls):
    found = Learner(dls, network(), cbs=(watch := Watch())).lr_find(1e-6, 1e-2, 50)
    expected = np.geomspace(1e-6, 1e-2, 51)[:50]  # as in fastai, the last is not reached
    np.testing.assert_allclose(found.rates, expected)
    assert [event for event, _ in watch.heard] == ["batch"] * 50
    np.testing.assert_allclose([rates[0] for _, rates in watch.heard], expected)
    assert found.suggestion in found.rates


def test_the_smoothed_losses_are_unbiased(dls):
    raw = []

    class Note(Callback):
        def after_batch(self, learn):
            raw.append(learn.loss.item())

    losses = Learner(dls, network(), cbs=Note).lr_find(1e-6, 1e-4, 30).losses
    for n in range(1, 31):
        weights = 0.98 ** np.arange(n)[::-1]
        assert losses[n - 1] == pytest.approx(np.average(raw[:n], weights=weights))


def halves(model):
    return [list(model[:2].parameters()), list(model[2:].parameters())]


@pytest.mark.parametrize(("lr", "ratio"), [(1e-3, 1), (slice(1e-5, 1e-3), 100), (slice(1.0), 10)])
def test_groups_keep_the_ratios_of_a_slice(dls, lr, ratio):
    watch = Watch()
    found = Learner(dls, network(), lr=lr, splitter=halves, cbs=watch).lr_find(1e-6, 1e-3, 20)
    for rate, (_, rates) in zip(found.rates, watch.heard, strict=True):
        assert max(rates) == pytest.approx(rate)
        assert min(rates) == pytest.approx(rate / ratio)


def test_it_finds_a_rate_to_train_with(dls):
    learn = Learner(dls, network())
    found = learn.lr_find()
    learn.fit(2, found.suggestion)
    assert learn.history[-1]["valid_loss"] < 0.5


@pytest.mark.parametrize("end_lr", [1e6, 1e30])
def test_it_ends_where_the_loss_diverges(dls, end_lr):
    found = Learner(dls, network(), opt_func=sgd).lr_find(1e-7, end_lr)
    assert len(found.rates) == len(found.losses) < 100
    assert all(map(math.isfinite, found.losses))
    assert max(found.losses[:-1]) <= 4 * min(found.losses)


def test_a_lucky_first_batch_does_not_end_it():
    growing, learn = GrowingRate(1e-7, 10, 100), SimpleNamespace(y=None, mean_weight=lambda y: 1)
    growing.rate = 1e-7
    for number in range(100):
        learn.loss = torch.tensor(1e-4 if number == 0 else 1.0)
        growing.after_batch(learn)
    assert len(growing.losses) == 100
    learn.loss = torch.tensor(1000.0)
    with pytest.raises(CancelFit):
        growing.after_batch(learn)


def test_losses_below_zero_do_not_end_it(dls):
    model = nn.Linear(2, 2)
    learn = Learner(dls, model, lambda output, y: nn.functional.cross_entropy(output, y) - 9)
    assert len(learn.lr_find(1e-6, 1e-3, 20).losses) == 20


def traces(learn):
    """Everything that a training may change."""
    tensors = itertools.chain(learn.model.parameters(), learn.model.buffers())
    saved = [(id(t), t.grad, t.clone()) for t in tensors]
    own = {name: value for name, value in vars(learn).items() if name != "model"}
    mixer = learn.cbs[0].mixer
    return {
        "tensors": [(i, t.tolist(), None if g is None else g.tolist()) for i, g, t in saved],
        "optimizer": [
            torch.as_tensor(value).tolist()
            for state in learn.optimizer.state.values()
            for value in state.values()
        ],
        "modes": [m.training for m in learn.model.modules()],
        "own": {name: id(value) for name, value in own.items()},
        "history": copy.deepcopy(learn.history),
        "order": learn.dls.train.sampler.epoch,
        "workers": learn.dls.train._loader.generator.get_state().tolist(),
        "mixer": mixer.state_dict(),
        "schedule": (mixer._span, mixer.mixer.alpha),
        "callbacks": [{name: id(v) for name, v in vars(cb).items()} for cb in learn.cbs],
        "random": torch.get_rng_state().tolist(),
    }


@pytest.mark.parametrize("error", [None, KeyboardInterrupt(), RuntimeError("broken"), CancelFit()])
def test_it_leaves_no_trace(dls, tmp_path, error):
    cbs = [
        Schedule(MixUp(0.4), alpha=(0.0, 0.4), seed=3),
        EMA(0.9),
        EarlyStopping(),
        SaveBest(),
        AccumulateGradients(2),
    ]
    model = network()
    model[1].eval()
    learn = Learner(dls, model, cbs=cbs, path=tmp_path)
    learn.fit(1, 0.01)
    files = list(tmp_path.rglob("*"))
    model[0].weight.grad = torch.ones_like(model[0].weight)
    before = traces(learn)
    if error is None:
        learn.lr_find()
    else:
        learn.cbs.append(watch := Watch(15, error))
        with pytest.raises(VicinalError if isinstance(error, CancelFit) else type(error)):
            learn.lr_find()
        learn.cbs.remove(watch)
    assert traces(learn) == before
    assert list(tmp_path.rglob("*")) == files


def test_a_training_after_it_is_the_one_without_it(dls):
    weights = []
    for look in (False, True):
        dls.train.sampler.epoch = 0
        learn = Learner(dls, network(), cbs=MixUp(0.4, seed=1))
        if look:
            learn.lr_find(num_it=33)
        learn.fit(2, 0.01)
        weights.append(learn.model[0].weight)
    assert torch.equal(*weights)
    assert len(learn.history) == 2


def test_callbacks_of_whole_epochs_are_skipped(dls, tmp_path):
    Learner(dls, network()).fit(1, cbs=Checkpoint(tmp_path / "c"))
    before = (tmp_path / "c").read_bytes()
    learn = Learner(dls, network(), cbs=Checkpoint(tmp_path / "c", resume=True))
    learn.lr_find(num_it=20)
    assert (tmp_path / "c").read_bytes() == before


def test_cancelled_batches_are_not_counted(dls):
    class Skip(Callback):
        def before_batch(self, learn):
            self.odd = not getattr(self, "odd", False)
            if self.odd:
                raise CancelBatch

    found = Learner(dls, network(), cbs=Skip).lr_find(1e-6, 1e-2, 80)
    assert len(found.rates) == 40


def test_it_prints_nothing(dls, capsys):
    Learner(dls, network()).lr_find(num_it=20)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(("arguments", "message"), [
    ((0, 1), r"cannot grow from 0 to 1: give a start_lr above 0 and a larger end_lr"),
    ((1, 0.1), "cannot grow from 1 to 0.1"),
    ((1, math.inf), "cannot grow from 1 to inf"),
    ((math.nan, 1), "cannot grow from nan to 1"),
    ((1e-7, 1, 9), "num_it must be 10 batches or more, not 9"),
])  # fmt: skip
def test_bad_arguments(dls, arguments, message):
    with pytest.raises(VicinalError, match=message):
        Learner(dls, network()).lr_find(*arguments)


def test_a_loss_that_diverges_at_once(dls):
    learn = Learner(dls, network(), lambda output, y: output.sum() * math.nan)
    with pytest.raises(VicinalError, match=r"diverged after 0 of 100 batches.* below 1e-07"):
        learn.lr_find()


def test_a_loss_that_never_falls(dls):
    steps = itertools.count(1)
    learn = Learner(dls, network(), lambda output, y: output.sum() * 0 + next(steps) * 0.01 + 9)
    with pytest.raises(VicinalError, match=r"falls at no learning rate between 1e-07 and 8\.3:"):
        learn.lr_find()


def longest_falling(losses):
    """The length of the longest falling subsequence, by trying all of them."""
    for length in range(len(losses), 0, -1):
        for chosen in itertools.combinations(losses, length):
            if all(a > b for a, b in itertools.pairwise(chosen)):
                return length


@pytest.mark.parametrize("seed", range(5))
def test_the_valley_is_in_the_longest_fall(seed):
    losses = np.random.default_rng(seed).integers(0, 9, 10).tolist()
    length, chosen = longest_falling(losses), in_longest_fall(losses)
    end = chosen + length - length // 3 - length // 6
    assert max(longest_falling(losses[: i + 1]) for i in range(end)) < length
    assert longest_falling(losses[: end + 1]) == length


@pytest.mark.parametrize(("losses", "middle"), [
    ([6, 5, 4, 3, 2, 1], 2), ([5, 4, 3, 2, 1], 0), ([9, 9, 5, 4, 3, 2, 1], 3),
    ([1, 2, 3], None), ([1, 1, 1], None), ([2, 1, 3], 0), ([1], None),
])  # fmt: skip
def test_plain_valleys(losses, middle):
    assert in_longest_fall(losses) == middle


def test_the_figure(dls):
    found = Learner(dls, network()).lr_find()
    figure = found.plot()
    FigureCanvasAgg(figure).draw()
    (axes,) = figure.axes
    assert axes.get_xscale() == "log"
    np.testing.assert_allclose(axes.lines[1].get_xdata(), found.rates)
    np.testing.assert_allclose(axes.lines[1].get_ydata(), found.losses)
    assert axes.lines[2].get_xdata() == [found.suggestion]
    low, high = axes.get_ylim()
    assert low < min(found.losses) < axes.lines[2].get_ydata()[0] < high


@pytest.mark.parametrize(("losses", "suggestion", "message"), [
    ([1.0], 0.1, "2 rates, but 1 losses"), ([1.0, 2.0], 0.2, "0.2 is not among the rates")
])  # fmt: skip
def test_a_figure_of_mismatched_values(losses, suggestion, message):
    with pytest.raises(ValueError, match=message):
        plots.range_test([0.1, 1.0], losses, suggestion)
