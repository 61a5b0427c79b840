"""What fastai's procs do to a table: categories, missing numbers, standardised numbers."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
from torch import Tensor

from vicinal.data.columns import ColumnKinds, as_numbers, with_names
from vicinal.data.preprocessing import TablePreprocessing
from vicinal.data.samples import listed
from vicinal.errors import VicinalError
from vicinal.formatting import format_value
from vicinal.stored import Misfit, check_dataclass, check_fields


class Categorify:
    """In ``procs``: categories become indices, missing and unknown ones 0."""


class FillMissing:
    """In ``procs``: missing numbers become their column's median.

    Whether a number was missing becomes a category, of columns of which the training part lacks
    some.
    """


PROCS = ("Categorify", "FillMissing", "Normalize")


def names_of(procs: Any) -> tuple[str, ...]:
    """The names of ``procs``, which may be classes or instances; None means all three.

    Raises:
        VicinalError: one is none of them.

    >>> names_of([Categorify, FillMissing()])
    ('Categorify', 'FillMissing')
    """
    if procs is None:
        return PROCS
    given = procs if isinstance(procs, Sequence) else [procs]
    names = tuple(getattr(proc, "__name__", type(proc).__name__) for proc in given)
    for name in names:
        if name not in PROCS:
            raise VicinalError(
                f"procs are {', '.join(PROCS)}, and not {name}: change the columns "
                "of the data frame beforehand"
            )
    return names


@dataclass(frozen=True)
class Procs:
    """How rows become tensors, as learned from a training part.

    Args:
        table: from columns to tensors.
        missing: the numeric columns of which it is told where a number was missing.

    >>> frame = pd.DataFrame({"age": [20, None, 40.0], "work": ["b", "a", None]})
    >>> procs = Procs.fit(frame, cont_names=["age"], cat_names=["work"])
    >>> procs.transform(frame)["categories"]  # work, and whether the age was missing
    tensor([[2, 1],
            [1, 2],
            [0, 1]])
    """

    table: TablePreprocessing
    missing: list[str]

    @classmethod
    def fit(
        cls,
        frame: pd.DataFrame,
        cont_names: Sequence[str],
        cat_names: Sequence[str],
        procs: Any = None,
    ) -> "Procs":
        """Learn from a training part.

        Args:
            frame: its rows.
            cont_names, cat_names: its columns of numbers and of categories.
            procs: some of :data:`PROCS`; None takes all.

        Raises:
            VicinalError: there are no such columns, or what is left out of ``procs`` is needed.
        """
        named, frame = names_of(procs), with_names(frame)
        lacking = [name for name in (*cont_names, *cat_names) if name not in frame]
        if lacking:
            raise VicinalError(
                f"the data frame has no column {lacking[0]!r}: it has {listed(list(frame))}"
            )
        if cat_names and "Categorify" not in named:
            raise VicinalError(f"categories such as {cat_names[0]} need Categorify in procs")
        missing = [name for name in cont_names if frame[name].isna().any()]
        taken = [name for name in missing if _flag(name) in frame]
        if taken:
            raise VicinalError(
                f"{_flag(taken[0])} is what FillMissing calls the category of missing {taken[0]}: "
                "rename that column"
            )
        if missing and "FillMissing" not in named:
            raise VicinalError(
                f"column {missing[0]} lacks numbers: put FillMissing in procs, or drop these rows"
            )
        kinds = ColumnKinds(list(cont_names), [*cat_names, *map(_flag, missing)], [], [], {})
        table = TablePreprocessing.fit(_with_flags(frame, missing), kinds)
        if "Normalize" not in named:
            same, ones = dict.fromkeys(table.mean, 0.0), dict.fromkeys(table.mean, 1.0)
            table = replace(table, mean=same, std=ones)
        return cls(table, missing)

    def transform(self, frame: pd.DataFrame) -> dict[str, Tensor]:
        """As :meth:`TablePreprocessing.transform`."""
        return self.table.transform(_with_flags(with_names(frame), self.missing))

    def described(self, x: dict[str, Tensor]) -> list[dict[str, str]]:
        """Of each row of a batch, its numbers in their own units, and its categories' names."""
        table = self.table
        count = len(next(iter(x.values())))
        rows: list[dict[str, str]] = [{} for _ in range(count)]
        for column, (name, names) in enumerate(table.categories.items()):
            for row, index in zip(rows, x["categories"][:, column].tolist(), strict=True):
                row[name] = names[index - 1] if index else "#na#"
        for column, name in enumerate(table.mean):
            values = x["numbers"][:, column].double() * table.std[name] + table.mean[name]
            for row, value in zip(rows, values.tolist(), strict=True):
                row[name] = format_value(value)
        return rows

    @property
    def cardinalities(self) -> list[int]:
        """How many indices each column of categories has, with 0 for unknown."""
        return self.table.cardinalities

    def to_json(self) -> dict[str, Any]:
        """All fields as JSON values."""
        return {"table": self.table.to_json(), "missing": self.missing}

    @classmethod
    def from_json(cls, stored: Any) -> "Procs":
        """From what :meth:`to_json` returned; the tensors are bit-identical.

        Raises:
            Misfit: it is something else; the message is a clause.
        """
        kinds: dict[str, Any] = {"table": dict[str, Any], "missing": list[str]}
        check_fields(stored, kinds, "data.procs", needed=tuple(kinds))
        check_dataclass(stored["table"], TablePreprocessing, "data.procs.table")
        table = TablePreprocessing.from_json(stored["table"])
        same = table.mean.keys() == table.median.keys() == table.std.keys()
        if not same or not all(deviation > 0 for deviation in table.std.values()):
            raise Misfit("data.procs.table must have median, mean and std, above 0, of each column")
        if not set(stored["missing"]) <= table.mean.keys():
            raise Misfit("data.procs.missing must name columns of numbers")
        return cls(table, stored["missing"])


def _flag(name: str) -> str:
    return f"{name}_na"


def _with_flags(frame: pd.DataFrame, missing: Sequence[str]) -> pd.DataFrame:
    flags = {
        # A column that is not there is reported by its own name.
        _flag(name): as_numbers(frame[name]).isna() if name in frame else False
        for name in missing
    }
    return frame.assign(**flags)
