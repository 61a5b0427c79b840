"""Gradients accumulated and clipped, weights averaged and kept: by closed forms and hand loops."""

import math

import pytest
import torch
import torch.nn.functional as F
from disturbances import At
from torch import nn

from vicinal import (
    EMA,
    AccumulateGradients,
    Callback,
    CancelEpoch,
    CancelFit,
    CancelTrain,
    CancelValidate,
    Checkpoint,
    ClipGradients,
    DataLoaders,
    EarlyStopping,
    Learner,
    MixUp,
    SaveBest,
    VicinalError,
    accuracy,
    error_rate,
)
from vicinal.learner.techniques import better


def network(seed=0, norm=True):
    torch.manual_seed(seed)
    middle = nn.BatchNorm1d(16) if norm else nn.Identity()
    return nn.Sequential(nn.Linear(2, 16), middle, nn.ReLU(), nn.Linear(16, 2))


def weights(model):
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def state(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def sgd(groups, lr):
    return torch.optim.SGD(groups, lr=lr)


def data(bs, count=200):
    g = torch.Generator().manual_seed(0)
    x = torch.randn(count + 50, 2, generator=g)
    y = (x[:, 0] + x[:, 1] > 0).long()
    return DataLoaders.from_tensors(x[:count], y[:count], x[count:], y[count:], bs=bs, device="cpu")


class Note(Callback):
    """Notes the learning rate of every step, the losses, and what the weights are after steps."""

    order = 76

    def __init__(self):
        self.rates, self.losses, self.weights = [], [], []

    def after_batch(self, learn):
        if learn.training:
            self.losses.append(learn.loss.item())

    def before_step(self, learn):
        self.rates.append(learn.optimizer.param_groups[0]["lr"])

    def after_step(self, learn):
        self.weights.append(state(learn.model))


# ---- AccumulateGradients ----------------------------------------------------------------------


@pytest.mark.parametrize("schedule", ["fit", "fit_one_cycle", "fit_flat_cos"])
def test_two_batches_of_eight_are_one_of_sixteen(schedule):
    found = []
    for bs, cbs in ((16, []), (8, [AccumulateGradients(2)])):
        note = Note()
        learn = Learner(data(bs, 160), network(norm=False), opt_func=sgd)
        getattr(learn, schedule)(3, 0.1, cbs=[*cbs, note])
        found.append((weights(learn.model), note.rates))
    assert torch.allclose(found[0][0], found[1][0], atol=1e-6)
    assert len(found[1][1]) == 30
    assert found[0][1] == found[1][1]


def by_hand(dls, batches, epochs=2):
    """Steps by the mean gradient of the groups, the last one of an epoch as large as it is."""
    dls.train.sampler.epoch = 0
    model, steps = network(norm=False), 0
    optimizer = sgd(model.parameters(), 0.1)
    for _ in range(epochs):
        all_batches = list(dls.train)
        for first in range(0, len(all_batches), batches):
            group = all_batches[first : first + batches]
            optimizer.zero_grad()
            torch.stack([F.cross_entropy(model(x), y) for x, y in group]).mean().backward()
            optimizer.step()
            steps += 1
    dls.train.sampler.epoch = 0
    return weights(model), steps


@pytest.mark.parametrize("batches", [1, 2, 3, 4, 7, 10, 11])
def test_a_group_that_is_not_full_counts_by_its_own_batches(dls, batches):
    expected, steps = by_hand(dls, batches)
    note = Note()
    learn = Learner(
        dls, network(norm=False), opt_func=sgd, cbs=[AccumulateGradients(batches), note]
    )
    learn.fit(2, 0.1)
    assert torch.allclose(weights(learn.model), expected, atol=1e-6)
    assert len(note.rates) == len(note.weights) == steps


@pytest.mark.parametrize("schedule", ["fit_one_cycle", "fit_flat_cos"])
@pytest.mark.parametrize("batches", [1, 3, 4, 10])
def test_schedules_end_at_their_last_rate(dls, schedule, batches):
    learn = Learner(dls, network())
    getattr(learn, schedule)(2, 0.1, cbs=AccumulateGradients(batches), div_final=1e3)
    assert learn.optimizer.param_groups[0]["lr"] == pytest.approx(1e-4)


def test_the_losses_are_those_of_the_batches(dls):
    notes = [Note(), Note()]
    for note, cbs in zip(notes, ([], [AccumulateGradients(3)]), strict=True):
        dls.train.sampler.epoch = 0
        learn = Learner(dls, network(), cbs=[note, *cbs])
        learn.fit(1, 0.0)
        assert learn.history[0]["train_loss"] == pytest.approx(sum(note.losses) / 10)
    assert notes[0].losses == notes[1].losses


def test_the_batches_of_a_part_that_was_left_are_stepped(dls):
    note = Note()
    cut = At("after_batch", CancelTrain(), time=5)
    Learner(dls, network(), cbs=[AccumulateGradients(3), cut, note]).fit(1)
    assert len(note.rates) == 2


def test_gradients_of_a_cancelled_epoch_do_not_enter_the_next(dls):
    class Start(Callback):
        def before_batch(self, learn):
            if learn.training:
                self.gradient = learn.model[0].weight.grad

        def before_train(self, learn):
            self.first = True

        def before_pred(self, learn):
            if learn.training and self.first:
                assert learn.model[0].weight.grad is None
                self.first = False

    cut = At("after_batch", CancelEpoch(), time=2)
    note = Note()
    Learner(dls, network(), cbs=[AccumulateGradients(3), cut, Start, note]).fit(2)
    assert len(note.rates) == 4  # of the second epoch


def test_accumulating_mixes_each_batch(dls):
    mixer = MixUp(0.4, seed=0)
    Learner(dls, network(), cbs=[mixer, AccumulateGradients(2)]).fit(1)
    assert mixer.random.draws == 10


# ---- ClipGradients ----------------------------------------------------------------------------


@pytest.mark.parametrize("batches", [1, 3])
def test_a_long_gradient_is_cut_to_the_norm(dls, batches):
    class Length(Callback):
        order = 71

        def __init__(self):
            self.found = []

        def before_step(self, learn):
            gradients = [p.grad.flatten() for p in learn.model.parameters()]
            self.found.append(torch.cat(gradients).norm().item())

    clipped, free = Length(), Length()
    for length, cbs in ((clipped, [ClipGradients(0.05)]), (free, [ClipGradients(1e9)])):
        dls.train.sampler.epoch = 0
        cbs = [*cbs, length, AccumulateGradients(batches)]
        Learner(dls, network(), opt_func=sgd, cbs=cbs).fit(1, 0.0)
    assert max(free.found) > 0.05
    assert clipped.found == pytest.approx([min(norm, 0.05) for norm in free.found], rel=1e-4)


@pytest.mark.parametrize("batches", [1, 3])
def test_the_gradient_is_cut_without_its_scale(dls, batches):
    """With a scaler as under fp16, which the CPU can run as well."""

    class Scale(Callback):
        def before_fit(self, learn):
            learn.scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)

    def train(cbs):
        dls.train.sampler.epoch = 0
        learn = Learner(dls, network(norm=False), opt_func=sgd, cbs=cbs)
        learn.fit(1, 0.1, cbs=[ClipGradients(0.05), AccumulateGradients(batches)])
        return weights(learn.model)

    assert torch.allclose(train([]), train(Scale), atol=1e-6)


