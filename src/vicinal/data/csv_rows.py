"""The rows of a CSV file as columns of strings: what its quotes mean, and rows of odd lengths."""

import csv
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]
import pyarrow.csv  # type: ignore[import-untyped]

from vicinal.data.csv_text import BLANKS, Text, check_encoding
from vicinal.errors import VicinalError
from vicinal.formatting import pluralize

# What quotes mean, in the words of the csv module.
ENCLOSING: dict[str, Any] = {"doublequote": True}  # as in RFC 4180
ESCAPED: dict[str, Any] = {"doublequote": False, "escapechar": "\\"}  # as MySQL and R may write
LITERAL: dict[str, Any] = {"quoting": csv.QUOTE_NONE}  # lines are rows
_NUMBERING = ("id", "index", "no", "nr", "row")  # names of columns that number the rows
_FEW = 20  # distinct values of a column that holds categories
_BLOCK, _LARGEST_BLOCK = 1 << 20, 1 << 28  # bytes that Arrow reads at once
_ROWS_A_BLOCK = 1000


@dataclass(frozen=True)
class Rows:
    """The rows of a file.

    Args:
        header: the values of its first row.
        columns: the values of the others, as Arrow's chunked arrays of strings.
        notes: lines for the user.
    """

    header: list[str]
    columns: list[Any]
    notes: list[str]


def read_rows(text: Text) -> Rows:
    """The rows of a text.

    Raises:
        VicinalError: its quotes neither all enclose values nor are its lines rows, a row is longer
            than the header, or it is not in UTF-8; the line is named.
    """
    try:
        with _long_values():
            return _read(text)
    except UnicodeDecodeError:
        check_encoding(text)
        raise
    except csv.Error as error:
        raise VicinalError(f"{text.file} cannot be read ({error}): repair or remove it") from None


def _read(text: Text) -> Rows:
    if text.separator == BLANKS:
        rows = _by_python(text, ENCLOSING)
        rows.notes.insert(0, f"separator: blanks separate the values of {text.file.name}")
        return rows
    if text.data.find(b'"', text.start) < 0:
        return _by_arrow(text, LITERAL) or _by_python(text, LITERAL)
    # A quote after a blank, unless it is doubled before a letter: then it is one in a value.
    separator = re.escape(text.separator.encode())
    blank_before = re.compile(separator + rb' +"(?!"[^"\r\n ' + separator + rb"])")
    spaced = blank_before.search(text.data, text.start)
    found = None if spaced else _by_arrow(text, ENCLOSING)
    if found and text.data.find(b'\\"', text.start) < 0:
        lines = text.data.count(b"\n", text.start) + (not text.data.endswith(b"\n"))
        if len(found.columns[0]) + 1 == lines and not any(map(_has_quotes, found.columns)):
            return found
    style, notes = _style(text)
    if style is not ENCLOSING:
        found = None if spaced and style is ESCAPED else _by_arrow(text, style)
    found = found or _by_python(text, style)
    if style is LITERAL:
        found = _without_outer_quotes(found)
    return Rows(found.header, found.columns, [*notes, *found.notes])


def _has_quotes(column: Any) -> bool:
    return bool(pc.any(pc.match_substring(column, '"')).as_py())


def _style(text: Text) -> tuple[dict[str, Any], list[str]]:
    """What the quotes of a text mean, and a note where that is not what they usually do."""
    wrong, spanning = _misplaced(text, ENCLOSING)
    lines_are_rows = _lines_are_rows(text)
    if wrong is None and not (spanning and lines_are_rows):
        swallowed = _swallowed(text) if spanning else None
        if swallowed is None:
            return ENCLOSING, []
        raise VicinalError(
            f"the quote in line {swallowed[0]} of {text.file} ends in line {swallowed[1]}, and all "
            "lines between look like rows of their own: put quotes around the whole values, or "
            'write a quote in them as ""'
        )
    if rb"\"" in text.data and _misplaced(text, ESCAPED)[0] is None:
        return ESCAPED, []
    if lines_are_rows:
        line = spanning if wrong is None else wrong
        note = (
            f"quotes: those of {text.file.name} stand for themselves, as every line is a row and "
            f"the quotes in line {line} enclose no value"
        )
        return LITERAL, [note]
    if wrong is not None and _one_row_a_line(text):
        note = f"quotes: those in line {wrong} of {text.file.name} enclose no value and may be lost"
        return ENCLOSING, [note]
    raise VicinalError(
        f'the quotes in line {wrong} of {text.file} do not enclose a value: write a quote as "" '
        "in a value between quotes, or leave out all quotes and have one row on each line"
    )


