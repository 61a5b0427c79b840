"""Pictures of samples: correct content, and readable."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex

from vicinal import VicinalError, plots
from vicinal.mixing.target import MixedTarget

BLUE, ORANGE = "#0072b2", "#d55e00"
LONG_VOCAB = [
    f"class_{i:03d} Carcharodon carcharias, the great white man-eating shark {i}"[:60]
    for i in range(997)
] + ["W" * 60, "n02099712_Labrador-retriever_" + "x" * 31, "$a_1$ {b} \\frac " * 4]


def rgb(count, size=8):
    return torch.rand(count, 3, size, size)


def target(own, partner, weight):
    return MixedTarget(torch.tensor(own), torch.tensor(partner), torch.tensor(weight))


def mixing_figure(count=3, alpha=0.4, folded=True, vocab="abcdefghijklmnop"):
    x = rgb(count)
    own = list(range(count))
    y = target(own, own[-1:] + own[:-1], torch.linspace(0.5, 1.0, count).tolist())
    mixed = torch.lerp(x.roll(1, 0), x, y.weight.view(-1, 1, 1, 1))
    figure = plots.mixing(x, x.roll(1, 0), mixed, y, list(vocab), alpha, folded)
    return figure, x, mixed, y


def shown(axes):
    return np.asarray(axes.images[0].get_array())


def bar(axes):
    """(start, end, colour) of the two parts of a picture's bar."""
    return [(*line.get_xdata(), to_hex(line.get_color())) for line in axes.lines]


class TestGrid:
    @pytest.mark.parametrize(
        ("number", "grid", "shown", "shape"),
        [
            (9, {}, 9, (3, 4)),
            (9, {"nrows": 1, "ncols": 3}, 3, (1, 3)),
            (9, {"nrows": 2}, 9, (2, 5)),
            (9, {"ncols": 2}, 9, (5, 2)),
            (3, {"nrows": 2, "ncols": 3}, 3, (2, 3)),
            (1, {"ncols": 4}, 1, (1, 4)),
        ],
    )
    def test_rows_and_columns(self, number, grid, shown, shape):
        names = [f"image {i}" for i in range(number)]
        figure = plots.images(torch.rand(number, 3, 8, 8), names, **grid)
        assert [axes.get_title() for axes in figure.axes] == names[:shown]
        assert figure.axes[0].get_subplotspec().get_gridspec().get_geometry() == shape

    def test_the_size_of_the_figure(self):
        figure = plots.images(torch.rand(2, 3, 8, 8), ["a", "b"], figsize=(7, 8))
        assert figure.get_size_inches().tolist() == [7, 8]

    @pytest.mark.parametrize("name", ["nrows", "ncols"])
    def test_errors(self, name):
        with pytest.raises(VicinalError, match=f"{name} must be 1 or more, not 0"):
            plots.images(torch.rand(2, 3, 8, 8), ["a", "b"], **{name: 0})


