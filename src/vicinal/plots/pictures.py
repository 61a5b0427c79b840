"""Pictures of samples, plain and mixed."""

import math
from collections.abc import Sequence

import torch
from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import ScaledTranslation
from torch import Tensor

from vicinal.errors import VicinalError
from vicinal.mixing.target import MixedTarget
from vicinal.plots.density import draw_density
from vicinal.plots.layout import (
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
    text_width,
)


def images(
    pictures: Tensor,
    titles: Sequence[str],
    nrows: int | None = None,
    ncols: int | None = None,
    figsize: tuple[float, float] | None = None,
) -> Figure:
    """Show pictures in a grid, each under its title.

    Args:
        pictures: (N, 3, H, W), uint8, or floats in [0, 1]; what lies outside is clipped.
        titles: N texts. Long lines are wrapped, and truncated after three.
        nrows, ncols: of the grid; None fits it to the pictures. With both, the first pictures
            that it has room for are shown.
        figsize: width and height in inches; None fits them to the pictures and their titles.

    Raises:
        ValueError: pictures have another shape, or there are not N titles.
        VicinalError: a number of rows or columns is below 1.

    >>> figure = images(torch.rand(2, 3, 8, 8), ["cat", "dog"])
    >>> [axes.get_title() for axes in figure.axes]
    ['cat', 'dog']
    """
    texts = [fit(title) for title in titles]
    shown = places(nrows, ncols, len(pictures))
    if shown < len(pictures):
        pictures, texts = pictures[:shown], texts[:shown]
    figure, tiles = _grid(pictures, text_height(texts), (nrows, ncols), figsize)
    for axes, text in zip(tiles, texts, strict=True):
        axes.set_title(text, fontsize=SMALL, pad=4, parse_math=False)
    return figure


def mixed_batch(
    pictures: Tensor, target: MixedTarget, vocab: Sequence[str], limit: int = 16
) -> Figure:
    """Show mixed pictures, each above its labels and their shares, as a bar and as text.

    Args:
        pictures: (N, 3, H, W) mixed pictures, uint8, or floats in [0, 1].
        target: their target: (N,) int64 labels in [0, len(vocab)), or (N, L) floats, 1 for each
            of several labels.
        vocab: the name of each class.
        limit: the maximum number of pictures; the first of the batch are shown.

    Raises:
        ValueError: pictures have another shape, or there are not N targets.

    >>> y = MixedTarget(torch.tensor([0]), torch.tensor([1]), torch.tensor([0.7]))
    >>> figure = mixed_batch(torch.rand(1, 3, 8, 8), y, ["cat", "dog"])
    >>> figure.axes[0].get_xlabel()
    '70 % cat / 30 % dog'
    """
    target = target[:limit]
    captions = _captions(target, vocab)
    figure, tiles = _grid(pictures[:limit], text_height(captions) + 0.12)
    same = (target.own == target.partner).reshape(len(target), -1).all(dim=1)
    shares = torch.where(same, 1.0, target.weight).tolist()
    for axes, share, caption in zip(tiles, shares, captions, strict=True):
        _draw_bar(axes, share, caption)
    return figure


def mixing(
    pictures: Tensor,
    partners: Tensor,
    mixes: Tensor,
    target: MixedTarget,
    vocab: Sequence[str],
    alpha: float | None,
    folded: bool = True,
    sample: str = "image",
    said: tuple[Sequence[str], Sequence[str]] | None = None,
) -> Figure:
    """Show how mixes are made: pictures, their partners, the mixes, and the drawn weights.

    Each column is a sample; the first 8 are shown. The bar under each picture gives the shares of
    the image (blue) and of its partner (orange). At the bottom is the density that the weights are
    drawn from, with those of the shown samples as ticks on its axis.

    Args:
        pictures: (N, 3, H, W), uint8, or floats in [0, 1].
        partners: the same, in the partners' order: ``pictures[mix.partner]``.
        mixes: the same, mixed.
        target: the mixed target: (N,) int64 labels in [0, len(vocab)), or (N, L) floats, 1 for each
            of several labels.
        vocab: the name of each class.
        alpha: the parameter of Beta(alpha, alpha), finite and at least 0; with 0 nothing is mixed.
            None if the weights have another distribution: then no density is drawn.
        folded: whether the weights were folded onto [1/2, 1].
        sample: what one of them is called.
        said: what is written under each picture, and under its partner; None for nothing.

    Raises:
        ValueError: pictures have another shape, alpha is out of its range, or the arguments differ
            in their number of samples.

    >>> x = torch.rand(2, 3, 8, 8)
    >>> y = MixedTarget(torch.tensor([0, 1]), torch.tensor([1, 0]), torch.tensor([0.7, 0.9]))
    >>> mixed = torch.lerp(x.flip(0), x, y.weight.view(2, 1, 1, 1))
    >>> figure = mixing(x, x.flip(0), mixed, y, ["cat", "dog"], alpha=0.4)
    >>> len(figure.axes)  # three rows of two pictures, and the density
    7
    """
    target, count = target[:8], min(len(target), 8)
    captions, weights = _captions(target, vocab), target.weight.tolist()
    own, theirs = said or ([""] * count, [""] * count)
    rows = (
        (sample, OWN, pictures, [1.0] * count, own[:count]),
        ("partner", PARTNER, partners, [0.0] * count, theirs[:count]),
        ("mix", rcParams["axes.labelcolor"], mixes, weights, captions),
    )
    # The density needs the width of 3 pictures. The other numbers are inches: 0.7 for the names of
    # the rows, 0.12 for a bar, 0.9 for the legend and the axis of the density.
    columns, height = max(count, 3), _height(pictures)
    panel = 0.3 if alpha is None else 1.2
    written = text_height(captions) + (2 * text_height([*own]) if said else 0.0)
    figure = new_figure(
        columns * (TILE + 2 * PAD) + 0.7,
        3 * (height + 2 * PAD + 0.12) + written + panel + 0.9,
    )
    cells = figure.add_gridspec(4, columns, height_ratios=[height] * 3 + [panel])
    for row, (name, colour, batch, shares, texts) in enumerate(rows):
        tiles = [figure.add_subplot(cells[row, column]) for column in range(count)]
        tiles[0].set_ylabel(name, color=colour, fontsize=LARGE, rotation=0, ha="right", va="center")
        for axes, picture, share, text in zip(tiles, batch[:8], shares, texts, strict=True):
            _show(axes, picture)
            _draw_bar(axes, share, text)
    draw_density(figure.add_subplot(cells[3, :]), alpha, folded, weights)
    return figure


