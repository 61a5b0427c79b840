"""Splits of tables without images: rows, and texts."""

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

import pandas as pd
from torch import Tensor

from vicinal.data.columns import ColumnKinds, column_kinds
from vicinal.data.labelled import labelled_table
from vicinal.data.labelled_parts import labelled_parts
from vicinal.data.request import DataRequest
from vicinal.data.row_summary import row_summary, text_summary
from vicinal.data.split import DataSplit
from vicinal.data.summary import Summary, summary_of
from vicinal.data.text_or_columns import left_beside, of_texts_or_columns


@dataclass(frozen=True)
class Rows:
    """One part of a table.

    Args:
        frame: its columns without the label.
        y: (N,) int64 class indices, (N, 1) float64 values, or (N, L) float32 zeros and ones.
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
        reading: how the file's numbers are written, as
            :func:`~vicinal.data.frames.read_frame` takes it; None where there is no file.
        several: whether each row has any number of labels.
    """

    kind: ClassVar[str] = "rows"

    train: Rows
    valid: Rows
    label: str
    vocab: list[str] | None
    scale: tuple[float, float] | None
    kinds: ColumnKinds
    notes: list[str] = field(default_factory=list)
    reading: dict[str, Any] | None = None
    several: bool = False

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


@dataclass(frozen=True)
class TextsBesideSplit(TextSplit):
    """Texts, with other columns of the table beside them."""

    kind: ClassVar[str] = "texts beside columns"


def split_of_rows(frames: dict[str, pd.DataFrame], request: DataRequest) -> RowSplit:
    """Find the label, the kinds of the columns and the validation part of a table.

    A column of sentences makes the data texts, where there is nothing else to learn from, or where
    the user has chosen what to learn from beside them.

    Args:
        frames: its parts by name.
        request: the user's options for columns.

    Returns:
        For texts, a :class:`TextSplit`, or with columns beside them, a :class:`TextsBesideSplit`.

    Raises:
        VicinalError: one sentence that says what is missing and what to do.
    """
    table = labelled_table(frames, request)
    train, valid, targets, held = labelled_parts(table, request)
    parts = [
        Rows(frame.drop(columns=table.label), y)
        for frame, y in ((train, targets.train), (valid, targets.valid))
    ]
    found = column_kinds(
        parts[0].frame,
        categorical=request.categorical,
        numbering=table.numbering,
        left_out=table.left_out(parts[0].frame, targets),
    )
    kinds = of_texts_or_columns(found, request.text, request.columns)
    make: Any = RowSplit
    if kinds.text:
        make, (column,) = TextsBesideSplit if request.columns else TextSplit, kinds.text
        frames_of_texts = table.with_texts(column, parts[0].frame, parts[1].frame)
        parts = [Rows(frame, part.y) for frame, part in zip(frames_of_texts, parts, strict=True)]
    notes = [*targets.notes, *table.notes, held, *kinds.notes(), *left_beside(found, kinds)]
    about = (table.label, targets.vocab, targets.scale, kinds, notes)
    reading = getattr(frames, "reading", None)
    return make(*parts, *about, reading, several=table.sets is not None)
