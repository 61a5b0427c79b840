"""How often each class is taken for each."""

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from torch import Tensor

from vicinal.plots.layout import GREY, LARGE, LINE, PAD, SMALL, TILE, new_figure, text_width

# Inches.
NARROWEST, WIDEST = 2.0, 8.0  # of the matrix
ROOM = 0.1  # around a number or a name
BAR = 0.9  # the colour bar and its numbers


def confusion(counts: Tensor, vocab: Sequence[str], normalize: bool = False) -> Figure:
    """Draw a confusion matrix.

    Every cell bears its number where all numbers fit; else a colour bar tells them. Of many
    classes only every second, third, ... is named.

    Args:
        counts: (C, C) int64: a row for each true class, a column for each predicted one.
        vocab: the name of each class.
        normalize: show shares of each true class; they are 0 for a class without samples.

    Raises:
        ValueError: counts do not have a row and a column for each class.

    >>> import torch
    >>> figure = confusion(torch.tensor([[3, 1], [0, 4]]), ["cat", "dog"], normalize=True)
    >>> [text.get_text() for text in figure.axes[0].texts]
    ['0.75', '0.25', '0.00', '1.00']
    """
    classes = len(vocab)
    if counts.shape != (classes, classes):
        raise ValueError(f"counts have shape {tuple(counts.shape)} for {classes} classes")
    number = "{:.2f}" if normalize else "{}"
    values = counts / counts.sum(dim=1, keepdim=True).clamp(min=1) if normalize else counts
    widest = ROOM + text_width(number.format(values.max().item()))
    cell = min(max(widest, 2 * LINE, NARROWEST / classes), WIDEST / classes)
    every = math.ceil(LINE / cell)
    names = [_cut(name) for name in vocab[::every]]
    has_numbers = max(widest, LINE) <= cell
    is_upright = max(map(text_width, names)) + ROOM > every * cell
    figure = _figure(cell * classes, names, is_upright, has_bar=not has_numbers)
    axes = figure.add_subplot()
    # Most samples lie on the diagonal; on a scale of square roots the errors are seen as well.
    scale = PowerNorm(0.5, vmin=0, vmax=1 if normalize else max(1, int(counts.max())))
    matrix = axes.imshow(values.numpy(), cmap="Blues", norm=scale)
    _name_classes(axes, names, every, is_upright)
    axes.set_title(
        "share of each true class" if normalize else "samples", fontsize=LARGE, loc="left"
    )
    if has_numbers:
        _write_numbers(matrix, values, number)
    else:
        bar = figure.colorbar(matrix, ax=axes, aspect=40, pad=0.02)
        bar.ax.tick_params(labelsize=SMALL)
    return figure


def _figure(side: float, names: list[str], is_upright: bool, has_bar: bool) -> Figure:
    """A figure with room for a matrix of this side, the names of its classes, and a colour bar."""
    beside = max(map(text_width, names))
    below = beside if is_upright else LINE
    # The numbers are inches for the ticks and the names of the axes, and for the title.
    width = side + beside + 0.5 + 2 * PAD + (BAR if has_bar else 0)
    return new_figure(width, side + below + 0.5 + 0.3 + 2 * PAD)


def _name_classes(axes: Axes, names: Sequence[str], every: int, is_upright: bool) -> None:
    places = range(0, every * len(names), every)
    axes.set_yticks(places, names, parse_math=False)
    axes.set_xticks(places, names, parse_math=False, rotation=90 if is_upright else 0)
    axes.tick_params(labelsize=SMALL)
    axes.set_ylabel("truth", fontsize=LARGE)
    axes.set_xlabel("predicted", fontsize=LARGE)
    axes.spines[:].set(linewidth=0.5, color=GREY)
    axes.grid(False)


def _write_numbers(matrix: AxesImage, values: Tensor, number: str) -> None:
    dark = matrix.get_clim()[1] / 2
    for row, line in enumerate(values.tolist()):
        for column, value in enumerate(line):
            ink = "white" if value > dark else "black" if value else GREY
            matrix.axes.text(
                column, row, number.format(value), color=ink, size=SMALL, ha="center", va="center"
            )


def _cut(name: str) -> str:
    """The name as it fits on a line as wide as a picture."""
    name = " ".join(name.split())
    if text_width(name) <= TILE:
        return name
    letters = int(len(name) * TILE / text_width(name))
    while text_width(f"{name[:letters]}…") > TILE:
        letters -= 1
    return f"{name[:letters]}…"
