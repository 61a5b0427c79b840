"""The figure of a map: a panel for each method, whose cells show what it gains or loses."""

import textwrap
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from vicinal.plots.layout import COLOURS, LARGE, SMALL, new_figure
from vicinal.study.analysis import Comparison
from vicinal.study.arms import Arm, Cell
from vicinal.study.cells import axes as axes_of
from vicinal.study.cells import cell_text, grid

BETTER, WORSE = COLOURS[0], COLOURS[1]
SHOWN, OPEN = 0.55, 0.25  # the strongest colour of a cell, where a difference is shown or open
TALL, WIDE = 0.42, 0.78  # inches of a cell
LEFT, AROUND = 1.0, 1.1  # inches for the sizes, and above and below the cells
LETTERS = 34  # of a line above a panel


def gain_map(made: Sequence[Comparison], arms: Sequence[Arm], methods: Sequence[str]) -> Figure:
    """What methods gain in the main measure, for each training size and length.

    A cell has the difference to training without mixing; ▲ or ▼ and a stronger colour where it is
    shown to be better or worse. Colours are the fuller the larger a difference is, and the same in
    the maps of all methods.

    Args:
        made: comparisons by the main measure; cells that have none are empty.
        arms: of the whole map.
        methods: the names of the methods, one panel each, beside each other.
    """
    sizes, lengths = axes_of(arms)
    width, height = LEFT + WIDE * len(lengths), AROUND + TALL * len(sizes)
    figure = new_figure(len(methods) * width, height)
    largest = max((abs(c.interval.mean) for c in made), default=0.0)
    panels = figure.subplots(1, len(methods), squeeze=False).flatten()
    for axes, method in zip(panels, methods, strict=True):
        cells = grid(made, method)
        _frame(axes, method, sizes, lengths)
        for row, size in enumerate(sizes):
            for column, length in enumerate(lengths):
                _draw_cell(axes, column, row, cells.get(Cell(size, length)), largest)
    return figure


def _frame(axes: Axes, method: str, sizes: list[float], lengths: list[int]) -> None:
    axes.set(xlim=(0, len(lengths)), ylim=(0, len(sizes)))
    axes.set_xticks([place + 0.5 for place in range(len(lengths))], [f"{n:,}" for n in lengths])
    axes.set_yticks([place + 0.5 for place in range(len(sizes))], [*map(_size, sizes)])
    axes.set_xlabel("epochs", fontsize=SMALL)
    axes.set_ylabel("training samples", fontsize=SMALL)
    title = textwrap.fill(method, LETTERS, break_on_hyphens=False)
    axes.set_title(title, fontsize=LARGE, loc="left")
    axes.tick_params(labelsize=SMALL, length=0)
    axes.spines[:].set_visible(False)


def _size(size: float) -> str:
    return f"{100 * size:g} %" if size < 1 else f"{size:,.0f}"


def _draw_cell(axes: Axes, column: int, row: int, found: Comparison | None, largest: float) -> None:
    """A cell; empty where nothing has been compared yet."""
    gap = 0.03
    box = (column + gap, row + gap), 1 - 2 * gap, 1 - 2 * gap
    if found is None:
        axes.add_patch(Rectangle(*box, facecolor="none", edgecolor=WORSE, alpha=0.15))
        return
    strongest = SHOWN if found.interval.significant else OPEN
    share = abs(found.interval.mean) / largest if largest else 0.0
    colour = BETTER if found.gain > 0 else WORSE
    axes.add_patch(Rectangle(*box, facecolor=colour, linewidth=0, alpha=strongest * share))
    weight = "bold" if found.interval.significant else "normal"
    axes.text(
        column + 0.5,
        row + 0.5,
        cell_text(found),
        ha="center",
        va="center",
        fontsize=SMALL,
        weight=weight,
    )
