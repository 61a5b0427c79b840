"""Targets of one number, (B,), beside outputs (B, 1): losses and metrics compare them in pairs."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import torchmetrics
from PIL import Image
from torch import nn

from vicinal import (
    CMixUp,
    CutMix,
    DataBlock,
    ImageBlock,
    IndexSplitter,
    KernelMixUp,
    Learner,
    MixedTarget,
    MixUp,
    MSELossFlat,
    R2Score,
    RegMixUp,
    RegressionBlock,
    RescaledMixUp,
    VicinalError,
    mae,
    mse,
    rmse,
)
from vicinal.learner.sample_losses import sample_losses

OUTPUT, TARGET = torch.tensor([[1.0], [2.0], [6.0]]), torch.tensor([1.0, 5.0, 4.0])
SQUARES = [0.0, 9.0, 4.0]
MIXED = MixedTarget(TARGET, TARGET[[1, 2, 0]], torch.tensor([1.0, 0.5, 0.25]))


def first_value(image):
    return float(np.array(image)[0, 0, 0])


def loaders(get_y=first_value):
    rng = np.random.default_rng(0)
    images = [Image.fromarray(rng.integers(0, 9, (2, 2, 3), dtype=np.uint8)) for _ in range(8)]
    block = DataBlock((ImageBlock, RegressionBlock), get_y=get_y, splitter=IndexSplitter([6, 7]))
    return block.dataloaders(images, bs=3, device="cpu")


def learner(**kwargs):
    return Learner(loaders(), nn.Sequential(nn.Flatten(), nn.Linear(12, 1)), **kwargs)


def squeezed(output, y):
    return ((output.squeeze() - y) ** 2).mean()


def broadcast(output, y):
    return ((output - y) ** 2).mean()


LOSSES = [None, MSELossFlat(), nn.MSELoss(), F.mse_loss, squeezed, lambda o, y: mse(o, y)]


@pytest.mark.parametrize("loss", LOSSES)
def test_losses_compare_in_pairs(loss):
    learn = learner(loss_func=loss)
    assert learn.compute_loss(OUTPUT, TARGET).item() == pytest.approx(np.mean(SQUARES))
    own = learn.compute_loss(OUTPUT, MixedTarget(TARGET, TARGET, torch.ones(3)))
    assert own.item() == pytest.approx(np.mean(SQUARES))


@pytest.mark.parametrize("loss", [None, nn.MSELoss(), F.mse_loss, nn.L1Loss(), nn.HuberLoss()])
def test_losses_of_mixed_targets_are_those_of_columns(loss):
    learn = learner(loss_func=loss)
    column = MixedTarget(MIXED.own[:, None], MIXED.partner[:, None], MIXED.weight)
    torch.testing.assert_close(
        learn.compute_loss(OUTPUT, MIXED), learn.compute_loss(OUTPUT, column)
    )


@pytest.mark.parametrize("target", [TARGET, MIXED])
def test_a_loss_that_compares_each_with_each_is_refused(target):
    with pytest.raises(VicinalError, match=r"broadcast compares each output of shape \(3, 1\)"):
        learner(loss_func=broadcast).compute_loss(OUTPUT, target)
    with pytest.raises(VicinalError, match="each output"):  # also where all outputs are alike
        learner(loss_func=broadcast).compute_loss(torch.zeros(3, 1), target)


def test_a_loss_that_reduces_columns_is_refused():
    def loss(output, y):
        return F.mse_loss(output, y, reduction="none").mean(dim=1).mean()

    with pytest.raises(VicinalError, match="loss compares each output"):
        learner(loss_func=loss).compute_loss(OUTPUT, TARGET)


@pytest.mark.parametrize(
    "metric",
    [
        lambda output, y: output.mean(),
        lambda output, y: output.mean(dim=1).mean(),
        lambda output, y: torch.tensor(0.5),
        lambda output, y: output.std() - y.std(),
        lambda output, y: (output.squeeze(1) - y).abs().mean(),
        lambda output, y: (output.flatten() - y.flatten()).abs().max(),
    ],
)
def test_metrics_of_all_samples_are_as_they_are(metric):
    assert np.isfinite(learner(metrics=metric).validate()[1])


@pytest.mark.parametrize("loss", [MSELossFlat(), nn.MSELoss(), F.mse_loss])
def test_losses_of_samples_are_of_pairs(loss):
    assert sample_losses(loss, OUTPUT, TARGET).tolist() == SQUARES


def test_columns_are_read_as_they_are():
    learn = learner(loss_func=lambda output, y: ((output[:, 0] - y) ** 2).mean())
    assert learn.compute_loss(OUTPUT, TARGET).item() == pytest.approx(np.mean(SQUARES))


@pytest.mark.parametrize("metric", [mae, mse, rmse])
@pytest.mark.parametrize("target", [TARGET, MIXED])
def test_metrics_take_both_shapes(metric, target):
    column = TARGET[:, None]
    if target is MIXED:
        column = MixedTarget(MIXED.own[:, None], MIXED.partner[:, None], MIXED.weight)
    torch.testing.assert_close(metric(OUTPUT, target), metric(OUTPUT, column))


def test_what_users_get_of_one_number():
    learn = learner(metrics=[mae, R2Score(), torchmetrics.MeanSquaredError(), squeezed])
    _, y = learn.dls.one_batch()
    assert y.shape == (3,)
    learn.fit(1)
    preds, targs, losses = learn.get_preds(with_loss=True)
    assert (preds.shape, targs.shape, losses.shape) == ((2, 1), (2,), (2,))
    torch.testing.assert_close(losses, (preds.squeeze() - targs) ** 2)
    loss, error, _, squares, own = learn.validate()
    assert loss == pytest.approx(float(losses.mean()), rel=1e-4)
    assert squares == pytest.approx(loss, rel=1e-4)
    assert own == pytest.approx(loss, rel=1e-4)
    assert error == pytest.approx(float((preds.squeeze() - targs).abs().mean()), rel=1e-4)
    assert learn.dls.valid_ds[0][1].ndim == 0


def test_a_metric_that_compares_each_with_each_is_refused():
    def error(output, y):
        return (output - y).abs().mean()

    with pytest.raises(VicinalError, match="the metric error compares each output"):
        learner(metrics=error).validate()


@pytest.mark.parametrize(
    "mix", [MixUp(0.4), CutMix(), CMixUp(2.0), KernelMixUp(2.0, 0.5), RegMixUp(), RescaledMixUp()]
)
def test_a_training_is_that_of_columns(mix):
    weights = []
    for get_y in (first_value, lambda image: [first_value(image)]):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Flatten(), nn.Linear(12, 1))
        learn = Learner(loaders(get_y), model, metrics=rmse, cbs=copy.deepcopy(mix))
        learn.fit(2)
        weights.append([*model.state_dict().values(), learn.get_preds()[0]])
        weights[-1].append(torch.tensor(learn.validate()))
    torch.testing.assert_close(*weights, rtol=0, atol=1e-6)


def test_lists_of_one_number_stay_columns():
    assert loaders(lambda image: [1.0]).one_batch()[1].shape == (3, 1)
