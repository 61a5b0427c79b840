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
    if is_numeric(values) or pd.api.types.is_bool_dtype(values):
        return bool(values.notna().any())
    if pd.api.types.is_datetime64_any_dtype(values):
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
        is_plain = is_numeric(column) or pd.api.types.is_bool_dtype(column)
        numbers = column if is_plain else _numbers(column)
        values[:, place] = numbers.to_numpy(dtype=np.float64, na_value=np.nan)
        failed = column.notna().to_numpy() & np.isnan(values[:, place])
        for row in np.flatnonzero(failed).tolist():
            text = str(column.iloc[row])
            wrong.setdefault(row, f"has {text!r} in column {name}, which is no number")
    return values, wrong


def _numbers(values: pd.Series) -> pd.Series:
    return pd.to_numeric(values.astype("string"), errors="coerce").astype("Float64")


def numbered_families(columns: Sequence[str]) -> dict[str, list[str]]:
    """The largest sets of columns that are called alike and have the same numbers without a gap.

    Returns:
        By what they are called, the columns in the order of their numbers.

    >>> numbered_families(["id", "x10", "x9", "z1", "x8"])
    {'x': ['x8', 'x9', 'x10']}
    >>> numbered_families(["x_1", "y_1", "x_2", "y_2"])
    {'x_': ['x_1', 'x_2'], 'y_': ['y_1', 'y_2']}
    """
    families: dict[str, dict[int, str]] = {}
    for name in columns:
        found = re.fullmatch(r"(.*?)(\d+)", name)
        if found:
            families.setdefault(found[1], {})[int(found[2])] = name
    whole = {
        name: sorted(family)
        for name, family in families.items()
        if max(family) - min(family) == len(family) - 1
    }
    numbers = max(whole.values(), key=len, default=[])
    return {
        name: [families[name][number] for number in numbers]
        for name, own in whole.items()
        if own == numbers
    }


def continued(columns: Collection[str], steps: Sequence[str], channels: int) -> list[str]:
    """The steps of series in a table, with columns that go on after the last one of each channel.

    Args:
        columns: of the table.
        steps: those of the training part, those of one channel after those of another.
        channels: how many.

    >>> continued(["x1", "x2", "x3", "x5"], ["x1", "x2"], 1)
    ['x1', 'x2', 'x3']
    """
    width = len(steps) // channels
    own = [[*steps[place : place + width]] for place in range(0, len(steps), width)]
    if [*numbered_families(steps).values()] != own:
        return [*steps]
    numbers = {}
    for name in columns:
        found = re.fullmatch(r"(.*?)(\d+)", name)
        if found:
            numbers[found[1], int(found[2])] = name
    lasts = [re.fullmatch(r"(.*?)(\d+)", family[-1]) for family in own]
    following = [(last[1], int(last[2]) + 1) for last in lasts if last]
    while all(step in numbers for step in following):
        for family, step in zip(own, following, strict=True):
            family.append(numbers[step])
        following = [(name, number + 1) for name, number in following]
    return [step for family in own for step in family]


def are_plainly_steps(columns: Sequence[str]) -> bool:
    """Whether the names of columns say that they are steps of time, from 0 or 1 on.

    >>> are_plainly_steps([f"t_{step}" for step in range(8)])
    True
    >>> are_plainly_steps([f"pixel{step}" for step in range(8)])
    False
    """
    families = numbered_families(columns)
    if len(families) != 1:
        return False
    ((name, family),) = families.items()
    first = int(family[0].removeprefix(name))
    is_called_so = re.sub(r"[\W_]", "", name).lower() in PLAIN and first in (0, 1)
    return is_called_so and FEWEST <= len(family) == len(columns)
