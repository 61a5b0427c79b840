"""The figures of the report, looked at before they are drawn."""

from dataclasses import replace

from analyses import CUTMIX, MIXUP, NONE, analysis

from vicinal.study.figures import MANY, by_epochs, learning_curves


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
