"""The average of the weights, against its closed form."""

import pytest
import torch
from disturbances import At
from small_trainings import Note, network, same

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


def averaged(states, decay):
    """The average by its closed form: a weighted sum of the weights after each step."""
    factors = [(1 - decay) * decay ** (len(states) - 1 - i) for i in range(len(states))]
    factors[0] = decay ** (len(states) - 1)
    return {
        name: sum(s * each[name].double() for s, each in zip(factors, states, strict=True))
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
        assert torch.allclose(found.double(), expected[name].double(), atol=1e-6), name
    assert ema.average is None
    assert ema.state_dict() == {"average": None}


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
