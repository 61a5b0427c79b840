"""Series in long tables: a row for each step, with a column that says which series it is of."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vicinal.data.columns import as_texts
from vicinal.data.samples import listed
from vicinal.data.series_columns import numbers_of
from vicinal.data.series_times import times_of
from vicinal.data.series_values import Array, FoundSeries
from vicinal.errors import VicinalError

TIMES = ("time", "t", "timestamp", "step", "date", "datetime", "timestep", "time_step", "seconds")
Places = NDArray[np.intp]
UNEVEN = 0.01  # share by which steps of time may differ and still count as even


def long_series(
    frame: pd.DataFrame,
    series_id: str,
    time: str | None,
    channels: Sequence[str],
    kept: Sequence[str] = (),
    *,
    day_first: bool | None = None,
) -> tuple[FoundSeries, list[str]]:
    """The series of a long table, each in the order of its times.

    Args:
        frame: a row for each step.
        series_id: the column that says which series a row belongs to.
        time: the column of the times; None takes rows in their order.
        channels: the columns of the values.
        kept: columns that say something of the whole series, such as its label.
        day_first: whether dates such as 2/3/2020 begin with the day; None looks at them.

    Returns:
        The series in the order of their first rows, and lines for the user. A series cannot be used
        if two of its rows have one time, if it has several labels, or if it has text for a number.

    Raises:
        VicinalError: rows belong to no series, or the times are none.

    >>> frame = pd.DataFrame({"id": ["a", "b", "a"], "t": [2, 1, 1], "x": [5.0, 6.0, 7.0]})
    >>> found, notes = long_series(frame, "id", "t", ["x"])
    >>> found.names, found.series[0]
    (['id a', 'id b'], array([[7., 5.]]))
    >>> notes
    ['times: 1 of 2 series were not in order, and are sorted']
    """
    texts = as_texts(frame[series_id])
    if texts.isna().any():
        row = frame.index[int(texts.isna().to_numpy().argmax())]
        raise VicinalError(
            f"{int(texts.isna().sum()):,} of {len(frame):,} rows have no {series_id}, first row "
            f"{row}: fill it in or drop such rows"
        )
    codes, ids = pd.factorize(texts)
    times, untimed, notes = times_of(frame, time, day_first)
    order = np.lexsort((np.arange(len(frame)), times, codes))
    starts = np.searchsorted(codes[order], np.arange(len(ids) + 1))
    values, wrong = numbers_of(frame, channels)
    inside = [name for name in kept if name in frame]
    several = {code: reason for name in inside for code, reason in _several(frame[name], codes)}
    series: list[Array | str] = []
    unsorted = uneven = 0
    for code in range(len(ids)):
        rows = order[starts[code] : starts[code + 1]]
        of_series = times[rows]
        reason = several.get(code) or _reason(rows, of_series, frame, wrong, untimed, time)
        series.append(reason or np.ascontiguousarray(values[rows].T))
        unsorted += bool((np.diff(rows) < 0).any())
        uneven += time is not None and reason is None and _is_uneven(of_series)
    if unsorted:
        notes.append(
            f"times: {unsorted:,} of {len(ids):,} series were not in order, and are sorted"
        )
    if uneven:
        notes.append(
            f"times: {uneven:,} of {len(ids):,} series have uneven steps, which are taken as even"
        )
    known = pd.DataFrame(index=pd.Index(ids))
    for name in inside:
        known[name] = frame[name].groupby(codes).first().to_numpy()
    return FoundSeries(series, [f"{series_id} {name}" for name in ids], known), notes


def _is_uneven(times: Array) -> bool:
    gaps = np.diff(times)
    return bool(len(gaps) and np.ptp(gaps) > UNEVEN * gaps.max())


def _reason(
    rows: Places,
    times: Array,
    frame: pd.DataFrame,
    wrong: dict[int, str],
    untimed: set[int],
    time: str | None,
) -> str | None:
    """Why a series cannot be used."""
    without = next((row for row in rows.tolist() if row in untimed), None)
    if without is not None:
        return f"has no {time} in row {frame.index[without]}"
    same = np.flatnonzero(times[1:] == times[:-1])
    if time is not None and len(same):
        first, second = frame.index[rows[same[0]]], frame.index[rows[same[0] + 1]]
        value = frame[time].iloc[rows[same[0]]]
        count = f", and {len(same) - 1:,} others" if len(same) > 1 else ""
        return f"has the {time} {value} twice (rows {first} and {second}{count})"
    word = next((row for row in rows.tolist() if row in wrong), None)
    return None if word is None else f"{wrong[word]} (row {frame.index[word]})"


def _several(column: pd.Series, codes: Places) -> list[tuple[int, str]]:
    """The series that have several values in a column which should say one of each."""
    texts = as_texts(column)
    pairs = pd.DataFrame({"code": codes, "text": texts.to_numpy()}).dropna().drop_duplicates()
    counts = pairs.groupby("code")["text"].agg(list)
    return [
        (int(code), f"has several values in column {column.name}: {listed(sorted(found), 3)}")
        for code, found in counts.items()
        if len(found) > 1
    ]
