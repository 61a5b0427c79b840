"""The kinds of a table's columns: numbers, categories, text, or nothing to learn from."""

import unicodedata
import warnings
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from dateutil import parser  # type: ignore[import-untyped]

from vicinal.data.column_names import typed
from vicinal.data.row_numbers import is_called_an_id, row_numbers
from vicinal.data.samples import listed
from vicinal.errors import VicinalError

# A string column with mostly distinct values, and more than this many, holds names of the rows.
MANY = 20
MOSTLY = 0.95  # if this fraction of a column's values are numbers, the others are mistakes
MOSTLY_FILLED = 0.5  # if fewer rows than this have a text, the column is one of comments
_YEAR = r"\b(?:1[89]|20)\d\d\b"
_DAY_OR_MONTH = r"(?i)\d[/.-]\d|\b(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)"
FEW = 10  # distinct values of a numeric column that may hold categories


@dataclass(frozen=True)
class ColumnKinds:
    """The kind of each column of a table.

    Args:
        numeric: columns of numbers, whole ones with few values among them.
        categorical: strings, booleans, and columns of pandas' category dtype.
        text: sentences: strings of three words or more on average, mostly distinct.
        few: the numeric columns of whole numbers with at most ten distinct values.
        left_out: columns that nothing can be learned from, with the reason.
        numbering: the numeric columns that number the rows, where there is nothing else to learn
            from; else they are left out.
    """

    numeric: list[str]
    categorical: list[str]
    text: list[str]
    few: list[str]
    left_out: dict[str, str]
    numbering: list[str] = field(default_factory=list)

    def without(self, same: Collection[str]) -> "ColumnKinds":
        """These kinds, leaving out columns that hold a single value."""
        lists = {
            kind: [name for name in getattr(self, kind) if name not in same]
            for kind in ("numeric", "categorical", "few", "numbering")
        }
        left_out = {**self.left_out, **dict.fromkeys(same, "one value")}
        return replace(self, **lists, left_out=left_out)

    def notes(self) -> list[str]:
        """What was found, as lines for the user.

        >>> ColumnKinds(["age"], ["work"], [], [], {"n": "always 1"}).notes()
        ['columns: 1 numeric (age), 1 categorical (work)', 'left out: n (always 1)']
        """
        kinds = {"numeric": self.numeric, "categorical": self.categorical, "of text": self.text}
        found = [f"{len(names)} {kind} ({listed(names)})" for kind, names in kinds.items() if names]
        notes = [f"columns: {', '.join(found) or 'none to learn from'}"]
        if self.few:
            notes.append(f"taken as numbers, though they have few values: {listed(self.few)}")
        if self.numbering:
            only = listed(self.numbering)
            notes.append(f"taken as numbers, though they may only count the rows: {only}")
        ids = [name for name in (*self.numeric, *self.categorical) if is_called_an_id(name)]
        if ids and ids != self.numbering:
            advice = "--group NAME keeps the rows of one together, --drop NAME leaves it out"
            notes.append(f"ids that repeat: {listed(ids)}; {advice}")
        if self.left_out:
            reasons = [f"{name} ({reason})" for name, reason in self.left_out.items()]
            many = f"{len(reasons):,} columns, " if len(reasons) > MANY else ""
            notes.append(f"left out: {many}{listed(reasons, MANY)}")
        return notes


def column_kinds(
    frame: pd.DataFrame,
    *,
    categorical: Collection[str] = (),
    numbering: Mapping[str, str] | None = None,
    left_out: Mapping[str, str] | None = None,
) -> ColumnKinds:
    """The kind of each column of a training part, by its values.

    Numbers are numeric, however few distinct ones there are, and strings are not, also those of
    digits: name codes that are stored as numbers ``categorical``. Dates are left out, and so are
    numbers of the rows (see :func:`~vicinal.data.row_numbers.row_numbers`), unless there is nothing
    else.

    Args:
        frame: without the label.
        categorical: columns that are categories, whatever they hold.
        numbering: columns that number the rows of a larger table than this one, with the reason to
            leave them out.
        left_out: columns not to learn from, with the reason.

    >>> frame = pd.DataFrame({"age": [39, 50, 38], "work": ["state", "self", "self"], "n": [1] * 3})
    >>> kinds = column_kinds(frame)
    >>> kinds.numeric, kinds.categorical, kinds.left_out
    (['age'], ['work'], {'n': 'always 1'})
    >>> column_kinds(frame, categorical=["age"]).categorical
    ['age', 'work']
    """
    frame = with_names(frame)
    kinds = ColumnKinds([], [], [], [], dict(left_out or {}))
    names = [name for name in frame if name not in kinds.left_out]
    counting = {**row_numbers([frame[names]]), **(numbering or {})}
    counted = []
    for name in names:
        values = frame[name]
        kind, why = _kind(name, values, name in categorical)
        if kind == "left_out":
            kinds.left_out[name] = why
        elif kind == "numeric" and name in counting:
            counted.append(name)
        else:
            getattr(kinds, kind).append(name)
            if kind == "numeric" and values.nunique() <= FEW and are_whole(values):
                kinds.few.append(name)
    if kinds.numeric or kinds.categorical or kinds.text:
        kinds.left_out.update({name: counting[name] for name in counted})
    else:
        kinds.numeric.extend(counted)
        kinds.numbering.extend(counted)
    return kinds