# ---- EMA --------------------------------------------------------------------------------------


def averaged(states, decay):
    """The average by its closed form: the first step's weights, then a share of each."""
    shares = [(1 - decay) * decay ** (len(states) - 1 - i) for i in range(len(states))]
    shares[0] = decay ** (len(states) - 1)
    return {
        name: sum(s * each[name].double() for s, each in zip(shares, states, strict=True))
        if states[0][name].is_floating_point()
        else states[-1][name]
        for name in states[0]
    }


@pytest.mark.parametrize("batches", [1, 4])
def test_the_average_is_its_closed_form(dls, batches):
    note = Note()
    learn = Learner(dls, network(), cbs=[EMA(0.8), note, AccumulateGradients(batches)])
    learn.fit(2, 0.05)
    for name, expected in averaged(note.weights, 0.8).items():
        found = learn.model.state_dict()[name]
        assert torch.allclose(found.double(), expected.double(), atol=1e-6), name
    assert not same(learn.model.state_dict(), note.weights[-1])
    assert learn.model[1].num_batches_tracked == 20


def test_training_is_what_it_is_without_an_average(dls):
    notes = [Note(), Note()]
    for note, cbs in zip(notes, ([], [EMA(0.5)]), strict=True):
        dls.train.sampler.epoch = 0
        Learner(dls, network(), cbs=[*cbs, note]).fit(3, 0.05)
    assert all(map(same, notes[0].weights, notes[1].weights))