class TestImages:
    def test_shows_each_picture_under_its_title(self):
        x = rgb(5)
        figure = plots.images(x, list("abcde"))
        assert [axes.get_title() for axes in figure.axes] == list("abcde")
        for axes, picture in zip(figure.axes, x, strict=True):
            np.testing.assert_array_equal(shown(axes), picture.permute(1, 2, 0))

    def test_uint8_stays_exact(self):
        x = torch.arange(192, dtype=torch.uint8).view(1, 3, 8, 8)
        array = shown(plots.images(x, ["a"]).axes[0])
        assert array.dtype == np.uint8
        np.testing.assert_array_equal(array, x[0].permute(1, 2, 0))

    @pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
    def test_floats_of_any_kind_are_clipped(self, dtype, caplog):
        x = torch.tensor([-0.5, 0.25, 1.5], dtype=dtype).view(1, 3, 1, 1).expand(1, 3, 4, 4)
        array = shown(plots.images(x.clone().requires_grad_(), ["a"]).axes[0])
        np.testing.assert_array_equal(array[0, 0], [0, 0.25, 1])
        assert not caplog.records

    @pytest.mark.parametrize(("count", "columns"), [(1, 1), (4, 4), (16, 4), (25, 5)])
    def test_the_grid_is_about_square(self, count, columns):
        grid = plots.images(rgb(count), [""] * count).axes[0].get_gridspec()
        assert grid.ncols == columns

    def test_long_titles_take_three_lines(self):
        title = plots.images(rgb(1), ["start " + "middle " * 20]).axes[0].get_title()
        assert title.count("\n") == 2
        assert title.startswith("start middle")
        assert title.endswith("…")

    def test_short_titles_and_line_breaks_are_unchanged(self):
        title = "English springer\npredicted church"
        assert plots.images(rgb(1), [title]).axes[0].get_title() == title

    def test_dollars_are_no_formulas(self):
        title = plots.images(rgb(1), ["$5$"]).axes[0].title
        assert title.get_text() == "$5$"
        assert not title.get_parse_math()
        label = plots.mixed_batch(rgb(1), target([0], [0], [1.0]), ["$5$"]).axes[0].xaxis.label
        assert not label.get_parse_math()

    @pytest.mark.parametrize(
        ("count", "size"),
        [(1, (8, 8)), pytest.param(9, (224, 224), marks=pytest.mark.slow), (6, (40, 80))],
    )
    def test_readable(self, count, size, assert_readable):
        x = torch.rand(count, 3, *size)
        assert_readable(plots.images(x, LONG_VOCAB[-count:]))
        assert_readable(plots.images(x, ["cat"] * count))

    @pytest.mark.parametrize(
        ("shape", "titles", "message"),
        [
            ((2, 1, 8, 8), "ab", r"shape \(N, 3, H, W\), not \(2, 1, 8, 8\)"),
            ((2, 3, 8, 8), "abc", "longer"),
        ],
    )
    def test_errors(self, shape, titles, message):
        with pytest.raises(ValueError, match=message):
            plots.images(torch.rand(shape), list(titles))


class TestMixedBatch:
    def test_labels_and_shares(self):
        y = target([0, 1, 1, 0, 0], [1, 0, 1, 1, 1], [0.7, 0.25, 0.6, 1.0, 0.0])
        figure = plots.mixed_batch(rgb(5), y, ["cat", "dog"])
        assert [axes.get_xlabel() for axes in figure.axes] == [
            "70 % cat / 30 % dog",
            "25 % dog / 75 % cat",
            "100 % dog",
            "100 % cat",
            "100 % dog",
        ]

    def test_bars_have_two_colours_and_the_shares_widths(self):
        y = target([0, 1], [1, 1], [0.75, 0.5])
        mixed, same = plots.mixed_batch(rgb(2), y, ["cat", "dog"]).axes
        assert bar(mixed) == [(0, 0.75, BLUE), (0.75, 1, ORANGE)]
        assert bar(same) == [(0, 1, BLUE), (1, 1, ORANGE)]

    def test_bars_do_not_cover_the_pictures(self):
        (axes,) = plots.mixed_batch(rgb(1), target([0], [1], [0.7]), "ab").axes
        assert axes.get_xlim() == (-0.5, 7.5)
        assert axes.get_ylim() == (7.5, -0.5)

    def test_shares_always_sum_to_100(self):
        weights = torch.tensor([0.005, 0.015, 0.125, 0.335, 0.495, 0.5, 0.625, 0.985, 0.9949])
        zeros = torch.zeros(9, dtype=torch.long)
        y = MixedTarget(zeros, zeros + 1, weights)
        for axes in plots.mixed_batch(rgb(9), y, ["a", "b"]).axes:
            shares = [int(part.split()[0]) for part in axes.get_xlabel().split("/")]
            assert sum(shares) == 100

    def test_shows_the_first_ones_up_to_the_limit(self):
        x = rgb(20)
        y = target([0] * 20, [1] * 20, [0.5] * 20)
        assert len(plots.mixed_batch(x, y, ["a", "b"]).axes) == 16
        figure = plots.mixed_batch(x, y, ["a", "b"], limit=3)
        assert len(figure.axes) == 3
        np.testing.assert_array_equal(shown(figure.axes[2]), x[2].permute(1, 2, 0))

    def test_long_names_are_on_separate_lines(self):
        y = target([3], [4], [0.9])
        lines = plots.mixed_batch(rgb(1), y, LONG_VOCAB).axes[0].get_xlabel().split("\n")
        assert len(lines) == 6
        assert lines[0].startswith("90 % class_003")
        assert lines[3].startswith("10 % class_004")

    @pytest.mark.parametrize(
        ("count", "size"), [(1, 8), pytest.param(16, 224, marks=pytest.mark.slow)]
    )
    def test_readable(self, count, size, assert_readable):
        own = torch.arange(1000)[-count:]
        y = MixedTarget(own, own.flip(0) - 20, torch.linspace(0, 1, count))
        assert_readable(plots.mixed_batch(rgb(count, size), y, LONG_VOCAB))

    def test_every_picture_needs_a_target(self):
        with pytest.raises(ValueError, match="argument"):
            plots.mixed_batch(rgb(1), target([0, 1], [1, 0], [0.5, 0.5]), ["a", "b"])


