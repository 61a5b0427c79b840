"""What a training recorded batch by batch: its losses, and the settings of its optimizer."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from vicinal.plots.layout import COLOURS, LARGE, SMALL, finish_lines, new_figure, text_width

NAMES = {"lr": "learning rate", "mom": "momentum"}
FEW = 20  # points, of which each is marked: a line through one would be invisible


def loss_curves(
    losses: Sequence[float],
    ends: Sequence[int],
    valid_losses: Sequence[float],
    *,
    skip_start: int = 5,
    with_valid: bool = True,
    log: bool = False,
    show_epochs: bool = False,
    ax: Axes | None = None,
) -> Figure:
    """Draw the training loss over the batches, and the validation loss at the end of each epoch.

    Args:
        losses: of the training batches, smoothed or not.
        ends: how many batches had been trained on at the end of each epoch.
        valid_losses: of each of these epochs; NaN where nothing was validated.
        skip_start: leave out the first batches, whose losses are often far above the others.
        with_valid: draw the validation loss.
        log: make the axis of the losses logarithmic.
        show_epochs: draw a vertical line at the end of each epoch.
        ax: draw into these axes of another figure, which is returned.

    >>> figure = loss_curves([2.0, 1.5, 1.2, 1.0], [2, 4], [1.6, 1.1], skip_start=0)
    >>> [text.get_text() for text in figure.axes[0].get_legend().texts]
    ['train 1', 'valid 1.1']
    """
    first = min(skip_start, len(losses) - 1)
    shown = [(end, loss) for end, loss in zip(ends, valid_losses, strict=True) if end >= first]
    lines: list[tuple[str, Sequence[float], Sequence[float], str]] = [
        (f"train {losses[-1]:.4g}", range(first, len(losses)), losses[first:], "")
    ]
    if with_valid and any(not math.isnan(loss) for _, loss in shown):
        batches, at_ends = zip(*shown, strict=True)
        lines.append((f"valid {at_ends[-1]:.4g}", batches, at_ends, "o"))
    own = new_figure(4.2 + max(text_width(line[0]) for line in lines), 3.2)
    axes = own.subplots() if ax is None else ax
    axes.set_title("loss", fontsize=LARGE, loc="left")
    for colour, (label, x, y, marker) in zip(COLOURS, lines, strict=False):
        axes.plot(x, y, color=colour, label=label, marker=marker or _marker(y), markersize=4)
    for end in ends if show_epochs else ():
        axes.axvline(end, color="0.8", linewidth=1, zorder=0)
    axes.set_xlabel("batch", fontsize=SMALL)
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    if log:
        axes.set_yscale("log")
    finish_lines(axes)
    figure: Any = axes.figure
    return figure


def schedules(
    settings: Mapping[str, Sequence[float]], figsize: tuple[float, float] | None = None
) -> Figure:
    """Draw settings of the optimizer over the batches, each in a panel of its own.

    Args:
        settings: the value at each batch of ``lr``, ``mom``, …
        figsize: width and height in inches.

    >>> figure = schedules({"lr": [0.1, 0.2, 0.1], "mom": [0.95, 0.85, 0.95]})
    >>> [axes.get_title(loc="left") for axes in figure.axes]
    ['learning rate', 'momentum']
    """
    figure = new_figure(3.6 * len(settings), 3.0, figsize)
    for axes, (name, values) in zip(
        figure.subplots(1, len(settings), squeeze=False)[0], settings.items(), strict=True
    ):
        axes.set_title(NAMES.get(name, name), fontsize=LARGE, loc="left")
        axes.plot(values, color=COLOURS[0], marker=_marker(values), markersize=4)
        axes.set_xlabel("batch", fontsize=SMALL)
        axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
        axes.tick_params(labelsize=SMALL)
        axes.yaxis.offsetText.set_fontsize(SMALL)
        axes.grid(axis="y", alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def _marker(values: Sequence[float]) -> str:
    return "." if len(values) <= FEW else ""
