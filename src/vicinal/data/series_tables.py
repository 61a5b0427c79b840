"""Series in tables: one a row (wide), or one an id with a row for each step (long)."""

import re
from collections.abc import Collection, Mapping
from dataclasses import replace
from shlex import quote
from typing import Any

import pandas as pd

from vicinal.data.column_names import check_column, check_roles
from vicinal.data.columns import has_no_name, with_names
from vicinal.data.labels import label_column
from vicinal.data.parts import part_names
from vicinal.data.request import DataRequest
from vicinal.data.row_numbers import row_numbers
from vicinal.data.samples import listed
from vicinal.data.series import Layout, SeriesSplit, split_of_series
from vicinal.data.series_columns import (
    are_plainly_steps,
    continued,
    number_columns,
    numbered_families,
    numbers_of,
)
from vicinal.data.series_long import TIMES, long_series
from vicinal.data.series_times import days_come_first
from vicinal.data.series_values import FoundSeries, ended
from vicinal.data.several import names_several
from vicinal.data.split_column import about_parts, split_column_of
from vicinal.errors import VicinalError

OF_TABLES = (
    *("label", "drop", "split_column", "label_kind", "drop_missing", "group", "label_sep"),
    *("series", "series_id", "time"),
)
REASONS = {"": "holds series in a table", "text": "holds series, and no texts"}
ROWS = "row {} of the part {}"


def split_of_series_tables(request: DataRequest, frames: Mapping[str, Any]) -> SeriesSplit:
    """Series in tables, where the user says that they hold such.

    Args:
        request: the user's options.
        frames: the parts of the table.

    Raises:
        VicinalError: columns are missing, or the series cannot be used.
    """
    request.accept(*OF_TABLES, reasons=REASONS)
    if request.series and request.series_id is not None:
        raise VicinalError(
            f"--series is for one series a row, and --series-id {request.series_id} for one row a "
            "step: leave out one of them"
        )
    reading = getattr(frames, "reading", None)
    notes = list(getattr(frames, "notes", ()))
    named = {str(name): with_names(frame) for name, frame in frames.items()}
    if request.series_id is not None:
        return _long(request, named, reading, notes)
    if request.time is not None:
        raise VicinalError(
            f"--time {request.time} orders the rows of each series: name the column that says "
            "which series a row belongs to by --series-id"
        )
    return _wide(request, named, reading, notes)


def plainly_wide(request: DataRequest, frames: Mapping[str, Any]) -> bool:
    """Whether a table has columns called t0, t1, … and beside them no others to learn from."""
    if request.series is False or request.text is not None or request.categorical:
        return False
    frame = with_names(frames[part_names(frames)[0]])
    families = numbered_families(list(map(str, frame)))
    steps = [name for family in families.values() for name in family]
    if not are_plainly_steps(steps) or {*steps} - {*_of_numbers(frame, steps, [])}:
        return False
    try:
        roles = _roles(frame, request)
    except VicinalError:  # the label cannot be told, which is said of the rows
        return False
    others = {name for name in map(str, frame) if not has_no_name(name)}
    return not others - {*steps} - roles - {*row_numbers([frame])}


def _of_numbers(
    frame: pd.DataFrame, columns: Collection[str], besides: Collection[str]
) -> list[str]:
    """The columns of numbers among some, and empty ones that are called as such are."""
    numeric = number_columns(frame[[*columns]], besides)
    called = {re.sub(r"\d+$", "", name) for name in numeric}
    return [
        name
        for name in columns
        if name in numeric
        or (
            name not in besides
            and re.sub(r"\d+$", "", name) in called
            and bool(frame[name].isna().all())
        )
    ]


def _no_values(train: pd.DataFrame, roles: set[str]) -> dict[str, str]:
    """The columns that are no values of series, whatever they hold, and why."""
    unnamed = [name for name in map(str, train) if has_no_name(name)]
    rest = train.drop(columns=list(roles))
    return {
        **row_numbers([rest]),
        **about_parts(train, list(roles)),
        **dict.fromkeys(unnamed, "it has no name"),
    }


def _roles(frame: pd.DataFrame, request: DataRequest) -> set[str]:
    """The columns that are no values of series: the label, and what options name."""
    columns = list(map(str, frame))
    named = {"group": request.group, "split-column": request.split_column}
    named |= {"series-id": request.series_id, "time": request.time}
    roles = {option: [name] for option, name in named.items() if name is not None}
    several = names_several(request, columns)
    others = {*request.drop, *(name for names in roles.values() for name in names)}
    left = [name for name in columns if name not in others]
    label = label_column(left, None) if request.label is None else request.label
    roles["label"] = several or [label]
    roles["drop"] = list(request.drop)
    check_roles(roles, columns)
    found = {name for names in roles.values() for name in names}
    split = None if request.split_column else split_column_of(frame, list(found))
    return found | ({split} if split else set())


