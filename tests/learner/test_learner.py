"""The Learner: its loop against one written by hand, and what it does not change."""

import copy
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from vicinal import (
    DataLoaders,
    Learner,
    MixLoss,
    MixUp,
    VicinalError,
    accuracy,
    error_rate,
    top_k_accuracy,
)
from vicinal.learner.events import Callback, CancelFit, CancelStep


def network(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(2, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 2))


def weights(model):
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def sgd(groups, lr):
    return torch.optim.SGD(groups, lr=lr)


def test_it_learns_and_records(dls):
    learn = Learner(dls, network(), metrics=[accuracy, error_rate], cbs=MixUp(seed=0))
    learn.fit_one_cycle(6, 0.03)
    assert [row["epoch"] for row in learn.history] == [1, 2, 3, 4, 5, 6]
    assert list(learn.history[0]) == [
        "epoch", "train_loss", "valid_loss", "valid_accuracy", "valid_error_rate", "seconds"
    ]  # fmt: skip
    assert learn.history[-1]["valid_accuracy"] > 0.9
    assert learn.history[-1]["train_loss"] < learn.history[0]["train_loss"]


@pytest.mark.parametrize("mixer", [None, MixUp])
def test_it_is_the_loop_written_by_hand(dls, mixer):
    by_hand = network()
    optimizer = torch.optim.SGD(by_hand.parameters(), lr=0.1)
    hand_mixer = MixUp(0.4, seed=5)
    losses = []
    for _ in range(2):
        by_hand.train()
        total = 0.0
        for x, y in dls.train:
            if mixer:
                x, y = hand_mixer(x, y)
            loss = MixLoss(nn.CrossEntropyLoss())(by_hand(x), y)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            total += loss.item() * len(x)
        losses.append(total / 200)

    dls.train.sampler.epoch = 0
    cbs = MixUp(0.4, seed=5) if mixer else []
    learn = Learner(dls, network(), opt_func=sgd, cbs=cbs)
    learn.fit(2, 0.1)
    assert torch.equal(weights(learn.model), weights(by_hand))
    assert [row["train_loss"] for row in learn.history] == pytest.approx(losses, rel=1e-5)


def test_validation_is_not_mixed(dls):
    learn = Learner(dls, network(), metrics=accuracy, cbs=MixUp(100.0, seed=0))
    learn.fit(1, 0.01)
    model = learn.model.eval()
    x, y = dls.valid.dataset.x, dls.valid.dataset.y
    with torch.no_grad():
        expected = {
            "valid_loss": F.cross_entropy(model(x), y).item(),
            "valid_accuracy": accuracy(model(x), y).item(),
        }
    for name, value in expected.items():
        assert learn.history[-1][name] == pytest.approx(value, rel=1e-5)
    assert learn.validate() == pytest.approx(expected, rel=1e-5)


class Interrupt(Callback):
    """Ends a training in its third batch."""

    def __init__(self, error):
        self.error, self.batch = error, 0

    def after_backward(self, learn):
        self.batch += 1
        if self.batch == 3:
            raise self.error


@pytest.mark.parametrize("error", [None, KeyboardInterrupt(), RuntimeError("broken"), CancelFit()])
def test_nothing_but_the_weights_is_changed(dls, error):
    model = network()
    model[1].eval()  # a frozen norm stays frozen
    loss_func, metric = nn.CrossEntropyLoss(label_smoothing=0.1), accuracy
    learn = Learner(dls, model, loss_func, metrics=metric, cbs=MixUp(seed=0))
    before = [copy.copy(vars(m)) for m in model.modules()]
    modes = [m.training for m in model.modules()]
    loss_before, cbs = dict(vars(loss_func)), list(learn.cbs)
    extra = [Interrupt(error)] if error else []
    if error is None or isinstance(error, CancelFit):
        learn.fit(1, 0.1, cbs=extra)
    else:
        with pytest.raises(type(error)):
            learn.fit(1, 0.1, cbs=extra)
    assert learn.model is model
    assert [m.training for m in model.modules()] == modes
    assert [vars(m).keys() for m in model.modules()] == [b.keys() for b in before]
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    assert all(p.requires_grad and p.grad is None for p in model.parameters())
    assert learn.loss_func is loss_func
    assert vars(loss_func) == loss_before
    assert learn.metrics == [metric]
    assert learn.cbs == cbs
    assert learn.callbacks == []
    assert torch.is_grad_enabled()
    learn.validate()
    learn.predict(dls.valid.dataset.x[0])
    learn.fit(1, 0.1)


def test_mixup_in_one_line(dls):
    assert Learner(dls, network()).mixup(alpha=0.2).cbs[0].mixer.alpha == 0.2


def test_none_means_none(dls):
    learn = Learner(dls, network(), metrics=None, cbs=None)
    assert (learn.metrics, learn.cbs) == ([], [])


