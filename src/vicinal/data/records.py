"""Tables of typed values: JSON Lines and Excel sheets."""

import gzip
import json
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import pandas as pd

from vicinal.data.samples import listed
from vicinal.errors import VicinalError


def read_json_lines(file: Path) -> dict[str, pd.Series]:
    """The columns of a file with a JSON object on each line; where one lacks a key, it is missing.

    Raises:
        VicinalError: a line is no JSON object; it is named.
    """
    opened = gzip.open if file.suffix.lower() == ".gz" else open
    records = []
    with opened(file, "rt", encoding="utf-8-sig") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                record = json.loads(line)
            except ValueError as error:
                raise VicinalError(
                    f"line {number} of {file} is no JSON ({error}): repair it"
                ) from None
            if not isinstance(record, dict):
                raise VicinalError(
                    f"line {number} of {file} is no JSON object: write one such as "
                    '{"text": "…", "label": "…"} on each line'
                )
            records.append(record)
    names = dict.fromkeys(chain.from_iterable(records))
    return {name: column_of([record.get(name) for record in records]) for name in names}


def read_workbook(file: Path) -> tuple[dict[str, pd.Series], list[str]]:
    """The columns of the first sheet that has several, and notes about others.

    Raises:
        VicinalError: openpyxl is not installed, there is no table, its columns lack names or two
            have the same, or formulas have no values.
    """
    try:
        import openpyxl  # type: ignore[import-untyped]
    except ImportError:
        raise VicinalError(
            f"{file} is an Excel file, for which openpyxl is missing: pip install openpyxl"
        ) from None
    try:
        with warnings.catch_warnings(action="ignore"):  # of charts and the like
            sheets = _sheets(openpyxl.load_workbook(file, read_only=True, data_only=True))
    except Exception as error:  # of a damaged archive, openpyxl raises whatever comes
        raise VicinalError(f"{file} cannot be read ({error}): save it anew as .xlsx") from None
    filled = [title for title, rows in sheets.items() if rows]
    if not filled:
        return {}, []
    # Before the table there may be a sheet of remarks, in one column.
    title = next((t for t in filled if sum(map(_is_value, sheets[t][0])) > 1), filled[0])
    header, *rows = sheets[title]
    if _holds_formulas(file):
        with warnings.catch_warnings(action="ignore"):
            _check_formulas(file, sheets[title], _sheets(openpyxl.load_workbook(file))[title])
    notes = []
    if len(filled) > 1:
        others = listed([other for other in filled if other != title])
        notes.append(f"sheets: {title} of {file.name} is read, and {others} left out")
    names = _names(file, header, rows)
    columns = {
        name: column_of([row[i] if i < len(row) else None for row in rows])
        for i, name in names.items()
    }
    return columns, notes


def column_of(values: Sequence[Any]) -> pd.Series:
    """Values as a column; if some are strings, then so are all that are no lists or records."""
    if any(isinstance(value, str) for value in values):
        values = [_text(value) for value in values]
    return pd.Series(list(values))


def _text(value: Any) -> Any:
    return value if value is None or isinstance(value, str | list | dict) else str(value)


def _holds_formulas(file: Path) -> bool:
    with zipfile.ZipFile(file) as archive:
        sheets = [name for name in archive.namelist() if name.startswith("xl/worksheets/")]
        return any(b"<f" in archive.read(name) for name in sheets)


def _check_formulas(
    file: Path, values: Sequence[Sequence[Any]], cells: Sequence[Sequence[Any]]
) -> None:
    """Refuse formulas whose values are not stored, as programs other than spreadsheets write."""
    blank = [cell for row in cells for cell in row if str(cell).startswith("=")]
    stored = sum(map(_is_value, chain.from_iterable(values)))
    if blank and stored < sum(map(_is_value, chain.from_iterable(cells))):
        raise VicinalError(
            f"a formula such as {blank[0]} in {file} has no value: open the file in a spreadsheet "
            "and save it"
        )


def _sheets(book: Any) -> dict[str, list[tuple[Any, ...]]]:
    """The rows that hold a value, by the titles of the sheets."""
    sheets = {sheet.title: _rows(sheet) for sheet in book.worksheets}
    book.close()
    return sheets


def _rows(sheet: Any) -> list[tuple[Any, ...]]:
    """The rows of a sheet that hold a value."""
    if not hasattr(sheet, "iter_rows"):  # a sheet with a chart alone
        return []
    if hasattr(sheet, "reset_dimensions"):  # where read row by row: some programs store wrong ones
        sheet.reset_dimensions()
    return [row for row in sheet.iter_rows(values_only=True) if any(map(_is_value, row))]


def _is_value(cell: Any) -> bool:
    return cell is not None and cell != ""


def _names(file: Path, header: Sequence[Any], rows: Sequence[Sequence[Any]]) -> dict[int, str]:
    """The names of the columns that hold a value, by their place."""
    width = max(map(len, [header, *rows]))
    used = [i for i in range(width) if any(i < len(r) and _is_value(r[i]) for r in [header, *rows])]
    cells = [header[i] if i < len(header) else None for i in used]
    named = [cell for cell in cells if _is_value(cell)]
    if len(named) == 1 < len(used) - 1:
        raise VicinalError(
            f"the first row of {file} holds {named[0]} alone, which names no column: begin the "
            "sheet with the names of all columns"
        )
    if named and all(isinstance(cell, int | float) for cell in named):
        raise VicinalError(
            f"{file} has no header, its first row begins with {named[0]}: add a row with the names "
            "of the columns"
        )
    names: Iterator[str] = (
        str(cell).strip() if _is_value(cell) else f"Unnamed: {i}"
        for i, cell in zip(used, cells, strict=True)
    )
    found: dict[int, str] = {}
    for i, name in zip(used, names, strict=True):
        if name in found.values():
            raise VicinalError(f"{file} has two columns named {name}: rename one of them")
        found[i] = name
    return found
