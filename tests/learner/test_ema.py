"""The average of the weights, against its closed form."""

import math

import pytest
import torch
from disturbances import At
from small_trainings import Note, network, same
from torch import nn
from torch.nn import utils

from vicinal import (
    EMA,
    AccumulateGradients,
    Callback,
    CancelEpoch,
    CancelFit,
    CancelValidate,
    Learner,
    VicinalError,
    accuracy,
)


def factors(count, decay):
    """The shares of the weights after each step."""
    return [decay ** (count - 1)] + [(1 - decay) * decay**i for i in range(count - 2, -1, -1)]


def averaged(states, decay):
    """The average by its closed form: a weighted sum of the weights after each step."""
    shares = factors(len(states), decay)
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


def test_the_training_itself_does_not_change(dls):
    notes = [Note(), Note()]
    for note, cbs in zip(notes, ([], [EMA(0.5)]), strict=True):
        dls.train.sampler.epoch = 0
        Learner(dls, network(), cbs=[*cbs, note]).fit(3, 0.05)
    assert all(map(same, notes[0].weights, notes[1].weights))


def test_the_average_is_validated(dls):
    learn = Learner(dls, network(), metrics=accuracy, cbs=EMA(0.9))
    learn.fit(2, 0.05)
    assert learn.validate() == pytest.approx(
        {name: learn.history[-1][name] for name in ("valid_loss", "valid_accuracy")}
    )


@pytest.mark.parametrize(("event", "cancel"), [
    ("before_validate", CancelValidate), ("after_loss", CancelValidate), ("after_loss", CancelEpoch)
])  # fmt: skip
@pytest.mark.parametrize("order", [-50, 0, 100])
def test_a_cancelled_validation_does_not_change_the_training(dls, event, cancel, order):
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
        if name == "1.num_batches_tracked":  # it counts the last batch, which made no step
            continue
        assert torch.allclose(found.double(), expected[name].double(), atol=1e-6), name
    assert ema.average is None
    assert ema.state_dict() == {"average": None}
    assert not ema.saved


def test_the_model_and_its_parameters_remain_the_same_objects(dls):
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


class Odd(nn.Module):
    """Masks of infinity, in every place where people put them, a counter, and other numbers."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        mask = torch.full((2, 2), -math.inf).triu(1)
        self.first = nn.Linear(2, 2)
        self.register_buffer("mask", mask.clone())
        self.register_buffer("seen", torch.tensor(0.0))
        self.register_buffer("running_count", torch.tensor(0.0))
        self.frozen = nn.Parameter(mask.clone(), requires_grad=False)
        self.trained = nn.Parameter(mask.clone())
        self.phase = nn.Parameter(torch.ones(2, dtype=torch.complex64))

    def forward(self, x):
        if self.training:
            self.seen += 1
            self.running_count = self.running_count + 1  # another tensor each time
        scores = self.first(x).unsqueeze(1) + self.mask + self.frozen + self.trained
        return scores.softmax(-1).square().sum(1) * self.phase.real + self.phase.imag


def sgd(groups, lr):
    return torch.optim.SGD([{**group, "weight_decay": 0.0} for group in groups], lr=lr)


def test_what_is_no_weight_is_not_averaged(dls):
    note, model = Note(), Odd()
    Learner(dls, model, opt_func=sgd, cbs=[note, EMA(0.8)]).fit(2, 0.1)
    found, last = model.state_dict(), note.weights[-1]
    assert found["seen"] == last["seen"] == 20
    expected = averaged(note.weights, 0.8)
    for name in ("first.weight", "phase", "running_count"):
        closed = sum(
            f * each[name].to(torch.complex128)
            for f, each in zip(factors(len(note.weights), 0.8), note.weights, strict=True)
        )
        assert torch.allclose(found[name].to(torch.complex128), closed, atol=1e-5), name
        assert not torch.equal(found[name], last[name])
    for name in ("mask", "frozen", "trained"):
        assert torch.equal(found[name].isinf(), Odd().state_dict()[name].isinf()), name
        assert not found[name].isnan().any(), name
    lower = torch.tril(torch.ones(2, 2)).bool()
    assert torch.allclose(found["trained"][lower].double(), expected["trained"][lower], atol=1e-6)


@pytest.mark.parametrize(
    "norm", [utils.parametrizations.spectral_norm, utils.spectral_norm], ids=["new", "hook"]
)
def test_a_spectral_norm_is_one_with_the_averaged_weights(dls, norm):
    torch.manual_seed(0)
    model = nn.Sequential(norm(nn.Linear(2, 8)), nn.ReLU(), norm(nn.Linear(8, 2)))
    notes = [Note(), Note()]
    for note, cbs in zip(notes, ([], [EMA(0.95)]), strict=True):
        dls.train.sampler.epoch = 0
        torch.manual_seed(0)
        model = nn.Sequential(norm(nn.Linear(2, 8)), nn.ReLU(), norm(nn.Linear(8, 2)))
        Learner(dls, model, cbs=[*cbs, note]).fit(2, 0.1)
    assert all(map(same, notes[0].weights, notes[1].weights))  # also of the vectors
    model.eval()(torch.zeros(1, 2))
    for layer in (model[0], model[2]):
        assert torch.linalg.matrix_norm(layer.weight, 2).item() == pytest.approx(1, abs=1e-4)


def test_small_steps_of_bfloat16_are_averaged(dls):
    """In bfloat16, the average of decay 0.999 would never move from its first value."""

    class Small(nn.Linear):
        def forward(self, x):
            return super().forward(x.bfloat16()).float()

    note, model = Note(), Small(2, 2, dtype=torch.bfloat16)
    Learner(dls, model, cbs=[note, EMA(0.999)]).fit(3, 0.5)
    expected = averaged(note.weights, 0.999)["weight"].bfloat16()
    assert torch.equal(model.weight, expected)
    assert not torch.equal(expected, note.weights[0]["weight"])
