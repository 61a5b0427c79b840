"""The figures of the report, as SVG that inherits its colours from the page."""

import io
import math
import re
import textwrap
from collections.abc import Callable
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator, PercentFormatter

from vicinal.plots.layout import COLOURS, GREY, LARGE, SMALL, new_figure
from vicinal.study.analysis import Analysis
from vicinal.study.arms import Arm
from vicinal.study.measure import Measure

INK = "#010203"  # a placeholder, replaced by the text colour of the page
INKED = ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color")
STYLES = ("-", "--", ":", "-.")
WIDTH, HEIGHT = 6.4, 3.4  # inches
ACROSS, NARROW = 2, 3.7  # panels beside each other, and their width
MANY = 5  # lines; the legend of more would hide them
LETTERS = 28  # of a line above a narrow panel
COLUMNS, LINE = 3, 0.2  # of the legend below the panels, and inches of its lines
BELOW = 72  # letters of such a line, without the lines' samples


def svg(draw: Callable[[], Figure], name: str) -> str:
    """A figure as an SVG element: text stays text, and colours are those of the page.

    Args:
        draw: makes the figure.
        name: a prefix for its ids, which must be unique on a page.
    """
    style: dict[Any, Any] = {"svg.fonttype": "none", "svg.hashsalt": "", "text.parse_math": False}
    with matplotlib.rc_context(style | dict.fromkeys(INKED, INK)):
        written = io.StringIO()
        empty = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        draw().savefig(written, format="svg", transparent=True, metadata=empty)
    own = re.sub(r"\W", "-", name)
    text = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{own}-", written.getvalue())
    text = text[text.index("<svg") :].replace(INK, "currentColor")
    for number, colour in enumerate(COLOURS):
        text = re.sub(colour, f"var(--line-{number})", text, flags=re.IGNORECASE)
    return text


def learning_curves(
    analysis: Analysis, measure: Measure | None = None, column: str | None = None
) -> Figure:
    """A measure in the course of the training: the mean and the range over seeds.

    Args:
        analysis: of the runs.
        measure: None takes the main one, on validation samples.
        column: of the histories, which has it; None takes its validation column.
    """
    cells = analysis.cells
    measure = measure or analysis.main
    column = column or f"valid_{measure.name}"
    columns = min(len(cells), ACROSS)
    rows = math.ceil(len(cells) / columns)
    figure = new_figure(WIDTH if columns == 1 else ACROSS * NARROW, rows * HEIGHT)
    panels = figure.subplots(rows, columns, squeeze=False).flatten()
    for axes in panels[len(cells) :]:
        axes.remove()
    numbers = _numbers(analysis)
    for axes, cell in zip(panels, cells, strict=False):
        for arm in (arm for arm in analysis.arms if arm.cell == cell):
            runs = [_points(result.history, column) for result in analysis.of(arm)]
            if any(runs):
                _draw_band(axes, runs, numbers[arm.method], arm)
        axes.set_xlabel("epoch", fontsize=SMALL)
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
        title = textwrap.fill(f"{measure.title}, {cell.text}", LETTERS if columns > 1 else BELOW)
        axes.set_title(title, fontsize=LARGE, loc="left")
        _finish(axes, measure.percent)
    _add_legend(figure)
    return figure


def _points(history: list[dict[str, Any]], key: str) -> dict[int, float]:
    """A column of a history by the epoch, from 1; not every epoch is validated."""
    return {epoch: row[key] for epoch, row in enumerate(history, 1) if key in row}


def _draw_band(axes: Axes, runs: list[dict[int, float]], number: int, arm: Arm) -> None:
    """The mean and the range of several runs, at epochs where all that came so far have a value."""
    epochs, means, low, high = [], [], [], []
    for epoch in sorted(set().union(*runs)):
        reached = [run for run in runs if run and max(run) >= epoch]  # others were stopped before
        values = [run[epoch] for run in reached if epoch in run]
        if len(values) == len(reached):
            epochs.append(epoch)
            means.append(np.mean(values))
            low.append(min(values))
            high.append(max(values))
    axes.fill_between(epochs, low, high, alpha=0.18, linewidth=0, color=_colour(number))
    axes.plot(
        epochs,
        means,
        label=arm.method,
        marker="o" if len(epochs) < 3 else None,
        **_line(number),
    )


