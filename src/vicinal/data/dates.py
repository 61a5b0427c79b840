"""add_datepart: a column of dates as columns of numbers."""

import re
from typing import TYPE_CHECKING

from vicinal.errors import VicinalError
from vicinal.stored import first_line

if TYPE_CHECKING:
    import pandas as pd

PARTS = (
    *("Year", "Month", "Week", "Day", "Dayofweek", "Dayofyear"),
    *("Is_month_end", "Is_month_start", "Is_quarter_end", "Is_quarter_start"),
    *("Is_year_end", "Is_year_start"),
)
TIMES = ("Hour", "Minute", "Second")
OTHERWISE = {"Dayofweek": "day_of_week", "Dayofyear": "day_of_year"}  # in pandas


def add_datepart(
    df: "pd.DataFrame",
    field_name: str,
    prefix: str | None = None,
    drop: bool = True,
    time: bool = False,
) -> "pd.DataFrame":
    """Add what a column of dates says, in columns such as ``saleYear`` and ``saleIs_month_end``.

    Args:
        df: the table, which is changed.
        field_name: its column of dates, or of texts that pandas reads as dates.
        prefix: of the new columns; None for the column's name without "date" at its end.
        drop: leave out the column itself.
        time: add the hour, the minute and the second, too.

    Returns:
        The same table. Its column ``saleElapsed`` holds seconds since 1970.

    Raises:
        VicinalError: there is no such column, or a value is no date.

    >>> import pandas as pd
    >>> frame = add_datepart(pd.DataFrame({"saledate": ["2011-11-16"]}), "saledate")
    >>> frame[["saleYear", "saleWeek", "saleIs_month_end", "saleElapsed"]].values.tolist()
    [[2011, 46, False, 1321401600.0]]
    """
    import pandas as pd

    if field_name not in df:
        raise VicinalError(
            f"the data frame has no column {field_name!r}: it has {', '.join(map(str, df))}"
        )
    try:
        dates = pd.to_datetime(df[field_name])
    except (ValueError, TypeError) as error:
        said = first_line(error)
        raise VicinalError(f"column {field_name} holds what is no date: {said}") from None
    before = re.sub("[Dd]ate$", "", field_name) if prefix is None else prefix
    weeks = dates.dt.isocalendar().week
    for part in (*PARTS, *(TIMES if time else ())):
        values = weeks.astype(dates.dt.day.dtype) if part == "Week" else _part(dates, part)
        df[before + part] = values
    # In seconds whatever resolution the column has: pandas 3 reads texts in microseconds.
    start = pd.Timestamp(0, tz=dates.dt.tz)
    df[f"{before}Elapsed"] = (dates - start).dt.total_seconds()
    if drop:
        del df[field_name]
    return df


def _part(dates: "pd.Series", part: str) -> "pd.Series":
    values: pd.Series = getattr(dates.dt, OTHERWISE.get(part, part.lower()))
    return values
