"""Learners on values, several labels, rare classes and ordered classes."""

from functools import partial

import pytest
import torch
from torch import nn

from vicinal import (
    AsymmetricLoss,
    BalancedMixUp,
    CMixUp,
    DataLoaders,
    Learner,
    MixUp,
    OrdinalLoss,
    Remix,
    Schedule,
    accuracy,
    accuracy_multi,
    mae,
    ordinal_class,
    rmse,
)

G = torch.Generator().manual_seed(0)
X = torch.randn(250, 3, generator=G)
VALUES = X.sum(1) * 2 + 1
CLASSES = (X[:, 0] > 1).long()  # one in six


def loaders(y):
    return DataLoaders.from_tensors(X[:200], y[:200], X[200:], y[200:], bs=20, device="cpu")


def test_the_root_mean_squared_error_is_that_of_all_samples():
    dls = loaders(VALUES)
    assert len(dls.valid) == 2  # of which the second is smaller
    learn = Learner(dls, nn.Linear(3, 1), metrics=[rmse, mae])
    outputs, targets = learn.get_preds()
    expected = (outputs - targets).square().mean().sqrt().item()
    means = learn.validate()
    assert means["valid_rmse"] == pytest.approx(expected)
    assert means["valid_mae"] == pytest.approx((outputs - targets).abs().mean().item())
    learn.fit(1, 0.1)
    assert learn.history[-1]["valid_rmse"] == pytest.approx(learn.validate()["valid_rmse"])


def test_accuracy_counts_labels_over_all_batches():
    y = torch.where(torch.arange(250) % 7 < 3, CLASSES, 255)
    y[200:240] = 255  # a whole batch of the validation part, of which no label counts
    known = partial(accuracy, ignore_index=255)
    dls = DataLoaders.from_tensors(X[:200], y[:200], X[200:], y[200:], bs=20, device="cpu")
    learn = Learner(dls, nn.Linear(3, 256), nn.CrossEntropyLoss(ignore_index=255), metrics=known)
    outputs, targets = learn.get_preds()
    assert learn.validate()["valid_accuracy"] == pytest.approx(known(outputs, targets).item())


def test_metrics_may_be_plain_numbers():
    learn = Learner(loaders(CLASSES), nn.Linear(3, 2), metrics=lambda output, y: 0.25)
    assert learn.validate()["valid_<lambda>"] == 0.25


@pytest.mark.parametrize("how", ["batch", "pool", "schedule"])
def test_near_values_are_mixed(how):
    dls = loaders(VALUES)
    pool = (dls.train.dataset.x, dls.train.dataset.y) if how == "pool" else None
    mixer = CMixUp(0.2, pool=pool, seed=0)
    mixer = Schedule(mixer, until=0.9, seed=0) if how == "schedule" else mixer
    learn = Learner(dls, nn.Linear(3, 1), metrics=rmse, cbs=mixer)
    learn.fit_one_cycle(10, 0.1)
    assert learn.history[-1]["valid_rmse"] < 0.5  # the values deviate by 3.5


@pytest.mark.parametrize(
    "mixer", [Remix(CLASSES[:200].bincount(), seed=0), BalancedMixUp(1.0, seed=0)]
)
def test_rare_classes_are_mixed(mixer):
    learn = Learner(loaders(CLASSES), nn.Linear(3, 2), cbs=mixer)
    learn.fit_one_cycle(10, 0.1)
    outputs, targets = learn.get_preds()
    assert (outputs.argmax(1) == targets)[targets == 1].float().mean() > 0.8


def test_several_labels_are_mixed():
    y = (X > 0.5).float()
    criterion = AsymmetricLoss(gamma_neg=1.0, margin=0.0)
    learn = Learner(
        loaders(y), nn.Linear(3, 3), criterion, metrics=accuracy_multi, cbs=MixUp(seed=0)
    )
    learn.fit_one_cycle(10, 0.1)
    assert learn.history[-1]["valid_accuracy_multi"] > 0.9


def test_ordered_classes_are_mixed():
    y = (VALUES / 3 + 2).round().long().clamp(0, 4)

    def class_error(output, target):
        return mae(ordinal_class(output), target)

    learn = Learner(
        loaders(y), nn.Linear(3, 4), OrdinalLoss(5), metrics=class_error, cbs=MixUp(seed=0)
    )
    learn.fit_one_cycle(10, 0.1)
    assert learn.history[-1]["valid_class_error"] < 0.25
