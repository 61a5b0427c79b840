"""Files of series (.ts), as aeon and sktime store those of the UEA and UCR archives."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from vicinal.errors import VicinalError

Array = NDArray[np.float64]
LOOKED_AT = 65536  # bytes of a file, in which its header begins
_STAMPED = re.compile(r"\(([^()]*),\s*([^,()]*)\)")
_GAP = "nan"


@dataclass(frozen=True)
class TsFile:
    """The series of a file.

    Args:
        series: of each its values, (channels, time) float64 with NaN where they are missing; or
            what is wrong with it, as the rest of a sentence about it.
        lines: the line of each in the file, counted from 1.
        labels: of each its label as it is written, None where it is missing; empty without labels.
        label: what the labels are by the header.
        stamped: whether values come with the time of each, which is not used.
    """

    series: list[Array | str]
    lines: list[int]
    labels: list[str | None]
    label: Literal["class", "target"] | None
    stamped: bool


def is_ts(file: Path) -> bool:
    """Whether a file is one of series, by its name and by its header.

    Programs in TypeScript and films have the same ending.
    """
    if file.suffix.lower() != ".ts":
        return False
    try:
        with file.open("rb") as opened:
            head = opened.read(LOOKED_AT)
    except OSError:
        return False
    return re.search(rb"(?im)^\s*@(problemname|classlabel|targetlabel|data)\b", head) is not None


def read_ts(file: Path) -> TsFile:
    """Read a file of series.

    Its header says by ``@classLabel true`` or ``@targetLabel true`` that each line ends with a
    label. Then come the series, one a line: channels are separated by colons, values by commas, and
    ``?`` is a missing one. With ``@timeStamps true`` values are pairs of a time and a value.

    Raises:
        VicinalError: the file cannot be read, or has no ``@data``.
    """
    try:
        whole = file.read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        raise VicinalError(f"{file} cannot be read: {error.strerror}") from None
    lines = whole.splitlines()
    words = [[*line.split(maxsplit=1), "", ""][:2] for line in lines]
    start = next((place for place, (word, _) in enumerate(words) if word.lower() == "@data"), None)
    if start is None:
        raise VicinalError(f"{file} has no line @data, after which its series would come")
    header = {
        word[1:].lower(): rest.strip() for word, rest in words[:start] if word.startswith("@")
    }
    label: Literal["class", "target"] | None = None
    if _says_yes(header, "classlabel"):
        label = "class"
    elif _says_yes(header, "targetlabel"):
        label = "target"
    classes = header["classlabel"].split()[1:] if label == "class" else []
    stamped = _says_yes(header, "timestamps")
    found = TsFile([], [], [], label, stamped)
    for number, line in enumerate(lines[start + 1 :], start + 2):
        text = line.strip()
        if not text or text[0] in "#%":
            continue
        if stamped:  # times hold colons and commas, too
            text = _STAMPED.sub(lambda pair: pair[2], text)
        channels, fault = text.split(":"), None
        if label is not None:
            written = channels.pop().strip()
            is_known = written not in ("", "?")
            found.labels.append(written if is_known else None)
            # A file that is cut off may end within the name of a class.
            is_end = number == len(lines) and not whole.endswith("\n")
            if is_end and is_known and channels and not _is_named(written, classes):
                fault = f"ends with {written!r}, no class that @classLabel names: it is cut off"
        found.series.append(fault or _values(channels))
        found.lines.append(number)
    return found


def _says_yes(header: dict[str, str], name: str) -> bool:
    return header.get(name, "").partition(" ")[0].split("\t")[0].lower() == "true"


def _is_named(written: str, classes: list[str]) -> bool:
    """Whether a header names a class, also as another spelling of a number; or names none."""
    if not classes or written.lower() in {name.lower() for name in classes}:
        return True
    numbers = [float(name) for name in classes if _is_number(name)]
    return _is_number(written) and float(written) in numbers


def _values(channels: list[str]) -> Array | str:
    """The channels of one series, or what is wrong with it."""
    if not channels:
        return "has no values, only a label"
    rows = []
    for number, channel in enumerate(channels, 1):
        words: list[Any] = channel.replace("?", _GAP).split(",")
        try:
            rows.append(np.array(words, dtype=np.float64))
        except ValueError:
            word = next(word for word in words if not _is_number(word))
            where = f" in channel {number}" if len(channels) > 1 else ""
            return f"has {word.strip()!r} among its values{where}, which is no number"
    lengths = {len(row) for row in rows}
    if len(lengths) > 1:
        return f"has channels of {min(lengths)} to {max(lengths)} values, not as many in each"
    return np.stack(rows)


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
