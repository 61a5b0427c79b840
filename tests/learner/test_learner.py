"""The Learner: its loop against one written by hand, and what it leaves behind."""

import copy
import math
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
from vicinal.data.split_loader import Batches, TensorData
from vicinal.learner.events import Callback, CancelFit
from vicinal.learner.learner import spread


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


def test_averages_are_over_samples_not_batches(dls):
    assert len(dls.valid.dataset) % dls.valid.batch_size  # the last batch is smaller
    learn = Learner(dls, network(), metrics=accuracy)
    outputs, targets = learn.get_preds()
    exact = (outputs.argmax(1) == targets).float().mean().item()
    assert learn.validate()["valid_accuracy"] == pytest.approx(exact)


class Interrupt(Callback):
    """Breaks a training off in its third batch."""

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


def test_cbs_may_be_classes_instances_or_lists_of_either(dls):
    class Quiet(Callback):
        pass

    for cbs in (MixUp, MixUp(), [MixUp, Quiet], [Quiet(), MixUp(0.2)]):
        learn = Learner(dls, network(), cbs=cbs)
        assert any(cb.name.startswith("MixBatches(MixUp(") for cb in learn.cbs)
    learn = Learner(dls, network()).mixup(alpha=0.2)
    assert learn.cbs[0].mixer.alpha == 0.2


def test_none_means_none(dls):
    learn = Learner(dls, network(), metrics=None, cbs=None)
    assert (learn.metrics, learn.cbs) == ([], [])


@pytest.mark.parametrize("cbs", [3, "MixUp", [nn.ReLU()]])
def test_what_is_no_callback_is_refused(dls, cbs):
    with pytest.raises(VicinalError, match="neither a callback nor a mixer"):
        Learner(dls, network(), cbs=cbs)


def test_a_loss_class_is_refused_at_once(dls):
    with pytest.raises(TypeError, match=r"CrossEntropyLoss\(\)"):
        Learner(dls, network(), nn.CrossEntropyLoss)


def test_a_loss_that_becomes_nan_stops_the_training(dls):
    learn = Learner(dls, network(), opt_func=sgd)
    with pytest.raises(VicinalError, match=r"training loss became (nan|inf) in epoch \d.*lower"):
        learn.fit(5, 1e30)


@pytest.mark.parametrize("epochs", [0, -1])
def test_epochs_must_be_positive(dls, epochs):
    with pytest.raises(VicinalError, match="1 or more"):
        Learner(dls, network()).fit(epochs)


class Rates(Callback):
    def __init__(self):
        self.rates = []

    def before_step(self, learn):
        self.rates.append([g["lr"] for g in learn.optimizer.param_groups])


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


def test_a_callback_that_cannot_begin_is_what_is_reported(dls):
    class Broken(Callback):
        def before_fit(self, learn):
            raise RuntimeError("no such thing")

        def after_fit(self, learn):
            raise AssertionError("what has not begun is not ended")

    with pytest.raises(RuntimeError, match="no such thing"):
        Learner(dls, network(), cbs=Broken).fit(1)


def test_norms_and_biases_do_not_decay(dls):
    learn = Learner(dls, network())
    decay = {
        id(p): group["weight_decay"]
        for group in learn._make_optimizer(0.1).param_groups
        for p in group["params"]
    }
    for parameter in learn.model.parameters():
        assert decay[id(parameter)] == (0.01 if parameter.ndim > 1 else 0)


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


def test_validating_in_the_middle_of_a_training_changes_nothing_of_it(dls):
    class Validate(Callback):
        def after_pred(self, learn):
            if learn.training:
                learn.validate()

    plain, watched = (Learner(dls, network(), metrics=accuracy, cbs=cbs) for cbs in ([], Validate))
    plain.fit(1, 0.1)
    dls.train.sampler.epoch = 0
    watched.fit(1, 0.1)
    assert torch.equal(weights(plain.model), weights(watched.model))


def test_gradients_from_before_do_not_enter(dls):
    fresh, stale = network(), network()
    for parameter in stale.parameters():
        parameter.grad = torch.ones_like(parameter)
    for model in (fresh, stale):
        dls.train.sampler.epoch = 0
        Learner(dls, model, opt_func=sgd).fit(1, 0.1)
    assert torch.equal(weights(fresh), weights(stale))


def test_metrics_of_one_name_are_refused(dls):
    metrics = [partial(top_k_accuracy, k=1), partial(top_k_accuracy, k=2)]
    with pytest.raises(VicinalError, match="two metrics are called top_k_accuracy"):
        Learner(dls, network(), metrics=metrics)
    metrics[1].__name__ = "top_2"
    assert "valid_top_2" in Learner(dls, network(), metrics=metrics).validate()


def test_the_last_mixer_asked_for_is_the_one(dls):
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


def test_slices_of_rates():
    assert spread(0.1, 2) == [0.1, 0.1]
    assert spread(slice(0.1), 3) == pytest.approx([0.01, 0.01, 0.1])
    assert spread(slice(1e-5, 1e-1), 3) == pytest.approx([1e-5, 1e-3, 1e-1])
    assert spread(slice(1e-5, 1e-1), 1) == [0.1]


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
def test_precisions_that_cannot_be(dls, precision, message):
    with pytest.raises(VicinalError, match=message):
        Learner(dls, network(), precision=precision)