def _misplaced(text: Text, style: dict[str, Any]) -> tuple[int | None, int | None]:
    """The line of the first row whose quotes do not enclose values, and of the first long row.

    A long row is one of several lines; it must have as many values as the header.
    """
    reader = _reader(text, style, strict=True)
    line, spanning, width = 0, None, 0
    while True:
        try:
            row = next(reader, None)
        except csv.Error:
            return text.line + line, spanning
        if row is None:
            return None, spanning
        width = width or len(row)
        if reader.line_num > line + 1 and row:
            spanning = spanning or text.line + line
            if len(row) != width:
                return text.line + line, spanning
        line = reader.line_num


def _swallowed(text: Text) -> tuple[int, int] | None:
    """The first and last line of a row that seems to hold other rows, if there is one.

    They hold as many separators as the header, and in some column the words of other rows.
    """
    taken: list[str] = []

    def lines() -> Iterator[str]:
        for line in text.lines():
            taken.append(line)
            yield line

    reader = csv.reader(lines(), delimiter=text.separator, skipinitialspace=True)
    width, line, long = 0, text.line, []
    words: list[set[str]] = []
    for row in reader:
        width = width or len(row)
        words = words or [set() for _ in row]
        if len(taken) > 1:
            long.append((line, [each.split(text.separator) for each in taken]))
        for seen, value in zip(words, row, strict=False):
            if len(taken) == 1 and len(seen) <= _FEW:
                seen.add(value)
        line += len(taken)
        taken.clear()
    for start, rows in long:
        columns = zip(*rows, strict=True) if all(len(row) == width for row in rows) else ()
        bare = [{value.strip().strip('"') for value in column} for column in columns]
        if any(len(seen) <= _FEW and b <= seen for b, seen in zip(bare, words, strict=False)):
            return start, start + len(rows) - 1
    return None


def _lines_are_rows(text: Text) -> bool:
    """Whether all lines hold as many separators as the header, which has some."""
    counts = (line.count(text.separator) for line in text.lines() if line.strip())
    first = next(counts)
    return first > 0 and all(count == first for count in counts)


def _one_row_a_line(text: Text) -> bool:
    """Whether quotes, misplaced as they are, change neither the rows nor the values in them."""
    reader, line, width = _reader(text, ENCLOSING), 0, 0
    for row in reader:
        width = width or len(row)
        if reader.line_num != line + 1 or (row and len(row) != width):
            return False
        line = reader.line_num
    return True


def _by_arrow(text: Text, style: dict[str, Any]) -> Rows | None:
    """All rows by Arrow's reader; None where they differ in length or it does not take them."""
    header = next(_reader(text, style))
    names = [str(i) for i in range(len(header))]
    try:
        table = pyarrow.csv.read_csv(
            pa.BufferReader(pa.py_buffer(text.data).slice(text.start)),
            pyarrow.csv.ReadOptions(
                column_names=names,
                skip_rows_after_names=1,
                # Of wide tables, blocks of the usual size hold few rows: each column has many.
                block_size=max(_BLOCK, min(_LARGEST_BLOCK, _ROWS_A_BLOCK * len(",".join(header)))),
            ),
            pyarrow.csv.ParseOptions(
                delimiter=text.separator,
                quote_char=False if style is LITERAL else '"',
                double_quote=style is ENCLOSING,
                escape_char=style.get("escapechar", False),
                newlines_in_values=style is not LITERAL,
            ),
            pyarrow.csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string())),
        )
    except pa.ArrowInvalid:
        check_encoding(text)
        return None
    return Rows(header, table.columns, [])


