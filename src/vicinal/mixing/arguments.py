"""Checks of arguments that many mixers have."""

import math
from collections.abc import Collection, Iterable
from typing import Any

Fields = str | int | Collection[str | int]


def number(name: str, value: float, upper: float = math.inf) -> float:
    """Check a number between 0 and ``upper``; raise an error that names the argument."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} must be a number, not {value!r}")
    if not 0 <= value <= upper:  # also rejects nan
        limits = f"between 0 and {upper:g}" if upper < math.inf else "0 or more"
        raise ValueError(f"{name} must be {limits}, not {value}")
    return float(value)


def one_of(name: str, value: str, choices: tuple[str, ...]) -> str:
    """Check one of several choices; raise an error that names them."""
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}, not {value!r}")
    return value


def whole(name: str, value: int) -> int:
    """Check a positive integer; raise an error that names the argument."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be a whole number, not {value!r}")
    if value < 1:
        raise ValueError(f"{name} must be 1 or more, not {value}")
    return value


def flag(name: str, value: bool) -> bool:
    """Check True or False; raise an error that names the argument."""
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be True or False, not {value!r}")
    return value


def pair(name: str, value: tuple[float, float], upper: float = math.inf) -> tuple[float, float]:
    """Check two numbers between 0 and ``upper``; raise an error that names the argument."""
    if not isinstance(value, tuple | list) or len(value) != 2:
        raise TypeError(f"{name} must be two numbers, not {value!r}")
    first, second = (number(name, end, upper) for end in value)
    return first, second


def shares(name: str, value: tuple[float, float]) -> tuple[float, float]:
    """Check 0 <= smallest <= largest <= 1; raise an error that names the argument."""
    low, high = pair(name, value, upper=1.0)
    if low > high:
        raise ValueError(f"{name} must be given as (smallest, largest), not {value!r}")
    return low, high


def decibels(name: str, value: tuple[float, float]) -> tuple[float, float]:
    """Check -100 <= smallest <= largest <= 100; raise an error that names the argument."""
    if not isinstance(value, tuple | list) or len(value) != 2:
        raise TypeError(f"{name} must be two numbers, not {value!r}")
    for end in value:
        is_number = isinstance(end, int | float) and not isinstance(end, bool)
        number(f"the size of {name}", abs(end) if is_number else end, 100)
    low, high = map(float, value)
    if low > high:
        raise ValueError(f"{name} must be given as (smallest, largest), not {value!r}")
    return low, high


def names(option: str, fields: Fields | None) -> tuple[str | int, ...] | None:
    """Names or positions in a nested batch as a tuple; raise an error that names the option."""
    if fields is None:
        return None
    one = isinstance(fields, str) or not isinstance(fields, Iterable)
    listed: tuple[Any, ...] = (fields,) if one else tuple(fields)  # type: ignore[arg-type]
    if not listed or not all(type(name) in (str, int) for name in listed):
        raise TypeError(f"{option} must be names or positions, at least one, not {fields!r}")
    return listed
