"""Summary: what was found in the data, to be read before anything is trained."""

import io
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from vicinal.data.split import DataSplit

NAMES = 15  # columns of the names of lines
MOST = 20  # rows of a table of classes; of more classes, the largest and the smallest are shown
QUANTILES = {"lowest": 0, "5%": 5, "25%": 25, "median": 50, "75%": 75, "95%": 95, "highest": 100}


@dataclass(frozen=True)
class Table:
    """A table of a summary.

    Args:
        header: the names of the columns; what ends in ``#`` is aligned to the right.
        rows: a text for each.
    """

    header: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


@dataclass(frozen=True)
class Summary:
    """What was found in the data: ``print`` it.

    Args:
        lines: pairs of a name and a text.
        tables: classes, columns, or first samples.

    >>> print(Summary([("kind", "images")], [Table(("class", "training#"), [("cat", "80")])]))
    kind:           images
    <BLANKLINE>
    class  training
    cat          80
    """

    lines: list[tuple[str, str]] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)

    def __add__(self, more: "Summary") -> "Summary":
        return Summary([*self.lines, *more.lines], [*self.tables, *more.tables])

    def __str__(self) -> str:
        from rich.console import Console
        from rich.table import Table as Grid

        out = io.StringIO()
        width = max(60, shutil.get_terminal_size((100, 24)).columns)
        # Names of files and classes may hold brackets and colons, which rich would interpret.
        console = Console(file=out, width=width, markup=False, emoji=False, highlight=False)
        grid = Grid.grid(padding=(0, 1, 0, 0))
        grid.add_column(width=NAMES, no_wrap=True)
        grid.add_column(overflow="fold")
        for name, text in self.lines:
            if len(name) < NAMES:
                grid.add_row(f"{name}:", printable(text))
            else:  # all texts keep their place
                grid.add_row("", printable(f"{name}: {text}"))
        console.print(grid)
        for table in self.tables:
            console.print()
            grid = Grid(box=None, padding=(0, 2, 0, 0), pad_edge=False)
            for name in table.header:
                justify: Any = "right" if name.endswith("#") else "left"
                grid.add_column(name.removesuffix("#"), justify=justify, overflow="fold")
            for row in table.rows:
                grid.add_row(*map(printable, row))
            console.print(grid)
        return "\n".join(line.rstrip() for line in out.getvalue().splitlines())


def summary_of(split: "DataSplit", targets: Mapping[str, Any]) -> Summary:
    """What data of every kind have: how many samples, of which classes or values, and the notes.

    Args:
        targets: those of each part by its name, (N,) class indices or (N, 1) values; empty where
            they are not known before the data are read.
    """
    counts = f"{len(split.train):,} for training, {len(split.valid):,} for validation"
    if split.vocab is not None:
        several = "any number of" if split.several else "of"
        counts += f", {several} {len(split.vocab):,} class{'es' if len(split.vocab) > 1 else ''}"
    notes = [(name, text) for name, _, text in (note.partition(": ") for note in split.notes)]
    found = Summary([("kind", split.kind), ("samples", counts), *notes])
    if not targets:
        names = listed(list(split.vocab or ()))
        return found + Summary([("counts", f"of each class are not known yet: {names}")])
    if split.vocab is None:
        return found + Summary([], [value_table(targets)])
    lacking, table = class_table(split.vocab, targets)
    if any(name == "untested" for name, _ in notes):  # classes without validation are named there
        lacking = [line for line in lacking if line[0] != "no validation"]
    return found + Summary(lacking, [table])


def class_table(
    vocab: Sequence[str], targets: Mapping[str, Any]
) -> tuple[list[tuple[str, str]], Table]:
    """Lines about the classes that a part lacks, and the classes with their counts.

    Of more than 20 classes the largest and the smallest are shown.

    Args:
        vocab: the names of the classes.
        targets: the class indices of each part by its name, or zeros and ones of several labels.

    >>> lines, table = class_table(["cat", "dog"], {"training": [0, 0, 1], "validation": [0]})
    >>> lines, table.rows
    ([('no validation', '1 of 2 classes: dog')], [('cat', '2', '1'), ('dog', '1', '0')])
    """
    counts = {name: _counts(np.asarray(y), len(vocab)) for name, y in targets.items()}
    lines = []
    for name, of_part in counts.items():
        lacking = [vocab[index] for index in np.flatnonzero(of_part == 0).tolist()]
        if lacking:
            text = f"{len(lacking):,} of {len(vocab):,} classes: {listed(lacking)}"
            lines.append((f"no {name}", text))

    def row(index: int) -> tuple[str, ...]:
        return (shortened(vocab[index], 40), *(f"{each[index]:,}" for each in counts.values()))

    header = ("class", *(f"{name}#" for name in counts))
    if len(vocab) <= MOST:
        return lines, Table(header, [row(index) for index in range(len(vocab))])
    order = np.argsort(-next(iter(counts.values())), kind="stable").tolist()
    others = (f"… {len(vocab) - MOST:,} others …", *("" for _ in counts))
    half = MOST // 2
    return lines, Table(header, [*map(row, order[:half]), others, *map(row, order[-half:])])


def _counts(targets: Any, classes: int) -> Any:
    """How many samples have each class, of indices (N,) or of zeros and ones (N, L)."""
    if targets.ndim > 1:
        return targets.sum(0).astype(int)
    return np.bincount(targets, minlength=classes)


def value_table(targets: Mapping[str, Any]) -> Table:
    """The quantiles of the values of each part.

    Args:
        targets: (N, ...) numbers of each part by its name.

    >>> value_table({"training": [[1.0], [2.0], [6.0]]}).rows
    [('training', '1', '1.1', '1.5', '2', '4', '5.6', '6', '3')]
    """
    rows: list[tuple[str, ...]] = []
    for name, part in targets.items():
        values = np.asarray(part, np.float64)
        quantiles = np.percentile(values, list(QUANTILES.values()))
        rows.append((name, *(f"{number:.4g}" for number in (*quantiles, values.mean()))))
    return Table(("values", *(f"{name}#" for name in QUANTILES), "mean#"), rows)


def listed(names: Sequence[str], most: int = 8) -> str:
    """The first of some names."""
    return ", ".join([*(shortened(name, 40) for name in names[:most]), "…"][: len(names)])


def evenly_spaced(count: int, most: int) -> list[int]:
    """At most so many of the indices below ``count``, evenly spaced.

    >>> evenly_spaced(10, 4), evenly_spaced(2, 4)
    ([0, 2, 5, 7], [0, 1])
    """
    shown = min(count, most)
    return [count * i // shown for i in range(shown)]


def shortened(text: object, most: int) -> str:
    """A text on one line, cut to so many characters.

    >>> shortened("to be, or not to be", 10)
    'to be, or…'
    """
    line = " ".join(str(text).split())
    return line if len(line) <= most else line[: most - 1].rstrip() + "…"


def printable(text: str) -> str:
    """A text without what would move the cursor, or cannot be encoded."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
