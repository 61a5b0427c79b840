"""The text of a CSV file: its encoding, what stands before the header, and the separator."""

import csv
import gzip
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from vicinal.errors import VicinalError

SEPARATORS = (",", ";", "\t", "|")
BLANKS = " "  # one or several between two values
NUMBER = re.compile(r"[-+]?(\d+([.,]\d*)?|[.,]\d+)([eE][-+]?\d+)?")
_SAMPLE = 1 << 18  # bytes from which the separator is found
_UTF16 = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}


@dataclass(frozen=True)
class Text:
    """The text of a file.

    Args:
        file: it is named in messages.
        data: all of it, in UTF-8.
        start: where the header begins.
        line: the number of that line, from 1 on.
        separator: of its values; empty where it is not known.
        comments: where the lines begin that stand before the header and begin with ``#``.
    """

    file: Path
    data: bytes
    start: int = 0
    line: int = 1
    separator: str = ""
    comments: tuple[int, ...] = ()

    def lines(self) -> Iterator[str]:
        """The lines from the header on, with their ends, which may be lone carriage returns."""
        source = io.BytesIO(self.data)
        source.seek(self.start)
        lines = io.TextIOWrapper(source, encoding="utf-8", newline="")
        return (f"{line.strip()}\n" for line in lines) if self.separator == BLANKS else lines

    def with_comment_as_header(self) -> "Text":
        """This text from its last comment on, without the mark of it."""
        return replace(self, start=self.comments[-1] + 1, comments=self.comments[:-1])


def read_text(file: Path) -> Text:
    """The text of a file, at its header, with its separator.

    Raises:
        VicinalError: it is empty or in another encoding.
    """
    data = gzip.decompress(file.read_bytes()) if file.suffix.lower() == ".gz" else file.read_bytes()
    encoding = _UTF16.get(data[:2])
    if encoding:  # as spreadsheets save "Unicode text"
        data = data[2:].decode(encoding).encode()
    elif b"\0" in data[:_SAMPLE]:
        raise VicinalError(f"{file} holds zero bytes, as text in UTF-16 does: save it as UTF-8")
    if b"\n" not in data:  # lines end as on old Macintoshes
        data = data.replace(b"\r", b"\n")
    text = _at_header(Text(file, data, start=3 if data.startswith(b"\xef\xbb\xbf") else 0))
    if text.start == len(text.data):
        raise VicinalError(f"{file} is empty: give a table with a header and rows")
    return text if text.separator else replace(text, separator=_separator(text))


def check_encoding(text: Text) -> None:
    """Raise a VicinalError where a text is not in UTF-8."""
    try:
        text.data.decode()
    except UnicodeDecodeError as error:
        line = text.data.count(b"\n", 0, error.start) + 1
        byte = text.data[error.start]
        raise VicinalError(
            f"{text.file} is not in UTF-8 (byte {byte:#x} in line {line}, which is "
            f"{bytes([byte]).decode('cp1252', 'replace')!r} in the Windows encoding of Western "
            "Europe): save it as UTF-8"
        ) from None


def _at_header(text: Text) -> Text:
    """Go past blank lines, comments, and the line by which Excel learns the separator."""
    while text.start < len(text.data):
        end = text.data.find(b"\n", text.start) + 1 or len(text.data)
        line = text.data[text.start : end]
        if line.startswith(b"\r"):  # or it would be a header without names
            text = replace(text, start=text.start + 1)
            continue
        told = re.fullmatch(rb'"?sep=(.)"?\s*', line, re.IGNORECASE)
        if told:
            text = replace(text, separator=told[1].decode())
        elif line.startswith(b"#") and end < len(text.data):
            text = replace(text, comments=(*text.comments, text.start))
        elif line.strip():
            break
        text = replace(text, start=end, line=text.line + 1)
    return text


def _separator(text: Text) -> str:
    """The separator by which most lines have as many values as the header, which has several."""
    head = text.data[text.start : text.start + _SAMPLE].decode(errors="replace")
    lines = head.splitlines(keepends=True)[:200]
    if len(lines) > 2:
        lines = lines[:-1]  # the last one may be cut
    if text.file.name.lower().endswith((".tsv", ".tsv.gz")) and "\t" in lines[0]:
        return "\t"

    comment = ""
    if text.comments:  # it may be the header
        comment = text.data[text.comments[-1] : text.start].decode(errors="replace")

    def fit(separator: str) -> tuple[bool, float, bool, int]:
        try:
            rows = list(csv.reader(lines, delimiter=separator, skipinitialspace=True))
        except csv.Error:  # a value longer than the module takes, after a lone quote
            rows = [line.split(separator) for line in lines]
        width, others = len(rows[0]), [row for row in rows[1:] if row]
        same = sum(len(row) == width for row in others) / len(others) if others else 1.0
        return width > 1, round(same, 1), len(comment.split(separator)) == width, width

    best = max(SEPARATORS, key=fit)
    if fit(best)[0]:
        return best
    return BLANKS if _are_by_blanks(lines) else _unused(lines)


def _are_by_blanks(lines: Sequence[str]) -> bool:
    """Whether blanks separate values: each row has as many as the header, some of them numbers.

    Rows may have one more, the name that R gives them.
    """
    bare = [line.strip() for line in lines if line.strip()]
    header, *rows = csv.reader(bare, delimiter=BLANKS, skipinitialspace=True)
    widths, of_r = {len(row) for row in rows}, {len(header) + 1}
    if len(header) < 2 or (widths != {len(header)} and widths != of_r):
        return False
    if widths == of_r and not all(line[0] in '"123456789' for line in bare[1:]):
        return False
    columns = list(zip(*rows, strict=True))[-len(header) :]
    return any(all(map(NUMBER.fullmatch, column)) for column in columns)


def _unused(lines: Sequence[str]) -> str:
    """For a header of one column: the first separator that no line holds outside of quotes.

    Where most lines hold one equally often, the header is not the first line: rows are longer.
    """
    for separator in SEPARATORS:
        widths = Counter(len(row) for row in csv.reader(lines, delimiter=separator) if row)
        (width, count), *others = widths.most_common(2)
        if (width == 1 and not others) or (width > 2 and count > len(lines) / 2):
            return separator
    return SEPARATORS[0]
