"""Pictures of images half covered by the colours of their masks' classes."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from matplotlib import colormaps
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from torch import Tensor

from vicinal.mixing.target import MixedTarget, over_rows
from vicinal.plots.layout import LARGE, LINE, PAD, SMALL, TILE, new_figure
from vicinal.plots.pictures import _height, _show

MOST = 40  # classes in the key


def painted(pictures: Tensor, masks: Tensor | MixedTarget, void: int) -> Tensor:
    """Pictures half covered by the colours of their masks' classes.

    Args:
        pictures: (N, 3, H, W) in [0, 1].
        masks: (N, H, W) class indices, or mixed ones, whose colours are blended by their weights;
            of another size they are resized.
        void: the index of pixels without a class, which keep the picture's colour.

    >>> masks = torch.tensor([[[0, 255]]])
    >>> painted(torch.zeros(1, 3, 1, 2), masks, 255)[0, :, 0, 1]
    tensor([0., 0., 0.])
    """
    if isinstance(masks, MixedTarget):
        own, partner = (painted(pictures, each, void) for each in (masks.own, masks.partner))
        weight = masks.weight.to(own.dtype)
        if weight.ndim > 1:  # one for each pixel
            weight = F.interpolate(weight[:, None], pictures.shape[-2:])
            return torch.lerp(partner, own, weight)
        return torch.lerp(partner, own, over_rows(weight, own))
    colours = torch.tensor(colormaps["tab20"](range(20))[:, :3], dtype=torch.float32)
    if masks.shape[-2:] != pictures.shape[-2:]:
        masks = F.interpolate(masks[:, None].float(), pictures.shape[-2:])[:, 0].long()
    covered = (pictures + colours[masks % len(colours)].movedim(-1, 1)) / 2
    return torch.where((masks == void)[:, None], pictures, covered)


def overlays(rows: Sequence[tuple[str, Tensor]], vocab: Sequence[str], limit: int = 8) -> Figure:
    """Rows of pictures, with a key of the classes' colours below.

    Args:
        rows: the name of each, and its pictures (N, 3, H, W).
        vocab: the names of the classes.
        limit: the most pictures in a row.

    >>> figure = overlays([("image", torch.rand(2, 3, 8, 8))], ["sky", "tree"])
    >>> len(figure.axes), [text.get_text() for text in figure.legends[0].texts]
    (2, ['sky', 'tree'])
    """
    columns = min(limit, len(rows[0][1]))
    height = _height(rows[0][1])
    keys = min(len(vocab), MOST)
    in_a_row = max(1, 2 * columns // 3)
    key_height = (-(-keys // in_a_row) + 1) * 1.4 * LINE
    figure = new_figure(
        max(columns, 3) * (TILE + 2 * PAD) + 0.7, len(rows) * (height + 2 * PAD) + key_height
    )
    cells = figure.add_gridspec(len(rows), columns)
    for row, (name, pictures) in enumerate(rows):
        for column in range(columns):
            axes = figure.add_subplot(cells[row, column])
            _show(axes, pictures[column])
            if not column:
                axes.set_ylabel(name, fontsize=LARGE, rotation=0, ha="right", va="center")
    colours = colormaps["tab20"](range(20))
    patches = [Patch(color=colours[i % 20], label=vocab[i]) for i in range(keys)]
    more = [Patch(color="none", label="…")] if len(vocab) > MOST else []
    figure.legend(
        handles=[*patches, *more],
        loc="outside lower center",
        ncols=in_a_row,
        frameon=False,
        fontsize=SMALL,
    )
    return figure
