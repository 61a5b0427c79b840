"""Pictures of data, of mixes and of training, as matplotlib figures.

Every function returns a ``matplotlib.figure.Figure`` and touches no global state: no window opens,
nothing has to be closed, and ``figure.savefig("picture.png")`` writes it.
"""

import math
import os
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import pairwise
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import Rectangle
from matplotlib.textpath import text_to_path
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from vicinal.mixing.target import MixedTarget

# Of Okabe and Ito's and of Tol's colours for the colour-blind, those that are dark enough for text.
# The first two stand for a sample and its partner wherever they appear. All other ink is that of
# the user's own matplotlib style.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#AA4499", "#997700")
_OWN, _PARTNER = _COLOURS[:2]
_MARKERS = "osD^vPX"
_DENSITY = _COLOURS[2]
_GREY = "#888888"

# Inches. Text is measured before it is drawn, so that the layout is known to hold it.
_POINT = 1 / 72
_TILE = 1.5
_GAP = 0.18
_MARGIN = 0.15
_BAR = 0.055
_BAR_GAP = 3 * _POINT

_SMALL, _LARGE = 8.0, 10.0  # font sizes
_LINE = 1.3 * _SMALL * _POINT  # the height of a line of small text
_NAME_LINES = 2  # the most lines that one class name takes
_MOST_COLUMNS = 8


def images(pictures: Tensor, titles: Sequence[str], columns: int | None = None) -> Figure:
    """Show pictures in a grid, each under its title.

    Args:
        pictures: (N, 3, H, W), uint8, or floats in [0, 1]; what lies outside is clipped.
        titles: N texts. Long lines are wrapped, longer ones shortened in their middle.
        columns: pictures in a row; by default about as many as rows, but 4 to 8.

    Raises:
        ValueError: pictures are not what is said above, or there are not N titles.

    >>> figure = images(torch.rand(2, 3, 8, 8), ["cat", "dog"])
    >>> [axes.get_title() for axes in figure.axes]
    ['cat', 'dog']
    """
    drawable = _drawable(pictures)
    if len(titles) != len(drawable):
        raise ValueError(
            f"there are {len(titles)} titles for {len(drawable)} pictures: give each picture one"
        )
    texts = [_fitted(title, _TILE) for title in titles]
    figure, tiles = _grid(drawable, columns, above=_text_height(texts) + _BAR_GAP)
    for axes, text in zip(tiles, texts, strict=True):
        axes.set_title(text, fontsize=_SMALL, pad=_BAR_GAP / _POINT, parse_math=False)
    return figure


def mixed_batch(
    pictures: Tensor, target: MixedTarget, vocab: Sequence[str], limit: int = 16
) -> Figure:
    """Show mixed pictures, under each its labels and their shares, as text and as a bar.

    Args:
        pictures: (N, 3, H, W) mixed pictures, uint8, or floats in [0, 1].
        target: their target: (N,) int64 labels in [0, len(vocab)).
        vocab: the name of each class.
        limit: the most pictures shown; they are the first of the batch.

    Raises:
        ValueError: pictures or target are not what is said above, or differ in number.

    >>> y = MixedTarget(torch.tensor([0]), torch.tensor([1]), torch.tensor([0.7]))
    >>> figure = mixed_batch(torch.rand(1, 3, 8, 8), y, ["cat", "dog"])
    >>> figure.axes[0].get_xlabel()
    '70 % cat / 30 % dog'
    """
    _check_target(target, pictures)
    shown, drawable = target[:limit].to("cpu"), _drawable(pictures[:limit])
    captions = _captions(shown, vocab)
    figure, tiles = _grid(drawable, below=_under_bar(captions))
    own_shares = torch.where(shown.own == shown.partner, 1.0, shown.weight).tolist()
    for axes, share, caption in zip(tiles, own_shares, captions, strict=True):
        _draw_bar(axes, share, caption)
    return figure


