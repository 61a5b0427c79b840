"""Confusion matrices: correct numbers, and readable with few classes or many."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg

from vicinal import plots

LONG = "Carcharodon carcharias, the great white man-eating shark"


def counts(classes, each=20):
    """Every class is taken for the next one now and then."""
    errors = torch.eye(classes, dtype=torch.int64).roll(1, dims=1)
    return (each - 3) * torch.eye(classes, dtype=torch.int64) + 3 * errors


def written(axes):
    return [text.get_text() for text in axes.texts]


def names(axis):
    return [label.get_text() for label in axis.get_ticklabels()]


def test_every_cell_shows_its_count():
    (axes,) = plots.confusion(torch.tensor([[8, 2], [0, 7]]), ["cat", "dog"]).axes
    assert written(axes) == ["8", "2", "0", "7"]
    assert [text.get_position() for text in axes.texts] == [(0, 0), (1, 0), (0, 1), (1, 1)]
    np.testing.assert_array_equal(axes.images[0].get_array(), [[8, 2], [0, 7]])
    assert names(axes.xaxis) == names(axes.yaxis) == ["cat", "dog"]
    assert (axes.get_ylabel(), axes.get_xlabel()) == ("truth", "predicted")


def test_shares_are_of_each_true_class():
    (axes,) = plots.confusion(torch.tensor([[6, 2], [0, 0]]), ["cat", "dog"], normalize=True).axes
    assert written(axes) == ["0.75", "0.25", "0.00", "0.00"]
    assert axes.images[0].get_clim() == (0, 1)
    assert axes.get_title("left") == "share of each true class"


def luminance(colour):
    """Of sRGB, as the Web Content Accessibility Guidelines define it."""
    colour = np.asarray(colour[:3])
    linear = np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


@pytest.mark.parametrize("style", ["default", "dark_background"])
def test_numbers_stand_out_from_their_cells(style):
    values = torch.arange(1, 101).view(10, 10)
    with plt.style.context(style):
        (axes,) = plots.confusion(values, list("abcdefghij")).axes
    image = axes.images[0]
    for text, value in zip(axes.texts, values.flatten().tolist(), strict=True):
        cell = luminance(image.cmap(image.norm(value)))
        ink = 1 if text.get_color() == "white" else 0
        light, dark = max(cell, ink), min(cell, ink)
        assert (light + 0.05) / (dark + 0.05) > 4.5, value


@pytest.mark.parametrize(("classes", "each"), [(1, 3), (2, 20), (10, 1000), (10, 10**7), (25, 20)])
@pytest.mark.parametrize("normalize", [False, True])
def test_numbers_fit_in_their_cells(classes, each, normalize):
    figure = plots.confusion(counts(classes, each), ["x"] * classes, normalize)
    FigureCanvasAgg(figure).draw()
    axes = figure.axes[0]
    assert len(axes.texts) in (0, classes**2)
    for text in axes.texts:
        box = text.get_window_extent()
        column, row = text.get_position()
        x, y = axes.transData.transform([(column - 0.5, row + 0.5), (column + 0.5, row - 0.5)]).T
        assert x[0] < box.x0 < box.x1 < x[1]
        assert y[0] < box.y0 < box.y1 < y[1]


@pytest.mark.parametrize(("classes", "has_numbers"), [(2, True), (10, True), (25, True), (100, False)])  # fmt: skip  # noqa: E501
def test_a_colour_bar_where_no_numbers_fit(classes, has_numbers):
    figure = plots.confusion(counts(classes), ["x"] * classes)
    assert bool(figure.axes[0].texts) == has_numbers
    assert len(figure.axes) == (1 if has_numbers else 2)


@pytest.mark.parametrize("classes", [2, 10, 37, 100, 1000])
def test_names_are_beside_their_classes(classes):
    axes = plots.confusion(counts(classes), [f"c{i}" for i in range(classes)]).axes[0]
    for axis in (axes.xaxis, axes.yaxis):
        assert names(axis) == [f"c{place:.0f}" for place in axis.get_ticklocs()]
        assert min(classes, 37) <= len(names(axis)) <= 60


@pytest.mark.parametrize("classes", [1, 2, 10, 37, 100, 1000])
@pytest.mark.parametrize("vocab", ["{}", LONG + " {}"])
def test_readable(classes, vocab, assert_readable):
    figure = plots.confusion(counts(classes), [vocab.format(i) for i in range(classes)])
    assert_readable(figure)
    assert max(figure.get_size_inches()) < 12


def test_shares_are_readable(assert_readable):
    assert_readable(plots.confusion(counts(2), ["cat", "dog"], normalize=True))
    assert_readable(plots.confusion(counts(100), [LONG] * 100, normalize=True))


@pytest.mark.slow
@pytest.mark.filterwarnings("error")
def test_readable_in_the_users_own_style(assert_readable):
    style = {"figure.autolayout": True, "font.size": 16, "axes.grid": True, "figure.dpi": 150}
    before = dict(plt.rcParams)
    with plt.rc_context(style):
        assert_readable(plots.confusion(counts(10), ["x"] * 10))
        assert_readable(plots.confusion(counts(100), ["x"] * 100))
    assert plt.get_fignums() == []
    assert dict(plt.rcParams) == before


def test_long_names_are_truncated():
    axes = plots.confusion(counts(2), [LONG, "two\nlines"]).axes[0]
    first, second = names(axes.yaxis)
    assert LONG.startswith(first[:-1])
    assert first.endswith("…")
    assert second == "two lines"


def test_dollars_are_no_formulas(assert_readable):
    figure = plots.confusion(counts(2), ["$5$", "$a_1$ \\frac"])
    assert names(figure.axes[0].xaxis) == ["$5$", "$a_1$ \\frac"]
    assert_readable(figure)


def test_no_samples(assert_readable):
    assert_readable(plots.confusion(torch.zeros(2, 2, dtype=torch.int64), ["cat", "dog"]))


def test_every_class_has_a_row_and_a_column():
    with pytest.raises(ValueError, match=r"counts have shape \(2, 2\), but vocab names 3 classes"):
        plots.confusion(counts(2), ["a", "b", "c"])


@pytest.mark.parametrize("side", [4, 12])
def test_the_size_of_the_figure_decides_whether_numbers_fit(side):
    names = [f"class {i}" for i in range(20)]
    figure = plots.confusion(counts(20), names, figsize=(side, side), dpi=60)
    assert figure.get_size_inches().tolist() == [side, side]
    assert figure.dpi == 60
    assert bool(written(figure.axes[0])) == (side == 12)


def test_a_figure_of_that_size_is_readable(assert_readable):
    assert_readable(plots.confusion(counts(10), [f"class {i}" for i in range(10)], figsize=(9, 9)))