@pytest.mark.parametrize("cbs", [3, [nn.ReLU()]])
def test_neither_callback_nor_mixer(dls, cbs):
    with pytest.raises(VicinalError, match="no callback or mixer: give one such as MixUp"):
        Learner(dls, network(), cbs=cbs)
    with pytest.raises(VicinalError, match="no callback or mixer: give one such as MixUp"):
        Learner(dls, network()).fit(1, cbs=cbs)


def test_a_loss_that_becomes_nan_stops_the_training(dls):
    learn = Learner(dls, network(), opt_func=sgd)
    with pytest.raises(VicinalError, match=r"training loss became (nan|inf) in epoch \d.*lower"):
        learn.fit(5, 1e30)


@pytest.mark.parametrize("epochs", [0, -1])
def test_epochs_must_be_positive(dls, epochs):
    with pytest.raises(VicinalError, match="1 or more"):
        Learner(dls, network()).fit(epochs)


class TestForCallbacks:
    def test_train_on_steps_and_sends_all_events(self, dls):
        x, y = torch.randn(20, 2), torch.arange(20) % 2
        heard = []

        class Replay(Callback):
            order = 70

            def after_train(self, learn):
                heard.clear()
                learn.train_on([(x, y), (x, y)])

            def before_batch(self, learn):
                heard.append(learn.training and learn.x is x and learn.model.training)

            def after_step(self, learn):
                heard.append("step")

            def before_validate(self, learn):
                assert heard == [True, "step", True, "step"]
                heard.append("validate")

        by_hand = network()
        optimizer = sgd(by_hand.parameters(), 0.1)
        batches = [*dls.train, (x, y), (x, y)]
        losses = []
        for each, labels in batches:
            loss = F.cross_entropy(by_hand(each), labels)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            losses.append(loss.item())
        dls.train.sampler.epoch = 0
        learn = Learner(dls, network(), opt_func=sgd, cbs=Replay)
        learn.fit(1, 0.1)
        assert torch.equal(weights(learn.model), weights(by_hand))
        assert learn.history[0]["train_loss"] == pytest.approx(sum(losses) / 12, rel=1e-5)
        assert "validate" in heard

    def test_train_on_outside_of_a_training_is_refused(self, dls):
        learn = Learner(dls, network())
        for _ in range(2):
            with pytest.raises(VicinalError, match=r"while fit\(\) runs: call it in a callback"):
                learn.train_on(dls.train)
            learn.fit(1)

    def test_a_section_has_its_events_and_may_be_cancelled(self, dls):
        heard = []

        class Skip(Callback):
            order = -1

            def before_step(self, learn):
                heard.append("before")
                raise CancelStep

            def after_step(self, learn):
                heard.append("after")

        class StepTwice(Callback):
            def after_train(self, learn):
                heard.clear()
                learn.section("step", lambda: heard.append("body"))

        Learner(dls, network(), cbs=[Skip, StepTwice]).fit(1)
        assert heard == ["before", "after"]
        Learner(dls, network(), cbs=StepTwice).fit(1)
        assert heard == ["body"]

    def test_forward_is_what_the_loop_computes(self, dls):
        class Compare(Callback):
            def after_pred(self, learn):
                assert torch.equal(learn.forward(learn.x), learn.pred)
                assert learn.pred.dtype == torch.float32

        model = nn.Linear(2, 2)
        for precision in ("fp32", "bf16"):
            Learner(dls, model, cbs=Compare, precision=precision).fit(1)


def test_an_error_at_the_beginning_is_the_one_that_is_raised(dls):
    class Broken(Callback):
        def before_fit(self, learn):
            raise RuntimeError("no such thing")

        def after_fit(self, learn):
            raise AssertionError("what has not begun is not ended")

    with pytest.raises(RuntimeError, match="no such thing"):
        Learner(dls, network(), cbs=Broken).fit(1)


def halves(model):
    return [list(model[:2].parameters()), list(model[2:].parameters())]


def test_fine_tune_trains_the_head_first(dls):
    model = network()
    seen = []

    class Watch(Callback):
        def after_step(self, learn):
            seen.append(learn.model[0].weight.detach().clone())

    first = model[0].weight.detach().clone()
    Learner(dls, model, splitter=halves, cbs=Watch).fine_tune(1, freeze_epochs=1)
    assert all(torch.equal(w, first) for w in seen[:10])
    assert not torch.equal(seen[-1], first)
    assert all(p.requires_grad for p in model.parameters())


def test_fine_tune_leaves_frozen_what_its_user_froze(dls):
    model = network()
    model[0].bias.requires_grad_(False)
    frozen = model[0].bias.detach().clone()
    Learner(dls, model, splitter=halves).fine_tune(1)
    assert [n for n, p in model.named_parameters() if not p.requires_grad] == ["0.bias"]
    assert torch.equal(model[0].bias, frozen)


def test_validating_during_a_training_does_not_change_it(dls):
    class Validate(Callback):
        def after_pred(self, learn):
            if learn.training:
                learn.validate()

    plain, watched = (Learner(dls, network(), metrics=accuracy, cbs=cbs) for cbs in ([], Validate))
    plain.fit(1, 0.1)
    dls.train.sampler.epoch = 0
    watched.fit(1, 0.1)
    assert torch.equal(weights(plain.model), weights(watched.model))


