"""Pictures of series, plain and mixed."""

import math
from collections.abc import Sequence

from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from vicinal.formatting import format_short
from vicinal.mixing.target import MixedTarget
from vicinal.plots.layout import (
    COLOURS,
    GREY,
    LARGE,
    OWN,
    PAD,
    PARTNER,
    SMALL,
    TILE,
    fit,
    new_figure,
    text_height,
)
from vicinal.plots.pictures import caption, names_of, places

HEIGHT = 0.8  # of a tile, in inches
MOST_CHANNELS = 12  # drawn of each series


def series(
    x: Tensor,
    texts: Sequence[str],
    nrows: int | None = None,
    ncols: int | None = None,
    figsize: tuple[float, float] | None = None,
) -> Figure:
    """Show series in a grid, each above its text.

    Args:
        x: (N, C, T) floats; of each series the first 12 channels are drawn.
        texts: N texts.
        nrows, ncols: of the grid; None fits it to the series.
        figsize: width and height in inches; None fits them to the series and their texts.

    >>> import torch
    >>> figure = series(torch.rand(2, 1, 20), ["rest", "walk"])
    >>> [axes.get_xlabel() for axes in figure.axes]
    ['rest', 'walk']
    """
    shown = places(nrows, ncols, len(x))
    x, captions = x[:shown], [fit(text) for text in texts[:shown]]
    columns = ncols or math.ceil(len(x) / (nrows or 1))
    if nrows is None and ncols is None:
        columns = min(max(math.ceil(math.sqrt(len(x))), 4), len(x))
    rows = nrows or math.ceil(len(x) / columns)
    room = HEIGHT + 2 * PAD + text_height(captions) + 0.1
    figure = new_figure(columns * (TILE + 2 * PAD), rows * room, figsize)
    for place, (values, text) in enumerate(zip(x, captions, strict=True), 1):
        _draw(figure.add_subplot(rows, columns, place), values, text)
    return figure


def mixed_series(
    x: Tensor, target: MixedTarget, vocab: Sequence[str] | None, limit: int = 16
) -> Figure:
    """Show mixed series, each above its labels and their shares.

    Args:
        x: (N, C, T) floats; of each series the first 12 channels are drawn.
        target: their target: (N,) int64 labels, (N, L) floats, 1 for each of several labels, or
            without a vocab (N, 1) values.
        vocab: the name of each class; None for values.
        limit: the maximum number of series; the first of the batch are shown.

    >>> import torch
    >>> y = MixedTarget(torch.tensor([0]), torch.tensor([1]), torch.tensor([0.7]))
    >>> figure = mixed_series(torch.rand(1, 2, 20), y, ["rest", "walk"])
    >>> figure.axes[0].get_xlabel()
    '70 % rest / 30 % walk'
    """
    return series(x[:limit], _captions(target[:limit], vocab))


def series_mixing(
    x: Tensor, partners: Tensor, mixes: Tensor, target: MixedTarget, vocab: Sequence[str] | None
) -> Figure:
    """Show how mixes are made: series, their partners, and the mixes with their labels.

    Each column is a sample. A series has one colour and its partner another; of several channels
    each has a colour of its own.

    Args:
        x, partners, mixes: (N, C, T) floats.
        target, vocab: as of :func:`mixed_series`.

    >>> import torch
    >>> x = torch.rand(2, 1, 20)
    >>> y = MixedTarget(torch.tensor([0, 1]), torch.tensor([1, 0]), torch.tensor([0.7, 0.9]))
    >>> len(series_mixing(x, x.flip(0), x, y, ["rest", "walk"]).axes)
    6
    """
    own, theirs = (_texts(each, vocab) for each in (target.own, target.partner))
    plain = rcParams["axes.labelcolor"]
    rows = (
        ("series", OWN, x, own),
        ("partner", PARTNER, partners, theirs),
        ("mix", plain, mixes, _captions(target, vocab)),
    )
    room = sum(HEIGHT + 2 * PAD + text_height(list(texts)) + 0.1 for *_, texts in rows)
    figure = new_figure(len(x) * (TILE + 2 * PAD) + 0.7, room)
    cells = figure.add_gridspec(len(rows), len(x))
    for row, (name, colour, batch, texts) in enumerate(rows):
        for column, (values, text) in enumerate(zip(batch, texts, strict=True)):
            axes = figure.add_subplot(cells[row, column])
            _draw(axes, values, text, colour)
            if not column:
                axes.set_ylabel(
                    name, color=colour, fontsize=LARGE, rotation=0, ha="right", va="center"
                )
    return figure


def _draw(axes: Axes, values: Tensor, text: str, colour: str = OWN) -> None:
    shown = values[:MOST_CHANNELS].detach().float().cpu().numpy()
    for place, channel in enumerate(shown):
        of_channel = colour if len(shown) == 1 else COLOURS[place % len(COLOURS)]
        axes.plot(channel, color=of_channel, linewidth=0.8)
    axes.set(xticks=[], yticks=[])
    axes.margins(x=0)
    axes.spines[:].set(linewidth=0.5, color=GREY)
    axes.set_xlabel(text, fontsize=SMALL, labelpad=4, parse_math=False)
    axes.set_box_aspect(HEIGHT / TILE)


def _captions(target: MixedTarget, vocab: Sequence[str] | None) -> list[str]:
    own, theirs = (_texts(each, vocab) for each in (target.own, target.partner))
    return [caption(*each) for each in zip(own, theirs, target.weight.tolist(), strict=True)]


def _texts(labels: Tensor, vocab: Sequence[str] | None) -> list[str]:
    """The labels of each sample as text, or its value."""
    if vocab is None:
        return [format_short(value) for value in labels.flatten().tolist()]
    return names_of(labels, vocab)
