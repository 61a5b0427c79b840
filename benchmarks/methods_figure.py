"""The figure of a verdict on methods: what each gains in accuracy, and the calibration error."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from vicinal.methods import NONE
from vicinal.plots.layout import GREY, LARGE, SMALL, new_figure
from vicinal.study.map_figure import BETTER, WORSE
from vicinal.study.measure import Measure
from vicinal.study.measures import MEASURES

WIDTH, LINE, AROUND = 8.0, 0.24, 1.0  # inches: of all, of a method, above and below them
WIDEST = 12.0  # points; what is further away is written at the edge


def differences(kept: pd.DataFrame, title: str) -> Figure:
    """The differences to training without mixing, in points, with their own 95 % intervals.

    The method with the largest gain of accuracy is on top. A colour says that the interval
    excludes zero: better or worse; grey ones may be chance.

    Args:
        kept: a row for each method and measure, as ``methods.rows`` gives them.
        title: what was trained.
    """
    accuracy = _of(kept, MEASURES["accuracy"]).sort_values("difference")
    error = _of(kept, MEASURES["ece"]).loc[accuracy.index]
    figure = new_figure(WIDTH, AROUND + LINE * len(accuracy))
    first, second = figure.subplots(1, 2, sharey=True)
    figure.suptitle(f"{title}: differences to training without mixing, points", fontsize=LARGE)
    _draw(first, accuracy, MEASURES["accuracy"], -WIDEST)
    _draw(second, error, MEASURES["ece"])
    first.set_xlim(-WIDEST, WIDEST)
    first.set_yticks(range(len(accuracy)), accuracy.index, fontsize=SMALL)
    second.tick_params(axis="y", length=0)
    return figure


def _of(kept: pd.DataFrame, measure: Measure) -> pd.DataFrame:
    rows = kept[(kept.measure == measure.name) & (kept.against == NONE)].set_index("mix")
    return rows[["difference", "low", "high"]] * (100 if measure.percent else 1)


def _draw(axes: Axes, rows: pd.DataFrame, measure: Measure, left: float = -np.inf) -> None:
    """A line for each method; one that is left of the edge is written there."""
    axes.axvline(0, color=GREY, linewidth=0.8)
    sign = 1 if measure.better == "higher" else -1
    for place, row in enumerate(rows.itertuples()):
        gains = sign * np.array([row.low, row.high])
        colour = BETTER if gains.min() > 0 else WORSE if gains.max() < 0 else GREY
        if row.difference < left:
            text = f"\N{LEFTWARDS ARROW} \N{MINUS SIGN}{-row.difference:.1f}"
            axes.text(left, place, text, color=colour, fontsize=SMALL, va="center")
            continue
        axes.plot([row.low, row.high], [place, place], color=colour, linewidth=1.5)
        axes.plot(row.difference, place, "o", color=colour, markersize=4)
    axes.set_title(measure.title, fontsize=SMALL)
    axes.xaxis.set_major_formatter(FuncFormatter(_points))
    axes.tick_params(labelsize=SMALL)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.grid(axis="y", alpha=0.15)


def _points(value: float, _: int) -> str:
    return f"{value:+g}".replace("-", "\N{MINUS SIGN}") if value else "0"
