"""An objective of a user's own, in one callback, by public means: against a loop by hand."""

import pytest
import torch
from small_trainings import network, same, sgd, state
from torch import nn

from vicinal import AccumulateGradients, Callback, Learner, MixLoss, MixUp, Schedule

ETA = 0.5


class CleanLoss(Callback):
    """A clean loss beside the mixed one.

    Source: F. Pinto, H. Yang, S.-N. Lim, P. Torr, P. Dokania, Using Mixup as a regularizer can
    surprisingly improve accuracy and out-of-distribution robustness (RegMixup), NeurIPS 2022.
    """

    def __init__(self, eta):
        self.eta = eta

    def before_batch(self, learn):
        self.plain = learn.x, learn.y

    def after_loss(self, learn):
        if learn.training:
            x, y = self.plain
            clean = learn.compute_loss(learn.forward(x), y)
            learn.loss = clean + self.eta * learn.loss


def by_hand(dls, mixer, criterion, epochs):
    """``loss(model(x), y) + eta * loss(model(x_mixed), y_mixed)``, and the means of it."""
    model, loss_func, means = network(), MixLoss(criterion), []
    optimizer = sgd(model.parameters(), 0.1)
    for _ in range(epochs):
        model.train()
        losses = []
        for x, y in dls.train:
            mixed_x, mixed_y = mixer(x, y)
            # The mixed batch goes first through the batch norm.
            mixed = loss_func(model(mixed_x), mixed_y)
            loss = loss_func(model(x), y) + ETA * mixed
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            losses.append(loss.item())
        means.append(sum(losses) / len(losses))
    dls.train.sampler.epoch = 0
    return state(model), means


@pytest.mark.parametrize("criterion", [
    nn.CrossEntropyLoss(label_smoothing=0.1),
    lambda output, y: nn.functional.cross_entropy(output, y, reduction="none"),
])  # fmt: skip
@pytest.mark.parametrize("order", [[0, 1], [1, 0]])
def test_it_is_the_loop_by_hand(dls, criterion, order):
    expected, means = by_hand(dls, MixUp(0.4, seed=2), criterion, 2)
    cbs = [MixUp(0.4, seed=2), CleanLoss(ETA)]
    learn = Learner(dls, network(), criterion, opt_func=sgd, cbs=[cbs[i] for i in order])
    learn.fit(2, 0.1)
    assert same(state(learn.model), expected)
    assert [row["train_loss"] for row in learn.history] == pytest.approx(means, rel=1e-5)
    assert learn.loss_func is criterion
    assert learn.validate()["valid_loss"] == pytest.approx(learn.history[-1]["valid_loss"])


@pytest.mark.parametrize("options", [
    {"precision": "bf16"},
    {"cbs": [Schedule(MixUp(), until=0.5, seed=0)]},
    {"cbs": [MixUp(seed=0), AccumulateGradients(3)]},
])  # fmt: skip
def test_it_goes_with_what_else_a_training_has(dls, options):
    options = {"cbs": [MixUp(seed=0)], **options}
    options["cbs"] = [*options["cbs"], CleanLoss(ETA)]
    learn = Learner(dls, network(), **options)
    learn.fit_one_cycle(6, 0.05)
    assert learn.history[-1]["train_loss"] < learn.history[0]["train_loss"]
    assert learn.lr_find(num_it=20).suggestion > 0


def test_its_plain_batch_is_that_of_the_loader(dls):
    clean = CleanLoss(ETA)
    seen = []

    class Compare(Callback):
        order = 60

        def after_loss(self, learn):
            if learn.training:
                seen.append(clean.plain)

    Learner(dls, network(), cbs=[clean, MixUp(5.0, seed=1), Compare]).fit(1)
    dls.train.sampler.epoch = 0
    for (x, y), (own_x, own_y) in zip(seen, dls.train, strict=True):
        assert torch.equal(x, own_x)
        assert torch.equal(y, own_y)
