"""What ``compare`` returns: a data frame of the runs that shows the answer first."""

from collections.abc import Mapping
from html import escape
from typing import Any

import pandas as pd

from vicinal.formatting import format_number
from vicinal.notebook import html_table


class ComparisonFrame(pd.DataFrame):  # type: ignore[misc]
    """A row for each run; a notebook shows the answer and the differences above the rows.

    What is made from it, such as a selection of rows, is a plain data frame.

    >>> frame = ComparisonFrame({"mix": ["none", "mixup"], "accuracy": [0.8, 0.9]})
    >>> frame.attrs["answer"] = ["mixup beats no mixing by 10.0 points."]
    >>> frame._repr_html_()
    '<p>mixup beats no mixing by 10.0 points.</p>...<table ...'
    >>> type(frame[frame.accuracy > 0.85]).__name__
    'DataFrame'
    """

    def _repr_html_(self) -> str | None:
        runs = super()._repr_html_()
        if runs is None:  # as an option of pandas says
            return None
        sentences = "".join(
            f"<p>{escape(sentence)}</p>" for sentence in self.attrs.get("answer", [])
        )
        made = [_difference(row) for row in self.attrs.get("differences", [])]
        differences = html_table(made[0], [list(row.values()) for row in made]) if made else ""
        title = f"{len(self)} runs"
        return f"{sentences}{differences}<details><summary>{title}</summary>{runs}</details>"


def _difference(row: Mapping[str, Any]) -> dict[str, str]:
    """A difference with its interval as texts."""
    known = ("measure", "mix", "epochs", "train_size", "value", "against", "against_value")
    return {
        **{name.replace("_", " "): _text(row[name]) for name in known if name in row},
        "difference": _text(row["difference"]),
        "from": _text(row["low"]),
        "to": _text(row["high"]),
        "seeds": _text(row["seeds"]),
    }


def _text(value: Any) -> str:
    if value is None:
        return ""
    return format_number(value) if isinstance(value, float) else str(value)