class TestMixing:
    def test_three_named_rows(self):
        figure, x, mixed, _ = mixing_figure(3)
        assert len(figure.axes) == 10
        assert [axes.get_ylabel() for axes in figure.axes[0:9:3]] == ["image", "partner", "mix"]
        for row, pictures in enumerate((x, x.roll(1, 0), mixed)):
            for axes, picture in zip(figure.axes[3 * row :], pictures, strict=False):
                np.testing.assert_array_equal(shown(axes), picture.permute(1, 2, 0))

    def test_a_sample_is_a_column(self):
        figure, *_ = mixing_figure(3)
        figure.draw_without_rendering()
        for column in range(3):
            top, middle, low = (axes.get_position() for axes in figure.axes[column:9:3])
            assert top.x0 == pytest.approx(middle.x0) == pytest.approx(low.x0)
            assert top.y0 > middle.y0 > low.y0 > figure.axes[9].get_position().y1

    def test_bars_show_the_shares_of_each_picture(self):
        figure, _, _, y = mixing_figure(3)
        assert bar(figure.axes[0])[0] == (0, 1, BLUE)
        assert bar(figure.axes[3])[1] == (0, 1, ORANGE)
        assert [bar(axes)[0][1] for axes in figure.axes[6:9]] == y.weight.tolist()
        labels = [axes.get_xlabel() for axes in figure.axes[:9]]
        assert labels == [""] * 6 + ["50 % a / 50 % c", "75 % b / 25 % a", "100 % c"]

    def test_at_most_eight_columns(self):
        figure, _, _, y = mixing_figure(12)
        assert len(figure.axes) == 25
        assert list(figure.axes[-1].lines[-1].get_xdata()) == y.weight[:8].tolist()

    @pytest.mark.parametrize(
        ("count", "alpha"), [(1, 0), (2, 1.23456e-5), pytest.param(8, 1.0, marks=pytest.mark.slow)]
    )
    def test_readable(self, count, alpha, assert_readable):
        assert_readable(mixing_figure(count, alpha, vocab=LONG_VOCAB[-count:])[0])

    def test_errors(self):
        x, y = rgb(2), target([0, 1], [1, 0], [0.5, 0.5])
        with pytest.raises(ValueError, match="shorter"):
            plots.mixing(x, x[:1], x, y, ["a", "b"], 1.0)
        with pytest.raises(ValueError, match="at least 0, not -1"):
            plots.mixing(x, x, x, y, ["a", "b"], -1)


def test_no_global_state():
    style = dict(plt.rcParams)
    plots.images(rgb(1), ["a"])
    mixing_figure()
    plots.curves([{"epoch": 1, "train_loss": 1.0}])
    assert plt.get_fignums() == []
    assert dict(plt.rcParams) == style


@pytest.mark.filterwarnings("error")
def test_readable_in_the_users_own_style(assert_readable):
    style = {"figure.autolayout": True, "font.size": 16, "font.family": "serif", "figure.dpi": 150}
    with plt.rc_context(style):
        y = target([997, 1], [998, 2], [0.7, 0.6])
        assert_readable(plots.mixed_batch(rgb(2), y, LONG_VOCAB))
        assert_readable(mixing_figure(2)[0])
        row = {"train_loss": 1.0, "valid_loss": 2.0, "valid_rmse": 1e7}
        assert_readable(plots.curves([{"epoch": 1, **row}, {"epoch": 2, **row}]))