def test_predict_and_get_preds(dls):
    learn = Learner(dls, network(), cbs=MixUp)
    learn.fit_one_cycle(5, 0.03)
    probabilities, targets = learn.get_preds()
    assert probabilities.shape == (50, 2)
    assert torch.allclose(probabilities.sum(1), torch.ones(50))
    assert torch.equal(targets, dls.valid.dataset.y)
    name, index, one = learn.predict(dls.valid.dataset.x[3])
    assert name == dls.vocab[index]
    assert torch.allclose(one, probabilities[3], atol=1e-6)


def test_get_preds_of_another_part(dls):
    learn = Learner(dls, network())
    part = Batches(TensorData(*dls.valid.dataset[torch.tensor([4, 2])]), 2, device="cpu")
    outputs, targets = learn.get_preds(part)
    assert torch.equal(targets, dls.valid.dataset.y[[4, 2]])
    assert torch.allclose(outputs, learn.get_preds()[0][[4, 2]], atol=1e-6)


def test_evaluating_gives_outputs_in_evaluation_mode(dls):
    learn = Learner(dls, network().train())
    x = dls.valid.dataset.x
    with learn.evaluating():
        assert not learn.model.training
        one, again = learn.output(x), learn.output(x)
    assert torch.equal(one, again)
    assert torch.equal(one[:3], learn.model.eval()(x)[:3])


def test_regression(tmp_path):
    g = torch.Generator().manual_seed(0)
    x = torch.randn(300, 3, generator=g)
    y = x.sum(1) * 2 + 1
    dls = DataLoaders.from_tensors(x[:250], y[:250], x[250:], y[250:], bs=25, device="cpu")
    learn = Learner(dls, nn.Linear(3, 1), cbs=MixUp(0.4, seed=0))
    learn.fit_one_cycle(20, 0.1)
    assert learn.history[-1]["valid_loss"] < 0.05
    text, value, _ = learn.predict(torch.tensor([1.0, 1, 1]))
    assert value.item() == pytest.approx(7, abs=0.3)
    assert math.isclose(float(text), value.item(), rel_tol=0.01)


@pytest.mark.parametrize("mixer", [None, MixUp(seed=0)])
def test_outputs_that_lack_the_targets_last_dimension(mixer):
    x, y = torch.randn(40, 3), torch.randn(40)
    dls = DataLoaders.from_tensors(x, y, x, y, bs=10, device="cpu")
    model = nn.Sequential(nn.Linear(3, 1), nn.Flatten(0))
    learn = Learner(dls, model, lambda p, t: ((p - t) ** 2).mean(), cbs=mixer)
    with pytest.raises(VicinalError, match=r"shape \(10,\) and the targets \(10, 1\): let it give"):
        learn.fit(1)


def test_weights_are_saved_and_loaded(dls, tmp_path):
    learn = Learner(dls, network(), path=tmp_path)
    file = learn.save("first")
    assert file == tmp_path / "models" / "first.safetensors"
    saved = weights(learn.model)
    learn.fit(1, 0.1)
    assert not torch.equal(weights(learn.model), saved)
    assert torch.equal(weights(learn.load("first").model), saved)
    assert [f.name for f in file.parent.iterdir()] == ["first.safetensors"]


def test_weights_that_cannot_be_loaded(dls, tmp_path):
    learn = Learner(dls, network(), path=tmp_path)
    with pytest.raises(VicinalError, match="is not there"):
        learn.load("none")
    file = learn.save("other")
    other = nn.Linear(2, 2)
    before = weights(other)
    with pytest.raises(VicinalError, match=r"another network: 0.bias has shape \(16,\) there"):
        Learner(dls, other, path=tmp_path).load("other")
    assert torch.equal(weights(other), before)
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(VicinalError, match="damaged"):
        learn.load("other")


def test_the_table_has_a_line_an_epoch(dls, capsys):
    Learner(dls, network(), metrics=partial(top_k_accuracy, k=1)).fit(2, 0.1)
    lines = capsys.readouterr().out.strip().splitlines()
    assert len(lines) == 3
    assert lines[0].split() == [
        "epoch", "train_loss", "valid_loss", "valid_top_k_accuracy", "seconds"
    ]  # fmt: skip
    assert lines[2].split()[0] == "2"


def test_without_logging_nothing_is_said(dls, capsys):
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
    def test_trains_alike_and_leaves_the_network_as_it_was(self, dls):
        histories = []
        for compile in (False, True):
            dls.train.sampler.epoch = 0
            learn = Learner(dls, network(), metrics=accuracy, cbs=MixUp(seed=0), compile=compile)
            learn.fit(2, 0.01)
            histories.append([{**row, "seconds": 0} for row in learn.history])
            assert type(learn.model) is nn.Sequential
        assert histories[1] == [pytest.approx(row, rel=1e-3) for row in histories[0]]

    def test_is_of_the_training_alone(self, dls, monkeypatch):
        called = []

        def compile(model):
            return lambda x: called.append(model.training) or model(x)

        monkeypatch.setattr(torch, "compile", compile)
        learn = Learner(dls, network(), compile=True)
        learn.fit(1)
        learn.validate()
        assert called == [True] * len(dls.train)
