"""The targets of samples with several labels each, from tuples of their names."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import pandas as pd
from torch import Tensor

from vicinal.data.label_blocks import MultiCategoryBlock
from vicinal.data.labels import alike
from vicinal.data.samples import listed
from vicinal.data.several import LabelSets
from vicinal.errors import VicinalError
from vicinal.formatting import pluralize


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

    Labels that no training sample has cannot be learned: they are left out, which a note says.

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
    named = sets.vocab or sets.columns or in_order({*in_train, *in_valid})
    if len({*map(frozenset, train)}) < 2:
        same = listed(list(train.iloc[0])) or "no label"
        raise VicinalError(
            f"all training {noun}s have the same labels{_where(sets)} ({same}): there is nothing "
            "to learn"
        )
    if not in_train.keys() & in_valid.keys():
        if max((in_train + in_valid).values()) == 1:
            raise VicinalError(
                f"each of {len(in_train + in_valid):,} labels{_where(sets)} ({listed(named)}) is "
                f"on one {noun} alone, so what is learned of it cannot be tested: name other labels"
            )
        raise VicinalError(
            f"no label of the validation part ({listed(sorted(in_valid), 3) or 'it has none'}) is "
            f"one of the training part's ({listed(sorted(in_train), 3)}): spell them alike, or "
            "name other labels"
        )
    vocab = [name for name in named if name in in_train]
    known = [
        tuple(name for name in labels if name in in_train)
        for part in (train, valid)
        for labels in part
    ]
    encoded = MultiCategoryBlock(vocab=vocab).encode(known, range(len(train)))
    y, y_valid = encoded.values.split([len(train), len(valid)])
    notes = [*_notes(train, valid, vocab, sets, noun), *alike(vocab, "labels")]
    notes += _left_out(named, in_train, in_valid, noun) + _untested(vocab, in_valid)
    return SeveralTargets(y, y_valid, vocab, notes)


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
    names = f"{len(vocab):,} class{'es' if len(vocab) > 1 else ''} ({listed(vocab)})"
    notes = [f"labels: {where} of {names}, {sets.how}; {each}"]
    empty = counts.count(0)
    if empty:
        verb = "has" if empty == 1 else "have"
        notes.append(f"no label: {pluralize(empty, noun)} {verb} none, which is learned, too")
    return notes


def unknown_labels(names: Sequence[str], noun: str, where: str = "") -> str:
    """A line about labels that cannot be learned.

    >>> unknown_labels(["a"], "row")
    'unknown: 1 label of the validation part (a), which no training row has: left out of the scores'
    """
    count = f"{pluralize(len(names), 'label')} of the validation part ({listed(names)})"
    return f"unknown: {count}, which no training {noun} has{where}: left out of the scores"


def _left_out(
    named: list[str], in_train: Counter[str], in_valid: Counter[str], noun: str
) -> list[str]:
    """Lines about labels that cannot be learned."""
    notes = []
    unknown = [name for name in named if name in in_valid and name not in in_train]
    if unknown:
        notes.append(unknown_labels(unknown, noun))
    unused = [name for name in named if name not in in_valid and name not in in_train]
    if unused:
        count = f"{pluralize(len(unused), 'label')} ({listed(unused)})"
        notes.append(f"unused: {count}, which no {noun} has: left out")
    return notes


def _untested(vocab: list[str], in_valid: Counter[str]) -> list[str]:
    """A line about labels that the scores do not cover."""
    names = [name for name in vocab if name not in in_valid]
    if not names:
        return []
    count = f"no validation sample has {len(names):,} of {pluralize(len(vocab), 'label')}"
    return [f"untested: {count}: {listed(names)}; means over the labels leave them out"]
