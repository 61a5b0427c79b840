"""What was found in a table: its columns, or its texts."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from vicinal.data.columns import ColumnKinds
from vicinal.data.summary import Summary, Table, evenly_spaced, shortened
from vicinal.data.text import MAX_LENGTH, words_of

if TYPE_CHECKING:
    from vicinal.data.rows import RowSplit, TextSplit

MEASURED = 10_000  # texts whose words are counted
SHOWN = 5  # texts
MOST_COLUMNS = 100
WIDTH = 36  # of what is said about the values of a column
KINDS = {"numeric": "number", "categorical": "category", "text": "text"}


def row_summary(split: "RowSplit") -> Summary:
    """The columns of a table without texts."""
    return Summary([], [column_table(split.train.frame, split.kinds)])


def text_summary(split: "TextSplit") -> Summary:
    """How long the texts are, the first ones, and the columns beside them."""
    texts = split.train.frame[split.column]
    measured = evenly_spaced(len(texts), MEASURED)
    lengths = [len(words_of(texts.iloc[index])) for index in measured]
    low, middle, most, high = np.percentile(lengths, [0, 50, 95, 100])
    text = f"{low:.0f} to {high:.0f} words, median {middle:.0f}, 95% have {most:.0f} or fewer"
    if len(measured) < len(texts):
        text += f" (of {len(measured):,} training texts)"
    lines = [(f"column {split.column}", text)]
    beyond = sum(length > MAX_LENGTH for length in lengths)
    if beyond:
        share = f"{beyond / len(lengths):.1%} of them"
        lines.append(("truncated", f"{share} have more than {MAX_LENGTH} words: the rest is cut"))
    tables = [_first_texts(split, texts)]
    if split.train.frame.shape[1] > 1:
        tables.append(column_table(split.train.frame, split.kinds))
    return Summary(lines, tables)


def column_table(frame: pd.DataFrame, kinds: ColumnKinds) -> Table:
    """Each column of a training part: its kind, what is missing, its values, and its first one.

    Of more than 100 columns, the first ones.

    >>> frame = pd.DataFrame({"age": [39, None, 50], "work": ["state", "self", "self"]})
    >>> for row in column_table(frame, ColumnKinds(["age"], ["work"], [], [], {})).rows:
    ...     print(*row, sep=" | ")
    age | number | 33.3% | 2 | 39 to 50 | 39
    work | category | 0% | 2 | self (66.7%), state (33.3%) | state
    """
    kind_of = {name: kind for field, kind in KINDS.items() for name in getattr(kinds, field)}
    first, rows = _first_rows(frame.index, 1), []
    for position, column in enumerate(frame.columns[:MOST_COLUMNS]):
        name, values = str(column), frame.iloc[:, position]
        kind = kind_of.get(name, "left out")
        known = values.dropna()
        described = kinds.left_out.get(name) if kind == "left out" else _described(known, kind)
        rows.append(
            (
                shortened(name, 30),
                kind,
                _share(1 - len(known) / len(values)),
                _distinct(known),
                shortened(described or "", WIDTH + 8),
                shortened(_shown(values.iloc[first[0]]), 24),
            )
        )
    if frame.shape[1] > MOST_COLUMNS:
        rows.append((f"… {frame.shape[1] - MOST_COLUMNS:,} others …", "", "", "", "", ""))
    return Table(("column", "kind", "missing#", "distinct#", "values", "first row"), rows)


def _first_rows(index: pd.Index, count: int) -> list[int]:
    """The positions of the first rows of the table, whose rows are in random order here."""
    if not pd.api.types.is_integer_dtype(index):
        return list(range(min(count, len(index))))
    numbers = index.to_numpy()
    count = min(count, len(numbers))
    chosen = np.argpartition(numbers, count - 1)[:count]
    return sorted(chosen.tolist(), key=lambda position: int(numbers[position]))


def _first_texts(split: "TextSplit", texts: pd.Series) -> Table:
    rows = []
    for position in _first_rows(texts.index, SHOWN):
        label = _label(split, position)
        rows.append((shortened(label, 24), shortened(texts.iloc[position], 70)))
    return Table((shortened(split.label, 24), "first training texts"), rows)


def _label(split: "TextSplit", position: int) -> str:
    target = split.train.y[position]
    if split.vocab is None:
        return f"{target.item():g}"
    if split.several:
        return ", ".join(split.vocab[i] for i in target.nonzero().flatten().tolist())
    return split.vocab[int(target)]


def _distinct(known: pd.Series) -> str:
    try:
        return f"{known.nunique():,}"
    except TypeError:  # lists and the like
        return ""


def _described(known: pd.Series, kind: str) -> str:
    """The range of numbers, or the most common of other values."""
    if kind == "number":
        numbers = pd.to_numeric(known, errors="coerce")
        return f"{_shown(numbers.min())} to {_shown(numbers.max())}"
    common = ""
    for value, share in known.value_counts(normalize=True).head(3).items():
        more = f"{common and ', '}{_shown(value)} ({_share(share)})"
        if common and len(common + more) > WIDTH:
            return f"{common}, …"
        common += more
    return common


def _share(share: float) -> str:
    """A share in per cent; 0 and 100 are exact."""
    if 0 < share < 0.001:
        return "<0.1%"
    if 0.999 < share < 1:
        return ">99.9%"
    return f"{share:.1%}".replace(".0%", "%")


def _shown(value: object) -> str:
    if isinstance(value, float):
        whole = value.is_integer() and abs(value) < 1e15
        return "" if np.isnan(value) else f"{value:.0f}" if whole else f"{value:.6g}"
    return "" if value is None or value is pd.NA or value is pd.NaT else str(value)
