"""Cells that are strings, as columns of numbers, booleans and words."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import pandas as pd
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]

from vicinal.data.number_columns import NumberColumn, decide, in_doubt, without_dashes
from vicinal.data.numbers import Form
from vicinal.data.samples import listed
from vicinal.data.spellings import Spellings

# What pandas takes for missing, the mark of the UCI repository, and a spreadsheet's errors.
MISSING = (
    *("", "?", "NA", "N/A", "n/a", "NaN", "nan", "-NaN", "-nan", "NULL", "null", "None", "<NA>"),
    *("#NA", "#N/A", "#N/A N/A", "1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN"),
    *("#DIV/0!", "#NAME?", "#NULL!", "#NUM!", "#REF!", "#VALUE!"),
)
_MISSING, _BLANK = pa.array(MISSING), pa.array([""])
_BOOLEANS = {"True": True, "TRUE": True, "true": True}
_BOOLEANS |= {"False": False, "FALSE": False, "false": False}
_EXACT = 2**53  # larger whole numbers are not exact as floats
_MOST_NAMES = 1000  # of a column of numbers that may be classes; of more, the spelling is not kept


@dataclass(frozen=True)
class Reading:
    """How the columns of a table were read, so that others are read in the same way.

    Args:
        separator: of the values in the file; a comma where it has none.
        decimal: the decimal separator that its numbers prove; None where they do not.
        numbers: how the numbers of a column are written, if not plainly.
        strings: the columns of words.
    """

    separator: str = ","
    decimal: str | None = None
    numbers: Mapping[str, Form] = field(default_factory=dict)
    strings: Collection[str] = ()

    def to_json(self) -> dict[str, Any]:
        """All fields as JSON values."""
        numbers = {name: form.to_json() for name, form in self.numbers.items()}
        return {**vars(self), "numbers": numbers, "strings": list(self.strings)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """From what :meth:`to_json` returned."""
        numbers = {name: Form.from_json(form) for name, form in values["numbers"].items()}
        return cls(values["separator"], values["decimal"], numbers, values["strings"])


@dataclass
class Typed:
    """Columns of numbers, booleans and words.

    Args:
        columns: by name.
        reading: how they were read.
        notes: lines for the user.
        written: the cells, as they are written, of columns whose values say less: numbers in
            another than their plainest form, and words such as ``None`` that count as missing.
    """

    columns: dict[str, pd.Series]
    reading: Reading
    notes: list[str]
    written: Spellings


def typed(
    cells: dict[str, Any],
    separator: str = ",",
    *,
    strings: Collection[str] = (),
    written: Collection[str] = (),
    reading: Reading | None = None,
) -> Typed:
    """Columns of cells as numbers, booleans and words.

    Strings are stripped of blanks, and marks of missing values become NaN. A column whose other
    values are all numbers becomes numeric, unless they are codes: with leading zeros, or too long
    to be exact.

    Args:
        cells: by column; Arrow's chunked arrays of strings, or series of any dtype, of which those
            of strings are converted. The dict is emptied on the way, or a large table would be in
            memory twice.
        separator: of the values in the file.
        strings: columns that stay strings.
        written: columns that stay as they are written; only empty cells are missing.
        reading: of the table that these columns are like, if there is one.
    """
    found = _Columns(separator, strings, written, reading)
    names = list(cells)
    for name in names:
        found.add(name, cells.pop(name))
    found.decide()
    words = [name for name in names if are_strings(found.columns[name])]
    numbers = {name: form for name, form in found.forms.items() if name not in words}
    how = Reading(separator, found.decimal, numbers, words)
    columns = {name: found.columns[name] for name in names}
    return Typed(columns, how, found.all_notes(), found.written)


class _Columns:
    """Columns on their way from strings to values."""

    def __init__(
        self,
        separator: str,
        strings: Collection[str],
        written: Collection[str],
        reading: Reading | None,
    ) -> None:
        self.separator, self.reading = separator, reading
        self.strings = {*strings, *(reading.strings if reading else ())}
        self.as_written = {*written}
        self.columns: dict[str, pd.Series] = {}
        self.written = Spellings()
        self.forms: dict[str, Form] = {}
        self.doubtful: dict[str, NumberColumn] = {}
        self.has_points = False
        self.decimal: str | None = None
        self.notes: list[str] = []
        self.codes: dict[str, list[str]] = {}
        self.missing: dict[str, list[str]] = {}

    def add(self, name: str, cells: Any) -> None:
        if isinstance(cells, pd.Series):
            if pd.api.types.infer_dtype(cells, skipna=True) != "string":
                self.columns[name] = cells
                return
            cells = pa.chunked_array([pa.array(cells, pa.string(), from_pandas=True)])
        cells = pc.utf8_trim_whitespace(cells)
        if name in self.as_written:
            self.columns[name] = as_series(_masked(cells, _BLANK))
            return
        values = _masked(cells, _MISSING)
        if name not in self.strings:
            values = self._without_dashes(name, values)
        column = None if name in self.strings else self._numbers_or_booleans(name, values)
        if column is None and name not in self.strings:
            self._look_for_forms(name, values)
        self.columns[name] = as_series(values) if column is None else column
        is_word = column is None or values.null_count == len(values)
        if is_word and values.null_count > cells.null_count:
            plain = _masked(cells, _BLANK)
            if plain.null_count < values.null_count:
                self.written[name] = as_series(_encoded(plain))

    def _without_dashes(self, name: str, values: Any) -> Any:
        least = {"least": 0} if self.reading else {}  # numbers in the training data are so here
        values, mark = without_dashes(values, **least)
        if mark:
            self.missing.setdefault(mark, []).append(name)
        return values

    def _numbers_or_booleans(self, name: str, values: Any) -> pd.Series | None:
        """A column whose values are all plain numbers, or all booleans; else None."""
        if values.null_count == len(values):
            return pd.Series(np.full(len(values), np.nan))
        numbers = _cast(values, pa.int64())
        if numbers is not None:
            return self._whole(name, values, numbers)
        numbers = _cast(values, pa.float64())
        if numbers is None:
            return _booleans(values)
        return self._fractions(name, values, numbers)

    def _whole(self, name: str, values: Any, numbers: Any) -> pd.Series | None:
        lengths = pc.binary_length(values), pc.binary_length(pc.cast(numbers, pa.string()))
        if not pc.all(pc.equal(*lengths)).as_py():
            if _any(values, r"^[-+]?0[0-9xX]"):  # hexadecimal numbers, which Arrow reads, too
                self._add_code(name, "leading zeros")
                return None
            self._keep_written(name, values, numbers)
        if values.null_count:
            if pc.any(pc.greater(pc.abs(numbers), _EXACT)).as_py():
                self._add_code(name, "more digits than numbers keep")
                return None
            numbers = pc.cast(numbers, pa.float64())
        return as_series(numbers)

    def _fractions(self, name: str, values: Any, numbers: Any) -> pd.Series | None:
        if not _any(values, r"[^-+\d]"):
            unsigned = _cast(pc.replace_substring(values, "+", ""), pa.int64())
            if _any(values, r"^[-+]?0\d"):
                self._add_code(name, "leading zeros")
                return None
            if unsigned is None:
                self._add_code(name, "more digits than numbers keep")
                return None
            numbers = unsigned if not values.null_count else numbers
            self._keep_written(name, values, numbers)
            return as_series(numbers)
        if _all(values.slice(0, 1000), r"^[-+]?[1-9]\d{0,2}(\.\d{3})*$"):  # 1.018, maybe 1018
            doubtful = in_doubt(name, values, self._known(name))
            if doubtful is not None and doubtful.decimal is None:
                self.doubtful[name] = doubtful
        if name not in self.doubtful:
            self.has_points = self.has_points or pc.any(pc.match_substring(values, ".")).as_py()
        self._keep_written(name, values, numbers)
        return as_series(numbers)

    def _keep_written(self, name: str, values: Any, numbers: Any) -> None:
        """Keep the spelling of numbers that may be names of classes and are not plain."""
        several = numbers.slice(0, 10 * _MOST_NAMES)  # a table of all costs memory
        for some in (several, numbers) if len(several) < len(numbers) else (numbers,):
            if len(numbers) > _MOST_NAMES and len(pc.unique(some)) > _MOST_NAMES:
                return
        spelled = pc.unique(values).drop_null()
        plain = pc.cast(pc.cast(spelled, pa.float64()), pa.string())
        unlike = spelled.filter(pc.not_equal(spelled, plain)).to_pylist()
        if any(text not in _spellings(float(text)) for text in unlike):
            self.written[name] = as_series(values)

    def _look_for_forms(self, name: str, values: Any) -> None:
        number = in_doubt(name, values, self._known(name))
        if number is None:
            return
        if number.note:
            self.notes.append(number.note)
        else:
            self.doubtful[name] = number

    def _known(self, name: str) -> Form | None:
        """The form of a column in the training data."""
        return self.reading.numbers.get(name) if self.reading else None

    def decide(self) -> None:
        """Read the numbers that are not plain, all columns together."""
        known, reading = None, self.reading
        if reading is not None:
            known = (reading.separator, reading.decimal, reading.numbers)
        decided = decide(list(self.doubtful.values()), self.separator, self.has_points, known)
        self.decimal = decided.decimal
        self.notes += decided.notes
        for name, form in decided.forms.items():
            column = self.doubtful[name]
            if form != Form() or are_strings(self.columns[name]):
                self.forms[name] = form
                self.written[name] = as_series(column.values)
                self.columns[name] = as_series(column.as_numbers(form))

    def _add_code(self, name: str, why: str) -> None:
        self.strings.add(name)
        # Those without a name are left out anyway, and those that were numbers in training stay so.
        if not name.startswith("Unnamed: ") and self.reading is None:
            self.codes.setdefault(why, []).append(name)

    def all_notes(self) -> list[str]:
        codes = [
            f"codes: {listed(names)} with {why}, taken for words"
            for why, names in self.codes.items()
        ]
        missing = [
            f"missing: {mark!r} stands for a missing number in {listed(names)}"
            for mark, names in self.missing.items()
        ]
        return [*self.notes, *missing, *codes]


def _masked(cells: Any, marks: Any) -> Any:
    is_mark = pc.is_in(cells, marks)
    if not pc.any(is_mark).as_py():
        return cells
    return pc.if_else(is_mark, pa.scalar(None, pa.string()), cells)


def _cast(values: Any, kind: Any) -> Any:
    try:
        return pc.cast(values, kind)
    except pa.ArrowInvalid:
        return None


def _any(values: Any, pattern: str) -> bool:
    return bool(pc.any(pc.match_substring_regex(values, pattern)).as_py())


def _all(values: Any, pattern: str) -> bool:
    return bool(pc.all(pc.match_substring_regex(values, pattern)).as_py())


def _booleans(values: Any) -> pd.Series | None:
    spelled = pc.unique(values.slice(0, 1000)).drop_null().to_pylist()
    if not set(spelled) <= set(_BOOLEANS):
        return None
    spelled = pc.unique(values).drop_null().to_pylist()
    return as_series(values).map(_BOOLEANS) if set(spelled) <= set(_BOOLEANS) else None


def _spellings(number: float) -> set[str]:
    """How programs write a number."""
    whole = {str(int(number))} if number.is_integer() else set()
    return {repr(number), *whole}


def as_series(values: Any) -> pd.Series:
    """An Arrow array as a series, missing values as NaN."""
    series = pd.Series(values.to_pandas())
    if series.dtype == object:
        return series.where(series.notna(), np.nan)
    writeable = getattr(series.array, "_ndarray", np.empty(0)).flags.writeable
    return series if writeable else series.copy()


def _encoded(words: Any) -> Any:
    """Words by their number in a list of the distinct ones, where that is short."""
    encoded = words.dictionary_encode()
    lists = sum(len(chunk.dictionary) for chunk in encoded.chunks[:1])
    return encoded if 20 * lists < len(words) else words


def are_strings(values: pd.Series) -> bool:
    """Whether all values of a column, apart from missing ones, are strings."""
    return pd.api.types.infer_dtype(values, skipna=True) == "string"
