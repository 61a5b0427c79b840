"""The times of rows: numbers, or dates in several spellings."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from vicinal.data.columns import is_numeric
from vicinal.data.series_values import Array
from vicinal.errors import VicinalError

_DATE = r"^\s*(\d{1,2})([./-])(\d{1,2})\2\d{2,4}\b"  # 2/3/2020, of which the day may come first
_SHORT = r"^\s*\d{1,2}-\d{1,2}-\d{2}\b"


def days_come_first(columns: Sequence[pd.Series], known: bool | None = None) -> bool | None:
    """Whether dates such as 2/3/2020 begin with the day.

    They do if a first number is above 12, or if all are written with dots; and do not if a second
    one is above 12.

    Args:
        columns: the times.
        known: what other dates say.

    Returns:
        None where nothing says so, or there are no such dates.

    Raises:
        VicinalError: some begin with the day, and others with the month; or with a year of two
            digits.

    >>> days_come_first([pd.Series(["2/3/2020", "13/3/2020"])]), days_come_first([pd.Series([2])])
    (True, None)
    """
    texts = pd.concat([_texts(column) for column in columns], ignore_index=True)
    short = texts[texts.str.match(_SHORT)]
    if len(short):
        raise VicinalError(
            f"{short.iloc[0]} may begin with the year or the day: write dates with four digits of "
            "the year, best as 2020-01-31"
        )
    found = texts.str.extract(_DATE)
    numbers = found[[0, 2]].astype("Float64").fillna(0) > 12
    days, months = texts[numbers[0]], texts[numbers[2]]
    if len(months) and (len(days) or known):
        before = f"{days.iloc[0]} begins" if len(days) else "other dates begin"
        raise VicinalError(
            f"{before} with the day, and {months.iloc[0]} with the month: write all dates alike, "
            "best as 2020-01-31"
        )
    if len(days) and known is False:
        raise VicinalError(
            f"{days.iloc[0]} begins with the day, and other dates with the month: write all dates "
            "alike, best as 2020-01-31"
        )
    if len(days) or len(months):
        return len(days) > 0
    separators = found[1].dropna()
    dotted = True if len(separators) and (separators == ".").all() else None
    return dotted if known is None else known


def _texts(column: pd.Series) -> pd.Series:
    are_none = is_numeric(column) or pd.api.types.is_datetime64_any_dtype(column)
    return pd.Series(dtype="string") if are_none else column.dropna().astype("string")


def times_of(
    frame: pd.DataFrame, time: str | None, day_first: bool | None = None
) -> tuple[Array, set[int], list[str]]:
    """The time of each row as a number, the places of rows without one, and lines for the user.

    Args:
        frame: the rows.
        time: the column of the times; None numbers the rows.
        day_first: as ``known`` of :func:`days_come_first`.

    Raises:
        VicinalError: a value is no time, or dates contradict each other.
    """
    if time is None:
        return np.arange(len(frame), dtype=np.float64), set(), []
    column = frame[time]
    missing = set(np.flatnonzero(column.isna().to_numpy()).tolist())
    if is_numeric(column):
        return column.to_numpy(dtype=np.float64, na_value=np.inf), missing, []
    stamps, notes = _stamps(column, day_first)
    failed = np.flatnonzero((stamps.isna() & column.notna()).to_numpy())
    if len(failed):
        row = failed[0]
        raise VicinalError(
            f"column {time} holds {str(column.iloc[row])!r} in row {frame.index[row]}, which is no "
            "time: name a column of numbers or dates by --time"
        )
    seconds = (stamps - stamps.min()).dt.total_seconds()
    return seconds.to_numpy(dtype=np.float64, na_value=np.inf), missing, notes


def _stamps(column: pd.Series, day_first: bool | None) -> tuple[pd.Series, list[str]]:
    """Times that are no numbers as such of pandas, and a line where the month may be the day."""
    stamps = pd.to_datetime(column, errors="coerce", format="mixed", utc=True)
    if not len(_texts(column)):
        return stamps, []
    of_days = column.astype("string").str.match(_DATE).fillna(False).to_numpy(dtype=bool)
    if not of_days.any():
        return stamps, []
    found = days_come_first([column], day_first)
    if found is None:
        first = column[of_days].iloc[0]
        return stamps, [f"times: dates such as {first} are taken to begin with the month"]
    if found:  # of these alone: pandas would read 2020-01-02 as the first of February, too
        own = pd.to_datetime(
            column[of_days], errors="coerce", format="mixed", utc=True, dayfirst=True
        )
        stamps = stamps.copy()
        stamps[of_days] = own
    return stamps, []
