"""Transport of blocks within an image: what is salient moves to where it is shown."""

from functools import cache

import torch
from torch import Tensor

from vicinal.mixing import compiled


def transport(saliency: Tensor, shown: Tensor, price: float) -> Tensor:
    """Which block of a grid moves to each place that is shown.

    A block at a place that is shown gains its saliency, and pays for the way. In as many rounds as
    a side has blocks, each block that has no place asks for the best one, and each place keeps the
    block that gains the most of those that asked for it. The others ask elsewhere in the next
    round, as long as they would gain anything. Of places that are equally good, it is the nearest.

    Args:
        saliency: (B, n, n) float32, 0 or more, in the unit of ``price``.
        shown: (B, n, n) bool.
        price: of the way along a whole side, 0 or more. It grows with the square of the distance.

    Returns:
        (B, n, n) int64, the number of the block that is shown at each place, row by row; at places
        that are not shown, the block that was there. A block moves to one place at most.

    >>> saliency = torch.tensor([[[0.7, 0.2], [0.1, 0.0]]])
    >>> shown = torch.tensor([[[False, True], [False, False]]])
    >>> transport(saliency, shown, price=0.1), transport(saliency, shown, price=0.6)
    (tensor([[[0, 0],
             [2, 3]]]), tensor([[[0, 1],
             [2, 3]]]))
    """
    side = saliency.shape[-1]
    way = _squares(side) * price
    saliency, shown = saliency.cpu().contiguous(), shown.cpu().contiguous()
    source = compiled.transport(saliency, shown, way, _nearest(side))
    if source is None:
        source = _by_torch(saliency.flatten(1), shown.flatten(1), way).view(shown.shape)
    return source


def _by_torch(saliency: Tensor, shown: Tensor, way: Tensor) -> Tensor:
    """The same for (B, n²) without numba."""
    count = shown.shape[1]
    cost = way - saliency.unsqueeze(2)  # of each block, at each place
    in_place = torch.eye(count, dtype=torch.bool, device="cpu")
    cost = cost.masked_fill(~(shown.unsqueeze(1) & ((cost < 0) | in_place)), torch.inf)
    nearest = _nearest(round(count**0.5)).expand_as(cost)
    block = torch.arange(count, device="cpu")
    for _ in range(round(count**0.5)):
        least, at = cost.gather(2, nearest).min(2, keepdim=True)
        asked = torch.full_like(cost, torch.inf).scatter_(2, nearest.gather(2, at), least)
        kept, source = asked.min(1)
        has_lost = asked.isfinite() & (block[:, None] != source[:, None])
        cost = cost.masked_fill(has_lost, torch.inf)
    return source.where(kept.isfinite(), block)


@cache
def _squares(side: int) -> Tensor:
    """(n², n²) float32, the squared distance of two blocks, in sides."""
    with torch.inference_mode(False):  # it is kept
        number = torch.arange(side * side, device="cpu")
        row, column = number // side, number % side
        down, across = row[:, None] - row, column[:, None] - column
        return (down.square() + across.square()).float() / max(side - 1, 1) ** 2


@cache
def _nearest(side: int) -> Tensor:
    """(n², n²) int64, for each block all places, the nearest ones first, and row by row."""
    with torch.inference_mode(False):
        return _squares(side).argsort(dim=1, stable=True)