def _captions(target: MixedTarget, vocab: Sequence[str]) -> list[str]:
    """The labels of each sample with their shares, such as "70 % cat / 30 % dog"."""
    own, partner = (names_of(labels, vocab) for labels in (target.own, target.partner))
    columns = own, partner, target.weight.tolist()
    return [caption(*row) for row in zip(*columns, strict=True)]


def names_of(labels: Tensor, vocab: Sequence[str]) -> list[str]:
    """The name of each sample's class, or those of its labels."""
    if labels.ndim == 1:
        return [vocab[label] for label in labels.tolist()]
    each = [row.nonzero().flatten().tolist() for row in labels]
    return [", ".join(vocab[place] for place in row) or "no label" for row in each]


def caption(own: str, partner: str, weight: float) -> str:
    """Two labels with their shares, on one line where it has the width of a picture.

    >>> caption("cat", "dog", 0.7), caption("cat", "cat", 0.7)
    ('70 % cat / 30 % dog', '100 % cat')
    """
    percent = round(100 * weight)
    shares = {own: 100} if own == partner else {own: percent, partner: 100 - percent}
    labels = [f"{share} % {label}" for label, share in shares.items() if share]
    line = " / ".join(labels)
    return line if text_width(line) <= TILE else "\n".join(map(fit, labels))


def places(nrows: int | None, ncols: int | None, number: int) -> int:
    """How many of a number of pictures are shown in a grid of so many rows and columns.

    Raises:
        VicinalError: one of them is below 1.

    >>> places(1, 3, 9), places(2, None, 9), places(None, None, 9)
    (3, 9, 9)
    """
    for name, given in (("nrows", nrows), ("ncols", ncols)):
        if given is not None and given < 1:
            raise VicinalError(f"{name} must be 1 or more, not {given}")
    return min(number, nrows * ncols) if nrows and ncols else number


def _grid(
    pictures: Tensor,
    room: float,
    shape: tuple[int | None, int | None] = (None, None),
    figsize: tuple[float, float] | None = None,
) -> tuple[Figure, list[Axes]]:
    """A grid of pictures, with ``room`` inches of height for the text of each.

    Args:
        shape: the numbers of rows and columns; where both are None, it is nearly square.
    """
    rows, columns = shape
    if columns is None:
        nearly_square = max(math.ceil(math.sqrt(len(pictures))), 4)
        columns = math.ceil(len(pictures) / rows) if rows else min(nearly_square, len(pictures))
    rows = rows or math.ceil(len(pictures) / columns)
    width, height = columns * (TILE + 2 * PAD), rows * (_height(pictures) + 2 * PAD + room)
    figure = new_figure(width, height, figsize)
    tiles = [figure.add_subplot(rows, columns, index + 1) for index in range(len(pictures))]
    for axes, picture in zip(tiles, pictures, strict=True):
        _show(axes, picture)
    return figure, tiles


def _height(pictures: Tensor) -> float:
    """The height of one picture in the plot, in inches."""
    if pictures.ndim != 4 or pictures.shape[1] != 3:
        raise ValueError(f"pictures must have shape (N, 3, H, W), not {tuple(pictures.shape)}")
    return TILE * pictures.shape[2] / pictures.shape[3]


def _show(axes: Axes, picture: Tensor) -> None:
    if picture.is_floating_point():
        picture = picture.float().clamp(0, 1)
    axes.imshow(picture.detach().permute(1, 2, 0).cpu().numpy())
    axes.set(xticks=[], yticks=[])
    # A thin frame, so that the edge of a white picture shows on a white page.
    axes.spines[:].set(linewidth=0.5, color=GREY)


def _draw_bar(axes: Axes, own_share: float, caption: str = "") -> None:
    """Draw a bar of two colours under the picture, and a caption under the bar."""
    below = axes.transAxes + ScaledTranslation(0, -5 / 72, axes.figure.dpi_scale_trans)
    for x, colour in (([0, own_share], OWN), ([own_share, 1], PARTNER)):
        (part,) = axes.plot(x, [0, 0], transform=below, color=colour, linewidth=4, clip_on=False)
        part.set_solid_capstyle("butt")
    axes.set_xlabel(caption, fontsize=SMALL, labelpad=10, parse_math=False)
