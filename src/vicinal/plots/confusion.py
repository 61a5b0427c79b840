"""The confusion matrix."""

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from torch import Tensor

from vicinal.plots.layout import GREY, LARGE, LINE, PAD, SMALL, TILE, new_figure, text_width

# Inches.
MIN_WIDTH, MAX_WIDTH = 2.0, 8.0  # of the matrix
MARGIN = 0.1  # around a number or a name
COLOUR_BAR = 0.9  # with its numbers


def confusion(
    counts: Tensor,
    vocab: Sequence[str],
    normalize: bool = False,
    figsize: tuple[float, float] | None = None,
    dpi: float | None = None,
    *,
    title: str | None = None,
    cmap: str = "Blues",
    decimals: int = 2,
    write: bool = True,
) -> Figure:
    """Draw a confusion matrix.

    Each cell shows its number if all numbers fit; otherwise there is a colour bar. With many
    classes, only every second, third, … is labelled.

    Args:
        counts: (C, C) int64: a row for each true class, a column for each predicted one.
        vocab: the name of each class.
        normalize: show each count as a fraction of its true class (0 for a class without samples).
        figsize: width and height in inches; None fits them to the classes and their names.
        dpi: pixels an inch; None takes that of the user's matplotlib style.
        title: above it; None says what the numbers are.
        cmap: a colour map of matplotlib's.
        decimals: of fractions.
        write: False shows a colour bar in place of the numbers.

    Raises:
        ValueError: counts do not have one row and one column for each class.

    >>> import torch
    >>> figure = confusion(torch.tensor([[3, 1], [0, 4]]), ["cat", "dog"], normalize=True)
    >>> [text.get_text() for text in figure.axes[0].texts]
    ['0.75', '0.25', '0.00', '1.00']
    """
    classes = len(vocab)
    if counts.shape != (classes, classes):
        raise ValueError(
            f"counts have shape {tuple(counts.shape)}, but vocab names {classes} classes: give one "
            "row and one column for each"
        )
    number = f"{{:.{decimals}f}}" if normalize else "{}"
    values = counts / counts.sum(dim=1, keepdim=True).clamp(min=1) if normalize else counts
    number_width = MARGIN + text_width(number.format(values.max().item()))
    cell = min(max(number_width, 2 * LINE, MIN_WIDTH / classes), MAX_WIDTH / classes)
    if figsize is not None:
        around = _size(0, [_truncate(name) for name in vocab], is_vertical=False, has_bar=False)
        side = min(figsize[0] - around[0], figsize[1] - around[1])
        cell = max(side, LINE) / classes
    every = math.ceil(LINE / cell)
    names = [_truncate(name) for name in vocab[::every]]
    has_numbers = write and max(number_width, LINE) <= cell
    is_vertical = max(map(text_width, names)) + MARGIN > every * cell
    size = figsize or _size(cell * classes, names, is_vertical, has_bar=not has_numbers)
    figure = new_figure(*size, dpi=dpi)
    axes = figure.add_subplot()
    # Most samples lie on the diagonal: on a linear scale, all errors would look like zero.
    scale = PowerNorm(0.5, vmin=0, vmax=1 if normalize else max(1, int(counts.max())))
    matrix = axes.imshow(values.numpy(), cmap=cmap, norm=scale)
    _label_classes(axes, names, every, is_vertical)
    by_default = "share of each true class" if normalize else "samples"
    axes.set_title(by_default if title is None else title, fontsize=LARGE, loc="left")
    if has_numbers:
        _write_numbers(matrix, values, number)
    else:
        bar = figure.colorbar(matrix, ax=axes, aspect=40, pad=0.02)
        bar.ax.tick_params(labelsize=SMALL)
    return figure


def _size(side: float, names: list[str], is_vertical: bool, has_bar: bool) -> tuple[float, float]:
    """Width and height of a matrix of this side with the names of its classes and a colour bar."""
    left = max(map(text_width, names))
    below = left if is_vertical else LINE
    # 0.5 inches for the ticks and the name of an axis, 0.3 for the title.
    width = side + left + 0.5 + 2 * PAD + (COLOUR_BAR if has_bar else 0)
    return width, side + below + 0.5 + 0.3 + 2 * PAD


def _label_classes(axes: Axes, names: Sequence[str], every: int, is_vertical: bool) -> None:
    ticks = range(0, every * len(names), every)
    axes.set_yticks(ticks, names, parse_math=False)
    axes.set_xticks(ticks, names, parse_math=False, rotation=90 if is_vertical else 0)
    axes.tick_params(labelsize=SMALL)
    axes.set_ylabel("truth", fontsize=LARGE)
    axes.set_xlabel("predicted", fontsize=LARGE)
    axes.spines[:].set(linewidth=0.5, color=GREY)
    axes.grid(False)


def _write_numbers(matrix: AxesImage, values: Tensor, number: str) -> None:
    threshold = matrix.get_clim()[1] / 2  # above it, cells are too dark for black text
    for row, row_values in enumerate(values.tolist()):
        for column, value in enumerate(row_values):
            colour = "white" if value > threshold else "black" if value else GREY
            text = number.format(value)
            matrix.axes.text(column, row, text, color=colour, size=SMALL, ha="center", va="center")


def _truncate(name: str) -> str:
    """The name on one line, truncated to the width of a picture."""
    name = " ".join(name.split())
    if text_width(name) <= TILE:
        return name
    letters = int(len(name) * TILE / text_width(name))
    while text_width(f"{name[:letters]}…") > TILE:
        letters -= 1
    return f"{name[:letters]}…"
