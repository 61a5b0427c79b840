"""The figures of the report, as SVG that takes its colours from the page around it."""

import io
import re
from collections.abc import Callable
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator, PercentFormatter
from numpy.typing import NDArray

from vicinal.plots.layout import COLOURS, GREY, LARGE, SMALL, new_figure
from vicinal.study.arms import Arm
from vicinal.study.study import Study
from vicinal.study.words import counted

INK = "#010203"  # stands for the page's own
INKED = ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color")
STYLES = ("-", "--", ":", "-.")
WIDTH, HEIGHT = 6.4, 3.4  # inches


def svg(draw: Callable[[], Figure], name: str) -> str:
    """A figure as an SVG element: text stays text, and lines have the page's colours.

    Args:
        draw: makes the figure.
        name: tells apart the ids of several figures on a page.
    """
    style: dict[Any, Any] = {"svg.fonttype": "none", "svg.hashsalt": "", "text.parse_math": False}
    with matplotlib.rc_context(style | dict.fromkeys(INKED, INK)):
        written = io.StringIO()
        empty = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        draw().savefig(written, format="svg", transparent=True, metadata=empty)
    own = re.sub(r"\W", "-", name)  # several figures stand on a page
    text = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{own}-", written.getvalue())
    text = text[text.index("<svg") :].replace(INK, "currentColor")
    for place, colour in enumerate(COLOURS):
        text = re.sub(colour, f"var(--line-{place})", text, flags=re.IGNORECASE)
    return text


def learning_curves(study: Study) -> Figure:
    """The main measure on the validation part after each epoch: the mean and range over seeds."""
    lengths = study.lengths
    measure = study.measures[0]
    key = f"valid_{measure.name}"
    figure = new_figure(max(WIDTH, 3.2 * len(lengths) + 1), HEIGHT)
    panels = figure.subplots(1, len(lengths), squeeze=False)[0]
    for axes, epochs in zip(panels, lengths, strict=True):
        for place, arm in enumerate(arm for arm in study.arms if arm.epochs == epochs):
            histories = [result.history for result in study.of(arm)]
            runs = [[row[key] for row in history if key in row] for history in histories]
            if any(runs):
                _draw_band(axes, _even(runs), place, arm)
        axes.set_xlabel("epoch", fontsize=SMALL)
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
        title = f"{measure.title}, {counted(epochs, 'epoch')}"
        axes.set_title(title, fontsize=LARGE, loc="left")
        _finish(axes, measure.percent)
    return figure


def _draw_band(axes: Axes, runs: NDArray[np.floating], place: int, arm: Arm) -> None:
    epochs = np.arange(1, runs.shape[1] + 1)
    axes.fill_between(
        epochs,
        np.nanmin(runs, 0),
        np.nanmax(runs, 0),
        alpha=0.18,
        linewidth=0,
        color=_colour(place),
    )
    axes.plot(
        epochs,
        np.nanmean(runs, 0),
        label=arm.method,
        linestyle=STYLES[place // len(COLOURS) % len(STYLES)],
        marker="o" if len(epochs) < 3 else None,
        color=_colour(place),
    )


def _even(runs: list[list[float]]) -> NDArray[np.floating]:
    """Rows of the same length; a run that was stopped early is not there any more."""
    longest = max(map(len, runs))
    return np.array([[*run, *[np.nan] * (longest - len(run))] for run in runs])


def _colour(place: int) -> str:
    return COLOURS[place % len(COLOURS)]


def by_epochs(study: Study) -> Figure:
    """The main measure at the end by the length of training: where lines cross, winners change."""
    measure = study.measures[0]
    figure = new_figure(WIDTH, HEIGHT)
    axes = figure.add_subplot()
    methods = dict.fromkeys(arm.method for arm in study.arms)
    for place, method in enumerate(methods):
        points = []
        for arm in study.arms:
            values = [result.mean(measure.name) for result in study.of(arm)]
            if arm.method == method and values:
                points.append((arm.epochs, np.mean(values), min(values), max(values)))
        if points:
            epochs, means, low, high = np.array(points).T
            axes.fill_between(epochs, low, high, alpha=0.18, linewidth=0, color=_colour(place))
            axes.plot(epochs, means, marker="o", label=method, color=_colour(place))
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(study.lengths)
    axes.set_xlabel("epochs", fontsize=SMALL)
    axes.set_title(f"{measure.title}, by the length of training", fontsize=LARGE, loc="left")
    _finish(axes, measure.percent)
    return figure


def reliability(study: Study, arm: Arm, title: str) -> Figure:
    """Accuracy in each bin of confidence, over all seeds; on the diagonal, both are the same."""
    figure = new_figure(3.0, 3.0)
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=1)
    for place, label in enumerate(("as it is", "after scaling")):
        diagrams = [result.reliability[place] for result in study.of(arm)]
        counts = np.array([diagram.counts for diagram in diagrams])
        total = counts.sum(0)
        values = np.array([[d.confidence, d.accuracy] for d in diagrams])
        means = (counts[:, None] * values).sum(0) / total.clip(min=1)
        seen = total > 0
        sizes = 4 + 60 * total[seen] / total.sum()
        x, y = means[:, seen]
        axes.scatter(x, y, s=sizes, color=_colour(place), alpha=0.7, label=label, clip_on=False)
    axes.set(xlim=(0, 1), ylim=(0, 1))
    axes.set_aspect("equal")
    axes.set_xlabel("confidence", fontsize=SMALL)
    axes.set_ylabel("accuracy", fontsize=SMALL)
    axes.set_title(title, fontsize=LARGE, loc="left")
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
    axes.legend(frameon=False, fontsize=SMALL)
