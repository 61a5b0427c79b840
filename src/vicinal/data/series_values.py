"""The values of series: what cannot be used is named, gaps are filled, lengths are made equal."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vicinal.data.samples import listed
from vicinal.errors import VicinalError
from vicinal.formatting import pluralize

Array = NDArray[np.float64]


@dataclass(frozen=True)
class FoundSeries:
    """The series of one part of the data, as they are stored.

    Args:
        series: of each its values, (channels, time) float64 with NaN where they are missing; or
            what is wrong with it, as the rest of a sentence about it.
        names: what each is called in messages, such as ``"line 12 of X_TRAIN.ts"``.
        frame: their labels and what else is known of them, a row a series.
    """

    series: Sequence[Array | str]
    names: Sequence[str]
    frame: pd.DataFrame

    def __len__(self) -> int:
        return len(self.series)


@dataclass(frozen=True)
class Series:
    """Series whose values can be used.

    Args:
        values: of each, (channels, time) float64, finite.
        rows: the place of each in the part where it was found.
        gaps: how many values were missing in each.
    """

    values: list[Array]
    rows: list[int]
    gaps: list[int]


def usable(
    part: FoundSeries, channels: Sequence[str], *, skip_bad: bool, what: str = "series"
) -> tuple[Series, list[str]]:
    """The series of a part that can be used, with their gaps filled, and a note about others.

    Args:
        part: as it was found.
        channels: the names of the channels that each has.
        skip_bad: leave out what cannot be used.
        what: how the series are called in messages.

    Raises:
        VicinalError: some cannot be used, and ``skip_bad`` is not set; or none can.
    """
    found = Series([], [], [])
    bad: list[tuple[str, str]] = []
    for row, (values, name) in enumerate(zip(part.series, part.names, strict=True)):
        reason = fault(values, channels)
        if reason is not None:
            bad.append((name, reason))
            continue
        assert not isinstance(values, str)
        found.values.append(filled(values))
        found.rows.append(row)
        found.gaps.append(int(np.isnan(values).sum()))
    if not bad:
        return found, []
    (first, reason), count = bad[0], f"{len(bad):,} of {len(part):,} {what}"
    if not skip_bad or not found.values:
        leave = "" if not found.values else ", or leave such series out with --skip-bad"
        raise VicinalError(
            f"{count} cannot be used, first {first}, which {reason}: repair it{leave}"
        )
    return found, [f"left out: {count} that cannot be used, first {first}, which {reason}"]


def fault(values: Array | str, channels: Sequence[str]) -> str | None:
    """What is wrong with a series, as the rest of a sentence about it; None where nothing is.

    >>> fault(np.array([[1.0, np.inf]]), ["x"]), fault(np.zeros((2, 5)), ["x"])
    ('has an infinite value', 'has 2 channels, and not 1')
    >>> fault(np.array([[1.0, np.nan]]), ["x"])
    """
    if isinstance(values, str):
        return values
    if len(values) != len(channels):
        return f"has {pluralize(len(values), 'channel')}, and not {len(channels)}"
    if np.isinf(values).any():
        return "has an infinite value"
    empty = [name for name, row in zip(channels, values, strict=True) if np.isnan(row).all()]
    if len(empty) == len(values):
        return "has no value"
    return f"has no value in channel {listed(empty, 3)}" if empty else None


def filled(values: Array) -> Array:
    """A series whose missing values are interpolated, linearly; the first and last ones go on.

    Args:
        values: (channels, time) with NaN; no channel without a value.

    >>> filled(np.array([[np.nan, 1.0, np.nan, 3.0, np.nan]]))
    array([[1., 1., 2., 3., 3.]])
    """
    missing = np.isnan(values)
    if not missing.any():
        return values
    whole, steps = values.copy(), np.arange(values.shape[1])
    for row, gaps in zip(whole, missing, strict=True):
        row[gaps] = np.interp(steps[gaps], steps[~gaps], row[~gaps])
    return whole


def resampled(values: Array, steps: int) -> Array:
    """A series of so many steps, from its first to its last value.

    Values are interpolated linearly. Of a series that is at least twice as long, steps are means
    over the values that fall to them, so that none is skipped.

    Args:
        values: (channels, time), finite.
        steps: 1 or more.

    >>> resampled(np.array([[0.0, 2.0]]), 5), resampled(np.array([[0.0, 2.0, 4.0, 8.0]]), 2)
    (array([[0. , 0.5, 1. , 1.5, 2. ]]), array([[1., 6.]]))
    """
    length = values.shape[1]
    if length == steps:
        return values
    if length >= 2 * steps:
        edges = np.arange(steps + 1) * length // steps
        sums = np.add.reduceat(values, edges[:-1], axis=1)
        return np.asarray(sums / np.diff(edges), dtype=np.float64)
    places = np.linspace(0, length - 1, steps)
    return np.stack([np.interp(places, np.arange(length), row) for row in values])


def most_channels(part: FoundSeries) -> int:
    """How many channels most series of a part have.

    Raises:
        VicinalError: no series can be read.
    """
    counts = Counter(len(values) for values in part.series if not isinstance(values, str))
    if not counts:
        if not len(part):
            raise VicinalError("there are no series in the training part: give at least two")
        raise VicinalError(
            f"none of the {len(part):,} series can be used: {part.names[0]} {part.series[0]}"
        )
    return max(counts, key=lambda count: (counts[count], count))


def ended(values: Array) -> Array:
    """A row of a table or an array without what is missing in all channels after its last value.

    Rows are as long as the longest, so what follows the end of a shorter series is missing.

    >>> ended(np.array([[1.0, np.nan, 2.0, np.nan], [1.0, 1.0, np.nan, np.nan]])).shape
    (2, 3)
    """
    there = np.flatnonzero(~np.isnan(values).all(axis=0))
    return values[:, : there[-1] + 1] if len(there) else values


def gap_notes(parts: Sequence[tuple[FoundSeries, Series]]) -> list[str]:
    """A line about the values that were missing in all parts, where any were."""
    first = [
        found.names[row]
        for found, series in parts
        for row, gaps in zip(series.rows, series.gaps, strict=True)
        if gaps
    ]
    if not first:
        return []
    gaps = sum(sum(series.gaps) for _, series in parts)
    values = sum(each.size for _, series in parts for each in series.values)
    count = sum(len(series.values) for _, series in parts)
    return [
        f"gaps: {gaps:,} of {values:,} values are missing, in {len(first):,} of {count:,} series "
        f"(first {first[0]}); they are interpolated between their neighbours"
    ]
