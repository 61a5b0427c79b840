"""Readers: from an item, such as a file or a row of a table, to its input or its class."""

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from vicinal.data.folders import name_labeller
from vicinal.errors import VicinalError


class RegexLabeller:
    r"""Read the class off a name: the first group of a regular expression.

    Args:
        pat: the expression.
        match: it must fit from the beginning of the name on, as ``re.match``.

    Raises:
        VicinalError: it is no expression or has no group; when called, it does not match.

    >>> RegexLabeller(r"(.+)_\d+.jpg$")("pug_7.jpg")
    'pug'
    """

    def __init__(self, pat: str, match: bool = False) -> None:
        name_labeller(pat)  # so that an error quotes what was given
        self._label = name_labeller(rf"\A(?:{pat})" if match else pat)

    def __call__(self, name: object) -> str:
        return self._label(str(name).replace(os.sep, "/"))


def using_attr(function: Callable[[Any], Any], attr: str) -> Callable[[Any], Any]:
    """Apply a function to an attribute of its argument.

    >>> using_attr(str.upper, "name")(Path("images/pug_7.jpg"))
    'PUG_7.JPG'
    """
    return lambda item: function(getattr(item, attr))


def parent_label(path: str | os.PathLike[str]) -> str:
    """The name of the folder that contains a file.

    >>> parent_label(Path("train/pug/7.jpg"))
    'pug'
    """
    return Path(path).parent.name


class ColReader:
    """Read one or several columns of a row, with what comes before and after the value.

    Args:
        cols: a column by its name or number, or several.
        pref: a text before the value, or the folder that it is in.
        suff: a text after it, such as ``".jpg"``.
        label_delim: split the value at this into a list.

    Raises:
        VicinalError: when called, there is no such column.

    >>> ColReader("name", pref=Path("images"), suff=".jpg")({"name": "pug_7"})
    'images/pug_7.jpg'
    >>> ColReader("tags", label_delim=" ")({"tags": "clear water"})
    ['clear', 'water']
    """

    def __init__(
        self,
        cols: str | int | Sequence[str | int],
        pref: str | PurePath = "",
        suff: str = "",
        label_delim: str | None = None,
    ) -> None:
        self.cols: list[str | int] = [cols] if isinstance(cols, str | int) else list(cols)
        self.is_one = len(self.cols) == 1
        self.pref = f"{pref}{os.path.sep}" if isinstance(pref, PurePath) else pref
        self.suff, self.label_delim = suff, label_delim

    def __call__(self, row: Any) -> Any:
        values = [self._read(row, column) for column in self.cols]
        return values[0] if self.is_one else values

    def _read(self, row: Any, column: str | int) -> Any:
        value = _value(row, column)
        if self.label_delim is not None:
            text = "" if is_missing(value) else str(value)
            return text.split(self.label_delim) if text else []
        return f"{self.pref}{value}{self.suff}" if self.pref or self.suff else value


def is_missing(value: Any) -> bool:
    """Whether a value is none: None, NaN, or pandas' NA.

    >>> is_missing(float("nan")), is_missing("nan")
    (True, False)
    """
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, float) and math.isnan(value)  # also NumPy's float64


def _value(row: Any, column: str | int) -> Any:
    try:
        if isinstance(column, int):
            return row.iloc[column] if hasattr(row, "iloc") else row[column]
        return getattr(row, column) if hasattr(row, "_fields") else row[column]
    except (KeyError, IndexError, TypeError, AttributeError):
        names = list(row.index if hasattr(row, "iloc") else _names(row))
        kind = f"has {', '.join(map(str, names))}" if names else f"is {row!r:.60}"
        raise VicinalError(f"there is no column {column!r}: the row {kind}") from None


def _names(row: Any) -> Any:
    return row.keys() if hasattr(row, "keys") else getattr(row, "_fields", ())


@dataclass(frozen=True)
class ItemGetter:
    """Read the item's entry at a place: ``ItemGetter(0)`` of pairs.

    >>> ItemGetter(1)(("pug_7.jpg", "pug"))
    'pug'
    """

    i: Any

    def __call__(self, item: Any) -> Any:
        return item[self.i]


@dataclass(frozen=True)
class AttrGetter:
    """Read an attribute of the item, or where it has none, the default.

    >>> AttrGetter("suffix")(Path("images/pug_7.jpg"))
    '.jpg'
    """

    nm: str
    default: Any = None

    def __call__(self, item: Any) -> Any:
        return getattr(item, self.nm, self.default)


Getter = Callable[[Any], Any] | Sequence[Callable[[Any], Any]]


def in_turn(getter: Getter | None) -> Callable[[Any], Any] | None:
    """One function of several that are applied one after the other.

    >>> in_turn([parent_label, str.upper])("train/pug/7.jpg")
    'PUG'
    """
    if getter is None or callable(getter):
        return getter
    steps = list(getter)

    def read(item: Any) -> Any:
        for step in steps:
            item = step(item)
        return item

    return read
