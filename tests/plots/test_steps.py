"""Losses and settings of the optimizer over the batches: correct, and readable."""

import math

import pytest

from vicinal import plots

LOSSES = [2 / (1 + i / 10) for i in range(40)]


def labels(axes):
    return [text.get_text() for text in axes.get_legend().texts]


def test_the_legend_has_the_last_values():
    (axes,) = plots.loss_curves(LOSSES, [20, 40], [1.5, 0.5]).axes
    assert labels(axes) == ["train 0.4082", "valid 0.5"]


def test_without_validation_there_is_one_line():
    (axes,) = plots.loss_curves(LOSSES, [20, 40], [math.nan, math.nan]).axes
    assert labels(axes) == ["train 0.4082"]
    (axes,) = plots.loss_curves(LOSSES, [], []).axes
    assert labels(axes) == ["train 0.4082"]


@pytest.mark.parametrize("log", [False, True])
def test_losses_are_readable(assert_readable, log):
    assert_readable(plots.loss_curves(LOSSES, [20, 40], [1.5, 0.5], log=log, show_epochs=True))


def test_schedules_are_readable(assert_readable):
    rates = [1e-5 * (1 + i) for i in range(40)]
    assert_readable(plots.schedules({"lr": rates, "mom": [0.95 - 0.001 * i for i in range(40)]}))


def test_few_batches_are_marked():
    (axes,) = plots.loss_curves([2.0, 1.0], [2], [1.5]).axes
    assert axes.lines[0].get_marker() == "."
    (axes,) = plots.loss_curves(LOSSES, [20, 40], [1.5, 0.5]).axes
    assert axes.lines[0].get_marker() in ("", "None")
    assert plots.schedules({"lr": [0.1]}).axes[0].lines[0].get_marker() == "."
