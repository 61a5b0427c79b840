"""Tables on disk as data frames, by the parts of the data."""

import zlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa  # type: ignore[import-untyped]

from vicinal.data.cells import Reading, as_series, typed
from vicinal.data.class_names import read_parquet
from vicinal.data.delimited import read_delimited
from vicinal.data.parts import part_names, part_of, part_word
from vicinal.data.records import read_json_lines, read_workbook
from vicinal.data.spellings import Spellings
from vicinal.data.table_files import CSV, JSON_LINES, KINDS, is_table
from vicinal.data.tables import first_sentence, parts_of
from vicinal.errors import VicinalError

GIVE = "give a CSV, TSV, Parquet, JSON Lines or Excel file"


class Frames(dict[str, pd.DataFrame]):
    """The parts of a table by name, and how they were read.

    Attributes:
        notes: lines for the user.
        reading: how the training part was read, as JSON values, for :func:`read_frame`.
        written: by part and column, the cells as they are written, of columns whose values say
            less: numbers such as ``1e5`` and ``1,018``, and words such as ``None`` that count as
            missing; empty cells are NaN.
    """

    notes: list[str]
    reading: dict[str, Any]
    written: dict[str, Spellings]

    def __init__(self, frames: Mapping[str, pd.DataFrame] = {}) -> None:
        super().__init__(frames)
        self.notes, self.reading, self.written = [], Reading().to_json(), {}


def read_frames(path: str | Path, strings: Collection[str] = ()) -> Frames:
    """Read a table, or a folder of its parts.

    Args:
        path: a file as :func:`read_frame` takes it, or a folder of them, which may be in folders
            of parts. A file belongs to the part that its name says, or that of its folder (see
            :func:`~vicinal.data.parts.part_of`), all others to train. The files of one part are
            concatenated; their columns are judged together.
        strings: columns that stay strings.

    Returns:
        The parts by name, as :func:`read_frame` reads them; columns of strings in the training
        part are not converted to numbers in the others. Where there is a training part by name,
        files without one that have other columns are left out.

    Raises:
        VicinalError: there is no table, a file cannot be read, or the columns of a part's files
            differ.
    """
    path = Path(path)
    files, notes = _one_of_each_name([path] if path.is_file() else _tables_in(path))
    if not files:
        raise VicinalError(f"{path} holds no table: {GIVE}, or a folder of them")
    parts = parts_of(files)
    train_name, _ = part_names(parts)
    tables = [_read(Path(file)) for file in parts.pop(train_name)]
    tables, left_out = _of_training(tables)
    train = _joined(tables)
    notes += [f"left out: {table.file.name}, which has other columns" for table in left_out]
    frames = Frames()
    frames.notes += notes
    _add(frames, train_name, train, strings)
    for name, others in parts.items():
        _add(frames, name, _joined([_read(Path(file)) for file in others]), strings)
    return frames


def read_frames_with_codes(path: str | Path, categorical: Collection[str]) -> Frames:
    """:func:`read_frames`, in which codes that lose their spelling as numbers stay strings.

    Args:
        path: as there.
        categorical: the columns of categories, of which some may be codes such as 1.10.
    """
    frames = read_frames(path)
    written = next(iter(frames.written.values()), Spellings())
    codes = [name for name in categorical if name in written]
    return read_frames(path, strings=codes) if codes else frames


def read_frame(
    file: str | Path,
    strings: Collection[str] = (),
    *,
    reading: Mapping[str, Any] | None = None,
    written: Collection[str] = (),
) -> pd.DataFrame:
    """Read a table: CSV, TSV, JSON Lines (all three also with ``.gz``), Parquet or Excel.

    The values of a CSV file are separated by commas, semicolons, tabs or vertical bars; it has a
    header and is in UTF-8, or in UTF-16 with its mark. Strings are stripped of blanks, marks of
    missing values (pandas' own, ``?`` and a spreadsheet's errors) become NaN, and a column whose
    other values are all numbers becomes numeric. Numbers may have decimal commas, groups of
    thousands, a percent sign or a currency, or be limits such as ``<5``; the columns of a file are
    judged together. Codes with leading zeros stay strings.

    Args:
        file: a file, or a sheet, with one table; of several sheets, the first.
        strings: columns that stay strings, even if all of their values look like numbers.
        reading: of the training part, by :attr:`Frames.reading`: numbers and words are read as
            there.
        written: columns of texts, in which words such as ``None`` are not missing.

    Returns:
        The table, with notes for the user in ``attrs["notes"]``.

    Raises:
        VicinalError: the file cannot be read, has no header or no rows.
    """
    frames = Frames()
    how = None if reading is None else Reading.from_json(reading)
    _add(frames, "", _read(Path(file)), strings, how, written)
    frame = frames[""]
    frame.attrs["notes"] = frames.notes
    return frame


def cleaned_frames(frames: Mapping[str, pd.DataFrame]) -> Frames:
    """Frames of another origin, with strings as :func:`read_frame` gives them.

    >>> frames = cleaned_frames({"train": pd.DataFrame({"n": ["1 ", "2.5", "?"]})})
    >>> frames["train"]["n"].tolist()
    [1.0, 2.5, nan]
    """
    train_name, _ = part_names(frames)
    cleaned = Frames()
    for name in (train_name, *(name for name in frames if name != train_name)):
        frame = frames[name]
        columns = {str(column): frame[column].reset_index(drop=True) for column in frame}
        _add(cleaned, name, _Table(Path(name), columns, ",", []), ())
    return cleaned


