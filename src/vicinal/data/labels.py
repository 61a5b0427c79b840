"""The targets of a table: its label column, as classes or as values."""

import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from vicinal.data.column_names import check_column
from vicinal.data.columns import (
    are_whole,
    as_numbers,
    as_texts,
    is_numeric,
    neither_numbers_nor_names,
)
from vicinal.data.samples import index_labels, listed, unknown_classes
from vicinal.errors import VicinalError
from vicinal.formatting import format_value

LABEL_NAMES = ("label", "labels", "target", "class", "y")
MOST_CLASSES = 20  # of whole numbers; with more distinct values, they are quantities
MOST_MISSING = 0.5  # labels: with fewer than half of them, another column may be meant
LabelKind = Literal["classes", "values", "labels"]


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
        check_column(label, columns, "label")
        return label
    lower = {name.lower(): name for name in reversed(columns)}
    for name in LABEL_NAMES:
        if name in lower:
            return lower[name]
    raise VicinalError(f"which column is the label? use --label with one of {listed(columns, 30)}")


def label_kind(labels: pd.Series) -> LabelKind:
    """Whether labels are classes (classification) or values (regression).

    Strings, booleans and pandas' category dtype are classes, and so are whole numbers with at most
    20 distinct values. All other numbers are values, also where they are stored as strings, unless
    these are codes: with leading zeros, or several spellings of one number.

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
    if numbers.notna().mean() < 0.9 or _are_codes(labels) or label_kind(numbers) == "classes":
        return "classes"
    as_numbers(labels)
    return "values"


def _are_codes(labels: pd.Series) -> bool:
    """Whether strings of numbers are more than their numbers: 007, or 1.10 beside 1.1."""
    texts = as_texts(labels.drop_duplicates()).dropna()
    numbers = pd.to_numeric(texts, errors="coerce")
    several = texts.nunique() > numbers.nunique() and texts.nunique() <= MOST_CLASSES
    return bool(numbers.notna().all() and (several or texts.str.match(r"0\d").any()))


@dataclass(frozen=True)
class Targets:
    """The targets of a table.

    Args:
        train, valid: (N,) int64 class indices, or (N, 1) float64 values in their own units.
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


def targets_of(train: pd.Series, valid: pd.Series, kind: LabelKind | None = None) -> Targets:
    """The targets of both parts, from their label columns.

    Args:
        train, valid: labels.
        kind: what they are; None lets :func:`label_kind` of the training part decide.

    Raises:
        VicinalError: a label is missing or not a number, all are the same, or no class of the
            validation part occurs in the training part.

    >>> targets = targets_of(pd.Series(["no", "yes", "no"]), pd.Series(["yes"]))
    >>> targets.train, targets.valid, targets.vocab
    (tensor([0, 1, 0]), tensor([1]), ['no', 'yes'])
    >>> targets_of(pd.Series([126.2, 125.2]), pd.Series([125.8])).valid
    tensor([[125.8000]], dtype=torch.float64)
    """
    for labels in (train, valid):
        check_labels(labels)
    if as_texts(train.drop_duplicates()).nunique() == 1:
        raise VicinalError(
            f"all training labels in column {train.name} are {train.iloc[0]}: there is nothing to "
            "learn"
        )
    if (kind or label_kind(train)) == "classes":
        if kind is None:
            _check_names(train)
        return _classes(train, valid, chosen=kind is not None)
    numbers = [as_numbers(labels) for labels in (train, valid)]
    low, high = format_value(numbers[0].min()), format_value(numbers[0].max())
    note = f"labels: values in column {train.name}, from {low} to {high}"
    if kind is None and are_whole(numbers[0]):
        note += "; whole numbers, for which --label-kind classes learns classes"
    y, y_valid = (torch.tensor(n.to_numpy(np.float64))[:, None] for n in numbers)
    return Targets(y, y_valid, None, [note])


