"""first: one entry of anything that can be iterated."""

from collections.abc import Iterable
from typing import TypeVar

T = TypeVar("T")


def first(x: Iterable[T]) -> T | None:
    """The first entry of a list, a loader or a generator; None if there is none.

    >>> first([3, 1, 2]), first([])
    (3, None)
    """
    return next(iter(x), None)
