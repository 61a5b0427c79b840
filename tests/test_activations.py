"""From outputs to probabilities: as the loss reads them, however it is given."""

from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from vicinal import (
    AsymmetricLoss,
    BCEWithLogitsLossFlat,
    CrossEntropyLossFlat,
    DataLoaders,
    FocalLoss,
    FocalLossFlat,
    LabelSmoothingCrossEntropy,
    Learner,
    MixLoss,
    OrdinalLoss,
)

X = torch.tensor([[2.0, -1.0], [-0.5, -0.25]])


def probabilities(loss_func, y):
    dls = DataLoaders.from_tensors(X, y, X, y, bs=2, device="cpu")
    return Learner(dls, nn.Identity(), loss_func).get_preds()[0]


@pytest.mark.parametrize("loss_func", [
    nn.BCEWithLogitsLoss(),
    F.binary_cross_entropy_with_logits,
    partial(F.binary_cross_entropy_with_logits, pos_weight=torch.ones(2)),
    MixLoss(nn.BCEWithLogitsLoss()),
    MixLoss(F.binary_cross_entropy_with_logits),
    AsymmetricLoss(),
    BCEWithLogitsLossFlat(),
    nn.MultiLabelSoftMarginLoss(),
    F.multilabel_soft_margin_loss,
])  # fmt: skip
def test_of_several_labels(loss_func):
    found = probabilities(loss_func, torch.tensor([[1.0, 1.0], [0.0, 1.0]]))
    assert torch.equal(found, X.sigmoid())


@pytest.mark.parametrize("loss_func", [
    nn.NLLLoss(), F.nll_loss, partial(F.nll_loss, weight=torch.ones(2)), MixLoss(nn.NLLLoss())
])  # fmt: skip
def test_of_logarithms(loss_func):
    assert torch.equal(probabilities(loss_func, torch.tensor([0, 1])), X.exp())


@pytest.mark.parametrize(
    "loss_func", [None, F.cross_entropy, FocalLoss(), FocalLossFlat(), lambda o, t: o.exp().sum(1)]
)
def test_of_classes(loss_func):
    assert torch.equal(probabilities(loss_func, torch.tensor([0, 1])), X.softmax(1))


@pytest.mark.parametrize("loss_func", [
    nn.CrossEntropyLoss(), F.cross_entropy, MixLoss(nn.CrossEntropyLoss()), CrossEntropyLossFlat(),
    LabelSmoothingCrossEntropy(),
])  # fmt: skip
def test_of_shares_of_classes(loss_func):
    found = probabilities(loss_func, torch.tensor([[0.3, 0.7], [1.0, 0.0]]))
    assert torch.equal(found, X.softmax(1))


@pytest.mark.parametrize("loss_func", [None, F.mse_loss, nn.L1Loss()])
def test_of_values(loss_func):
    assert torch.equal(probabilities(loss_func, torch.zeros(2, 2)), X)


def test_of_ordered_classes():
    found = probabilities(OrdinalLoss(3), torch.tensor([0, 2]))
    first, second = X[0].sigmoid().tolist()
    only = X[1].sigmoid()[0].item()  # the second threshold is no lower than the first
    expected = torch.tensor([[1 - first, first - second, second], [1 - only, 0, only]])
    torch.testing.assert_close(found, expected)


def test_focal_loss_of_another_axis():
    from vicinal.activations import activation_of

    output = torch.randn(2, 3, 4)
    for axis in (1, -1):
        found = activation_of(FocalLoss(axis=axis), classes=False)(output)
        assert torch.equal(found, output.softmax(axis))