def _numbers(analysis: Analysis) -> dict[str, int]:
    """A number for each method, whose line looks the same in every panel."""
    methods = dict.fromkeys(arm.method for arm in analysis.arms)
    return {method: number for number, method in enumerate(methods)}


def _colour(number: int) -> str:
    return COLOURS[number % len(COLOURS)]


def _line(number: int) -> dict[str, Any]:
    """The colour and the style of a line: where the colours are used up, the style differs."""
    return {
        "color": _colour(number),
        "linestyle": STYLES[number // len(COLOURS) % len(STYLES)],
    }


def by_epochs(analysis: Analysis) -> Figure:
    """The final main measure by the length of training: where lines cross, the winner changes."""
    measure = analysis.main
    figure = new_figure(WIDTH, HEIGHT)
    axes = figure.add_subplot()
    for method, number in _numbers(analysis).items():
        points = []
        for arm in analysis.arms:
            values = [result.mean(measure.name) for result in analysis.of(arm, measure)]
            if arm.method == method and values:
                points.append((arm.epochs, np.mean(values), min(values), max(values)))
        if points:
            epochs, means, low, high = np.array(points).T
            axes.fill_between(epochs, low, high, alpha=0.18, linewidth=0, color=_colour(number))
            axes.plot(epochs, means, marker="o", label=method, **_line(number))
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(analysis.lengths)
    axes.set_xlabel("epochs", fontsize=SMALL)
    axes.set_title(f"{measure.title}, by the length of training", fontsize=LARGE, loc="left")
    _finish(axes, measure.percent)
    _add_legend(figure)
    return figure


def reliability(analysis: Analysis, arm: Arm, title: str) -> Figure:
    """Accuracy in each bin of confidence, over all seeds; on the diagonal, both are the same."""
    figure = new_figure(3.0, 3.0)
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=1)
    for number, label in enumerate(("before scaling", "after scaling")):
        diagrams = [r.reliability[number] for r in analysis.of(arm) if r.reliability]
        counts = np.array([diagram.counts for diagram in diagrams])
        total = counts.sum(0)
        values = np.array([[d.confidence, d.accuracy] for d in diagrams])
        means = (counts[:, None] * values).sum(0) / total.clip(min=1)
        filled = total > 0
        sizes = 4 + 60 * total[filled] / total.sum()
        x, y = means[:, filled]
        # Rings and dots are told apart in grey, too, and where one lies on the other.
        face = _colour(number) if number else "none"
        axes.scatter(
            x, y, s=sizes, edgecolors=_colour(number), facecolors=face, label=label, clip_on=False
        )
    axes.set(xlim=(0, 1), ylim=(0, 1))
    axes.set_aspect("equal")
    axes.set_xlabel("confidence", fontsize=SMALL)
    axes.set_ylabel("accuracy", fontsize=SMALL)
    wrapped = textwrap.fill(title, LETTERS, break_on_hyphens=False)  # or it would be cut off
    axes.set_title(wrapped, fontsize=LARGE, loc="left")
    axes.tick_params(labelsize=SMALL)
    axes.legend(frameon=False, fontsize=SMALL, loc="upper left")
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def _finish(axes: Axes, percent: bool) -> None:
    if percent:
        axes.set_ylim(top=min(1.0, axes.get_ylim()[1]))
        axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.tick_params(labelsize=SMALL)
    axes.grid(axis="y", alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)


def _add_legend(figure: Figure) -> None:
    """In the first panel, or where it would hide the lines, below all of them."""
    found: dict[str, Any] = {}  # a method's line is the same in every panel
    for axes in figure.axes:
        handles, labels = axes.get_legend_handles_labels()
        found.update(zip(labels, handles, strict=True))
    if not found:
        return
    longest = max(map(len, found))
    if len(found) <= MANY and longest <= LETTERS:
        figure.axes[0].legend(found.values(), found, frameon=False, fontsize=SMALL)
        return
    columns = max(1, min(COLUMNS, BELOW // longest))
    names = [textwrap.fill(name, BELOW, break_on_hyphens=False) for name in found]
    lines = sum(name.count("\n") for name in names) + math.ceil(len(names) / columns)
    width, height = figure.get_size_inches()
    figure.set_size_inches(width, height + lines * LINE)
    options: dict[str, Any] = {"loc": "outside lower left", "ncols": columns}
    figure.legend(found.values(), names, frameon=False, fontsize=SMALL, **options)
