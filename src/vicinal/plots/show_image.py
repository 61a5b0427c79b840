"""show_image, show_images: one picture, or several side by side, by matplotlib's pyplot."""

import math
from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from PIL.Image import Image

from vicinal.errors import VicinalError


def show_image(
    im: Any,
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
    title: str | None = None,
    **kwargs: Any,
) -> Axes:
    """Show a picture.

    Args:
        im: a tensor, an array or a PIL image: (H, W), or (H, W, C) or (C, H, W) of 1, 3 or 4
            channels; uint8, or floats in [0, 1].
        ax: where it is drawn; None takes a new figure.
        figsize: width and height of a new figure, in inches.
        title: above the picture.
        **kwargs: of matplotlib's ``imshow``, such as ``cmap``.

    Returns:
        The axes.

    Raises:
        VicinalError: ``im`` has another shape.

    >>> show_image(torch.rand(3, 8, 8), title="noise").get_title()
    'noise'
    >>> plt.close("all")
    """
    pixels = _pixels(im)
    if ax is None:
        _, ax = plt.subplots(figsize=figsize)
    ax.imshow(pixels, **({"cmap": "gray"} if pixels.ndim == 2 else {}) | kwargs)
    if title is not None:
        ax.set_title(title)
    ax.axis("off")
    return ax


def show_titled_image(o: Sequence[Any], **kwargs: Any) -> Axes:
    """Show a picture under its title: ``show_titled_image(dls.train_ds[0])``.

    Args:
        o: the picture, as for :func:`show_image`, and what stands above it.
        **kwargs: other arguments of :func:`show_image`, such as ``ax`` and ``figsize``.

    Returns:
        The axes.

    Raises:
        VicinalError: ``o`` is no pair, or its picture has a shape that none has.

    >>> show_titled_image((torch.rand(3, 8, 8), "noise")).get_title()
    'noise'
    >>> plt.close("all")
    """
    if not isinstance(o, tuple | list) or len(o) < 2:
        raise VicinalError(
            f"give a pair (picture, title), not a {type(o).__name__}: see show_image"
        )
    return show_image(o[0], title=str(o[1]), **kwargs)


def show_images(
    ims: Sequence[Any],
    nrows: int = 1,
    ncols: int | None = None,
    titles: Sequence[str] | None = None,
    figsize: tuple[float, float] | None = None,
    imsize: float = 3,
) -> None:
    """Show pictures in a grid.

    Args:
        ims: each as for :func:`show_image`.
        nrows, ncols: of the grid; without ``ncols`` there are as many columns as they need.
        titles: one for each picture.
        figsize: width and height of the figure, in inches.
        imsize: side of a picture, in inches, where there is no ``figsize``.

    Raises:
        VicinalError: there is no picture, or another number of titles than of pictures.
    """
    if not len(ims):
        raise VicinalError("there are no images to show")
    if titles is not None and len(titles) != len(ims):
        raise VicinalError(f"there are {len(titles)} titles for {len(ims)} images: give one each")
    ncols = ncols or math.ceil(len(ims) / nrows)
    size = figsize or (ncols * imsize, nrows * imsize)
    _, grid = plt.subplots(nrows, ncols, figsize=size, squeeze=False)
    for place, ax in enumerate(grid.flat):
        if place < len(ims):
            show_image(ims[place], ax, title=titles[place] if titles else None)
        else:
            ax.axis("off")


def _pixels(im: Any) -> np.ndarray:
    """(H, W) or (H, W, 3 or 4), as matplotlib reads them."""
    if isinstance(im, Image) and im.mode not in ("L", "RGB", "RGBA"):
        im = im.convert("RGB")  # a palette's numbers are no colours
    pixels = im.detach().cpu() if isinstance(im, torch.Tensor) else torch.as_tensor(np.array(im))
    pixels = pixels.float() if pixels.dtype in (torch.bfloat16, torch.float16) else pixels
    # Of arrays and pictures channels are the last, unless they cannot be.
    may_be_first = isinstance(im, torch.Tensor) or pixels.shape[-1] not in (1, 3, 4)
    if pixels.ndim == 3 and pixels.shape[0] in (1, 3, 4) and may_be_first:
        pixels = pixels.permute(1, 2, 0)
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[..., 0]
    if pixels.ndim != 2 and not (pixels.ndim == 3 and pixels.shape[2] in (3, 4)):
        raise VicinalError(
            f"an image has shape (H, W), (H, W, C) or (C, H, W) of 1, 3 or 4 channels, not "
            f"{tuple(pixels.shape)}: show one of a batch by x[0]"
        )
    return pixels.clip(0, 1).numpy() if pixels.is_floating_point() else pixels.numpy()
