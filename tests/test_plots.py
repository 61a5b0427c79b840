"""Pictures: what they show, and that it can be read."""

import math
from itertools import combinations

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.text import Text
from scipy import integrate, stats

from vicinal import plots
from vicinal.mixing.target import MixedTarget

BLUE, ORANGE = "#0072b2", "#d55e00"
LONG_VOCAB = [
    f"class_{i:03d} Carcharodon carcharias, the great white man-eating shark {i}"[:60]
    for i in range(997)
] + ["W" * 60, "n02099712_Labrador-retriever_" + "x" * 31, "$a_1$ {b} \\frac " * 4]


def rgb(count, size=8, seed=0):
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(seed))


def target(own, partner, weight):
    return MixedTarget(torch.tensor(own), torch.tensor(partner), torch.tensor(weight))


def mixing_figure(count=3, alpha=0.4, folded=True, vocab="abcdefghijklmnop", size=8):
    x = rgb(count, size)
    own = list(range(count))
    y = target(own, own[-1:] + own[:-1], torch.linspace(0.5, 1.0, count).tolist())
    mixed = torch.lerp(x.roll(1, 0), x, y.weight.view(-1, 1, 1, 1))
    figure = plots.mixing(x, x.roll(1, 0), mixed, y, list(vocab), alpha, folded)
    return figure, x, mixed, y


def shown(axes):
    return np.asarray(axes.images[0].get_array())


def bars(axes):
    """(left, width, colour) of the parts of a picture's bar."""
    return [(p.get_x(), p.get_width(), to_hex(p.get_facecolor())) for p in axes.patches]