def mixing(
    pictures: Tensor,
    partners: Tensor,
    mixes: Tensor,
    target: MixedTarget,
    vocab: Sequence[str],
    alpha: float,
    folded: bool = True,
) -> Figure:
    """Show how mixes come about: pictures, their partners, the mixes, and where weights fall.

    A column is a sample; the first 8 are shown. The bar under each picture tells how much of the
    image (blue) and of its partner (orange) is in it. Below stands the density from which the
    weights were drawn, with those of the shown samples as ticks on its axis.

    Args:
        pictures: (N, 3, H, W), uint8, or floats in [0, 1].
        partners: the same, in the partners' order: ``pictures[mix.partner]``.
        mixes: the same, mixed.
        target: the mixed target: (N,) int64 labels in [0, len(vocab)).
        vocab: the name of each class.
        alpha: the parameter of Beta(alpha, alpha), finite and at least 0; with 0 nothing mixes.
        folded: whether the weights were folded onto [1/2, 1].

    Raises:
        ValueError: an argument is not what is said above, or they differ in number.

    >>> x = torch.rand(2, 3, 8, 8)
    >>> y = MixedTarget(torch.tensor([0, 1]), torch.tensor([1, 0]), torch.tensor([0.7, 0.9]))
    >>> mixed = torch.lerp(x.flip(0), x, y.weight.view(2, 1, 1, 1))
    >>> figure = mixing(x, x.flip(0), mixed, y, ["cat", "dog"], alpha=0.4)
    >>> len(figure.axes)  # three rows of two pictures, and the density
    7
    """
    if not pictures.shape == partners.shape == mixes.shape:
        shapes = ", ".join(str(tuple(row.shape)) for row in (pictures, partners, mixes))
        raise ValueError(
            f"pictures, partners and mixes have the shapes {shapes}: give all three the same shape"
        )
    _check_target(target, mixes)
    _check_alpha(alpha)
    shown = target[:_MOST_COLUMNS].to("cpu")
    rows = [_drawable(row[:_MOST_COLUMNS]) for row in (pictures, partners, mixes)]
    captions = _captions(shown, vocab)
    weights = shown.weight.tolist()
    figure, tiles, density = _mixing_layout(rows, below=_under_bar(captions))
    _name_row(tiles[0][0], "image", _OWN)
    _name_row(tiles[1][0], "partner", _PARTNER)
    _name_row(tiles[2][0], "mix", None)
    for column, (weight, caption) in enumerate(zip(weights, captions, strict=True)):
        _draw_bar(tiles[0][column], 1.0)
        _draw_bar(tiles[1][column], 0.0)
        _draw_bar(tiles[2][column], weight, caption)
    _draw_density(density, alpha, folded)
    _draw_weights(density, weights)
    return figure


def beta_density(weight: Tensor, alpha: float, folded: bool) -> Tensor:
    """The density of weights drawn from Beta(alpha, alpha), folded onto [1/2, 1] or not.

    Args:
        weight: floats of any shape; the density is 0 outside [0, 1].
        alpha: finite and at least 0; with 0 nothing mixes and all mass lies at weight 1.
        folded: whether each weight is replaced by ``max(weight, 1 - weight)``.

    Returns:
        The density, float64, of weight's shape; infinite where it diverges, which for alpha < 1
        is at weights 0 and 1.

    Raises:
        ValueError: alpha is negative or not finite.

    >>> beta_density(torch.tensor([0.0, 0.25, 0.5]), alpha=2, folded=False)
    tensor([0.0000, 1.1250, 1.5000], dtype=torch.float64)
    >>> beta_density(torch.tensor([0.25, 0.75]), alpha=1, folded=True)
    tensor([0.0000, 2.0000], dtype=torch.float64)
    """
    _check_alpha(alpha)
    weight = weight.double()
    if alpha == 0:
        return torch.zeros_like(weight).masked_fill(weight == 1, math.inf)
    inside = (weight >= (0.5 if folded else 0)) & (weight <= 1)
    # Legendre's duplication formula, B(a, a) = sqrt(pi) gamma(a) / (2^(2a-1) gamma(a + 1/2)),
    # leaves small numbers only, so that no digits cancel for an alpha of a million.
    a = torch.tensor(float(alpha), dtype=torch.float64, device=weight.device)
    height = torch.lgamma(a + 0.5) - torch.lgamma(a)
    shape = torch.xlogy(a - 1, (4 * weight * (1 - weight)).where(inside, 1.0))
    density = torch.exp(shape + height) * 2 / math.sqrt(math.pi)
    return torch.where(inside, density * (2 if folded else 1), 0.0)