def test_validation_is_of_the_average(dls):
    learn = Learner(dls, network(), metrics=accuracy, cbs=EMA(0.9))
    learn.fit(2, 0.05)
    assert learn.validate() == pytest.approx(
        {name: learn.history[-1][name] for name in ("valid_loss", "valid_accuracy")}
    )


@pytest.mark.parametrize(("event", "cancel"), [
    ("before_validate", CancelValidate), ("after_loss", CancelValidate), ("after_loss", CancelEpoch)
])  # fmt: skip
@pytest.mark.parametrize("order", [-50, 0, 100])
def test_a_cancelled_validation_leaves_the_training_as_it_was(dls, event, cancel, order):
    notes = [Note(), Note()]
    for note, cbs in zip(notes, ([], [EMA(0.5)]), strict=True):
        dls.train.sampler.epoch = 0
        cut = At(event, cancel(), time=11 if event == "after_loss" else 1, order=order)
        Learner(dls, network(), cbs=[*cbs, note, cut]).fit(2, 0.05)
    assert all(map(same, notes[0].weights, notes[1].weights))
    assert len(notes[0].weights) == 20


@pytest.mark.parametrize("error", [CancelFit(), KeyboardInterrupt(), RuntimeError("broken")])
@pytest.mark.parametrize("time", [8, 11])  # in the training part, and in the validation
def test_however_it_ends_the_model_holds_the_average(dls, error, time):
    note, ema = Note(), EMA(0.8)
    learn = Learner(dls, network(), cbs=[note, ema, At("after_loss", error, time)])
    if isinstance(error, CancelFit):
        learn.fit(1, 0.05)
    else:
        with pytest.raises(type(error)):
            learn.fit(1, 0.05)
    expected = averaged(note.weights, 0.8)
    for name, found in learn.model.state_dict().items():
        assert torch.allclose(found.double(), expected[name].double(), atol=1e-6), name
    assert ema.average is None
    assert ema.state_dict() == {"average": None}


def test_the_model_and_its_parameters_stay_the_same_objects(dls):
    model = network()
    before = [id(t) for t in (*model.parameters(), *model.buffers())]
    Learner(dls, model, cbs=EMA).fit(1)
    assert [id(t) for t in (*model.parameters(), *model.buffers())] == before
    assert all(p.requires_grad and p.grad is None for p in model.parameters())


def test_an_average_of_another_network_is_refused(dls):
    ema = EMA()

    class Load(Callback):
        order = 97

        def before_fit(self, learn):
            ema.load_state_dict({"average": {"module.weight": torch.zeros(1)}})

    with pytest.raises(VicinalError, match="averaged weights are of another network"):
        Learner(dls, network(), cbs=[ema, Load]).fit(1)


# ---- EarlyStopping and SaveBest ---------------------------------------------------------------


class Scripted(Callback):
    """Writes given values into a column of the history, as if they had been measured."""

    order = 81

    def __init__(self, values, column="valid_loss"):
        self.values, self.column, self.weights = list(values), column, []

    def after_epoch(self, learn):
        learn.history[-1][self.column] = self.values[len(self.weights)]
        self.weights.append(state(learn.model))


NAN = math.nan


@pytest.mark.parametrize(("values", "kwargs", "epochs"), [
    ([5, 4, 3, 2, 1, 0], {"patience": 1}, 6),
    ([5, 4, 4, 4, 4, 4], {"patience": 2}, 4),
    ([5, 6, 4, 6, 6, 6], {"patience": 2}, 5),
    ([5, 4.5, 4, 3.5, 3, 3], {"patience": 2, "min_delta": 0.5}, 6),
    ([5, 4.7, 4.6, 3.5, 3, 3], {"patience": 2, "min_delta": 0.5}, 3),
    ([NAN, NAN, NAN, 1, 1, 1], {"patience": 3}, 3),
    ([5, NAN, 4, NAN, NAN, 1], {"patience": 2}, 5),
    ([1, 2, 3, 3, 3, 3], {"patience": 2, "mode": "max"}, 5),
])  # fmt: skip
def test_it_stops_when_nothing_improves(dls, values, kwargs, epochs):
    learn = Learner(dls, network(), cbs=[Scripted(values), EarlyStopping(**kwargs)])
    learn.fit(6)
    assert len(learn.history) == epochs


