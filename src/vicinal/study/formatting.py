"""Durations and lists as text, and back; and how a sentence begins.

It imports nothing heavy, so that the command line can report a typo at once.
"""

import re
from collections.abc import Callable
from typing import TypeVar

from vicinal.errors import VicinalError

T = TypeVar("T")

UNITS = (3600, 60, 1)  # hours, minutes, seconds


def format_duration(seconds: float) -> str:
    """A duration in its two largest units.

    >>> format_duration(42.3), format_duration(200), format_duration(5000)
    ('42 s', '3 min 20 s', '1 h 23 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s" if whole else f"{seconds:.1f} s"
    if whole < 3600:
        return f"{whole // 60} min" + (f" {whole % 60} s" if whole % 60 else "")
    whole = round(seconds / 60)
    return f"{whole // 60} h" + (f" {whole % 60} min" if whole % 60 else "")


def parse_duration(text: str) -> float:
    """A duration such as ``20m``, ``1h30m`` or ``90s``, in seconds.

    Raises:
        VicinalError: it is not a duration, or 0.

    >>> parse_duration("1h30m")
    5400.0
    """
    found = re.fullmatch(r"(?:([\d.]+)h)?(?:([\d.]+)m)?(?:([\d.]+)s)?", text.strip().lower())
    try:
        parts = [float(number or 0) for number in found.groups()] if found else []
    except ValueError:
        parts = []
    total = sum(part * unit for part, unit in zip(parts, UNITS, strict=False))
    if not total > 0:
        raise VicinalError(f"--budget takes a duration such as 20m, 1h30m or 90s, not {text!r}")
    return total


def parse_list(
    option: str, text: str | None, parse: Callable[[str], T], what: str
) -> tuple[T, ...]:
    """The comma-separated values of an option; empty where the option is not given.

    Args:
        option: its name.
        parse: from one item to its value; raises ValueError where it cannot.
        what: what the items are, for the message.

    Raises:
        VicinalError: an item is empty or cannot be parsed.

    >>> parse_list("epochs", "5, 20", int, "whole numbers")
    (5, 20)
    """
    if text is None:
        return ()
    words = [word.strip() for word in text.split(",")]
    try:
        if not all(words):
            raise ValueError
        return tuple(parse(word) for word in words)
    except ValueError:
        raise VicinalError(f"--{option} takes {what}, separated by commas, not {text!r}") from None


def capitalized(text: str) -> str:
    """A sentence with a capital letter, unless it begins with the name of an arm."""
    if text.startswith(("nothing", "one seed", "training")):
        return text[:1].upper() + text[1:]
    return text