def check_labels(labels: pd.Series, written: pd.Series | None = None) -> None:
    """Raise a VicinalError if a label is missing, or the column cannot hold labels.

    Args:
        labels: of one part of the data.
        written: the same as they are written in the file, where that is not the same.
    """
    missing = labels.isna()
    if missing.any():
        if missing.all():
            raise VicinalError(
                f"all {len(labels):,} labels in column {labels.name} are missing: name another "
                "label column"
            )
        row = labels.index[int(missing.to_numpy().argmax())]
        word = None if written is None else written.get(row)
        found = f"{missing.sum():,} of {len(labels):,} labels in column {labels.name} are missing"
        if isinstance(word, str):
            raise VicinalError(
                f"{found}, first {word!r} in row {row}: leave such rows out with --drop-missing, "
                "or take such words as classes with --label-kind classes"
            )
        remedy = "" if missing.mean() > MOST_MISSING else ", which --drop-missing does"
        raise VicinalError(f"{found}, first in row {row}: fill them in or drop the rows{remedy}")
    held = neither_numbers_nor_names(labels)
    if held:
        raise VicinalError(
            f"column {labels.name} holds {held}, which are neither classes nor values: name "
            "another label column"
        )


def _check_names(labels: pd.Series) -> None:
    """Raise a VicinalError if labels are names of rows, or some are several labels at once."""
    if isinstance(labels.dtype, pd.CategoricalDtype) or is_numeric(labels):
        return
    distinct = {*as_texts(labels.drop_duplicates())}
    if len(distinct) > MOST_CLASSES and len(distinct) > len(labels) / 2:
        raise VicinalError(
            f"column {labels.name} holds {len(distinct):,} different labels in {len(labels):,} "
            "rows, too many for classes: name another label column, or say --label-kind classes"
        )
    several = _list_of_labels(distinct)
    if several is not None:
        raise VicinalError(
            f"column {labels.name} holds {several!r}, which may be several labels of one row: name "
            "what joins them by --label-sep, or say --label-kind classes to take each combination "
            "for a class"
        )


def _list_of_labels(names: Collection[str]) -> str | None:
    """A label that joins others: by ``|`` or ``;`` some, by commas, as also names have, only such.

    By ``|``, which names hardly have, it does also where others stand alone.

    >>> _list_of_labels(["Action|Comedy", "Comedy|Drama"]), _list_of_labels(["a,b", "a", "b"])
    ('Action|Comedy', 'a,b')
    >>> _list_of_labels(["Action|Comedy", "Drama"])
    'Action|Comedy'
    >>> _list_of_labels(["Paris, France", "Lyon, France"])
    """
    for separator in "|;,":
        words = {
            name: {word.strip() for word in name.split(separator)} - {""} for name in sorted(names)
        }
        counts = Counter(word for each in words.values() for word in each)
        some_alone = separator == "|" and any(len(parts) == 1 for parts in words.values())
        for name, parts in words.items():
            if len(parts) > 1 and (
                some_alone
                or all(part in words for part in parts)
                or (separator != "," and any(counts[part] > 1 for part in parts))
            ):
                return name
    return None


def _classes(train: pd.Series, valid: pd.Series, chosen: bool) -> Targets:
    numeric = is_numeric(train)
    if numeric:  # sorted as numbers, not as strings
        labels = [_plain_numbers(part) for part in (train, valid)]
        indices, _ = index_labels([*labels[0], *labels[1]])
        vocab = as_texts(pd.Series(sorted({*labels[0], *labels[1]}))).tolist()
        y, y_valid = torch.tensor(indices).split([len(train), len(valid)])
    else:
        # No lists of all labels: of many rows they would take as much memory as several columns.
        texts = [as_texts(part) for part in (train, valid)]
        vocab = sorted({text for part in texts for text in part.unique()})
        places = pd.Index(vocab, dtype=object)
        y, y_valid = (torch.tensor(places.get_indexer(part)) for part in texts)
    distinct = len(y.unique())
    if 2 < distinct > len(train) / 2 and not {*y.tolist()} & {*y_valid.tolist()}:
        values = ", or say --label-kind values" if numeric else ""
        raise VicinalError(
            f"column {train.name} holds {distinct:,} different labels in {len(train):,} training "
            f"rows, and none of those in the validation part: name another label column{values}"
        )
    note = f"labels: column {train.name}, {len(vocab)} classes ({listed(vocab)})"
    if numeric and len(vocab) > 2 and not chosen:
        note += "; whole numbers, for which --label-kind values learns values"
    notes = [note, *alike(vocab), *unknown_classes(y.tolist(), y_valid.tolist(), vocab)]
    return Targets(y, y_valid, vocab, notes)