def with_names(frame: pd.DataFrame) -> pd.DataFrame:
    """The same table with the names of its columns as strings."""
    named = frame.copy(deep=False)
    named.columns = frame.columns.map(str)
    return named


def has_no_name(name: str) -> bool:
    """Whether a column has pandas' name for one without a name, or Arrow's for an index."""
    return name.startswith(("Unnamed: ", "__index_level_"))


def text_columns(frame: pd.DataFrame) -> list[str]:
    """The columns of sentences: three words or more on average, and mostly distinct.

    >>> questions = ["How far is it to Aspen ?", "Who was Galileo ?", "What is an atom ?"]
    >>> text_columns(pd.DataFrame({"text": questions, "label": ["NUM", "HUM", "DESC"]}))
    ['text']
    """
    return column_kinds(frame).text


def _kind(name: str, values: pd.Series, is_category: bool) -> tuple[str, str]:
    """The field of :class:`ColumnKinds` that a column belongs to, and why it is left out."""
    if has_no_name(name) and not is_category:
        return "left_out", "it has no name"
    share, values = values.notna().mean(), values.dropna()
    if not len(values):
        return "left_out", "empty"
    held = neither_numbers_nor_names(values)
    if held:
        return "left_out", held
    distinct, is_number = values.nunique(), is_numeric(values)
    if distinct == 1 and (share == 1 or (is_number and not is_category)):
        return "left_out", f"always {values.iloc[0]}"
    if is_category or isinstance(values.dtype, pd.CategoricalDtype):
        return "categorical", ""
    if is_number:
        return "numeric", ""
    texts = as_texts(values)
    counts = texts.value_counts(sort=False)
    numbers = pd.to_numeric(counts.index.to_series(), errors="coerce").dropna()
    if len(numbers) == len(counts):
        return _kind_of_codes(distinct, len(values))
    if counts[numbers.index].sum() >= MOSTLY * len(values) and numbers.nunique() > MANY:
        _refuse_words(values)
    if _are_dates(texts):
        return "left_out", "dates"
    if distinct > len(values) / 2:
        held = _numbers_among_words(texts.head(100))
        if held:
            return "left_out", held
        if texts.str.split().str.len().mean() >= 3:
            few = f"texts in only {share:.0%} of the rows"
            return ("left_out", few) if share < MOSTLY_FILLED else ("text", "")
        if distinct > MANY:
            return "left_out", f"a name, {distinct:,} of {len(values):,} are different"
    return "categorical", ""


def _refuse_words(values: pd.Series) -> None:
    """Raise a VicinalError that names the first value that is not a number."""
    try:
        as_numbers(values)
    except VicinalError as error:
        name = typed(str(values.name))
        raise VicinalError(f"{error}, or say --categorical {name} or --drop {name}") from None


def _kind_of_codes(distinct: int, count: int) -> tuple[str, str]:
    """As :func:`_kind`, of numbers that are stored as strings."""
    if distinct > MANY and distinct > count / 2:
        found = f"{distinct:,} of {count:,} are different"
        return "left_out", f"numbers as strings, {found}: convert them if they are quantities"
    return "categorical", ""


