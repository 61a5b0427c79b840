"""Legend: which number or colour in a mask is which class, by a file that says so."""

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from vicinal.errors import VicinalError

# Names of pixels that are no class.
IGNORED = frozenset(
    ("void", "ignore", "ignored", "unlabelled", "unlabeled", "dont care", "don't care")
)
# Files that are read without being named, in this order.
LEGENDS = (
    *("legend.csv", "legend.txt", "classes.csv", "class_dict.csv", "class_dict_seg.csv"),
    *("label_colors.txt", "label_colours.txt", "labelmap.txt", "colormap.txt", "codes.txt"),
    *("classes.txt", "class_names.txt", "objectinfo150.txt"),
)
OF_ADE20K = "objectinfo150.txt"  # which does not say that 0 is a pixel of no class
# Names of columns, in a file whose first line names them.
COLUMNS = {
    **dict.fromkeys(("name", "class", "label", "classes", "class_name", "label_name"), "name"),
    **dict.fromkeys(
        ("id", "index", "number", "value", "code", "class_id", "label_id", "idx"), "number"
    ),
    **dict.fromkeys(("hex", "color", "colour"), "hex"),
    **dict.fromkeys(("r", "red"), "r"),
    **dict.fromkeys(("g", "green"), "g"),
    **dict.fromkeys(("b", "blue"), "b"),
}
OF_THREE = re.compile(r"[\s(\[]*(\d+)[\s,;]+(\d+)[\s,;]+(\d+)[\s)\]]*")
THREE = r"(?P<r>\d+)[\s,;]+(?P<g>\d+)[\s,;]+(?P<b>\d+)"
# What each line of a file without names of columns may be.
LINES = (
    re.compile(rf"{THREE}[\s,;:]+(?P<name>\S.*)"),
    re.compile(rf"(?P<name>.*?\S)[\s,;:]+{THREE}\W*"),
    re.compile(r"(?P<name>.*?\S)[\s,;:=]+(?P<hex>#[0-9a-fA-F]{6})"),
    re.compile(r"(?P<hex>#[0-9a-fA-F]{6})[\s,;:=]+(?P<name>\S.*)"),
    re.compile(r"(?P<number>\d+)\s*[\s,;:=]\s*(?P<name>\S.*)"),
    re.compile(r"(?P<name>.*?\S)\s*[,;:=\t]\s*(?P<number>\d+)"),
)


def packed(red: int, green: int, blue: int) -> int:
    """A colour as one number.

    >>> packed(0, 1, 2)
    258
    """
    return (red << 16) + (green << 8) + blue


def unpacked(colour: int) -> tuple[int, int, int]:
    """Red, green and blue of :func:`packed`.

    >>> unpacked(258)
    (0, 1, 2)
    """
    return colour >> 16, colour >> 8 & 255, colour & 255


@dataclass(frozen=True)
class Legend:
    """The classes in the order of their lines.

    Args:
        file: where they are from.
        names: of the classes, and of what is ignored.
        values: the number or the :func:`packed` colour of each.
        kind: what the values are: ``"colours"``; ``"numbers"``; or ``"order"`` where the file has
            names alone, which are numbered from 0 on.
        numbers: the number of each where the file gives colours, too.
    """

    file: Path
    names: list[str]
    values: list[int]
    kind: str
    numbers: Sequence[int] | None = None

    def by_number(self) -> "Legend":
        """The same classes by their numbers, or else numbered in the order of their lines."""
        if self.numbers is not None:
            return Legend(self.file, self.names, [*self.numbers], "numbers")
        return Legend(self.file, self.names, list(range(len(self.names))), "order")


def find_legend(folder: Path, requested: str | None) -> Legend | None:
    """The legend that was asked for, or one of a usual name in the folder.

    Raises:
        VicinalError: it does not exist, or cannot be read.
    """
    if requested is not None:
        file = Path(requested)
        if not file.is_file() and (folder / requested).is_file():
            file = folder / requested
        if not file.is_file():
            raise VicinalError(f"--legend {requested} is no file: name one that names the classes")
        return read_legend(file)
    names = {file.name.lower(): file for file in folder.iterdir() if file.is_file()}
    found = next((names[name] for name in LEGENDS if name in names), None)
    return None if found is None else read_legend(found)