@dataclass(frozen=True)
class _Table:
    """A file as it is: columns of cells, before it is known what they hold."""

    file: Path
    columns: dict[str, Any]
    separator: str
    notes: list[str]


def _add(
    frames: Frames,
    name: str,
    table: _Table,
    strings: Collection[str],
    reading: Reading | None = None,
    written: Collection[str] = (),
) -> None:
    """Add a part; without a reading, the first one says how the others are read."""
    first = not frames
    if not first:
        reading = Reading.from_json(frames.reading)
    found = typed(table.columns, table.separator, strings=strings, written=written, reading=reading)
    if first:
        frames.reading = found.reading.to_json()
    frames.notes += [note for note in (*table.notes, *found.notes) if note not in frames.notes]
    frames[name] = pd.DataFrame(found.columns, copy=False)
    frames.written[name] = found.written


def _tables_in(folder: Path) -> list[Path]:
    """The tables of a folder, or those in its folders of parts."""
    here = sorted([*folder.glob("*"), *folder.glob("data/*")])
    files = [file for file in here if is_table(file)]
    if files:
        return files
    parts = [part for part in here if part.is_dir() and part_of(part.name)]
    return [file for part in parts for file in sorted(part.glob("*")) if is_table(file)]


def _one_of_each_name(files: list[Path]) -> tuple[list[Path], list[str]]:
    """Files without those that only repeat another in another format, or are forms to fill in."""
    kept: dict[tuple[str, ...], Path] = {}
    notes = []
    for file in sorted(files, key=lambda file: (_kind(file), file)):
        stem = file.name.lower().removesuffix(".gz").rpartition(".")[0]
        if "submission" in stem and len(files) > 1:
            notes.append(f"left out: {file.name}, a form for predictions")
            continue
        same = (stem, part_word(file.parent.name) or "")
        if same in kept and _kind(kept[same]) != _kind(file):
            notes.append(f"left out: {file.name}, of the same name as {kept[same].name}")
        else:
            kept[same if same not in kept else (str(file),)] = file
    return sorted(kept.values()), notes


def _kind(file: Path) -> int:
    name = file.name.lower()
    return next(i for i, endings in enumerate(KINDS) if name.endswith(endings))


def _of_training(tables: list[_Table]) -> tuple[list[_Table], list[_Table]]:
    """Tables that hold training data, and those beside them that hold something else."""
    named = [table for table in tables if part_of(table.file.stem) == "train"]
    if not named:
        return tables, []
    others = [
        table
        for table in tables
        if part_of(table.file.stem) != "train" and {*table.columns} != {*named[0].columns}
    ]
    return [table for table in tables if not any(table is other for other in others)], others


def _joined(tables: list[_Table]) -> _Table:
    first = tables[0]
    for table in tables[1:]:
        if {*table.columns} != {*first.columns}:
            odd = ", ".join(sorted({*table.columns} ^ {*first.columns}))
            raise VicinalError(
                f"{table.file} and {first.file} differ in their columns ({odd}): put the files of "
                "one table in a folder"
            )
    if len(tables) == 1:
        return first
    columns = {name: _concat([table.columns[name] for table in tables]) for name in first.columns}
    notes = [note for table in tables for note in table.notes]
    return _Table(first.file, columns, first.separator, notes)


def _concat(columns: list[Any]) -> Any:
    if not any(isinstance(column, pd.Series) for column in columns):
        return pa.chunked_array([chunk for column in columns for chunk in column.chunks])
    series = [c if isinstance(c, pd.Series) else as_series(c) for c in columns]
    return pd.concat(series, ignore_index=True)


def _read(file: Path) -> _Table:
    if not file.exists():
        raise VicinalError(f"{file} does not exist: {GIVE}")
    if file.is_dir():
        raise VicinalError(f"{file} is a folder: name the tables in it")
    if not is_table(file):
        json = "; of JSON, one object on each line" if file.suffix.lower() == ".json" else ""
        raise VicinalError(f"{file} is no table: {GIVE}{json}")
    try:
        table = _by_kind(file)
    except VicinalError:
        raise
    except (OSError, EOFError, ValueError, zlib.error) as error:
        reason = first_sentence(error)
        raise VicinalError(f"{file} cannot be read ({reason}): repair or remove it") from None
    if not table.columns or not len(next(iter(table.columns.values()))):
        raise VicinalError(f"{file} has no rows: remove it, or give one with rows")
    return table


def _by_kind(file: Path) -> _Table:
    name = file.name.lower()
    if name.endswith(CSV):
        found = read_delimited(file)
        return _Table(file, found.columns, found.separator, found.notes)
    if name.endswith(JSON_LINES):
        return _Table(file, read_json_lines(file), ",", [])
    if name.endswith(".xlsx"):
        columns, notes = read_workbook(file)
        return _Table(file, columns, ",", notes)
    frame = read_parquet(file)
    if any(frame.index.names):  # pandas had stored a column as the index
        frame = frame.reset_index()
    frame = frame.reset_index(drop=True)
    return _Table(file, {str(column): frame[column] for column in frame}, ",", [])
