"""Numbers as text, with significant digits in any unit, and lists."""

import math
from collections.abc import Sequence


def format_number(value: float) -> str:
    """A number for a table: four decimals, or where that says less, four significant digits.

    >>> format_number(0.9), format_number(12.34567), format_number(0.0012346), format_number(0.0)
    ('0.9000', '12.3457', '0.001235', '0.0000')
    >>> format_number(1.23e-12), format_number(1.23456e12), format_number(1234567.8)
    ('1.230e-12', '1.235e+12', '1234567.8')
    """
    if value == 0 or 0.01 <= abs(value) < 1e5 or not math.isfinite(value):
        return f"{value:.4f}"
    if 1e5 <= abs(value) < 1e8:
        return f"{value:.1f}"
    return f"{value:#.4g}"


def format_short(value: float) -> str:
    """A number in a sentence: three significant digits, and all those before the point.

    >>> format_short(0.4567), format_short(12345.6), format_short(-1.2e-12), format_short(3e30)
    ('0.457', '12346', '-1.2e-12', '3e+30')
    """
    return f"{value:.0f}" if 1000 <= abs(value) < 1e6 else f"{value:.3g}"


def format_value(value: float) -> str:
    """A value of the data, or a predicted one: six significant digits, and two past the point.

    >>> format_value(0.12345678), format_value(1700000123.44), format_value(1.5e-12)
    ('0.123457', '1700000123.44', '1.5e-12')
    """
    whole = math.floor(math.log10(abs(value))) + 1 if value and math.isfinite(value) else 0
    return f"{value:.{max(6, whole + 2) if whole < 15 else 6}g}"


def format_exact(number: float) -> str:
    """A number with all its digits, and no more.

    >>> format_exact(0.00123456789), format_exact(1234567.0)
    ('0.00123456789', '1234567')
    """
    return str(number).removesuffix(".0")


def format_percent(share: float) -> str:
    """A share in percent, with one decimal; with more where that would be 0.0 or 100.0.

    >>> format_percent(0.912), format_percent(0.99987), format_percent(0.00023), format_percent(1)
    ('91.2', '99.99', '0.02', '100.0')
    """
    far = min(abs(share), abs(1 - share))
    return f"{abs(100 * share):.{_decimals(100 * far)}f}"


def format_points(difference: float) -> str:
    """A difference of shares in points, with one decimal; with more where that would be 0.0.

    >>> format_points(0.0123), format_points(-0.00023), format_points(-1e-17)
    ('+1.2', '-0.02', '+0.0')
    """
    decimals = _decimals(abs(100 * difference))
    return with_sign(f"{round(100 * difference, decimals) + 0.0:.{decimals}f}")


def with_sign(number: str) -> str:
    """A number's text with its sign, also where that is +."""
    return number if number.startswith("-") else f"+{number}"


def _decimals(distance: float) -> int:
    """How many decimals show that points are not 0; one where they are, but for rounding."""
    if not 1e-6 < distance < 0.05:  # nan, too
        return 1
    return -math.floor(math.log10(distance))


def pluralize(count: int, noun: str) -> str:
    """A number with its noun.

    >>> pluralize(1, "row"), pluralize(2000, "row")
    ('1 row', '2,000 rows')
    >>> pluralize(1, "series"), pluralize(2, "series")
    ('1 series', '2 series')
    """
    plural = noun if noun.endswith("series") else f"{noun}s"
    return f"{count:,} {noun if count == 1 else plural}"


def join_and(parts: Sequence[str]) -> str:
    """An enumeration.

    >>> join_and(["noise", "blur", "time"])
    'noise, blur and time'
    """
    return " and ".join(filter(None, [", ".join(parts[:-1]), parts[-1]]))