def test_the_last_epoch_is_heard_by_all(dls, capsys):
    ends = []

    class End(Callback):
        order = 1000

        def after_epoch(self, learn):
            ends.append(learn.epoch)

    Learner(dls, network(), cbs=[EarlyStopping(patience=1), End, Scripted([1] * 5)]).fit(5)
    assert ends == [0, 1]
    assert len(capsys.readouterr().out.strip().splitlines()) == 3


def test_each_training_is_watched_by_itself(dls, tmp_path):
    script = Scripted([1, 9, 9, 8, 7, 7, 7])
    cbs = [script, EarlyStopping(patience=2), SaveBest()]
    learn = Learner(dls, network(), cbs=cbs, path=tmp_path)
    learn.fit(6)
    assert len(learn.history) == 3
    learn.fit(6)
    assert len(learn.history) == 7
    assert same(state(learn.model), script.weights[4])


@pytest.mark.parametrize(("values", "column", "mode", "best"), [
    ([3, 1, 2], "valid_loss", None, 1),
    ([3, 1, 1], "valid_loss", None, 1),
    ([3, 1, 4], "valid_accuracy", None, 2),
    ([3, 1, 4], "valid_error_rate", None, 1),
    ([3, 1, 4], "valid_loss", "max", 2),
    ([NAN, 3, NAN], "valid_loss", None, 1),
    ([-math.inf, 3, math.inf], "train_loss", None, 1),
])  # fmt: skip
def test_the_best_weights_are_saved_and_loaded(dls, tmp_path, values, column, mode, best):
    script = Scripted(values, column)
    learn = Learner(dls, network(), metrics=[accuracy, error_rate], path=tmp_path)
    learn.fit(3, 0.05, cbs=[script, SaveBest("kept", column, mode)])
    assert same(state(learn.model), script.weights[best])
    assert same(state(learn.load("kept").model), script.weights[best])
    assert [file.name for file in (tmp_path / "models").iterdir()] == ["kept.safetensors"]


def test_without_a_number_nothing_is_saved_or_loaded(dls, tmp_path):
    script = Scripted([NAN, NAN])
    learn = Learner(dls, network(), cbs=[script, SaveBest()], path=tmp_path)
    learn.fit(2, 0.05)
    assert same(state(learn.model), script.weights[-1])
    assert not (tmp_path / "models").exists()


@pytest.mark.parametrize("error", [CancelFit(), KeyboardInterrupt(), RuntimeError("broken")])
def test_the_best_weights_are_loaded_however_it_ends(dls, tmp_path, error):
    script = Scripted([2, 1, 3])
    cbs = [script, SaveBest(), At("after_backward", error, time=35)]
    learn = Learner(dls, network(), cbs=cbs, path=tmp_path)
    if isinstance(error, CancelFit):
        learn.fit(5, 0.05)
    else:
        with pytest.raises(type(error)):
            learn.fit(5, 0.05)
    assert same(state(learn.model), script.weights[1])


@pytest.mark.parametrize("backwards", [False, True])
def test_the_best_average_is_what_was_validated(dls, tmp_path, backwards):
    class Shown(Callback):
        order = 74  # before the average goes out

        def __init__(self):
            self.weights = []

        def after_validate(self, learn):
            self.weights.append(state(learn.model))

    shown, note = Shown(), Note()
    cbs = [Scripted([3, 1, 2]), SaveBest(), EMA(0.9), shown, note]
    learn = Learner(dls, network(), cbs=cbs[::-1] if backwards else cbs, path=tmp_path)
    learn.fit(3, 0.05)
    assert same(state(learn.model), shown.weights[1])
    assert not same(shown.weights[1], note.weights[19])
    assert same(state(learn.load("best").model), shown.weights[1])
    assert len(note.weights) == 30


@pytest.mark.parametrize("kind", [EarlyStopping, SaveBest])
def test_a_column_that_is_not_there(dls, kind):
    learn = Learner(dls, network(), metrics=accuracy, cbs=kind(monitor="accuracy"))
    message = f"{kind.__name__} cannot monitor 'accuracy', which is no column.*: take one of "
    with pytest.raises(VicinalError, match=message + "train_loss, valid_loss, valid_accuracy"):
        learn.fit(1)
    assert learn.history == []


