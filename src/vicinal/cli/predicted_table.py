"""Predictions as a table of comma-separated values."""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any


def as_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Predictions as CSV, a line a sample, without the last line's end.

    Args:
        rows: what ``--json`` prints. Several labels are joined by vertical bars, and the
            probability or share of each class has a column.

    >>> row = {"file": "a.ts", "class": "walk", "probabilities": {"walk": 0.75, "rest": 0.25}}
    >>> print(as_table([row, {"file": "b.ts", "error": "cannot be read"}]))
    file,class,probability of rest,probability of walk,error
    a.ts,walk,0.25,0.75,
    b.ts,,,,cannot be read
    """
    flat = [_flat(row) for row in rows]
    names = list(dict.fromkeys(name for row in flat for name in row))
    whole = [name for name in names if " of " not in name and name != "error"]
    each = sorted(name for name in names if " of " in name)
    header = [*whole, *each, *(["error"] if "error" in names else [])]
    text = io.StringIO()
    writer = csv.DictWriter(text, header, lineterminator="\n")
    writer.writeheader()
    writer.writerows(flat)
    return text.getvalue().rstrip("\n")


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, Mapping):
            noun = {"probabilities": "probability", "shares": "share"}.get(name, name)
            flat |= {f"{noun} of {inner}": number for inner, number in value.items()}
        else:
            flat[name] = "|".join(value) if isinstance(value, list) else value
    return flat
