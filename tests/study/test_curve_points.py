from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vicinal import Callback, DataLoaders, EarlyStopping, Learner, MixUp, accuracy
from vicinal.study import curve_points
from vicinal.study.curve_points import POINTS, CurvePoints, points, stride


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


def trained(epochs, *cbs, size=32):
    torch.manual_seed(0)
    x, y = torch.randn(64, 3), torch.arange(64) % 2
    dls = DataLoaders.from_tensors(x, y, x, y, bs=size, device="cpu", seed=0)
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


@pytest.mark.parametrize(
    ("samples", "size", "expected"),
    [(10_000, 128, 5), (3925, 128, 1), (4096, 128, 2), (359, 32, 1)],
)
def test_one_of_so_many_batches_is_enough(samples, size, expected):
    x = torch.zeros(samples, 1)
    dls = DataLoaders.from_tensors(x, x, x, x, bs=size // 2, device="cpu")
    assert stride(dls.valid, 2000) == expected
    assert samples / expected >= min(samples, 2000)


def test_a_point_has_even_batches_where_there_are_many(monkeypatch):
    """The mean of the first and the third of four, in the last epoch as in all others."""
    monkeypatch.setattr(curve_points, "SAMPLES", 32)
    all_epochs, some = trained(2, size=8), trained(2, CurvePoints(), size=8)
    for one, other in zip(all_epochs.model.parameters(), some.model.parameters(), strict=True):
        assert torch.equal(one, other)
    assert [row["validated"] for row in some.history] == [2, 2]
    assert "validated" not in all_epochs.history[0]
    batches = [some.compute_loss(output, y) for output, y in some._outputs(some.dls.valid)]
    assert len(batches) == 4
    expected = ((batches[0] + batches[2]) / 2).item()
    assert some.history[-1]["valid_loss"] == pytest.approx(expected)
    assert all_epochs.history[-1]["valid_loss"] == pytest.approx((sum(batches) / 4).item())
