"""Learning curves: losses and metrics over the epochs."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from vicinal.plots.layout import COLOURS, LARGE, SMALL, finish_lines, new_figure, text_width

Lines = dict[str, list[float]]  # label to the values of all epochs


def curves(history: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw the losses and the validation metrics over the epochs.

    The losses are on the left, every other ``valid_...`` number on the right. Metrics that leave
    [-1, 1] have a panel of their own, so that an error of 50 does not flatten an accuracy of 0.9.
    The legend beside each panel gives the last value of each line.

    Args:
        history: a mapping for each epoch, with ``epoch`` (1, 2, …), ``train_loss``,
            ``valid_loss``, ``valid_accuracy``, …; numbers may be missing or not finite.

    Raises:
        ValueError: history is empty.

    >>> figure = curves([{"epoch": 1, "train_loss": 2.1, "valid_loss": 1.9},
    ...                  {"epoch": 2, "train_loss": 1.4, "valid_loss": 1.3}])
    >>> [text.get_text() for text in figure.axes[0].get_legend().texts]
    ['train 1.4', 'valid 1.3']
    """
    if not history:
        raise ValueError("the history is empty: plot it after the first epoch")
    epochs = [row["epoch"] for row in history]
    panels = _panels(history)
    label_width = sum(max(map(text_width, lines)) for _, lines in panels)
    figure = new_figure(4.2 * len(panels) + label_width, 3.2)
    all_axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for axes, (title, lines) in zip(all_axes, panels, strict=True):
        axes.set_title(title, fontsize=LARGE, loc="left")
        _draw_lines(axes, epochs, lines)
    return figure


def _panels(history: Sequence[Mapping[str, Any]]) -> list[tuple[str, Lines]]:
    """The title of each panel, and its lines."""
    keys = dict.fromkeys(key for row in history for key in row)
    losses, small, large = Lines(), Lines(), Lines()
    for key in keys:
        values = [row.get(key, math.nan) for row in history]
        if key in ("train_loss", "valid_loss"):
            losses[f"{key.removesuffix('_loss')} {values[-1]:.4g}"] = values
        elif key.startswith("valid_"):
            panel = large if any(abs(value) > 1 for value in values) else small
            panel[f"{key.removeprefix('valid_')} {values[-1]:.4g}"] = values
    panels = [("loss", losses), ("validation metrics", small), ("validation metrics", large)]
    return [(title, lines) for title, lines in panels if lines]


def _draw_lines(axes: Axes, epochs: Sequence[int], lines: Lines) -> None:
    axes.set_prop_cycle(color=COLOURS, marker=("o", "s", "D", "^", "v"))
    every = 1 + len(epochs) // 30
    for label, values in lines.items():
        axes.plot(epochs, values, label=label, markersize=4, markevery=every, clip_on=False)
    axes.set_xlim(epochs[0] - 0.5, epochs[-1] + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(8, steps=[1, 2, 5, 10], integer=True, min_n_ticks=1))
    axes.set_xlabel("epoch", fontsize=SMALL)
    finish_lines(axes)
