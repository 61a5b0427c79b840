"""Columns of numbers in tables of series: which they are, and what in them is no number."""

import re
from collections.abc import Collection, Sequence

import numpy as np
import pandas as pd

from vicinal.data.columns import is_numeric
from vicinal.data.series_values import Array

MOSTLY = 0.9  # if this share of a column's values are numbers, the others are mistakes
PLAIN = ("t", "time", "step", "timestep", "ts", "tick")  # what columns of steps are called
FEWEST = 8  # columns that plainly are steps of time


def number_columns(frame: pd.DataFrame, besides: Collection[str]) -> list[str]:
    """The columns of numbers, those with mistakes among them, without some.

    >>> frame = pd.DataFrame({"id": ["a", "b"], "x": [1.0, 2.0], "y": ["3", "4"]})
    >>> number_columns(frame, ["x"])
    ['y']
    """
    return [str(name) for name in frame if name not in besides and _holds_numbers(frame[name])]


def _holds_numbers(values: pd.Series) -> bool:
    if is_numeric(values):
        return bool(values.notna().any())
    if pd.api.types.is_bool_dtype(values) or pd.api.types.is_datetime64_any_dtype(values):
        return False
    known = values.dropna()
    return len(known) > 0 and bool(_numbers(known).notna().mean() >= MOSTLY)


def numbers_of(frame: pd.DataFrame, columns: Sequence[str]) -> tuple[Array, dict[int, str]]:
    """The values of columns, (rows, columns), and by the place of a row what in it is no number.

    >>> values, wrong = numbers_of(pd.DataFrame({"x": ["1", "two", None]}), ["x"])
    >>> values.ravel(), wrong
    (array([ 1., nan, nan]), {1: "has 'two' in column x, which is no number"})
    """
    values = np.full((len(frame), len(columns)), np.nan)
    wrong: dict[int, str] = {}
    for place, name in enumerate(columns):
        column = frame[name]
        numbers = column if is_numeric(column) else _numbers(column)
        values[:, place] = numbers.to_numpy(dtype=np.float64, na_value=np.nan)
        failed = column.notna().to_numpy() & np.isnan(values[:, place])
        for row in np.flatnonzero(failed).tolist():
            text = str(column.iloc[row])
            wrong.setdefault(row, f"has {text!r} in column {name}, which is no number")
    return values, wrong


def _numbers(values: pd.Series) -> pd.Series:
    return pd.to_numeric(values.astype("string"), errors="coerce").astype("Float64")


def numbered_family(columns: Sequence[str]) -> list[str]:
    """The largest set of columns that are called alike and numbered without a gap, in their order.

    >>> numbered_family(["id", "t10", "t9", "x1", "t8"])
    ['t8', 't9', 't10']
    """
    families: dict[str, dict[int, str]] = {}
    for name in columns:
        found = re.fullmatch(r"(.*?)(\d+)", name)
        if found:
            families.setdefault(found[1], {})[int(found[2])] = name
    whole = [
        [family[number] for number in sorted(family)]
        for family in families.values()
        if max(family) - min(family) == len(family) - 1
    ]
    return max(whole, key=len, default=[])


def are_plainly_steps(columns: Sequence[str]) -> bool:
    """Whether the names of columns say that they are steps of time, from 0 or 1 on.

    >>> are_plainly_steps([f"t_{step}" for step in range(8)])
    True
    >>> are_plainly_steps([f"pixel{step}" for step in range(8)])
    False
    """
    family = numbered_family(columns)
    if len(family) < FEWEST or len(family) < len(columns):
        return False
    prefix, first = re.fullmatch(r"(.*?)(\d+)", family[0]).groups()  # type: ignore[union-attr]
    return re.sub(r"[\W_]", "", prefix).lower() in PLAIN and int(first) in (0, 1)