def curves(
    history: Sequence[Mapping[str, Any]], out: str | os.PathLike[str] | None = None
) -> Figure:
    """Draw the losses and the validation metrics over the epochs.

    On the left the losses, on the right every other number named ``valid_...``. Metrics that
    leave [-1, 1] get a panel of their own, lest an error of 50 flatten an accuracy of 0.9. Each
    line has its name and its last value at its end.

    Args:
        history: a mapping for each epoch, with ``epoch`` (1, 2, ...), ``train_loss``,
            ``valid_loss``, ``valid_accuracy``, ...; numbers may be missing or not finite.
        out: the file to write the picture to; its ending names the format.

    Raises:
        ValueError: history is empty.

    >>> figure = curves([{"epoch": 1, "train_loss": 2.1, "valid_loss": 1.9},
    ...                  {"epoch": 2, "train_loss": 1.4, "valid_loss": 1.3}])
    >>> [text.get_text() for text in figure.axes[0].texts]
    ['train 1.4', 'valid 1.3']
    """
    if not history:
        raise ValueError("the history is empty: draw its curves after the first epoch")
    panels = _panels(history)
    figure, places = _curves_layout(panels)
    first, last = history[0]["epoch"], history[-1]["epoch"]
    for axes, (title, lines) in zip(places, panels, strict=True):
        axes.set_title(title, fontsize=_LARGE, loc="left")
        axes.set_xlabel("epoch", fontsize=_SMALL)
        room = 0.03 * (last - first) or 0.5
        axes.set_xticks(_epoch_ticks(first, last))
        axes.set_xlim(first - room, last + room)
        _draw_lines(axes, lines)
    if out is not None:
        figure.savefig(out, dpi=150)
    return figure


# Reading the arguments


def _drawable(pictures: Tensor) -> np.ndarray:
    """(N, 3, H, W) of any device to (N, H, W, 3): uint8, or float32 in [0, 1]."""
    if pictures.ndim != 4 or pictures.shape[1] != 3:
        raise ValueError(
            f"pictures have shape {tuple(pictures.shape)}, not (N, 3, H, W): "
            "grey ones become so with pictures.expand(-1, 3, -1, -1)"
        )
    if not len(pictures):
        raise ValueError("there are no pictures to show: give at least one")
    if pictures.dtype != torch.uint8:
        if not pictures.is_floating_point():
            raise ValueError(f"pictures are {pictures.dtype}: give uint8, or floats in [0, 1]")
        pictures = pictures.float().clamp(0, 1)
    return pictures.detach().permute(0, 2, 3, 1).cpu().numpy()


def _check_target(target: MixedTarget, pictures: Tensor) -> None:
    if target.own.ndim != 1 or target.own.is_floating_point():
        raise ValueError(
            f"the target is {target.own.dtype} of shape {tuple(target.own.shape)}: "
            "give class indices, (N,) int64, since only they have names"
        )
    if len(target) != len(pictures):
        raise ValueError(
            f"there are {len(target)} targets for {len(pictures)} pictures: give each picture one"
        )


def _check_alpha(alpha: float) -> None:
    if not 0 <= alpha < math.inf:
        raise ValueError(f"alpha is {alpha}: give a finite number that is not negative")


def _captions(target: MixedTarget, vocab: Sequence[str]) -> list[str]:
    """For each sample, its labels and their shares: "70 % cat / 30 % dog"."""
    rows = (target.own.tolist(), target.partner.tolist(), target.weight.tolist())
    return [_caption(*row, vocab) for row in zip(*rows, strict=True)]


def _caption(own: int, partner: int, weight: float, vocab: Sequence[str]) -> str:
    percent = round(100 * weight)
    shares = {own: 100} if own == partner else {own: percent, partner: 100 - percent}
    labels = [f"{share} % {_name(label, vocab)}" for label, share in shares.items() if share]
    line = " / ".join(labels)
    if _text_width(line) <= _TILE:
        return line
    return "\n".join(_fitted(label, _TILE) for label in labels)


def _name(label: int, vocab: Sequence[str]) -> str:
    # A negative label, such as an ignore_index, would otherwise get a name from the end.
    if not 0 <= label < len(vocab):
        raise ValueError(f"label {label} has no name among the {len(vocab)} of vocab: add it there")
    return str(vocab[label])


# Text that fits


def _text_width(text: str, size: float = _SMALL) -> float:
    """In inches."""
    font = FontProperties(size=size)
    return float(text_to_path.get_text_width_height_descent(text, font, False)[0]) * _POINT


def _text_height(texts: Sequence[str]) -> float:
    """Of the tallest text, in inches."""
    return max(text.count("\n") + 1 for text in texts) * _LINE


