"""Columns of numbers that are not written plainly: all of a table are judged together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]

from vicinal.data.numbers import POINT, Form, Written, form_of, grouped, proven_decimal
from vicinal.data.samples import listed

_MOSTLY = 0.95  # if this fraction of a column's distinct values are numbers, others are mistakes
_MANY = 20  # distinct numbers of a column that holds no categories
_LEAST = 10  # distinct plain numbers beside limits such as <5; of fewer, they are categories
_SAMPLE = 100
_DASHES = r"^[^\d]*[\x{2013}\x{2212}]"
# What stands for a missing number where people, SAS, the World Bank or Eurostat write tables.
_NO_NUMBER = ("-", "--", "\u2013", "\u2014", "\u2212", ".", "..", "...", ":")


@dataclass(frozen=True)
class NumberColumn:
    """A column whose values look like numbers.

    Args:
        name: of the column.
        values: its strings.
        texts: the distinct ones.
        written: those, taken apart.
        decimal: the decimal separator that they prove; None where they allow both.
        unit, limits: as in :class:`Form`.
        note: why they are no numbers, if so.
        numbers: the values, where they are plain but for decimal commas; ``texts`` are some then.
    """

    name: str
    values: Any
    texts: Any
    written: Written
    decimal: str | None
    unit: str = ""
    limits: bool = False
    note: str = ""
    numbers: Any = None

    @property
    def mark(self) -> str:
        """The comma or point in the numbers; a comma where there are both."""
        return "," if self.written.any(",") else "." if self.written.any("[.]") else ""

    @property
    def has_dashes(self) -> bool:
        """Whether dashes of typesetting stand for minus signs."""
        return bool(pc.any(pc.match_substring_regex(self.texts, _DASHES)).as_py())

    @property
    def is_mostly_special(self) -> bool:
        """Whether at least half of the distinct numbers hold a comma, point or blank."""
        special = pc.match_substring_regex(self.written.digits, r"[^\d]")
        return bool(pc.mean(special).as_py() >= 0.5)

    def as_numbers(self, form: Form) -> Any:
        """The column in a form; strings where some are no numbers, the others in plain form."""
        if self.numbers is not None:
            return self.numbers
        numbers = self.written.values(form)
        if self.written.digits.null_count:
            numbers = pc.coalesce(pc.cast(numbers, pa.string()), self.texts)
        indices = pc.index_in(self.values, self.texts)
        return pc.take(numbers, indices)

    def example(self, form: Form) -> tuple[str, str]:
        """A value that is not plain, and what it is read as."""
        special = [
            self.written.limit,
            pc.not_equal(self.written.unit, ""),
            pc.match_substring_regex(self.written.digits, r"[^\d]"),
            pc.match_substring_regex(self.texts, _DASHES),
        ]
        chosen = next(s for s in special if pc.any(s).as_py())
        lengths = pc.if_else(chosen, pc.utf8_length(self.texts), 0)  # the longest one tells most
        row = pc.index(lengths, pc.max(lengths)).as_py()
        return self.texts[row].as_py(), f"{self.written.values(form)[row].as_py():.15g}"


@dataclass(frozen=True)
class Decided:
    """How columns are read: their forms, the decimal separator of the table, and notes."""

    forms: dict[str, Form]
    decimal: str | None
    notes: list[str]


def in_doubt(name: str, values: Any, known: Form | None = None) -> NumberColumn | None:
    """A column of strings as one of numbers, if nearly all of them can be; else None.

    Args:
        name, values: of the column.
        known: the form of its numbers in the training data; then they need not look like numbers
            by themselves.
    """
    some = _some(values)
    sample = Written.of(some)
    if _share(sample) < _MOSTLY / 2:
        return None
    if _share(sample) == 1 and proven_decimal(sample) == ",":
        numbers = _with_commas(values)
        if numbers is not None:
            return NumberColumn(name, values, some, sample, ",", numbers=numbers)
    texts = pc.unique(values).drop_null()
    written = Written.of(texts)
    if _share(written) < (_MOSTLY if len(texts) > _MANY else 1):
        return None
    if written.any(r"^0\d") or (written.digits.null_count and written.fits(POINT)):
        return None  # codes; or plain numbers and a few words, which say what they are
    decimal = proven_decimal(written)
    if decimal == "" or (known is None and _are_codes(written)):
        return None
    column = NumberColumn(name, values, texts, written, decimal)
    limits = pc.sum(written.limit).as_py() or 0
    few = len(texts) - limits < max(_LEAST, limits)
    if limits and few and not (known and known.limits):
        return None
    return _with_unit(replace(column, limits=bool(limits)))


def without_dashes(values: Any, least: int = _LEAST) -> tuple[Any, str]:
    """Values without a dash or point that stands for missing numbers, and this mark.

    It is empty where there is none, or there are fewer than ``least`` numbers, or also words.

    >>> values = pa.chunked_array([["1.5", "-", "2"]])
    >>> without_dashes(values, least=2)[0].to_pylist(), without_dashes(values)[1]
    (['1.5', None, '2'], '')
    """
    marks = pc.is_in(values, pa.array(_NO_NUMBER))
    if not pc.any(marks).as_py():
        return values, ""
    numbers = pc.if_else(marks, pa.scalar(None, pa.string()), values)
    mark: str = values.filter(marks)[0].as_py()
    if not least and numbers.null_count == len(numbers):
        return numbers, mark
    if _share(Written.of(_some(numbers))) < 1:
        return values, ""
    texts = pc.unique(numbers).drop_null()
    written = Written.of(texts)
    if len(texts) < least or _share(written) < 1 or proven_decimal(written) == "":
        return values, ""
    return numbers, mark


def _some(values: Any) -> Any:
    """Distinct values from everywhere in a column: about a hundred from each of its chunks."""
    held = (chunk.drop_null() if chunk.null_count else chunk for chunk in values.chunks)
    steps = ((chunk, len(chunk) // _SAMPLE + 1) for chunk in held)
    few = [chunk.take(pa.array(range(0, len(chunk), step), pa.int64())) for chunk, step in steps]
    return pc.unique(pa.chunked_array(few, pa.string())).drop_null()


def _with_commas(values: Any) -> Any:
    """Numbers that are plain but for their decimal commas; None where others are among them."""
    if pc.any(pc.match_substring_regex(values, r"[.]|^[-+]?0\d")).as_py():
        return None
    try:
        return pc.cast(pc.replace_substring(values, ",", "."), pa.float64())
    except pa.ArrowInvalid:
        return None


def _with_unit(column: NumberColumn) -> NumberColumn:
    written = column.written
    units = sorted({unit for unit in pc.unique(written.unit).to_pylist() if unit})
    if not units:
        return column
    of_unit = [column.texts.filter(pc.equal(written.unit, unit))[0].as_py() for unit in units]
    bare = pc.and_(pc.equal(written.unit, ""), pc.match_substring_regex(written.digits, "[1-9]"))
    if "%" in units and pc.any(bare).as_py():
        of_unit.append(column.texts.filter(bare)[0].as_py())
    if len(of_unit) > 1:
        note = f"words: {column.name} holds {of_unit[0]} and {of_unit[1]}, which differ in unit"
        return replace(column, note=f"{note}, so its values are not taken for numbers")
    return replace(column, unit=units[0])


def decide(
    columns: Sequence[NumberColumn],
    separator: str,
    has_points: bool,
    known: tuple[str, str | None, Mapping[str, Form]] | None,
) -> Decided:
    """The forms of the numbers of one table.

    A decimal separator that some column proves holds for all. Without proof, it is that of the
    training data; else the likelier one is taken, and the user is told.

    Args:
        columns: those that are not plain numbers beyond doubt.
        separator: of the values in the file.
        has_points: whether other columns have numbers with decimal points.
        known: separator, decimal separator and forms of the training data, where these are others.
    """
    if separator == ",":  # 1, 2, and "4,6", which may be a list of two
        columns = [c for c in columns if c.decimal != "," or c.is_mostly_special]
    marks = {column.decimal for column in columns if column.decimal}
    marks |= {"."} if has_points else set()
    decimal = next(iter(marks)) if len(marks) == 1 else None
    forms: dict[str, Form] = {}
    groups: dict[tuple[Form, bool], list[NumberColumn]] = {}
    for column in columns:
        if known and column.unit and column.unit != known[2].get(column.name, Form()).unit:
            continue  # 12 % among plain numbers: refused where numbers are needed
        mark, sure = _decimal_of(column, decimal, separator, known)
        form = replace(form_of(column.written, mark), unit=column.unit, limits=column.limits)
        forms[column.name] = form
        told = form != Form() or not sure or column.has_dashes
        if told and not (known and known[2].get(column.name) == form):
            groups.setdefault((form, sure), []).append(column)
    notes = [_note(form, sure, found) for (form, sure), found in groups.items()]
    return Decided(forms, decimal, notes)


def _decimal_of(
    column: NumberColumn,
    decimal: str | None,
    separator: str,
    known: tuple[str, str | None, Mapping[str, Form]] | None,
) -> tuple[str, bool]:
    """The decimal separator of a column, and whether there is no doubt about it."""
    own = column.decimal or decimal
    if own or not column.mark:
        # 980 and 1,018 look grouped, whatever other columns prove.
        odd = column.decimal is None and column.mark == own and grouped(column.written)
        return own or ".", not odd
    if known and (known[0] == separator or column.mark == ","):
        form = known[2].get(column.name)
        trained = form.decimal if form else known[1]
        if trained:
            return trained, True
    looks_grouped = grouped(column.written)
    if column.mark == ",":
        return ("." if separator == "," or looks_grouped else ","), False
    if separator == ";":  # where commas are decimal points, as spreadsheets have it
        return ("," if looks_grouped else "."), False
    return ".", True


def _note(form: Form, sure: bool, columns: Sequence[NumberColumn]) -> str:
    text, number = columns[0].example(form)
    names = listed([column.name for column in columns])
    note = f"numbers: {text} is read as {number} in {names}"
    if sure:
        return note
    other = form_of(columns[0].written, "," if form.decimal == "." else ".")
    return f"{note}; it could also be {columns[0].example(other)[1]}"


def _share(written: Written) -> float:
    count = len(written.digits)
    return 1 - written.digits.null_count / count if count else 0.0


def _are_codes(written: Written) -> bool:
    """Whether digits in groups are all of one length, as those of telephones are."""
    lengths = pc.unique(pc.utf8_length(written.digits)).drop_null()
    return len(written.digits) > 1 and len(lengths) == 1 and written.any(r"\d \d")