def test_earlier_gradients_are_cleared(dls):
    fresh, stale = network(), network()
    for parameter in stale.parameters():
        parameter.grad = torch.ones_like(parameter)
    for model in (fresh, stale):
        dls.train.sampler.epoch = 0
        Learner(dls, model, opt_func=sgd).fit(1, 0.1)
    assert torch.equal(weights(fresh), weights(stale))


def test_metrics_with_the_same_name_are_refused(dls):
    metrics = [partial(top_k_accuracy, k=1), partial(top_k_accuracy, k=2)]
    with pytest.raises(VicinalError, match="two metrics are called top_k_accuracy"):
        Learner(dls, network(), metrics=metrics)
    metrics[1].__name__ = "top_2"
    assert "valid_top_2" in Learner(dls, network(), metrics=metrics).validate()


def test_mixup_replaces_earlier_mixers(dls):
    learn = Learner(dls, network(), cbs=MixUp).mixup(0.1).mixup(0.2)
    assert [cb.mixer.alpha for cb in learn.cbs] == [0.2]
    with pytest.raises(TypeError, match="mixed already"):
        Learner(dls, network(), cbs=[MixUp, MixUp]).fit(1)


def test_a_users_own_accelerator_keeps_its_precision(dls):
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState

    AcceleratorState._reset_state()
    learn = Learner(dls, network())
    learn.fit(1, 0.1)
    try:
        assert Accelerator(mixed_precision="bf16").mixed_precision == "bf16"
        learn.fit(1, 0.1)
    finally:
        AcceleratorState._reset_state()


def test_bfloat16_trains_and_gives_float32(dls):
    learn = Learner(dls, network(), metrics=accuracy, precision="bf16")
    dtypes = set()

    class Watch(Callback):
        def after_pred(self, learn):
            dtypes.add(learn.pred.dtype)

    learn.fit_one_cycle(4, 0.03, cbs=Watch)
    assert dtypes == {torch.float32}
    assert learn.history[-1]["valid_accuracy"] > 0.85
    assert next(learn.model.parameters()).dtype == torch.float32
    full = Learner(dls, learn.model).get_preds()[0]
    half = learn.get_preds()[0]
    assert not torch.equal(full, half)
    assert torch.allclose(full, half, atol=0.05)


@pytest.mark.parametrize(("precision", "message"), [("fp8", "one of auto"), ("fp16", "for GPUs")])
def test_bad_precisions(dls, precision, message):
    with pytest.raises(VicinalError, match=message):
        Learner(dls, network(), precision=precision)


def test_regression(tmp_path):
    g = torch.Generator().manual_seed(0)
    x = torch.randn(300, 3, generator=g)
    y = x.sum(1) * 2 + 1
    dls = DataLoaders.from_tensors(x[:250], y[:250], x[250:], y[250:], bs=25, device="cpu")
    learn = Learner(dls, nn.Linear(3, 1), cbs=MixUp(0.4, seed=0))
    learn.fit_one_cycle(20, 0.1)
    assert learn.history[-1]["valid_loss"] < 0.05
    values, value, _ = learn.predict(torch.tensor([1.0, 1, 1]))
    assert value.item() == pytest.approx(7, abs=0.3)
    assert values == (value.item(),)


def test_the_table_has_a_line_per_epoch(dls, capsys):
    Learner(dls, network(), metrics=partial(top_k_accuracy, k=1)).fit(2, 0.1)
    lines = capsys.readouterr().out.strip().splitlines()
    assert len(lines) == 3
    assert lines[0].split() == [
        "epoch", "train_loss", "valid_loss", "valid_top_k_accuracy", "seconds"
    ]  # fmt: skip
    assert lines[2].split()[0] == "2"


def test_without_logging_nothing_is_printed(dls, capsys):
    learn = Learner(dls, network())
    with learn.no_logging() as silent:
        silent.fit(1)
    with pytest.raises(VicinalError), learn.no_logging():
        learn.fit(0)
    assert capsys.readouterr().out == ""
    learn.fit(1)
    assert len(capsys.readouterr().out.splitlines()) == 2


class TestCompiling:
    @pytest.mark.slow
    def test_trains_alike_and_does_not_change_the_network(self, dls):
        histories = []
        for compile in (False, True):
            dls.train.sampler.epoch = 0
            learn = Learner(dls, network(), metrics=accuracy, cbs=MixUp(seed=0), compile=compile)
            learn.fit(2, 0.01)
            histories.append([{**row, "seconds": 0} for row in learn.history])
            assert type(learn.model) is nn.Sequential
        assert histories[1] == [pytest.approx(row, rel=1e-3) for row in histories[0]]

    def test_is_only_for_the_training(self, dls, monkeypatch):
        called = []

        def compile(model):
            return lambda x: called.append(model.training) or model(x)

        monkeypatch.setattr(torch, "compile", compile)
        learn = Learner(dls, network(), compile=True)
        learn.fit(1)
        learn.validate()
        assert called == [True] * len(dls.train)