def assert_readable(figure):
    """No text leaves the figure, none overlaps another or another's picture."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    boxes = []
    for axes in figure.axes:
        texts = [axes.title, axes._left_title, axes.xaxis.label, axes.yaxis.label, *axes.texts]
        texts += [axes.yaxis.offsetText]
        for axis in (axes.xaxis, axes.yaxis):
            low, high = axis.get_view_interval()
            texts += [
                tick.label1 for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high
            ]
        if axes.get_legend():
            texts += axes.get_legend().get_texts()
        # Of an annotation, the text without its line.
        boxes += [
            (t.get_text(), Text.get_window_extent(t, renderer)) for t in texts if t.get_text()
        ]
        if axes.images:
            boxes.append(("picture", axes.get_window_extent(renderer)))
    assert boxes
    for text, box in boxes:
        assert box.x0 >= 0, text
        assert box.y0 >= 0, text
        assert box.x1 <= figure.bbox.width, text
        assert box.y1 <= figure.bbox.height, text
    for (one, box), (other, other_box) in combinations(boxes, 2):
        assert not box.overlaps(other_box), f"{one!r} overlaps {other!r}"


class TestImages:
    def test_shows_each_picture_under_its_title(self):
        x = rgb(5)
        figure = plots.images(x, list("abcde"))
        assert [axes.get_title() for axes in figure.axes] == list("abcde")
        for axes, picture in zip(figure.axes, x, strict=True):
            np.testing.assert_array_equal(shown(axes), picture.permute(1, 2, 0))

    def test_uint8_stays_exact(self):
        x = torch.arange(256, dtype=torch.uint8)[:192].view(1, 3, 8, 8)
        array = shown(plots.images(x, ["a"]).axes[0])
        assert array.dtype == np.uint8
        np.testing.assert_array_equal(array, x[0].permute(1, 2, 0))

    @pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
    def test_floats_of_any_kind_are_clipped(self, dtype, caplog):
        x = torch.tensor([-0.5, 0.25, 1.5], dtype=dtype).view(1, 3, 1, 1).expand(1, 3, 4, 4)
        array = shown(plots.images(x.clone().requires_grad_(), ["a"]).axes[0])
        np.testing.assert_array_equal(array[0, 0], [0, 0.25, 1])
        assert not caplog.records

    def test_the_callers_pictures_stay(self):
        x = rgb(2) * 3 - 1
        before = x.clone()
        plots.images(x, ["a", "b"])
        assert torch.equal(x, before)

    @pytest.mark.parametrize(("size", "crisp"), [(8, True), (64, True), (65, False), (224, False)])
    def test_small_pictures_are_crisp(self, size, crisp):
        axes = plots.images(rgb(1, size), ["a"]).axes[0]
        assert (axes.images[0].get_interpolation() == "nearest") == crisp

    @pytest.mark.parametrize(
        ("count", "columns", "expected"),
        [(1, None, 1), (4, None, 4), (16, None, 4), (25, None, 5), (70, None, 8), (5, 2, 2),
         (2, 9, 2)],
    )  # fmt: skip
    def test_columns(self, count, columns, expected):
        figure = plots.images(rgb(count), [""] * count, columns)
        lefts = {round(axes.get_position().x0, 6) for axes in figure.axes}
        assert len(lefts) == expected
        assert len(figure.axes) == count

    def test_reads_from_left_to_right_then_down(self):
        a, b, c = (axes.get_position() for axes in plots.images(rgb(3), list("abc"), 2).axes)
        assert a.x0 < b.x0
        assert a.y0 == b.y0 > c.y0
        assert c.x0 == a.x0

    def test_long_titles_keep_start_and_end(self):
        title = plots.images(rgb(1), ["start " + "middle " * 20 + "end"]).axes[0].get_title()
        assert title.count("\n") == 1
        assert title.startswith("start ")
        assert title.endswith("end")
        assert "…" in title

    def test_titles_that_fit_stay_and_lines_are_kept(self):
        title = "English springer\npredicted church"
        assert plots.images(rgb(1), [title]).axes[0].get_title() == title

    def test_dollars_are_no_formulas(self):
        title = plots.images(rgb(1), ["$5$"]).axes[0].title
        assert title.get_text() == "$5$"
        assert not title.get_parse_math()
        label = plots.mixed_batch(rgb(1), target([0], [0], [1.0]), ["$5$"]).axes[0].xaxis.label
        assert not label.get_parse_math()

    def test_titles_are_wrapped_between_words(self):
        title = plots.images(rgb(1), ["a black Chesapeake Bay retriever"]).axes[0].get_title()
        assert title.replace("\n", " ") == "a black Chesapeake Bay retriever"
        assert "\n" in title

    @pytest.mark.parametrize(
        ("count", "size"), [(1, (8, 8)), (16, (224, 224)), (6, (30, 300)), (6, (300, 30))]
    )
    def test_readable(self, count, size):
        x = torch.rand(count, 3, *size)
        assert_readable(plots.images(x, LONG_VOCAB[-count:]))
        assert_readable(plots.images(x, ["cat"] * count))

    @pytest.mark.parametrize(
        ("x", "titles", "message"),
        [
            (torch.rand(2, 1, 8, 8), "ab", r"\(2, 1, 8, 8\), not \(N, 3, H, W\)"),
            (torch.rand(3, 8, 8), "a", r"\(3, 8, 8\)"),
            (torch.rand(0, 3, 8, 8), "", "no pictures"),
            (torch.zeros(1, 3, 8, 8, dtype=torch.int64), "a", "torch.int64: give uint8"),
            (torch.rand(2, 3, 8, 8), "abc", "3 titles for 2 pictures"),
        ],
    )
    def test_errors(self, x, titles, message):
        with pytest.raises(ValueError, match=message):
            plots.images(x, list(titles))


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
        assert bars(mixed) == [(0, 0.75, BLUE), (0.75, 0.25, ORANGE)]
        assert bars(same) == [(0, 1, BLUE), (1, 0, ORANGE)]

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

    def test_long_names_stand_each_on_its_own_lines(self):
        y = target([3], [4], [0.9])
        lines = plots.mixed_batch(rgb(1), y, LONG_VOCAB).axes[0].get_xlabel().split("\n")
        assert len(lines) == 4
        assert lines[0].startswith("90 % class_003")
        assert lines[2].startswith("10 % class_004")

    def test_half_precision_weights(self):
        y = MixedTarget(torch.tensor([0]), torch.tensor([1]), torch.tensor([0.75]).bfloat16())
        label = plots.mixed_batch(rgb(1), y, ["a", "b"]).axes[0].get_xlabel()
        assert label == "75 % a / 25 % b"

    @pytest.mark.parametrize(("count", "size"), [(1, 8), (1, 224), (16, 224)])
    def test_readable(self, count, size):
        own = torch.arange(1000)[-count:]
        y = MixedTarget(own, own.flip(0) - 20, torch.linspace(0, 1, count))
        assert_readable(plots.mixed_batch(rgb(count, size), y, LONG_VOCAB))

    @pytest.mark.parametrize(
        ("y", "message"),
        [
            (target([0, 1], [1, 0], [0.5, 0.5]), "2 targets for 1 pictures"),
            (target([2], [1], [0.5]), "label 2 has no name among the 2"),
            (target([-1], [1], [0.5]), "label -1 has no name"),
            (target([[0.0, 1.0]], [[1.0, 0.0]], [0.5]), r"float32 of shape \(1, 2\)"),
        ],
    )
    def test_errors(self, y, message):
        with pytest.raises(ValueError, match=message):
            plots.mixed_batch(rgb(1), y, ["a", "b"])


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
        for column in range(3):
            top, middle, low = (axes.get_position() for axes in figure.axes[column:9:3])
            assert top.x0 == pytest.approx(middle.x0) == pytest.approx(low.x0)
            assert top.y0 > middle.y0 > low.y0 > figure.axes[9].get_position().y1

    def test_bars_tell_what_is_in_each_picture(self):
        figure, _, _, y = mixing_figure(3)
        assert bars(figure.axes[0])[0] == (0, 1, BLUE)
        assert bars(figure.axes[3])[1] == (0, 1, ORANGE)
        widths = [bars(axes)[0][1] for axes in figure.axes[6:9]]
        assert widths == y.weight.tolist()
        labels = [axes.get_xlabel() for axes in figure.axes[:9]]
        assert labels == [""] * 6 + ["50 % a / 50 % c", "75 % b / 25 % a", "100 % c"]

    def test_at_most_eight_columns(self):
        figure, _, _, y = mixing_figure(12)
        assert len(figure.axes) == 25
        assert list(figure.axes[-1].lines[-1].get_xdata()) == y.weight[:8].tolist()

    def test_folded_density_and_the_unfolded_one(self):
        figure, *_ = mixing_figure(2, alpha=0.4)
        folded, unfolded, ticks = figure.axes[-1].lines
        assert folded.get_label() == "Beta(0.4, 0.4), folded"
        assert unfolded.get_label() == "unfolded"
        assert list(ticks.get_xdata()) == [0.5, 1.0]
        for line, is_folded in ((folded, True), (unfolded, False)):
            x, density = map(torch.as_tensor, line.get_data())
            torch.testing.assert_close(density, plots.beta_density(x, 0.4, is_folded))
        assert folded.get_xdata().min() == 0.5
        assert unfolded.get_xdata().min() < 1e-4
        assert unfolded.get_linewidth() < folded.get_linewidth()

    def test_without_folding_there_is_one_density(self):
        figure, *_ = mixing_figure(2, alpha=2.0, folded=False)
        density, _ticks = figure.axes[-1].lines
        assert density.get_label() == "Beta(2, 2)"
        assert density.get_xdata().min() < 1e-4

    def test_alpha_0_is_a_spike_at_1(self):
        figure, *_ = mixing_figure(2, alpha=0)
        spike, _ticks = figure.axes[-1].lines
        assert list(spike.get_xdata()) == [1, 1]
        assert "nothing is mixed" in spike.get_label()

    @pytest.mark.parametrize("folded", [True, False])
    @pytest.mark.parametrize("alpha", [1e-6, 0.1, 0.9, 1.0, 3.0, 1e3, 1e9, 1e20])
    def test_the_density_fills_its_panel(self, alpha, folded):
        axes = mixing_figure(1, alpha=alpha, folded=folded)[0].axes[-1]
        x, density = axes.lines[0].get_data()
        height = axes.get_ylim()[1]
        assert np.isfinite(density).all()
        inner = density[(x > 0.021) & (x < 0.979)].max()
        assert 0.7 * height < inner < height

    @pytest.mark.parametrize(
        ("count", "alpha"), [(1, 0), (1, 1.23456e-5), (2, 1.23456e5), (8, 1.0)]
    )
    def test_readable(self, count, alpha):
        assert_readable(mixing_figure(count, alpha, vocab=LONG_VOCAB[-count:])[0])

    def test_shapes_must_agree(self):
        x, y = rgb(2), target([0, 1], [1, 0], [0.5, 0.5])
        with pytest.raises(ValueError, match=r"\(2, 3, 8, 8\), \(1, 3, 8, 8\), \(2, 3, 8, 8\)"):
            plots.mixing(x, x[:1], x, y, ["a", "b"], 1.0)

    def test_alpha_must_be_a_weights_parameter(self):
        with pytest.raises(ValueError, match="alpha is -1"):
            mixing_figure(1, alpha=-1)


class TestBetaDensity:
    # Near the ends, in the middle, and near it, where a large alpha has all of its mass.
    weight = torch.cat(
        [torch.tensor([1e-12, 1e-3]), 0.5 + torch.linspace(-1e-3, 1e-3, 7).double(),
         torch.linspace(0.01, 0.99, 99).double(), torch.tensor([0.999])]
    )  # fmt: skip

    @pytest.mark.parametrize("alpha", [1e-6, 0.1, 0.4, 1, 1.5, 8.0, 1e3, 1e6])
    def test_equals_scipys(self, alpha):
        expected = torch.from_numpy(stats.beta.pdf(self.weight, alpha, alpha))
        density = plots.beta_density(self.weight, alpha, False)
        torch.testing.assert_close(density, expected, rtol=1e-7, atol=1e-12)
        folded = plots.beta_density(self.weight, alpha, True)
        twice = torch.where(self.weight >= 0.5, 2 * expected, 0)
        torch.testing.assert_close(folded, twice, rtol=1e-7, atol=1e-12)

    @pytest.mark.parametrize("folded", [True, False])
    @pytest.mark.parametrize("alpha", [0.05, 0.4, 1.0, 2.5, 30.0])
    def test_integrates_to_1(self, alpha, folded):
        # weight = 1/2 + d, with 1/2 - d = exp(-t): the density's poles at the ends become tails.
        def right_half(t):
            rest = torch.tensor(math.exp(-t), dtype=torch.float64)
            # By symmetry the density at rest is that at 1 - rest, which floats cannot hold.
            density = plots.beta_density(rest, alpha, False) * (2 if folded else 1)
            return float(density * rest)

        half, _ = integrate.quad(right_half, math.log(2), 700, limit=500)
        assert half * (1 if folded else 2) == pytest.approx(1, abs=1e-6)

    @pytest.mark.parametrize("folded", [True, False])
    @pytest.mark.parametrize("alpha", [1.0, 2.5, 1e4])
    def test_a_sum_over_weights_is_1(self, alpha, folded):
        weight = (torch.arange(400_000, dtype=torch.float64) + 0.5) / 400_000
        assert plots.beta_density(weight, alpha, folded).mean() == pytest.approx(1, abs=1e-6)

    def test_matches_folded_draws(self):
        draws = stats.beta.rvs(0.7, 0.7, size=200_000, random_state=0)
        heights, edges = np.histogram(np.maximum(draws, 1 - draws), 10, (0.5, 0.9), density=False)
        centres = torch.from_numpy((edges[1:] + edges[:-1]) / 2)
        expected = plots.beta_density(centres, 0.7, True) * 0.04 * 200_000
        np.testing.assert_allclose(heights, expected, rtol=0.05)

    @pytest.mark.parametrize(
        ("alpha", "folded", "ends"),
        [(0.4, False, [math.inf, math.inf]), (0.4, True, [0, math.inf]), (1, False, [1, 1]),
         (1, True, [0, 2]), (2, False, [0, 0]), (0, True, [0, math.inf]),
         (0, False, [0, math.inf])],
    )  # fmt: skip
    def test_at_the_ends(self, alpha, folded, ends):
        density = plots.beta_density(torch.tensor([0.0, 1.0]), alpha, folded)
        assert density.tolist() == pytest.approx(ends)

    @pytest.mark.parametrize("alpha", [0, 0.4, 1, 2])
    def test_outside_it_is_0(self, alpha):
        density = plots.beta_density(torch.tensor([[-0.1, 1.1]]), alpha, False)
        assert density.tolist() == [[0, 0]]
        assert density.dtype == torch.float64

    @pytest.mark.parametrize("alpha", [-0.1, math.inf, math.nan])
    def test_errors(self, alpha):
        with pytest.raises(ValueError, match=f"alpha is {alpha}"):
            plots.beta_density(torch.tensor([0.5]), alpha, True)


def history(epochs=5, **metrics):
    """Losses, and metrics given as functions of the epoch."""
    return [
        {"epoch": e, "train_loss": 2 / e, "valid_loss": 2.5 / e, "lr": 0.1}
        | {name: value(e) for name, value in metrics.items()}
        for e in range(1, epochs + 1)
    ]


def labels(axes):
    return [text.get_text() for text in axes.texts]


class TestCurves:
    def test_losses_left_other_metrics_right(self):
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
        assert losses.get_position().x1 < metrics.get_position().x0

    def test_labels_have_their_lines_colours(self):
        for axes in plots.curves(history(valid_accuracy=lambda e: e / 9)).axes:
            for line, label in zip(axes.lines, axes.texts, strict=True):
                assert line.get_color() == label.get_color()

    def test_without_metrics_there_is_one_panel(self):
        assert len(plots.curves(history()).axes) == 1

    def test_large_metrics_have_a_panel_of_their_own(self):
        _, small, large = plots.curves(
            history(valid_rmse=lambda e: 50 / e, valid_r2=lambda e: 1 - 1.5 / e)
        ).axes
        assert labels(small) == ["r2 0.7"]
        assert labels(large) == ["rmse 10"]

    def test_one_epoch_is_visible(self):
        for axes in plots.curves(history(1, valid_accuracy=lambda e: 0.5)).axes:
            assert list(axes.get_xticks()) == [1]
            for line in axes.lines:
                assert line.get_marker() not in ("", "None", None)
                assert line.get_markersize() > 0
                assert axes.get_xlim()[0] < 1 < axes.get_xlim()[1]
                assert axes.get_ylim()[0] < line.get_ydata()[0] < axes.get_ylim()[1]

    @pytest.mark.parametrize("epochs", [1, 2, 3, 7, 20, 200, 1001])
    def test_epoch_ticks_are_epochs(self, epochs):
        (axes,) = plots.curves(history(epochs)).axes
        ticks = axes.get_xticks()
        assert len(ticks) == min(epochs, len(ticks)) <= 11
        assert len(ticks) >= min(epochs, 4)
        assert all(tick == int(tick) and 1 <= tick <= epochs for tick in ticks)

    def test_numbers_may_be_missing(self):
        epochs = history(4)
        epochs[0]["valid_accuracy"] = 0.25
        epochs[2]["valid_accuracy"] = np.float32(0.5)
        epochs[3]["valid_accuracy"] = None
        epochs[1]["train_loss"] = math.nan
        epochs[3]["valid_loss"] = math.inf
        losses, metrics = plots.curves(epochs).axes
        assert list(metrics.lines[0].get_xdata()) == [1, 3]
        assert labels(metrics) == ["accuracy 0.5"]
        assert list(losses.lines[0].get_xdata()) == [1, 3, 4]
        assert list(losses.lines[1].get_xdata()) == [1, 2, 3]

    def test_a_training_that_diverged_at_once(self):
        figure = plots.curves([{"epoch": 1, "train_loss": math.nan, "valid_loss": math.nan}])
        assert labels(figure.axes[0]) == ["no finite numbers"]
        assert_readable(figure)

    @pytest.mark.parametrize("epochs", [1, 3, 200])
    def test_readable(self, epochs):
        names = ["accuracy", "top5_accuracy", "expected_calibration_error", "rmse", "brier"]
        close = {f"valid_{name}": lambda e: 0.9 + 1e-5 * e for name in names}
        large = {"valid_mae": lambda e: 1e6 / e, "valid_mse": lambda e: 1.01e6 / e}
        assert_readable(plots.curves(history(epochs, **close, **large)))
        many = {f"valid_metric_{i}": lambda e: 0.5 for i in range(30)}
        assert_readable(plots.curves(history(epochs, **many)))

    def test_writes_a_file(self, tmp_path):
        plots.curves(history(), tmp_path / "curves.png")
        assert plt.imread(tmp_path / "curves.png").ndim == 3
        plots.curves(history(), str(tmp_path / "curves.svg"))
        assert "<svg" in (tmp_path / "curves.svg").read_text()

    def test_errors(self):
        with pytest.raises(ValueError, match="history is empty"):
            plots.curves([])


def test_no_global_state(tmp_path):
    style = dict(plt.rcParams)
    plots.images(rgb(1), ["a"])
    mixing_figure()
    plots.curves(history(), tmp_path / "curves.png")
    assert plt.get_fignums() == []
    assert dict(plt.rcParams) == style


@pytest.mark.filterwarnings("error")
def test_readable_in_the_users_own_style():
    style = {"figure.autolayout": True, "font.size": 16, "font.family": "serif",
             "image.origin": "lower", "figure.dpi": 150}  # fmt: skip
    with plt.rc_context(style):
        y = target([997, 1], [998, 2], [0.7, 0.6])
        figure = plots.mixed_batch(rgb(2), y, LONG_VOCAB)
        assert_readable(figure)
        assert figure.axes[0].images[0].origin == "upper"
        assert_readable(mixing_figure(2)[0])
        assert_readable(plots.curves(history(valid_rmse=lambda e: 1e7 / e)))