def neither_numbers_nor_names(values: pd.Series) -> str | None:
    """What values are that are neither: dates, or lists and the like; else None."""
    inferred = pd.api.types.infer_dtype(values)
    if inferred.startswith(("date", "time", "period")):
        return "dates"
    if inferred in ("string", "integer", "floating", "boolean", "categorical"):
        return None  # without a look at each
    if not values.map(pd.api.types.is_scalar).all():
        return f"values of type {type(values.iloc[0]).__name__}"
    return None


def is_numeric(values: pd.Series) -> bool:
    """Whether values are numbers, which booleans are not."""
    dtypes = pd.api.types
    if dtypes.infer_dtype(values, skipna=True) == "decimal":
        return True
    return dtypes.is_numeric_dtype(values) and not dtypes.is_bool_dtype(values)


def as_texts(values: pd.Series) -> pd.Series:
    """Values as strings, missing ones as NaN.

    A value has the same string whether it is stored as a string, a number or a boolean: whole
    numbers have no decimal point, and all spellings of true and false are the same. So have
    strings that look the same: blanks around them do not count, and letters with accents are
    composed (NFC).

    >>> as_texts(pd.Series([1.0, None, 2.5])).tolist()
    ['1', nan, '2.5']
    >>> as_texts(pd.Series(["TRUE", "false"])).tolist(), as_texts(pd.Series([True])).tolist()
    (['True', 'False'], ['True'])
    """

    def text(value: object) -> str:
        if isinstance(value, float | np.floating) and value.is_integer():
            return str(int(value))
        spelled = str(value).strip()
        if not spelled.isascii():
            return unicodedata.normalize("NFC", spelled)
        return spelled.capitalize() if spelled in ("TRUE", "FALSE", "true", "false") else spelled

    # Of a column of strings, infer_dtype would make each a Python object.
    are_strings = isinstance(values.dtype, pd.StringDtype)
    if not are_strings and pd.api.types.infer_dtype(values, skipna=True) != "string":
        values = values.astype(object)
        return values.map(text, na_action="ignore").where(values.notna(), np.nan)
    codes, distinct = pd.factorize(values)  # of other types, 1 and True would be one
    texts = np.array([*map(text, distinct), np.nan], dtype=object)
    return pd.Series(texts[codes], values.index, name=values.name)


def as_numbers(values: pd.Series) -> pd.Series:
    """Values as float64, missing ones as NaN.

    Raises:
        VicinalError: a value is not a number, or infinite; its row is named.
    """
    is_number = pd.api.types.is_numeric_dtype(values)
    found = values if is_number else pd.to_numeric(values.astype("string"), errors="coerce")
    numbers = pd.Series(found.to_numpy(np.float64, na_value=np.nan), values.index, name=values.name)
    refuse(values, values.notna() & ~np.isfinite(numbers), "where a number is needed")
    return numbers


def refuse(values: pd.Series, wrong: pd.Series, why: str) -> None:
    """Raise an error that names the first row where ``wrong`` is true, if any."""
    if wrong.any():
        row = int(wrong.to_numpy().argmax())
        raise VicinalError(
            f"column {values.name} holds {str(values.iloc[row])!r} in row {values.index[row]}, "
            f"{why}: correct it or drop the row"
        )


def are_whole(values: pd.Series) -> bool:
    """Whether all numbers are whole."""
    numbers = as_numbers(values).dropna()
    return bool((numbers == numbers.round()).all())


def _numbers_among_words(texts: pd.Series) -> str:
    """What texts are that only look like sentences: durations, or as many numbers each."""
    timed = texts.str.contains(r"\d:\d\d").all()
    if timed and pd.to_timedelta(texts, errors="coerce").notna().all():
        return "times or durations: convert them to numbers"
    counts = {len(text.split()) for text in texts}
    if len(counts) == 1 and min(counts) > 2 and texts.str.fullmatch(r"[-+.,eE\d\s]+").all():
        return f"{counts.pop():,} numbers in each row: write them in columns, or use --text"
    return ""


def _are_dates(texts: pd.Series) -> bool:
    first = texts.head(100)
    if bool(pd.to_datetime(first, format="ISO8601", errors="coerce", utc=True).notna().all()):
        return True
    # As people write them, 12/31/2009 or Mon Apr 06 22:19:45 2009: else these could be texts.
    if not first.str.contains(_YEAR).all() or not first.str.contains(_DAY_OR_MONTH).all():
        return False
    return all(map(_is_date, first))


def _is_date(text: str) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of time zones that it does not know
        try:
            parser.parse(text)
        except (ValueError, OverflowError):
            return False
    return True