def _wide(
    request: DataRequest, frames: dict[str, pd.DataFrame], reading: Any, notes: list[str]
) -> SeriesSplit:
    train = frames[part_names(frames)[0]]
    roles = _roles(train, request)
    besides = roles | {*_no_values(train, roles)}
    numeric = number_columns(train, besides)
    families = numbered_families(_of_numbers(train, [*map(str, train)], besides))
    steps = [name for family in families.values() for name in family]
    if len(steps) < max(2, len(numeric) / 2):
        families, steps = {"1": numeric}, numeric
    if not steps:
        raise VicinalError(
            f"{request.data} has no columns of numbers that could be the steps of series: for a "
            "table with a row for each step, name the column of the series by --series-id"
        )
    channels = [re.sub(r"[\W_]+$", "", name) or "1" for name in families]
    found = f"steps: {len(steps):,} columns, {steps[0]} to {steps[-1]}"
    if len(channels) > 1:
        found += f", in {len(channels):,} channels ({listed(channels)})"
    said = "" if request.series else ", by their names (--no-series learns them as columns)"
    notes.append(f"{found}{said}")
    others = [name for name in map(str, train) if name not in (*roles, *steps)]
    if others:
        notes.append(f"left out: {listed(others)}, which are no steps of the series")
    # Not where a column that goes on is a label, or another one.
    longer = continued([*map(str, train)], steps, len(channels)) == steps
    parts = {}
    for name, frame in frames.items():
        missing = [step for step in steps if step not in frame]
        if missing:
            raise VicinalError(
                f"the part {name} lacks the columns {listed(missing, 4)} of the training part, "
                "which are steps of its series: add them, or leave the part out"
            )
        own = continued([*map(str, frame)], steps, len(channels)) if longer else steps
        rest = frame.drop(columns=[*own, *others], errors="ignore")
        parts[name] = wide_series(frame, own, len(channels), rest, name)
    layout = {"kind": "wide", "columns": steps, "longer": longer, "reading": reading}
    return split_of_series(parts, request, channels=channels, layout=layout, notes=notes)


def wide_series(
    frame: pd.DataFrame, steps: list[str], channels: int, rest: pd.DataFrame, part: str = ""
) -> FoundSeries:
    """A series for each row of a table.

    Args:
        frame: the table.
        steps: the columns of its values, those of one channel after those of another.
        channels: how many.
        rest: the other columns.
        part: the name of the part, for messages.
    """
    values, wrong = numbers_of(frame, steps)
    series = [
        wrong.get(row) or ended(each.reshape(channels, -1)) for row, each in enumerate(values)
    ]
    names = [ROWS.format(row, part) if part else f"row {row}" for row in frame.index]
    return FoundSeries(series, names, rest)


def _long(
    request: DataRequest, frames: dict[str, pd.DataFrame], reading: Any, notes: list[str]
) -> SeriesSplit:
    train = frames[part_names(frames)[0]]
    series_id = request.series_id
    assert series_id is not None
    check_column(series_id, list(map(str, train)), "series-id")
    time = request.time or _time_column(train, {series_id, *_named(request)}, notes)
    if time is not None:
        check_column(time, list(map(str, train)), "time")
    asked = replace(request, time=time)
    roles = _roles(train, asked)
    besides = _no_values(train, roles)
    channels = number_columns(train, roles | {*besides})
    if not channels:
        raise VicinalError(
            f"{request.data} has no columns of numbers beside {listed(sorted(roles))}: series need "
            "at least one"
        )
    others = [name for name in map(str, train) if name not in (*roles, *channels)]
    if others:
        reasons = [f"{name} ({besides.get(name, 'it holds no numbers')})" for name in others]
        notes.append(f"left out: {listed(reasons)}")
    day_first = None
    if time is not None:
        day_first = days_come_first([frame[time] for frame in frames.values() if time in frame])
    dropped = {*request.drop} - {request.group, request.split_column}
    kept = sorted(roles - dropped - {series_id, time})
    parts = {}
    for name, frame in frames.items():
        needed = [each for each in (series_id, time, *channels) if each is not None]
        missing = [each for each in needed if each not in frame]
        if missing:
            raise VicinalError(
                f"the part {name} lacks the columns {listed(missing, 4)} of the training part: add "
                "them, or leave the part out"
            )
        found, said = long_series(frame, series_id, time, channels, kept, day_first=day_first)
        parts[name] = found
        notes += said
    layout: Layout = {"kind": "long", "id": series_id, "time": time, "columns": channels}
    layout |= {"day_first": day_first, "reading": reading}
    asked = replace(asked, drop=())  # what is dropped may differ from row to row
    return split_of_series(parts, asked, channels=channels, layout=layout, notes=notes)


def _named(request: DataRequest) -> set[str]:
    named = (request.label, request.group, request.split_column, *request.drop)
    return {name for name in named if name is not None}


def _time_column(frame: pd.DataFrame, besides: Collection[str], notes: list[str]) -> str | None:
    """The column that is called a time, if there is one; else rows come in their order.

    Raises:
        VicinalError: there are several.
    """
    found = [name for name in map(str, frame) if name.lower() in TIMES and name not in besides]
    if len(found) > 1:
        raise VicinalError(
            f"the columns {listed(found)} may all be the time: name one by --time {quote(found[0])}"
        )
    if found:
        notes.append(f"times: column {found[0]}")
        return found[0]
    notes.append("times: none, so that rows come in the order of the file (--time names a column)")
    return None
