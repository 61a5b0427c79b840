"""Splits of tables without images: rows, and texts."""

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

import pandas as pd
from torch import Tensor

from vicinal.data.columns import ColumnKinds, column_kinds
from vicinal.data.frames import split_frames
from vicinal.data.labels import check_labels, label_column, targets_of
from vicinal.data.parts import part_names
from vicinal.data.row_summary import row_summary, text_summary
from vicinal.data.split import DataSplit
from vicinal.data.summary import Summary, summary_of
from vicinal.data.text import check_texts
from vicinal.errors import VicinalError


@dataclass(frozen=True)
class Rows:
    """One part of a table.

    Args:
        frame: its columns without the label.
        y: (N,) int64 class indices, or (N, 1) float32 values.
    """

    frame: pd.DataFrame
    y: Tensor

    def __len__(self) -> int:
        return len(self.y)


@dataclass(frozen=True)
class RowSplit(DataSplit):
    """The rows of a table: a training part, a validation part, and what their columns are.

    Args:
        train, valid: the two parts.
        label: the name of the label column.
        vocab: the names of the classes; None for values.
        scale: mean and standard deviation of the training part's values; None for classes.
        kinds: of the training part's columns.
        notes: what was found and chosen on the way, each a line for the user.
    """

    kind: ClassVar[str] = "rows"

    train: Rows
    valid: Rows
    label: str
    vocab: list[str] | None
    scale: tuple[float, float] | None
    kinds: ColumnKinds
    notes: list[str] = field(default_factory=list)

    @property
    def targets(self) -> Tensor:
        return self.train.y

    def subset(self, rows: Tensor) -> Self:
        frame = self.train.frame.iloc[rows.tolist()].reset_index(drop=True)
        # Of fewer rows, a column may hold a single value, of which nothing can be learned.
        kinds = self.kinds.without([name for name in frame if frame[name].nunique() < 2])
        return replace(self, train=Rows(frame, self.train.y[rows]), kinds=kinds)

    def relabelled(self, targets: Tensor) -> Self:
        return replace(self, train=replace(self.train, y=targets))

    def summary(self) -> Summary:
        return self._targets_summary() + row_summary(self)

    def _targets_summary(self) -> Summary:
        return summary_of(self, {"training": self.train.y, "validation": self.valid.y})


@dataclass(frozen=True)
class TextSplit(RowSplit):
    """Texts: one column of a table."""

    kind: ClassVar[str] = "texts"

    @property
    def column(self) -> str:
        return self.kinds.text[0]

    def texts(self, part: Rows) -> list[str]:
        texts: list[str] = part.frame[self.column].tolist()
        return texts

    def summary(self) -> Summary:
        return self._targets_summary() + text_summary(self)


def split_of_rows(
    frames: dict[str, pd.DataFrame], label: str | None, valid_pct: float, seed: int
) -> RowSplit:
    """Find the label, the kinds of the columns and the validation part of a table.

    If a column holds sentences, the data are texts, and the other columns are left out.

    Args:
        frames: its parts by name.
        label: the label column; None finds it.
        valid_pct: the fraction to hold out where there is no validation part.
        seed: of that random choice.

    Returns:
        For texts, a :class:`TextSplit`.

    Raises:
        VicinalError: one sentence that says what is missing and what to do.
    """
    label = label_column([str(name) for name in frames[part_names(frames)[0]]], label)
    for frame in frames.values():  # before rows are held out: the user fixes whole files
        if label in frame:
            check_labels(frame[label])
    train, valid, held = split_frames(frames, valid_pct, seed)
    targets = targets_of(train[label], valid[label])
    parts = [
        Rows(frame.drop(columns=label), y)
        for frame, y in ((train, targets.train), (valid, targets.valid))
    ]
    kinds = column_kinds(parts[0].frame)
    make: Any = RowSplit
    if kinds.text:
        make, kinds = TextSplit, _only_text(kinds)
        for frame in frames.values():
            if kinds.text[0] in frame:
                check_texts(frame[kinds.text[0]].tolist(), kinds.text[0])
    notes = [*targets.notes, held, *kinds.notes()]
    return make(parts[0], parts[1], label, targets.vocab, targets.scale, kinds, notes)


def _only_text(kinds: ColumnKinds) -> ColumnKinds:
    first, *others = kinds.text
    if others:
        raise VicinalError(
            f"the columns {', '.join(kinds.text)} all hold texts: leave one of them in the table"
        )
    beside = dict.fromkeys([*kinds.numeric, *kinds.categorical], f"beside the texts in {first}")
    return replace(kinds, numeric=[], categorical=[], few=[], left_out={**kinds.left_out, **beside})
