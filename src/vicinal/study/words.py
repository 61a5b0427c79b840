"""Numbers, times and lists in words, and back.

It loads nothing else, so that a misspelling is told at once.
"""

import re
from collections.abc import Callable, Sequence
from typing import TypeVar

from vicinal.errors import VicinalError

T = TypeVar("T")

UNITS = (3600, 60, 1)  # hours, minutes, seconds


def counted(number: int, what: str) -> str:
    """A number of things.

    >>> counted(1, "seed"), counted(3, "seed")
    ('1 seed', '3 seeds')
    """
    return f"{number:,} {what}{'s' if number != 1 else ''}"


def exact(number: float) -> str:
    """A number with all its digits, as short as they allow.

    >>> exact(0.00123456789), exact(1234567.0)
    ('0.00123456789', '1234567')
    """
    return str(number).removesuffix(".0")


def joined(parts: Sequence[str]) -> str:
    """Several things in a sentence.

    >>> joined(["noise", "blur", "time"])
    'noise, blur and time'
    """
    return " and ".join(filter(None, [", ".join(parts[:-1]), parts[-1]]))


def spoken(seconds: float) -> str:
    """A time for people.

    >>> spoken(42.3), spoken(200), spoken(5000)
    ('42 s', '3 min 20 s', '1 h 23 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s" if whole else f"{seconds:.1f} s"
    if whole < 3600:
        return f"{whole // 60} min" + (f" {whole % 60} s" if whole % 60 else "")
    whole = round(seconds / 60)
    return f"{whole // 60} h" + (f" {whole % 60} min" if whole % 60 else "")


def seconds_of(text: str) -> float:
    """A time such as ``20m``, ``1h30m`` or ``90s``, in seconds.

    Raises:
        VicinalError: it is none.

    >>> seconds_of("1h30m")
    5400.0
    """
    found = re.fullmatch(r"(?:([\d.]+)h)?(?:([\d.]+)m)?(?:([\d.]+)s)?", text.strip().lower())
    try:
        parts = [float(number or 0) for number in found.groups()] if found else []
    except ValueError:
        parts = []
    total = sum(part * unit for part, unit in zip(parts, UNITS, strict=False))
    if not total > 0:
        raise VicinalError(f"--budget is a time such as 20m, 1h30m or 90s, not {text!r}")
    return total


def listed(option: str, text: str | None, of: Callable[[str], T], what: str) -> tuple[T, ...]:
    """What an option lists between commas; nothing where it is not given.

    Args:
        option: its name.
        of: from one word to its value; raises ValueError where it is none.
        what: what the words are, for the message.

    Raises:
        VicinalError: one of them is none, or empty.

    >>> listed("epochs", "5, 20", int, "whole numbers")
    (5, 20)
    """
    if text is None:
        return ()
    words = [word.strip() for word in text.split(",")]
    try:
        if not all(words):
            raise ValueError
        return tuple(of(word) for word in words)
    except ValueError:
        raise VicinalError(f"--{option} takes {what} between commas, not {text!r}") from None