def alike(vocab: list[str], noun: str = "classes") -> list[str]:
    """A note about classes whose names differ by upper and lower case, or blanks, alone.

    >>> alike(["cat", "Cat", "dog"])
    ["classes: 'cat' and 'Cat' are different classes, as they are spelled differently"]
    """
    by_form: dict[str, list[str]] = {}
    for name in vocab:
        by_form.setdefault(" ".join(name.casefold().split()), []).append(name)
    names = [" and ".join(map(repr, same)) for same in by_form.values() if len(same) > 1]
    if not names:
        return []
    return [f"{noun}: {listed(names)} are different {noun}, as they are spelled differently"]


def _plain_numbers(labels: pd.Series) -> list[int] | list[float]:
    """Labels as Python numbers; integers stay exact."""
    if pd.api.types.is_integer_dtype(labels):
        return [int(number) for number in labels]
    return [float(number) for number in as_numbers(labels)]


def as_written(labels: pd.Series, written: pd.Series | None, kind: LabelKind | None) -> bool:
    """Whether labels are to be taken as their file spells them, because a number would lose that.

    Args:
        labels: of the training part, as they were read.
        written: the same as strings; None where nothing is lost.
        kind: as in :func:`targets_of`; of ``"classes"``, all words are classes, also ``None``.

    >>> numbers, texts = pd.Series([1e5, 1e6]), pd.Series(["1e5", "1e6"])
    >>> as_written(numbers, texts, None), as_written(numbers, texts, "values")
    (True, False)
    """
    if written is None or kind == "values":
        return False
    if kind == "classes":
        return True
    if not is_numeric(labels):  # what was taken for missing is asked about
        return False
    several = labels.nunique() < written.nunique() <= MOST_CLASSES  # 1.1 and 1.10
    with_exponents = written.drop_duplicates().str.contains(r"\de", case=False).any()
    return bool(several or (with_exponents and label_kind(labels) == "classes"))


def also_labels(frame: pd.DataFrame, targets: Tensor, label: str) -> list[str]:
    """The columns that only say the label in another way: called label or the like, and one to one.

    Args:
        frame: the training part's other columns.
        targets: (N,) int64, its classes.
        label: the label column.

    >>> frame = pd.DataFrame({"label_text": ["bad", "good", "bad"], "sex": ["f", "m", "f"]})
    >>> also_labels(frame, torch.tensor([0, 1, 0]), "label")
    ['label_text']
    """
    called = {*LABEL_NAMES, "category", label.lower()}
    classes = pd.Series(targets.numpy())
    return [
        str(name)
        for name in frame
        if called & _words(str(name)) and _says_the_same(frame[name], classes)
    ]


def also_several_labels(
    frame: pd.DataFrame, targets: Tensor, label: str, vocab: Sequence[str]
) -> list[str]:
    """As :func:`also_labels`, where samples have several labels.

    Beside a column of lists, a column of its own often tells for each label which samples have it.

    Args:
        frame: the training part's other columns.
        targets: (N, L), 1 where a sample has the label.
        label: the label column.
        vocab: the names of the labels.

    >>> frame = pd.DataFrame({"a": [1, 0, 1], "has_b": ["no", "yes", "yes"], "c": [1, 0, 1]})
    >>> also_several_labels(frame, torch.tensor([[1, 0], [0, 1], [1, 1]]), "labels", ["a", "b"])
    ['a', 'has_b']
    """
    found = also_labels(frame, torch.unique(targets, dim=0, return_inverse=True)[1], label)
    for index, of in enumerate(vocab):
        ends = re.compile(rf"(?:.*[\W_])?{re.escape(of)}", re.IGNORECASE)
        has = pd.Series(targets[:, index].numpy())
        found += [str(n) for n in frame if ends.fullmatch(str(n)) and _says_the_same(frame[n], has)]
    return [*dict.fromkeys(found)]


def _words(name: str) -> set[str]:
    return {name.lower(), *re.findall(r"[a-z]+", name.lower())}


def _says_the_same(values: pd.Series, classes: pd.Series) -> bool:
    """Whether each class has one value, which no other has."""
    if neither_numbers_nor_names(values.dropna()):
        return False
    codes, distinct = pd.factorize(values)
    pairs = pd.DataFrame({"code": codes, "class": classes}).drop_duplicates()
    return len(pairs) == len(distinct) == classes.nunique()
