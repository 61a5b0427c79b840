"""The targets of a table: its label column, as classes or as values."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from vicinal.data.columns import (
    are_whole,
    as_numbers,
    as_texts,
    is_numeric,
    neither_numbers_nor_names,
)
from vicinal.data.samples import index_labels, listed, unknown_classes
from vicinal.errors import VicinalError

LABEL_NAMES = ("label", "labels", "target", "class", "y")
MOST_CLASSES = 20  # of whole numbers; with more distinct values, they are quantities


def label_column(columns: Sequence[str], label: str | None) -> str:
    """The name of the label column.

    Args:
        columns: all columns of a table.
        label: the name that was given; None looks for label, labels, target, class or y.

    Raises:
        VicinalError: there is no such column, or none of these names.

    >>> label_column(["age", "Class"], None)
    'Class'
    """
    if label is not None:
        if label in columns:
            return label
        near = difflib.get_close_matches(label, columns, n=1)
        hint = f", did you mean {near[0]}?" if near else ""
        raise VicinalError(f"there is no label column {label} among {listed(columns, 30)}{hint}")
    lower = {name.lower(): name for name in reversed(columns)}
    for name in LABEL_NAMES:
        if name in lower:
            return lower[name]
    raise VicinalError(f"which column is the label? use --label with one of {listed(columns, 30)}")


def label_kind(labels: pd.Series) -> Literal["classes", "values"]:
    """Whether labels are classes (classification) or values (regression).

    Strings, booleans and pandas' category dtype are classes, and so are whole numbers with at most
    20 distinct values. All other numbers are values.

    Raises:
        VicinalError: nearly all labels are such numbers, but not all; the first exception is
            named.

    >>> label_kind(pd.Series(["<=50K", ">50K"])), label_kind(pd.Series([126.2, 125.2]))
    ('classes', 'values')
    """
    if is_numeric(labels):
        numbers = as_numbers(labels)
        return "values" if numbers.nunique() > MOST_CLASSES or not are_whole(numbers) else "classes"
    if isinstance(labels.dtype, pd.CategoricalDtype):
        return "classes"
    numbers = pd.to_numeric(labels.astype("string"), errors="coerce")
    if numbers.notna().mean() >= 0.9 and label_kind(numbers) == "values":
        as_numbers(labels)
        return "values"
    return "classes"


@dataclass(frozen=True)
class Targets:
    """The targets of a table.

    Args:
        train, valid: (N,) int64 class indices, or (N, 1) float32 values in their own units.
        vocab: the names of the classes; None for values.
        notes: what was found, each a line for the user.
    """

    train: Tensor
    valid: Tensor
    vocab: list[str] | None
    notes: list[str]

    @property
    def scale(self) -> tuple[float, float] | None:
        """Mean and standard deviation of the training values; None for classes."""
        if self.vocab is not None:
            return None
        values = self.train.double()
        return float(values.mean()), float(values.std(correction=0))


def targets_of(train: pd.Series, valid: pd.Series) -> Targets:
    """The targets of both parts, from their label columns.

    Args:
        train, valid: labels; :func:`label_kind` of the training part decides what they are.

    Raises:
        VicinalError: a label is missing or not a number, all are the same, or no class of the
            validation part occurs in the training part.

    >>> targets = targets_of(pd.Series(["no", "yes", "no"]), pd.Series(["yes"]))
    >>> targets.train, targets.valid, targets.vocab
    (tensor([0, 1, 0]), tensor([1]), ['no', 'yes'])
    >>> targets_of(pd.Series([126.2, 125.2]), pd.Series([125.8])).valid
    tensor([[125.8000]])
    """
    for labels in (train, valid):
        check_labels(labels)
    if train.nunique() == 1:
        raise VicinalError(
            f"all training labels in column {train.name} are {train.iloc[0]}: there is nothing to "
            "learn"
        )
    if label_kind(train) == "values":
        numbers = [as_numbers(labels) for labels in (train, valid)]
        low, high = numbers[0].min(), numbers[0].max()
        note = f"labels: values in column {train.name}, from {low:g} to {high:g}"
        y, y_valid = (torch.tensor(n.to_numpy(np.float32))[:, None] for n in numbers)
        return Targets(y, y_valid, None, [note])
    return _classes(train, valid)


def check_labels(labels: pd.Series) -> None:
    """Raise a VicinalError if a label is missing, or the column cannot hold labels."""
    missing = labels.isna()
    if missing.any():
        raise VicinalError(
            f"{missing.sum():,} of {len(labels):,} labels in column {labels.name} are missing, "
            f"first in row {labels.index[int(missing.to_numpy().argmax())]}: fill them in or drop "
            "the rows"
        )
    held = neither_numbers_nor_names(labels)
    if held:
        raise VicinalError(
            f"column {labels.name} holds {held}, which are neither classes nor values: name "
            "another label column"
        )


def _classes(train: pd.Series, valid: pd.Series) -> Targets:
    if is_numeric(train):  # sorted as numbers, not as strings
        labels = [_plain_numbers(part) for part in (train, valid)]
        indices, _ = index_labels([*labels[0], *labels[1]])
        vocab = as_texts(pd.Series(sorted({*labels[0], *labels[1]}))).tolist()
    else:
        labels = [as_texts(part).tolist() for part in (train, valid)]
        indices, vocab = index_labels([*labels[0], *labels[1]])
    y, y_valid = torch.tensor(indices).split([len(train), len(valid)])
    notes = [f"labels: column {train.name}, {len(vocab)} classes ({listed(vocab)})"]
    notes += unknown_classes(y.tolist(), y_valid.tolist(), vocab)
    return Targets(y, y_valid, vocab, notes)


def _plain_numbers(labels: pd.Series) -> list[int] | list[float]:
    """Labels as Python numbers; integers stay exact."""
    if pd.api.types.is_integer_dtype(labels):
        return [int(number) for number in labels]
    return [float(number) for number in as_numbers(labels)]
