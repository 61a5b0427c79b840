"""Several labels of each sample in a smaller training part: those that it lacks are left out."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from vicinal.data.samples import Samples, listed
from vicinal.data.split import DataSplit
from vicinal.errors import VicinalError
from vicinal.study.arms import size_text


def of_known_labels(split: DataSplit) -> DataSplit:
    """The split without the labels that no training sample has, which cannot be learned.

    A training leaves them out of its scores, too. Other data are as they were.

    Raises:
        VicinalError: no label of the validation part is left, or all samples have the same.
    """
    if split.targets_are != "labels":
        return split
    train, valid = split.targets > 0.5, targets_of_part(split.valid) > 0.5
    _check(split, train, valid.any(0))
    known = train.any(0)
    if known.all():
        return split
    made: Any = split
    return replace(
        made,
        train=_with_columns(split.train, known),
        valid=_with_columns(split.valid, known),
        vocab=_names(split, known),
    )


def _check(split: DataSplit, train: Tensor, tested: Tensor) -> None:
    """Refuse a training part of which nothing can be learned or tested, as a training does."""
    if not (train.any(0) & tested).any():
        raise VicinalError(
            f"none of the {len(train):,} training {_samples(split)} of a seed has a label of the "
            "validation part: take more by --train-size"
        )
    if bool((train == train[0]).all()):
        raise VicinalError(
            f"all {len(train):,} training {_samples(split)} of a seed have the same labels, so "
            "there is nothing to learn: take more by --train-size"
        )


def _samples(split: DataSplit) -> str:
    """What the samples are called: images, also where columns are beside them."""
    return split.kind.partition(" beside ")[0]


def targets_of_part(part: Any) -> Tensor:
    """(N, L) float32 zeros and ones of a part with several labels of each sample."""
    targets = part.labels if isinstance(part, Samples) else part.y
    return torch.as_tensor(targets, dtype=torch.float32)


def _with_columns(part: Any, known: Tensor) -> Any:
    y = targets_of_part(part)[:, known]
    if isinstance(part, Samples):
        return replace(part, labels=[tuple(row) for row in y.tolist()])
    return replace(part, y=y)


def _names(split: DataSplit, chosen: Tensor) -> list[str]:
    return [name for name, is_chosen in zip(split.vocab or (), chosen, strict=True) if is_chosen]


def notes_on_unknown(
    split: DataSplit, subsets: Iterable[tuple[float, int, Tensor]]
) -> list[tuple[str, str]]:
    """Lines about the labels that smaller training parts lack, as a training says it of its own.

    Args:
        split: the data, with several labels of each sample.
        subsets: of each smaller part its size, as the user gave it, its seed, and (M,) int64, the
            indices of its training samples.

    Raises:
        VicinalError: of one of them nothing can be learned.
    """
    from vicinal.data.several_targets import unknown_labels  # with pandas

    train = split.targets > 0.5
    valid = (targets_of_part(split.valid) > 0.5).any(0)
    found: dict[tuple[float, tuple[str, ...]], list[int]] = {}
    every: dict[float, list[int]] = {}
    for size, seed, rows in subsets:
        _check(split, train[rows], valid)
        lacking = tuple(_names(split, valid & ~train[rows].any(0)))
        every.setdefault(size, []).append(seed)
        if lacking:
            found.setdefault((size, lacking), []).append(seed)
    samples = _samples(split)
    noun = samples if samples == "series" else samples.removesuffix("s")
    lines = []
    for (size, lacking), seeds in found.items():
        where = f" with {size_text(size)}" if len(every) > 1 else ""
        if seeds != every[size]:
            where += f" {'and' if where else 'with'} {_seeds_text(seeds)}"
        lines.append(unknown_labels(lacking, noun, where))
    return [(name, text) for name, _, text in (line.partition(": ") for line in lines)]


def _seeds_text(seeds: Sequence[int]) -> str:
    return f"seed{'' if len(seeds) == 1 else 's'} {listed([str(seed) for seed in seeds])}"
