"""Numbers and lists in words."""

from collections.abc import Sequence


def counted(number: int, what: str) -> str:
    """A number of things.

    >>> counted(1, "seed"), counted(3, "seed")
    ('1 seed', '3 seeds')
    """
    return f"{number:,} {what}{'s' if number != 1 else ''}"


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
