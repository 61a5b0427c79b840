"""Numbers as people write them: decimal and thousands separators, units, and limits such as <5."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import Any, Literal, Self

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]

UNITS = "%", "$", "€", "£", "¥", "₹"
# Digits may be grouped by blanks, the narrow and the unbroken one among them, and both apostrophes.
_BLANKS = r"[ '\x{2019}\x{a0}\x{202f}]"
_UNIT = f"(?:[{''.join(UNITS)}])"
# Also with the minus sign of typesetting, or the dash that stands for it.
_PARTS = (
    r"^(?P<limit>[<>≤≥]?=?)\s*(?P<sign>[-+\x{2212}\x{2013}]?)\s*"
    rf"(?P<before>{_UNIT}?)\s*(?P<inner>[-+\x{{2212}}\x{{2013}}]?)"
    rf"(?P<digits>(?:\d(?:[\d.,]|{_BLANKS})*|[.,]\d+)(?:[eE][-+]?\d+)?)\s*(?P<after>{_UNIT}?)$"
)
_EXPONENT = r"(?:[eE][-+]?\d+)?"


@dataclass(frozen=True)
class Form:
    """How the numbers of a column are written.

    Args:
        decimal: what stands before the fraction, a point or a comma.
        thousands: what groups digits by three: nothing, a comma, a point or a blank, which stands
            for apostrophes, too.
        unit: what stands before or after the digits, such as ``%``.
        limits: whether some are limits, such as ``<5``, which is read as 5.
    """

    decimal: Literal[".", ","] = "."
    thousands: Literal["", ",", ".", " "] = ""
    unit: str = ""
    limits: bool = False

    @classmethod
    def from_json(cls, values: Sequence[Any]) -> Self:
        return cls(*values)

    def to_json(self) -> list[Any]:
        return list(astuple(self))

    @property
    def pattern(self) -> str:
        """A regular expression of the digits."""
        fraction = rf"(?:{'[.]' if self.decimal == '.' else ','}\d*)?{_EXPONENT}"
        start = rf"(?:{'[.]' if self.decimal == '.' else ','}\d+{_EXPONENT})"
        whole = r"\d+"
        if self.thousands:
            mark = _BLANKS if self.thousands == " " else f"[{self.thousands}]"
            whole = rf"(?:[1-9]\d{{0,2}}(?:{mark}\d{{3}})+|\d+)"
        return rf"^(?:{whole}{fraction}|{start})$"


POINT, COMMA = Form("."), Form(",")
# Of forms that fit all numbers of a column, the first is taken.
FORMS = {
    ".": (POINT, Form(".", ","), Form(".", " ")),
    ",": (COMMA, Form(",", "."), Form(",", " ")),
}


@dataclass(frozen=True)
class Written:
    """Distinct strings of a column, taken apart.

    Args:
        digits: of each string, without sign and unit; null where it is no number.
        negative, limit: booleans.
        unit: of each string, or the empty string.
    """

    digits: Any
    negative: Any
    limit: Any
    unit: Any

    @classmethod
    def of(cls, texts: Any) -> Self:
        """Of an Arrow array of strings without blanks at the ends.

        >>> Written.of(pa.array(["-1,5 €", "<5", "five"])).digits.to_pylist()
        ['1,5', '5', None]
        """
        parts = pc.extract_regex(texts, _PARTS)
        field = {each.name: pc.struct_field(parts, each.name) for each in parts.type}
        sign = pc.binary_join_element_wise(field["sign"], field["inner"], "")
        return cls(
            pc.utf8_rtrim_whitespace(field["digits"]),
            pc.match_substring_regex(sign, r"[-\x{2212}\x{2013}]"),
            pc.not_equal(field["limit"], ""),
            pc.binary_join_element_wise(field["before"], field["after"], ""),
        )

    def fits(self, form: Form) -> bool:
        """Whether all numbers among them can be of this form, apart from units and limits."""
        return bool(pc.all(pc.match_substring_regex(self.digits, form.pattern)).as_py())

    def any(self, pattern: str) -> bool:
        """Whether the digits of any match a regular expression."""
        return bool(pc.any(pc.match_substring_regex(self.digits, pattern)).as_py())

    def values(self, form: Form) -> Any:
        """The numbers, as an Arrow array of doubles or, where all are whole, of integers."""
        digits = self.digits
        if form.thousands:
            mark = _BLANKS if form.thousands == " " else f"[{form.thousands}]"
            digits = pc.replace_substring_regex(digits, mark, "")
        if form.decimal == ",":
            digits = pc.replace_substring(digits, ",", ".")
        signs = pc.if_else(self.negative, "-", "")
        digits = pc.binary_join_element_wise(signs, digits, "")
        try:
            return pc.cast(digits, pa.int64())
        except pa.ArrowInvalid:
            return pc.cast(digits, pa.float64())


def proven_decimal(written: Written) -> str | None:
    """The decimal separator that the digits of a column allow; None where they allow both.

    An empty string says that they are no numbers: dates, versions, addresses.

    >>> [proven_decimal(Written.of(pa.array(v))) for v in (["1,5"], ["1,018"], ["1,018.5"])]
    [',', None, '.']
    >>> proven_decimal(Written.of(pa.array(["1.10.2"])))
    ''
    """
    fits = [mark for mark, forms in FORMS.items() if any(map(written.fits, forms))]
    return None if len(fits) == 2 else "".join(fits)


def form_of(written: Written, decimal: str) -> Form:
    """The plainest form with a decimal separator that fits."""
    return next(form for form in FORMS[decimal] if written.fits(form))


def grouped(written: Written) -> bool:
    """Whether numbers look grouped: those below 1,000 are whole, and no others lack a mark.

    >>> [grouped(Written.of(pa.array(v))) for v in (["1,018", "980"], ["1,018"], ["1,018", "1980"])]
    [True, False, False]
    """
    return written.any(r"^[1-9]\d\d$") and not written.any(r"^\d{4,}")