def _fitted(text: str, width: float) -> str:
    """Every line of the text wrapped, and shortened where it would take too many lines."""
    return "\n".join("\n".join(_wrapped(_short(line, width), width)) for line in text.split("\n"))


def _short(line: str, width: float) -> str:
    """The line, or as much of its start and end as takes ``_NAME_LINES`` lines.

    Names that begin alike often differ at their end, so it is the middle that goes.
    """

    def cut(kept: int) -> str:
        end = kept // 3
        return line[: kept - end].rstrip() + "…" + line[len(line) - end :].lstrip()

    if len(_wrapped(line, width)) <= _NAME_LINES:
        return line
    kept = bisect_right(
        range(len(line)), _NAME_LINES, key=lambda kept: len(_wrapped(cut(kept), width))
    )
    return cut(kept - 1)


def _wrapped(line: str, width: float) -> list[str]:
    """The line broken into pieces no wider than ``width`` inches."""
    pieces = []
    while line:
        piece = _first_piece(line, width)
        pieces.append(piece.strip())
        line = line[len(piece) :].lstrip()
    return pieces or [""]


def _first_piece(line: str, width: float) -> str:
    starts = [line[:end] for end in range(1, len(line) + 1)]
    fitting = max(1, bisect_right(starts, width, key=_text_width))
    if fitting == len(line):
        return line
    gaps = [line.rfind(" ", 0, fitting + 1), *(line.rfind(c, 0, fitting) + 1 for c in "_-/,")]
    # A word is broken rather than a line left less than half full.
    return line[: max(gaps) if max(gaps) > fitting / 2 else fitting]


# Pictures


def _grid(
    drawable: np.ndarray, columns: int | None = None, above: float = 0, below: float = 0
) -> tuple[Figure, list[Axes]]:
    """A figure of pictures with room for text above and below each, in inches."""
    about_square = min(max(math.ceil(math.sqrt(len(drawable))), 4), _MOST_COLUMNS)
    columns = min(columns or about_square, len(drawable))
    rows = math.ceil(len(drawable) / columns)
    across, down = _TILE + _GAP, above + _tile_height(drawable) + below + _GAP
    figure = _figure(columns * across - _GAP, rows * down - _GAP)
    tiles = []
    for index, picture in enumerate(drawable):
        row, column = divmod(index, columns)
        tiles.append(_tile(figure, picture, column * across, row * down + above))
    return figure, tiles


def _mixing_layout(
    rows: Sequence[np.ndarray], below: float
) -> tuple[Figure, list[list[Axes]], Axes]:
    """A figure with a row of pictures for each array, and under them a panel."""
    left = _text_width("partner", _LARGE) + _GAP
    tile_height = _tile_height(rows[0])
    across, down = _TILE + _GAP, tile_height + _BAR_GAP + _BAR + _GAP
    legend, panel, axis = 0.4, 1.2, 0.45
    width = max(len(rows[0]) * across - _GAP, 5.0)
    top = (len(rows) - 1) * down + tile_height + below + legend
    figure = _figure(left + width, top + panel + axis)
    tiles = [
        [
            _tile(figure, picture, left + column * across, index * down)
            for column, picture in enumerate(row)
        ]
        for index, row in enumerate(rows)
    ]
    return figure, tiles, _place(figure, left, top, width, panel)


def _name_row(first: Axes, name: str, colour: str | None) -> None:
    label = first.set_ylabel(name, fontsize=_LARGE, rotation=0, ha="right", va="center")
    if colour:
        label.set_color(colour)


def _figure(width: float, height: float) -> Figure:
    """A figure with so much room within its margins, in inches."""
    figure = Figure(figsize=(width + 2 * _MARGIN, height + 2 * _MARGIN))
    # Everything has its place already, whatever layout engine the user's style asks for.
    figure.set_layout_engine("none")
    return figure


