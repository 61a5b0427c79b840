"""The error for a trainer that is given two callbacks that mix."""

from collections.abc import Iterable
from typing import Any


def check_alone(callbacks: Iterable[Any], mixing: type | tuple[type, ...]) -> None:
    """Raise if more than one of the callbacks mixes the batches.

    Args:
        callbacks: of a trainer.
        mixing: the types of those that mix.

    Raises:
        TypeError: there are several.

    >>> check_alone([1, "two", 3], int)
    Traceback (most recent call last):
      ...
    TypeError: int and int mix the same batches: remove one of them
    """
    found = [callback for callback in callbacks if isinstance(callback, mixing)]
    if len(found) > 1:
        names = " and ".join(map(_described, found))
        raise TypeError(f"{names} mix the same batches: remove one of them")


def _described(callback: Any) -> str:
    name, mixer = type(callback).__name__, getattr(callback, "mixer", None)
    return name if mixer is None else f"{name}({mixer})"
