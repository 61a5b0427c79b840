"""The figures of the report, looked at before they are drawn."""

from dataclasses import replace

import pytest
import torch
from analyses import CUTMIX, MIXUP, NONE, analysis

from vicinal.study.analysis import Analysis
from vicinal.study.arms import Arm
from vicinal.study.calibration import Reliability
from vicinal.study.figures import MANY, by_epochs, learning_curves, reliability


def lines(axes):
    """The colour and the style of each line by its name."""
    return {line.get_label(): (line.get_color(), line.get_linestyle()) for line in axes.lines}


def test_a_method_looks_the_same_in_every_panel():
    """Also where a length lacks a method before it."""
    longer = [replace(arm, epochs=20) for arm in (NONE, CUTMIX)]
    arms = [NONE, MIXUP, CUTMIX, *longer]
    found = analysis({arm: [0.7, 0.72] for arm in arms})
    short, long = learning_curves(found).axes
    assert list(lines(short)) == ["none", "mixup α = 0.4", "cutmix α = 1"]
    assert lines(long) == {name: lines(short)[name] for name in ("none", "cutmix α = 1")}
    assert lines(by_epochs(found).axes[0])["cutmix α = 1"] == lines(short)["cutmix α = 1"]


def test_many_methods_differ_and_their_legend_is_below():
    arms = [NONE, *(replace(MIXUP, alpha=0.1 * i) for i in range(1, 2 * MANY + 2))]
    figure = learning_curves(analysis({arm: [0.7] for arm in arms}))
    assert len(set(lines(figure.axes[0]).values())) == len(arms)
    assert figure.axes[0].get_legend() is None
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [arm.method for arm in arms]


def test_few_methods_have_theirs_inside():
    figure = learning_curves(analysis({NONE: [0.7], MIXUP: [0.7]}))
    assert figure.legends == []
    assert len(figure.axes[0].get_legend().get_texts()) == 2


def test_five_lengths_take_three_rows():
    arms = [replace(arm, epochs=n) for n in (1, 2, 3, 4, 5) for arm in (NONE, MIXUP)]
    figure = learning_curves(analysis({arm: [0.7] for arm in arms}))
    assert len(figure.axes) == 5
    assert (
        len({round(axes.get_subplotspec().get_position(figure).y0, 3) for axes in figure.axes}) == 3
    )


def test_the_title_of_a_diagram_is_not_cut_off():
    (run,) = analysis({MIXUP: [0.7]}).results
    diagram = Reliability.of(torch.tensor([[0.9, 0.1], [0.3, 0.7]]), torch.tensor([0, 1]))
    found = Analysis([MIXUP], [replace(run, reliability=[diagram] * 2)])
    long = "mixup:0.8+cutmix:1:prob=0.5 at 1 epoch"
    for name in ("mixup α = 0.4", long, "manifoldmixup:layers=" + "/".join("abcdefghijklmnop")):
        figure = reliability(found, MIXUP, name)
        figure.draw_without_rendering()
        (axes,) = figure.axes
        title = axes._left_title
        assert title.get_text().replace("\n", "").replace(" ", "") == name.replace(" ", "")
        assert title.get_window_extent().x1 <= figure.bbox.x1
        assert title.get_window_extent().y1 <= figure.bbox.y1


@pytest.mark.parametrize("count", [2, MANY + 3])
@pytest.mark.parametrize("length", [27, 40, 60, 200])
def test_a_legend_of_long_names_is_not_cut_off(count, length):
    arms = [NONE, *(Arm(f"{i}".ljust(length, "n"), None, 5) for i in range(1, count))]
    found = analysis({arm: [0.7] for arm in [*arms, replace(NONE, epochs=20)]})
    for draw in (learning_curves, by_epochs):
        figure = draw(found)
        figure.draw_without_rendering()
        (legend,) = filter(None, [*figure.legends, figure.axes[0].get_legend()])
        shown = legend.get_window_extent()
        names = [text.get_text().replace("\n", "") for text in legend.get_texts()]
        assert names == [arm.mix for arm in arms]
        assert shown.x0 >= 0
        assert shown.x1 <= figure.bbox.x1