def _by_python(text: Text, style: dict[str, Any]) -> Rows:
    """All rows one by one; short ones are filled up."""
    reader = _reader(text, style)
    header = next(reader)
    width, rows, lines, comments = len(header), [], [], 0
    for row in reader:
        if not any(map(str.strip, row)) and len(row) < 2:
            continue
        if len(row) == 1 < width and row[0].startswith("#"):
            comments += 1
            continue
        rows.append(row)
        lines.append(text.line + reader.line_num - 1)
    if rows and all(len(row) == width + 1 and not row[-1].strip() for row in rows):
        rows = [row[:-1] for row in rows]  # each row ends in a separator, and the header does not
    lines_left = f"comments: {pluralize(comments, 'line')} of {text.file.name} left out"
    notes = [lines_left] if comments else []
    if rows and header[0].lower() not in _NUMBERING and _have_row_names(rows, width):
        header, width = ["", *header], width + 1
        notes.append(f"row names: those before the first column of {text.file.name} left out")
    _check_lengths(text, width, rows, lines)
    short = [line for line, row in zip(lines, rows, strict=True) if len(row) < width]
    rows = [row + [""] * (width - len(row)) for row in rows]
    if short:
        notes.append(
            f"short rows: {pluralize(len(short), 'row')} of {text.file.name} with fewer values "
            f"than the header, first in line {short[0]}; the last columns are taken for empty there"
        )
    columns = [pa.chunked_array([pa.array(c, pa.string())]) for c in zip(*rows, strict=True)]
    return Rows(header, columns or [pa.chunked_array([], pa.string())] * width, notes)


def _have_row_names(rows: list[list[str]], width: int) -> bool:
    """Whether rows begin with a name or number each, for which the header has no name.

    R writes them so.
    """
    if any(len(row) != width + 1 for row in rows):
        return False
    names = [row[0].strip() for row in rows]
    if names == [str(i) for i in range(1, len(rows) + 1)]:
        return True
    return len({*names}) == len(names) and not any(re.fullmatch(r"[-+.,\d]*", n) for n in names)


def _check_lengths(text: Text, width: int, rows: list[list[str]], lines: list[int]) -> None:
    odd = [(line, len(row)) for line, row in zip(lines, rows, strict=True) if len(row) != width]
    if odd and text.separator == BLANKS:  # then nobody knows which value is missing
        line, count = odd[0]
        raise VicinalError(
            f"line {line} of {text.file} has {pluralize(count, 'value')}, separated by blanks, and "
            f"the header {width} names: separate all values by commas"
        )
    longer = [(line, count) for line, count in odd if count > width]
    if longer and len(longer) == len(rows):
        raise VicinalError(
            f"the rows of {text.file} have more values than its header has names ({width}): name "
            "all columns"
        )
    if longer:
        line, count = longer[0]
        raise VicinalError(
            f"line {line} of {text.file} has {count} values and the header {width} names: put "
            "values that hold a separator between quotes"
        )


def _without_outer_quotes(rows: Rows) -> Rows:
    """Values without the quotes around them, in columns where all have them."""
    columns = []
    for column in rows.columns:
        bare = pc.utf8_trim_whitespace(column)
        outer = pc.or_(pc.equal(bare, ""), pc.match_substring_regex(bare, r'(?s)^".*"$'))
        quoted = pc.all(outer).as_py() and pc.any(pc.not_equal(bare, "")).as_py()
        columns.append(pc.replace_substring_regex(bare, '^"|"$', "") if quoted else column)
    return Rows([name.strip().strip('"') for name in rows.header], columns, rows.notes)


def _reader(text: Text, style: dict[str, Any], strict: bool = False) -> Any:
    options = {"delimiter": text.separator, "skipinitialspace": True, **style}
    return csv.reader(text.lines(), strict=strict, **options)


@contextmanager
def _long_values() -> Iterator[None]:
    """Let the csv module read values of any length."""
    before = csv.field_size_limit(sys.maxsize)
    try:
        yield
    finally:
        csv.field_size_limit(before)
