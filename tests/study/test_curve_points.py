from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vicinal import Callback, DataLoaders, EarlyStopping, Learner, MixUp, accuracy
from vicinal.study.curve_points import POINTS, CurvePoints, points


@given(st.integers(1, 2000))
def test_the_points_are_even_and_the_last_epoch_is_one(epochs):
    found = sorted(points(epochs))
    assert len(found) == min(epochs, POINTS)
    assert found[-1] == epochs - 1
    assert found[0] >= 0
    gaps = {after - before for before, after in pairwise(found)}
    assert max(gaps, default=0) - min(gaps, default=0) <= 1


class Count(Callback):
    """Counts forward passes of validation; not vicinal's own."""

    validated = 0

    def before_validate(self, learn):
        self.validated += 1


def trained(epochs, *cbs):
    torch.manual_seed(0)
    x, y = torch.randn(64, 3), torch.arange(64) % 2
    dls = DataLoaders.from_tensors(x, y, x, y, bs=32, device="cpu", seed=0)
    network = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Dropout(), torch.nn.Linear(4, 2))
    learn = Learner(dls, network, metrics=accuracy, cbs=[MixUp(0.4, seed=0), *cbs])
    with learn.no_logging():
        learn.fit_one_cycle(epochs, 0.1)
    return learn


def test_the_weights_are_the_same_and_the_rows_of_other_epochs_lack_the_columns():
    all_epochs, some = trained(25), trained(25, CurvePoints())
    for one, other in zip(all_epochs.model.parameters(), some.model.parameters(), strict=True):
        assert torch.equal(one, other)
    validated = points(25)
    for epoch, (one, other) in enumerate(zip(all_epochs.history, some.history, strict=True)):
        assert one["train_loss"] == other["train_loss"]
        if epoch in validated:
            assert one["valid_accuracy"] == other["valid_accuracy"]
        else:
            assert {*other} == {"epoch", "train_loss", "seconds"}


@pytest.mark.parametrize("callback", [Count(), EarlyStopping(patience=1000)])
def test_callbacks_that_may_need_every_validation_get_it(callback):
    learn = trained(21, CurvePoints(), callback)
    assert all("valid_loss" in row for row in learn.history)