def _place(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Axes at a place in inches, from the upper left corner within the margins."""
    whole_width, whole_height = figure.get_size_inches()
    bottom = whole_height - _MARGIN - top - height
    return figure.add_axes(
        (
            (_MARGIN + left) / whole_width,
            bottom / whole_height,
            width / whole_width,
            height / whole_height,
        )
    )


def _tile_height(drawable: np.ndarray) -> float:
    height, width = drawable.shape[1:3]
    return float(_TILE * min(max(height / width, 0.5), 2.0))


def _tile(figure: Figure, picture: np.ndarray, left: float, top: float) -> Axes:
    axes = _place(figure, left, top, _TILE, _tile_height(picture[None]))
    crisp = max(picture.shape[:2]) <= 64
    interpolation = "nearest" if crisp else "antialiased"
    axes.imshow(picture, interpolation=interpolation, aspect="equal", origin="upper")
    axes.set_xticks([])
    axes.set_yticks([])
    # Thin, so that a white picture ends somewhere on a white page.
    axes.spines[:].set(linewidth=0.5, color=_GREY)
    return axes


def _under_bar(captions: Sequence[str]) -> float:
    """The room under a picture that its bar and its caption take, in inches."""
    return 2 * _BAR_GAP + _BAR + _text_height(captions)


def _draw_bar(axes: Axes, own_share: float, caption: str = "") -> None:
    """A bar of two colours under the picture, and a caption under the bar."""
    inch = axes.figure.dpi / axes.bbox.height
    bottom, height = -(_BAR_GAP + _BAR) * inch, _BAR * inch
    for left, width, colour in ((0, own_share, _OWN), (own_share, 1 - own_share, _PARTNER)):
        axes.add_patch(
            Rectangle(
                (left, bottom),
                width,
                height,
                transform=axes.transAxes,
                clip_on=False,
                color=colour,
                linewidth=0,
            )
        )
    pad = (2 * _BAR_GAP + _BAR) / _POINT
    axes.set_xlabel(caption, fontsize=_SMALL, labelpad=pad, parse_math=False)


# The density of the weights


def _draw_density(axes: Axes, alpha: float, folded: bool) -> None:
    if alpha == 0:
        axes.plot([1, 1], [0, 1], color=_DENSITY, linewidth=3, label="alpha 0: nothing is mixed")
        top = 1.0
    else:
        name = f"Beta({alpha:.3g}, {alpha:.3g})"
        grid = _density_grid(alpha)
        density = beta_density(grid, alpha, folded)
        # For alpha < 1 the density grows without end towards 0 and 1.
        top = float(density[(grid - 0.5).abs() <= 0.48].max())
        drawn = grid >= 0.5 if folded else grid > 0
        x, y = grid[drawn].numpy(), density[drawn].numpy()
        label = f"{name}, folded" if folded else name
        axes.fill_between(x, y, color=_DENSITY, alpha=0.15, linewidth=0)
        axes.plot(x, y, color=_DENSITY, linewidth=2, label=label)
        if folded:
            y = beta_density(grid, alpha, folded=False).numpy()
            axes.plot(grid.numpy(), y, color=_GREY, linewidth=1, label="unfolded")
    axes.set(xlim=(-0.01, 1.01), ylim=(0, 1.1 * top), xticks=(0, 0.25, 0.5, 0.75, 1), yticks=[])
    axes.set_xlabel("weight: the share that the image keeps of itself", fontsize=_SMALL)
    axes.tick_params(labelsize=_SMALL)
    axes.spines[["top", "left", "right"]].set_visible(False)


def _draw_weights(axes: Axes, weights: Sequence[float]) -> None:
    """Ticks that stand on the axis, and the legend of all that is drawn."""
    axes.plot(
        weights,
        [0.07] * len(weights),
        transform=axes.get_xaxis_transform(),
        linestyle="none",
        marker="|",
        markersize=12,
        markeredgewidth=2,
        color=_OWN,
        clip_on=False,
        label="these samples",
    )
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(0, 1),
        ncols=3,
        frameon=False,
        fontsize=_SMALL,
        borderaxespad=0,
        borderpad=0.2,
    )


def _density_grid(alpha: float) -> Tensor:
    """Weights within (0, 1), ascending, dense where the density bends: at the ends, the middle."""
    angle = torch.linspace(0, math.pi / 2, 803, dtype=torch.float64)[1:-1]
    deviation = 0.5 / math.sqrt(2 * alpha + 1)
    peak = 0.5 + deviation * torch.linspace(-6, 6, 201, dtype=torch.float64)
    peak[100] = 0.5  # exactly, for there the folded density begins
    grid = torch.cat([angle.sin() ** 2, peak[(peak > 0) & (peak < 1)]])
    return grid.sort().values


# Curves


class _Line(NamedTuple):
    name: str
    epochs: list[int]
    values: list[float]

    @property
    def label(self) -> str:
        return f"{self.name} {self.values[-1]:.4g}"


def _panels(history: Sequence[Mapping[str, Any]]) -> list[tuple[str, list[_Line]]]:
    """What is drawn in each panel, under its title; the losses' is always there."""
    losses = _lines(history, {"train_loss": "train", "valid_loss": "valid"})
    keys = dict.fromkeys(key for epoch in history for key in epoch)
    keys.pop("valid_loss", None)
    names = {key: key.removeprefix("valid_") for key in keys if key.startswith("valid_")}
    metrics = _lines(history, names)
    large = [line for line in metrics if max(map(abs, line.values)) > 1]
    small = [line for line in metrics if line not in large]
    panels = [("loss", losses), ("validation metrics", small), ("validation metrics", large)]
    return [panel for panel in panels if panel[1] or panel[0] == "loss"]


def _lines(history: Sequence[Mapping[str, Any]], names: Mapping[str, str]) -> list[_Line]:
    """The finite numbers under each key, where there are any."""
    lines = []
    for key, name in names.items():
        points = [
            (epoch["epoch"], float(epoch[key]))
            for epoch in history
            if isinstance(epoch.get(key), Real) and math.isfinite(epoch[key])
        ]
        if points:
            epochs, values = zip(*points, strict=True)
            lines.append(_Line(name, list(epochs), list(values)))
    return lines


def _curves_layout(
    panels: Sequence[tuple[str, list[_Line]]],
) -> tuple[Figure, list[Axes]]:
    """A figure with a place for each panel and, right of it, for its lines' labels."""
    numbers, panel, gap, under = 0.5, 3.2, 0.25, 0.4
    most = max(len(lines) for _, lines in panels)
    height = max(2.4, most * _LINE)
    label_widths = [
        max((_text_width(line.label) for line in lines), default=0) + gap for _, lines in panels
    ]
    width = len(panels) * (numbers + panel + gap) - gap + sum(label_widths)
    figure = _figure(width, 0.3 + height + under)
    places, left = [], 0.0
    for label_width in label_widths:
        places.append(_place(figure, left + numbers, 0.3, panel, height))
        left += numbers + panel + label_width + gap
    return figure, places


def _epoch_ticks(first: int, last: int) -> list[int]:
    if first == last:
        return [first]
    ticks = MaxNLocator(nbins=8, steps=[1, 2, 5, 10], integer=True).tick_values(first, last)
    return [int(tick) for tick in ticks if first <= tick <= last]


def _draw_lines(axes: Axes, lines: Sequence[_Line]) -> None:
    for index, line in enumerate(lines):
        axes.plot(
            line.epochs,
            line.values,
            color=_COLOURS[index % len(_COLOURS)],
            marker=_MARKERS[index % len(_MARKERS)],
            markersize=4,
            markevery=slice(None) if len(line.epochs) <= 30 else [-1],
        )
    if not lines:
        axes.text(
            0.5, 0.5, "no finite numbers", transform=axes.transAxes, ha="center", fontsize=_SMALL
        )
    axes.tick_params(labelsize=_SMALL)
    axes.yaxis.offsetText.set_fontsize(_SMALL)
    axes.grid(axis="y", alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    _label_ends(axes, lines)


def _label_ends(axes: Axes, lines: Sequence[_Line]) -> None:
    """Each line's label right of its end, moved up or down where labels would touch."""
    bottom, top = axes.get_ylim()
    axes.set_ylim(bottom, top)
    ends = [(line.values[-1] - bottom) / (top - bottom) for line in lines]
    apart = _LINE * axes.figure.dpi / axes.bbox.height
    for index, (line, height) in enumerate(zip(lines, _spread(ends, apart), strict=True)):
        colour = _COLOURS[index % len(_COLOURS)]
        axes.annotate(
            line.label,
            (line.epochs[-1], line.values[-1]),
            (1.05, height),
            textcoords="axes fraction",
            va="center",
            fontsize=_SMALL,
            color=colour,
            arrowprops={"arrowstyle": "-", "color": colour, "alpha": 0.5, "shrinkB": 4},
            annotation_clip=False,
            parse_math=False,
        )


def _spread(heights: Sequence[float], apart: float) -> list[float]:
    """Heights in [0, 1], in the same order, moved where they are not so far apart."""
    order = sorted(range(len(heights)), key=heights.__getitem__)
    spread = list(heights)
    for lower, upper in pairwise(order):
        spread[upper] = max(spread[upper], spread[lower] + apart)
    ceiling = 1.0
    for index in reversed(order):
        spread[index] = ceiling = min(spread[index], ceiling)
        ceiling -= apart
    return spread
