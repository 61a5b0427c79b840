"""Pasting boxes on small images, where numba is installed.

On small images a box is a few hundred bytes: a Python step for each costs more than the copying,
and masks over the whole batch read several times what they need. numba compiles the loops when they
are first called (a second, then kept on disk), with no compiler on the machine.
"""

from functools import cache
from types import ModuleType

import torch
from torch import Tensor


def paste_boxes(
    x: Tensor, partner: Tensor, corners: Tensor, other: Tensor | None, inplace: bool
) -> Tensor | None:
    """Paste each row's box from its partner.

    Args:
        x: (B, ..., H, W) on the CPU, of any dtype.
        partner: (B,) int64, a permutation of the rows.
        corners: (B, 4) int64: top, bottom, left, right.
        other: a second batch like ``x``, whose row i is row i's partner.
        inplace: write into ``x``.

    Returns:
        The mixed batch; None without numba, or where the images are not dense in memory.
    """
    loops, images = _loops(), _lines(x)
    if loops is None or images is None:
        return None
    pixel = images.shape[3] // x.shape[-1]
    spans = corners * corners.new_tensor([1, 1, pixel, pixel])
    if other is None and inplace:
        loops.paste_within(images.numpy(), partner.numpy(), spans.numpy())
        return x
    if other is not None:
        partner = torch.arange(len(x))
    source = images if other is None else _lines(other)
    if source is None or source.shape != images.shape:
        return None
    out = x if inplace else x.clone()
    laid = _lines(out)
    assert laid is not None
    loops.paste_from(laid.numpy(), source.numpy(), partner.numpy(), spans.numpy())
    return out


def _lines(x: Tensor) -> Tensor | None:
    """A view of images as (B, planes, H, bytes of a line), or None."""
    x = x.detach()
    if x.is_contiguous():
        lines = x.view(len(x), -1, *x.shape[-2:])
    elif x.ndim == 4 and x.is_contiguous(memory_format=torch.channels_last):
        lines = x.movedim(1, -1).flatten(2).unsqueeze(1)
    else:
        return None
    return lines.view(torch.uint8)


@cache
def _loops() -> ModuleType | None:
    try:
        from vicinal.mixing import paste_loops
    except ImportError:
        return None
    return paste_loops