def read_legend(file: Path) -> Legend:
    """Read a legend.

    Each line is a name alone; a number and a name; or a colour, as red, green and blue or as
    ``#rrggbb``, and a name: in either order, separated by commas, tabs, colons or, where that is
    clear, blanks. Lines that begin with ``# `` or ``//`` are comments. A first line may name
    columns: ``name,r,g,b``, ``id,name``, ``name,colour``. ``__ignore__`` in labelme's first line
    is of no pixel; where several lines have one colour, as in Cityscapes' table, numbers count.

    Raises:
        VicinalError: it cannot be read, or names a class, number or colour twice.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise VicinalError(f"the legend {file} cannot be read: {error}") from None
    lines = [line.strip() for line in text.splitlines()]
    lines = [each for each in lines if each and not each.startswith(("# ", "//")) and each != "#"]
    if not lines:
        raise VicinalError(f"the legend {file} is empty: give it a line for each class")
    if lines[0][0] in "{[":
        raise VicinalError(
            f"the legend {file} is JSON, it seems: give a line for each class, such as '3,sky'"
        )
    rows = _of_pixels(list(_with_header(lines) or _without_header(lines, file)))
    if file.name.lower() == OF_ADE20K:
        rows.insert(0, {"name": "void", "number": "0"})
    names = [row.get("name", "") for row in rows]
    kinds = {_kind(row) for row in rows}
    if len(kinds) > 1:
        raise VicinalError(
            f"the legend {file} gives some classes a colour and others a number: give all the same"
        )
    (kind,) = kinds or {"order"}
    try:
        values = [_value(row, place) for place, row in enumerate(rows)]
    except ValueError as error:
        raise VicinalError(f"the legend {file} {error}") from None
    numbers = None
    if kind == "colours" and all(row.get("number", "").isdigit() for row in rows):
        numbers = [int(row["number"]) for row in rows]
    what = "colour" if kind == "colours" else "number"
    shown = [str(unpacked(value) if kind == "colours" else value) for value in values]
    for noun, given in (("name", names), (what, shown)):
        twice = next((each for each in given if given.count(each) > 1), None)
        if twice is not None:
            raise VicinalError(f"the legend {file} has the {noun} {twice} twice: correct it")
    return Legend(file, names, values, kind, numbers)


def _of_pixels(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    """The rows without classes that no pixel has, and without colours that several share."""
    if rows and _kind(rows[0]) == "order" and rows[0].get("name") == "__ignore__":
        return rows[1:]  # labelme numbers it -1
    numbered = [row for row in rows if row.get("number", "").strip() != "-1"]
    colours = [(row.get("hex"), row.get("r"), row.get("g"), row.get("b")) for row in numbered]
    have_numbers = all(row.get("number", "").isdigit() for row in numbered)
    if have_numbers and len(set(colours)) < len(colours):  # as Cityscapes has it
        return [{"name": row.get("name", ""), "number": row["number"]} for row in numbered]
    return rows


def _with_header(lines: list[str]) -> Iterator[dict[str, str]] | None:
    """The rows of a file whose first line names columns; None of others."""
    separator = next((each for each in ("\t", ";", ",") if each in lines[0]), ",")
    named = [COLUMNS.get(cell.strip().strip('"').lower()) for cell in lines[0].split(separator)]
    known = {name for name in named if name}
    if "name" not in known or len(named) < 2 or not (known - {"name"}):
        return None
    read = csv.reader(lines[1:], delimiter=separator)
    return (
        {name: cell.strip() for name, cell in zip(named, cells, strict=False) if name}
        for cells in read
    )


def _without_header(lines: list[str], file: Path) -> Iterator[dict[str, str]]:
    for pattern in LINES:
        found = [pattern.fullmatch(line) for line in lines]
        matched = sum(each is not None for each in found)
        if matched == len(lines):
            return (each.groupdict() for each in found if each is not None)
        if matched > len(lines) / 2:
            line = next(line for line, each in zip(lines, found, strict=True) if each is None)
            raise VicinalError(
                f"the legend {file} has the line {line!r}, which is unlike the others, such as "
                f"{lines[0] if lines[0] != line else lines[1]!r}: write all alike"
            )
    return ({"name": line.strip('"')} for line in lines)


def _kind(row: dict[str, str]) -> str:
    if "hex" in row or "r" in row:
        return "colours"
    return "numbers" if "number" in row else "order"


def _value(row: dict[str, str], place: int) -> int:
    """The number or packed colour of a row; a ValueError says what is wrong with it."""
    name = row.get("name", "")
    if not name:
        raise ValueError(f"has no name in row {place + 1}: give it one")
    try:
        if "hex" in row and (three := OF_THREE.fullmatch(row["hex"])):
            row = {**row, **dict(zip("rgb", three.groups(), strict=True))}
        if "hex" in row and "r" not in row:
            digits = row["hex"].removeprefix("#")
            if len(digits) != 6:
                raise ValueError
            return int(digits, 16)
        if "r" in row:
            parts = [int(row[name]) for name in "rgb"]
            if not all(0 <= part <= 255 for part in parts):
                raise ValueError
            return packed(*parts)
        number = int(row.get("number", place))
        if not 0 <= number <= 65535:
            raise ValueError
    except (ValueError, KeyError):
        raise ValueError(
            f"gives {name} no colour of three numbers up to 255, and no number up to 65,535: "
            "correct that line"
        ) from None
    return number
