"""Learning curves: correct numbers, and readable."""

import math

import numpy as np
import pytest

from vicinal import plots


def history(epochs=5, **metrics):
    """Losses, and metrics given as functions of the epoch."""
    return [
        {"epoch": e, "train_loss": 2 / e, "valid_loss": 2.5 / e, "seconds": 9.0}
        | {name: value(e) for name, value in metrics.items()}
        for e in range(1, epochs + 1)
    ]


def labels(axes):
    return [text.get_text() for text in axes.get_legend().texts]


def test_losses_are_left_and_other_metrics_right():
    losses, metrics = plots.curves(
        history(4, valid_accuracy=lambda e: 1 - 0.5 / e, valid_f1=lambda e: 0.1 * e)
    ).axes
    assert losses.get_title("left") == "loss"
    train, valid = losses.lines
    np.testing.assert_array_equal(train.get_xdata(), [1, 2, 3, 4])
    np.testing.assert_allclose(train.get_ydata(), [2, 1, 2 / 3, 0.5])
    np.testing.assert_allclose(valid.get_ydata(), [2.5, 1.25, 2.5 / 3, 0.625])
    assert labels(losses) == ["train 0.5", "valid 0.625"]
    assert metrics.get_title("left") == "validation metrics"
    np.testing.assert_allclose(metrics.lines[0].get_ydata(), [0.5, 0.75, 1 - 0.5 / 3, 0.875])
    assert labels(metrics) == ["accuracy 0.875", "f1 0.4"]


def test_without_metrics_there_is_one_panel():
    assert len(plots.curves(history()).axes) == 1


def test_large_metrics_have_a_panel_of_their_own():
    _, small, large = plots.curves(
        history(valid_rmse=lambda e: 50 / e, valid_r2=lambda e: 1 - 1.5 / e)
    ).axes
    assert labels(small) == ["r2 0.7"]
    assert labels(large) == ["rmse 10"]


def test_one_epoch_is_visible():
    for axes in plots.curves(history(1, valid_accuracy=lambda e: 0.5)).axes:
        for line in axes.lines:
            assert line.get_marker() != "None"
            assert axes.get_xlim()[0] < 1 < axes.get_xlim()[1]
            assert axes.get_ylim()[0] < line.get_ydata()[0] < axes.get_ylim()[1]


@pytest.mark.parametrize("epochs", [1, 2, 3, 7, 20, 200, 1001])
def test_epoch_ticks_are_epochs(epochs):
    (axes,) = plots.curves(history(epochs)).axes
    low, high = axes.get_xlim()
    ticks = [tick for tick in axes.get_xticks() if low <= tick <= high]
    assert min(epochs, 4) <= len(ticks) <= 11
    assert all(tick == int(tick) and 1 <= tick <= epochs for tick in ticks)


def test_numbers_may_be_missing(assert_readable):
    epochs = history(4)
    epochs[0]["valid_accuracy"] = 0.25
    epochs[2]["valid_accuracy"] = 0.5
    epochs[1]["train_loss"] = math.nan
    epochs[3]["valid_loss"] = math.inf
    figure = plots.curves(epochs)
    losses, metrics = figure.axes
    np.testing.assert_array_equal(metrics.lines[0].get_ydata(), [0.25, math.nan, 0.5, math.nan])
    assert labels(metrics) == ["accuracy nan"]
    assert labels(losses) == ["train 0.5", "valid inf"]
    assert np.isfinite(losses.get_ylim()).all()
    assert_readable(figure)


@pytest.mark.parametrize("epochs", [1, 3, 200])
def test_readable(epochs, assert_readable):
    names = ["accuracy", "top5_accuracy", "expected_calibration_error", "f1", "brier"]
    close = {f"valid_{name}": lambda e: 0.9 + 1e-5 * e for name in names}
    large = {"valid_mae": lambda e: 1e6 / e, "valid_mse": lambda e: 1.01e6 / e}
    assert_readable(plots.curves(history(epochs, **close, **large)))


def test_an_empty_history():
    with pytest.raises(ValueError, match="history is empty"):
        plots.curves([])
