"""The targets of samples with several labels each, from tuples of their names."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass

import pandas as pd
from torch import Tensor

from vicinal.data.label_blocks import MultiCategoryBlock
from vicinal.data.samples import listed, number_of
from vicinal.data.several import LabelSets
from vicinal.errors import VicinalError


@dataclass(frozen=True)
class SeveralTargets:
    """The targets of two parts.

    Args:
        train, valid: (N, L) float32, 1 where a sample has the label.
        vocab: the names of the labels.
        notes: what was found, each a line for the user.
    """

    train: Tensor
    valid: Tensor
    vocab: list[str]
    notes: list[str]
    scale = None  # these are no values


def targets_of_sets(
    train: pd.Series, valid: pd.Series, sets: LabelSets, noun: str = "row"
) -> SeveralTargets:
    """The targets of both parts, from columns of tuples.

    Args:
        train, valid: tuples of labels.
        sets: how they were understood.
        noun: what a sample is called.

    Raises:
        VicinalError: there is nothing to learn.

    >>> parts = pd.Series([("a", "b"), ()]), pd.Series([("b",)])
    >>> found = targets_of_sets(*parts, LabelSets("y", "lists"))
    >>> found.vocab, found.train.tolist(), found.valid.tolist()
    (['a', 'b'], [[1.0, 1.0], [0.0, 0.0]], [[0.0, 1.0]])
    """
    in_train, in_valid = (
        Counter(name for labels in part for name in labels) for part in (train, valid)
    )
    vocab = sets.vocab or sets.columns or in_order({*in_train, *in_valid})
    if len({*train}) < 2:
        same = listed(list(train.iloc[0])) or "no label"
        raise VicinalError(
            f"all training {noun}s have the same labels{_where(sets)} ({same}): there is nothing "
            "to learn"
        )
    if not in_train.keys() & in_valid.keys():
        raise VicinalError(
            f"no label of the validation part ({listed(sorted(in_valid), 3) or 'it has none'}) is "
            f"one of the training part's ({listed(sorted(in_train), 3)}): spell them alike, or "
            "name other labels"
        )
    encoded = MultiCategoryBlock(vocab=vocab).encode([*train, *valid], range(len(train)))
    y, y_valid = encoded.values.split([len(train), len(valid)])
    return SeveralTargets(
        y, y_valid, vocab, [*_notes(train, valid, vocab, sets, noun), *_lacking(y, y_valid, vocab)]
    )


def in_order(names: Collection[str]) -> list[str]:
    """Names sorted, as numbers where all are.

    >>> in_order({"10", "9"}), in_order({"b", "10"})
    (['9', '10'], ['10', 'b'])
    """
    if names and all(name.lstrip("-").isdecimal() for name in names):
        return sorted(names, key=lambda name: (int(name), name))
    return sorted(names)


def _where(sets: LabelSets) -> str:
    return f" in column {sets.column}" if sets.column else ""


def _notes(
    train: pd.Series, valid: pd.Series, vocab: list[str], sets: LabelSets, noun: str
) -> list[str]:
    counts = [len(labels) for part in (train, valid) for labels in part]
    where = f"column {sets.column}, several" if sets.column and not sets.columns else "several"
    each = f"{sum(counts) / len(counts):.1f} of each {noun} on average, {max(counts)} at most"
    notes = [f"labels: {where} of {len(vocab):,} classes ({listed(vocab)}), {sets.how}; {each}"]
    empty = counts.count(0)
    if empty:
        verb = "has" if empty == 1 else "have"
        notes.append(f"no label: {number_of(empty, noun)} {verb} none, which is learned, too")
    return notes


def _lacking(y: Tensor, y_valid: Tensor, vocab: list[str]) -> list[str]:
    """Lines about labels that one of the parts lacks."""
    notes = []
    known, tested = y.sum(0) > 0, y_valid.sum(0) > 0
    names = [name for name, a, b in zip(vocab, known, tested, strict=True) if b and not a]
    if names:
        notes.append(f"unknown: labels that no training sample has: {listed(names)}")
    names = [name for name, a, b in zip(vocab, known, tested, strict=True) if a and not b]
    if names:
        count = f"{len(names):,} of {len(vocab):,} labels"
        notes.append(f"untested: no validation sample has {count}: {listed(names)}")
    return notes