@pytest.mark.parametrize(("column", "mode"), [
    ("valid_loss", "min"), ("train_loss", "min"), ("valid_error_rate", "min"),
    ("valid_rmse", "min"), ("valid_mae", "min"), ("valid_MeanSquaredError", "min"),
    ("valid_expected_calibration_error", "min"), ("valid_perplexity", "min"),
    ("valid_accuracy", "max"), ("valid_top_k_accuracy", "max"), ("valid_f1", "max"),
    ("valid_r2", "max"), ("valid_precise", "max"),
])  # fmt: skip
def test_whether_lower_is_better(column, mode):
    assert better(column) == EarlyStopping(column).mode == SaveBest("best", column).mode == mode


# ---- all of them ------------------------------------------------------------------------------


@pytest.mark.parametrize(("make", "error", "message"), [
    (lambda: AccumulateGradients(0), ValueError, "batches must be 1 or more, not 0"),
    (lambda: AccumulateGradients(1.5), TypeError, "batches must be a whole number, not 1.5"),
    (lambda: ClipGradients(0), ValueError, "norm must be above 0, not 0"),
    (lambda: ClipGradients(-1), ValueError, "norm must be 0 or more, not -1"),
    (lambda: ClipGradients("1"), TypeError, "norm must be a number, not '1'"),
    (lambda: EMA(1), ValueError, "decay must be below 1, not 1: the average would never move"),
    (lambda: EMA(1.5), ValueError, "decay must be between 0 and 1, not 1.5"),
    (lambda: EMA(None), TypeError, "decay must be a number, not None"),
    (lambda: EarlyStopping(patience=0), ValueError, "patience must be 1 or more, not 0"),
    (lambda: EarlyStopping(min_delta=-1), ValueError, "min_delta must be 0 or more, not -1"),
    (lambda: EarlyStopping(mode="up"), ValueError, "mode must be one of 'min', 'max', not 'up'"),
    (lambda: SaveBest(mode=1), ValueError, "mode must be one of 'min', 'max', not 1"),
])  # fmt: skip
def test_what_cannot_be_is_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize(
    "make", [lambda: AccumulateGradients(2), lambda: ClipGradients(1.0), EMA, SaveBest]
)
def test_a_second_one_is_refused(dls, make):
    cbs = [make(), make()]
    name = type(cbs[0]).__name__
    with pytest.raises(VicinalError, match=f"has 2 callbacks {name}, .*: give one"):
        Learner(dls, network(), cbs=cbs).fit(1)


class Killed(Callback):
    """Ends the process, as it were, when an epoch is over and the checkpoint is written."""

    order = 1000

    def __init__(self, after):
        self.after = after

    def after_epoch(self, learn):
        if learn.epoch + 1 == self.after:
            raise SystemExit


class ScriptedByEpoch(Scripted):
    def after_epoch(self, learn):
        learn.history[-1][self.column] = self.values[learn.epoch]


@pytest.mark.parametrize("killed", [1, 2, 3, 4])
def test_a_training_that_was_killed_goes_on_with_them(dls, tmp_path, killed):
    def start(folder, after=None, resume=False):
        dls.train.sampler.epoch = 0
        cbs = [EMA(0.9), SaveBest(), EarlyStopping(patience=2), AccumulateGradients(3)]
        cbs += [ScriptedByEpoch([3, 2, 4, 5, 1, 1]), ClipGradients(0.5), Killed(after)]
        learn = Learner(dls, network(), cbs=cbs, path=folder)
        return learn, lambda: learn.fit_one_cycle(
            6, 0.05, cbs=Checkpoint(folder / "checkpoint", resume=resume)
        )

    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
    whole, train = start(tmp_path / "whole")
    train()
    _, train = start(tmp_path / "killed", after=killed)
    with pytest.raises(SystemExit):
        train()
    resumed, train = start(tmp_path / "killed", resume=True)
    train()
    assert len(whole.history) == len(resumed.history) == 4
    assert same(state(whole.model), state(resumed.model))
    assert same(state(whole.load("best").model), state(resumed.load("best").model))
