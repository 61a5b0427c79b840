"""Learning rates that the losses of a range test suggest, by fastai's four ways."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from vicinal.errors import VicinalError

Point = tuple[float, float]
Suggestion = tuple[float, Point]
SuggestFunc = Callable[..., Suggestion]


def valley(lrs: Any, losses: Any, num_it: int = 0) -> Suggestion:
    """Near the middle of the longest fall of the losses; the first rate, if they never fall.

    The fall ends where the longest falling subsequence ends, and is as many batches long as that
    has members. The rate is at a third and a sixth of its length, each rounded down, from its
    start.

    Args:
        lrs: rates (n,), ascending.
        losses: the loss at each of them (n,).
        num_it: the number of batches of the test, which no suggestion needs.

    Returns:
        The suggestion, and the point of the curve that it comes from: (rate, loss).

    Source: fastai's ``valley``, which suggests the same rate.

    >>> valley([1, 2, 3, 4, 5, 6, 7, 8], [5.1, 4.0, 3.0, 2.0, 1.5, 1.0, 8.0, 9.0])[0]
    3.0
    """
    return _at(lrs, losses, in_longest_fall([float(loss) for loss in losses]) or 0)


def slide(
    lrs: Any,
    losses: Any,
    num_it: int = 0,
    lr_diff: int = 15,
    thresh: float = 0.005,
    adjust_value: float = 1.0,
) -> Suggestion:
    """Where, from the right, the slopes at both ends of an interval first differ little.

    Args:
        lrs, losses, num_it: as for :func:`valley`.
        lr_diff: the length of the interval, in batches.
        thresh: how much the slopes may differ, in the loss per batch.
        adjust_value: what the rate is multiplied by.

    Raises:
        VicinalError: there are not more batches than ``lr_diff``.

    Source: fastai's ``slide``, which suggests the same rate.
    """
    if len(losses) <= lr_diff:
        raise VicinalError(
            f"slide() compares losses that are {lr_diff} batches apart, and there are "
            f"{len(losses)}: give a larger num_it, or a smaller lr_diff"
        )
    (slopes,) = torch.gradient(_tensor(losses))
    chosen = len(losses) - 1 - lr_diff
    for left in range(chosen, -1, -1):
        if abs(slopes[left + lr_diff] - slopes[left]) <= thresh:
            break
        chosen = left
    rate, (_, loss) = _at(lrs, losses, chosen)
    return rate * adjust_value, (rate * adjust_value, loss)


def minimum(lrs: Any, losses: Any, num_it: int = 0) -> Suggestion:
    """A tenth of the rate at which the loss is lowest.

    Args:
        lrs, losses, num_it: as for :func:`valley`.

    Source: fastai's ``minimum``, which suggests the same rate.

    >>> minimum([0.01, 0.1, 1.0], [3.0, 1.0, 2.0])[0]
    0.01
    """
    rate, point = _at(lrs, losses, int(_tensor(losses).argmin()))
    return rate / 10, point


def steep(lrs: Any, losses: Any, num_it: int = 0) -> Suggestion:
    """Where the loss falls the most with the logarithm of the rate.

    Args:
        lrs, losses, num_it: as for :func:`valley`.

    Source: fastai's ``steep``, which suggests the same rate.

    >>> steep([0.01, 0.1, 1.0], [3.0, 2.5, 1.0])[0]
    0.1
    """
    slopes = _tensor(losses).diff() / _tensor(lrs).log().diff()
    return _at(lrs, losses, int(slopes.argmin()))


def in_longest_fall(losses: Sequence[float]) -> int | None:
    """The index that :func:`valley` suggests, or None if the losses never fall.

    >>> in_longest_fall([5.0, 5.1, 4.0, 3.0, 2.0, 1.5, 1.0, 8.0, 9.0])
    3
    """
    lengths = [1] * len(losses)
    for i, loss in enumerate(losses):
        lengths[i] += max((lengths[j] for j in range(i) if losses[j] > loss), default=0)
    longest = max(lengths)
    if longest == 1:
        return None
    # A fall of two batches at the beginning would start before the first.
    return max(0, lengths.index(longest) - longest + longest // 3 + longest // 6)


def _at(lrs: Any, losses: Any, index: int) -> Suggestion:
    rate = float(lrs[index])
    return rate, (rate, float(losses[index]))


def _tensor(values: Any) -> Tensor:
    return torch.as_tensor(values, dtype=torch.float64)
