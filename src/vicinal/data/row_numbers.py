"""Columns that number the rows: nothing can be learned from them but the order of a file."""

import re
from collections.abc import Sequence

import pandas as pd

LEAST = 32  # rows: fewer may be months, hours or days, or consecutive by chance
# Rows, where numbers begin elsewhere than at 0 or 1: ages or temperatures may be listed in steps.
LEAST_FROM_ELSEWHERE = 200
YEARS = (1500, 2100)
# The last word of a column's name, where a unique whole number in each row is an identifier.
_NAMES = ("id", "ids", "idx", "index", "rowid", "rownum", "uid", "guid")
_MEASURED = ("index",)  # such a name alone: a heat index is measured
_COUNTS = "it numbers the rows; it is kept if written with decimals, 1.0"


def row_numbers(frames: Sequence[pd.DataFrame]) -> dict[str, str]:
    """The columns of the first frame that number its rows, or those of all frames together.

    They hold an integer for each row, no two alike, which are consecutive from 0 or 1 on, or in
    more than 200 rows from elsewhere, unless they are years; or the column is called an id, and no
    two whole numbers are alike.

    Returns:
        Their names, each with the reason to leave it out.

    >>> frame = pd.DataFrame({"id": [7, 9, 4], "n": [1, 2, 3], "age": [40, 41, 42]})
    >>> row_numbers([frame])
    {'id': 'an id, no two are alike'}
    >>> list(row_numbers([frame.sample(40, replace=True).assign(n=range(1, 41))]))
    ['n']
    """
    first, *others = frames
    found = {}
    for name in first:
        parts = [first[name], *(frame[name] for frame in others if name in frame)]
        called = is_called_an_id(str(name))
        if _number_rows(parts[0], called) or (others and _together(parts, called)):
            found[str(name)] = "an id, no two are alike" if called else _COUNTS
    return found


def is_called_an_id(name: str) -> bool:
    """Whether the last word of a column's name says that it identifies something.

    >>> [is_called_an_id(name) for name in ("PassengerId", "shop_id", "index", "heat_index")]
    [True, True, True, False]
    """
    words = re.findall(r"[a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower())
    if not words or words[-1] not in _NAMES:
        return False
    return len(words) == 1 or words[-1] not in _MEASURED


def _together(parts: list[pd.Series], called: bool) -> bool:
    if not all(pd.api.types.is_numeric_dtype(part) for part in parts):
        return False
    return _number_rows(pd.concat(parts, ignore_index=True), called)


def _number_rows(values: pd.Series, called_an_id: bool) -> bool:
    dtypes = pd.api.types
    if called_an_id:
        if not dtypes.is_numeric_dtype(values) or dtypes.is_bool_dtype(values) or values.hasnans:
            return False
        return len(values) > 1 and bool((values % 1 == 0).all()) and values.is_unique
    if not dtypes.is_integer_dtype(values) or len(values) < LEAST or values.hasnans:
        return False
    low, high = int(values.min()), int(values.max())
    if high - low != len(values) - 1 or not values.is_unique:
        return False
    are_years = low >= YEARS[0] and high <= YEARS[1]
    return low in (0, 1) or (len(values) > LEAST_FROM_ELSEWHERE and not are_years)
