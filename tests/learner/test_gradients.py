"""Gradients accumulated and clipped, against loops by hand."""

import pytest
import torch
import torch.nn.functional as F
from disturbances import At
from small_trainings import Note, network, sgd, weights

from vicinal import (
    AccumulateGradients,
    Callback,
    CancelEpoch,
    CancelTrain,
    ClipGradients,
    DataLoaders,
    Learner,
    MixUp,
)


def data(bs, count=200):
    g = torch.Generator().manual_seed(0)
    x = torch.randn(count + 50, 2, generator=g)
    y = (x[:, 0] + x[:, 1] > 0).long()
    return DataLoaders.from_tensors(x[:count], y[:count], x[count:], y[count:], bs=bs, device="cpu")


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
    """Steps by the mean gradient of each group, of which an epoch's last may be smaller."""
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
def test_an_incomplete_group_is_averaged_over_its_own_batches(dls, batches):
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
def test_schedules_end_at_their_final_rate(dls, schedule, batches):
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


def test_the_batches_before_a_cancelled_rest_are_stepped(dls):
    note = Note()
    cut = At("after_batch", CancelTrain(), time=5)
    Learner(dls, network(), cbs=[AccumulateGradients(3), cut, note]).fit(1)
    assert len(note.rates) == 2


def test_gradients_of_a_cancelled_epoch_are_discarded(dls):
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
def test_a_long_gradient_is_clipped_to_the_norm(dls, batches):
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
def test_the_unscaled_gradient_is_clipped(dls, batches):
    """With a gradient scaler as under fp16, which also works on the CPU."""

    class Scale(Callback):
        def before_fit(self, learn):
            learn.scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)

    def train(cbs):
        dls.train.sampler.epoch = 0
        learn = Learner(dls, network(norm=False), opt_func=sgd, cbs=cbs)
        learn.fit(1, 0.1, cbs=[ClipGradients(0.05), AccumulateGradients(batches)])
        return weights(learn.model)

    assert torch.allclose(train([]), train(Scale), atol=1e-6)
