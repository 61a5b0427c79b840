"""CSV files as columns of strings, each with its name."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow.compute as pc  # type: ignore[import-untyped]

from vicinal.data.csv_rows import Rows, read_rows
from vicinal.data.csv_text import BLANKS, NUMBER, Text, read_text
from vicinal.errors import VicinalError
from vicinal.formatting import pluralize

_LOOKED_AT = 1000  # rows that tell whether the first line is one of them
_FEW = 20  # distinct words of a column that holds categories


@dataclass(frozen=True)
class Delimited:
    """The cells of a CSV file.

    Args:
        columns: by name, as Arrow's chunked arrays of strings.
        separator: of the values.
        notes: lines for the user.
    """

    columns: dict[str, Any]
    separator: str
    notes: list[str]


def read_delimited(file: Path) -> Delimited:
    """Read a CSV file: comments, header, rows.

    Raises:
        VicinalError: the file is empty, not in UTF-8 or UTF-16, has no header, two columns of one
            name, rows longer than the header, or quotes that enclose no values.
    """
    text = read_text(file)
    rows = _without_headers(file, read_rows(text))
    if text.comments and _is_row(rows.header, rows.columns):
        begun = text.with_comment_as_header()
        line = begun.data[begun.start :].split(b"\n", 1)[0].decode(errors="replace")
        header = line.split(None if text.separator == BLANKS else text.separator)
        if len(header) == len(rows.header):
            text, rows = begun, _without_headers(file, read_rows(begun))
    names = _names(rows.header)
    _check_header(text, names, rows)
    notes = [_comments_note(text)] if text.comments else []
    columns, emptied = _without_empty_rows(rows.columns)
    if emptied:
        notes.append(f"empty rows: {emptied:,} at the end of {file.name} left out")
    named = dict(zip(names, columns, strict=True))
    return Delimited(named, text.separator, [*notes, *rows.notes])


def _names(header: Sequence[str]) -> list[str]:
    """The names of columns; those without one get pandas' name for them."""
    given = [name.strip() for name in header]
    taken, found = {*given}, []
    for i, name in enumerate(given):
        unnamed = f"Unnamed: {i}"
        while unnamed in taken:
            unnamed += "_"
        found.append(name or unnamed)
    return found


def _without_headers(file: Path, rows: Rows) -> Rows:
    """Rows without those that repeat the header, as in files that were put together.

    If a name of a column is also a value in other rows, the first line may be a row itself.
    """
    repeats, places = None, []
    for name, column in zip(rows.header, rows.columns, strict=True):
        places.append(pc.equal(column, name))
        repeats = places[0] if repeats is None else pc.and_(repeats, places[-1])
        if not pc.any(repeats).as_py():
            return rows
    if any(not place.equals(repeats) for place in places):
        return rows
    count = pc.sum(repeats).as_py()
    note = f"repeated header: {pluralize(count, 'row')} of {file.name} left out"
    columns = [column.filter(pc.invert(repeats)) for column in rows.columns]
    return Rows(rows.header, columns, [note, *rows.notes])


def _comments_note(text: Text) -> str:
    lines = pluralize(len(text.comments), "line")
    return f"comments: {lines} before the header of {text.file.name} left out"


def _check_header(text: Text, names: list[str], rows: Rows) -> None:
    if _is_row(rows.header, rows.columns):
        first = text.separator.join(rows.header[:4])
        raise VicinalError(
            f"{text.file} has no header, its first line is {first}…: add a line with the "
            "names of the columns"
        )
    named = [name for name in rows.header if name.strip()]
    if len(named) < 2 < len(names):
        raise VicinalError(
            f"the first line of {text.file} names {len(named)} of its {len(names)} columns: begin "
            "the file with the names of all"
        )
    if len({*names}) < len(names):
        twice = next(name for name, count in Counter(names).items() if count > 1)
        raise VicinalError(f"{text.file} has two columns named {twice}: rename one of them")


def _is_row(header: Sequence[str], columns: Sequence[Any]) -> bool:
    """Whether the first line is a row like the others, rather than the names of columns.

    Then it has numbers where they have numbers, and their words where they have few of them.
    """
    names = [name.strip() for name in header]
    if all(map(NUMBER.fullmatch, names)):
        return len(names) < 4 or names != [str(i) for i in range(len(names))]
    told = False
    for name, column in zip(names, columns, strict=True):
        values = [v.strip() for v in column.slice(0, _LOOKED_AT).to_pylist()]
        values = [value for value in values if value]
        distinct = set(values)
        if values and all(map(NUMBER.fullmatch, distinct)):
            if not NUMBER.fullmatch(name):
                return False
        elif name and len(distinct) <= min(_FEW, len(values) / 2):
            if name not in distinct:
                return False
        else:
            continue
        told = True
    return told and not _count_up([name for name in names if NUMBER.fullmatch(name)])


def _count_up(names: Sequence[str]) -> bool:
    """Whether numbers are names: one after the other, years, or a scale such as wavelengths.

    >>> _count_up(["0", "1"]), _count_up(["1990", "2000"]), _count_up(["39", "7"])
    (True, True, False)
    """
    if len(names) < 2:
        return False
    numbers = [float(name.replace(",", ".")) for name in names]
    steps = {b - a for a, b in pairwise(numbers)}
    whole = all(map(str.isdecimal, names))
    years = min(steps) > 0 and min(numbers) >= 1800 and max(numbers) <= 2100
    scale = len(names) > 4 and (min(steps) > 0 or max(steps) < 0)
    return (whole and (steps == {1} or years)) or scale


def _without_empty_rows(columns: list[Any]) -> tuple[list[Any], int]:
    """Columns without the empty rows at their end, which spreadsheets write; and their number."""
    if not len(columns[0]) or any(column[-1].as_py().strip() for column in columns):
        return columns, 0
    held = [pc.not_equal(pc.utf8_trim_whitespace(column), "") for column in columns]
    rows = [pc.max(pc.indices_nonzero(values)).as_py() for values in held]
    count = max((row + 1 for row in rows if row is not None), default=0)
    return [column.slice(0, count) for column in columns], len(columns[0]) - count
