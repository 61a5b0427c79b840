"""Fewer training samples, and wrong labels: what a comparison changes of the data on purpose."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from vicinal.errors import VicinalError
from vicinal.rng import derive_seed


@dataclass(frozen=True)
class Changed:
    """A split whose training part was changed.

    Args:
        split: the data.
        wrong: (M,) int64, the training samples whose label was made wrong.
    """

    split: Any
    wrong: Tensor


def changed(split: Any, train_size: float | None, label_noise: float, seed: int) -> Changed:
    """Keep some of the training samples, and make some of their labels wrong.

    Args:
        split: the data.
        train_size: how many samples are kept: a number, 2 or more, or a share, below 1; drawn at
            random. None keeps all.
        label_noise: the share of the labels that become another class, drawn evenly; in [0, 1).
        seed: of both.

    Raises:
        VicinalError: a number is out of its range, there are not so many samples, or the data have
            no classes, or are streamed.
    """
    nothing = torch.empty(0, dtype=torch.int64)
    generator = torch.Generator().manual_seed(derive_seed(seed, "training samples"))
    if train_size is not None:
        count = kept(train_size, len(split.train))
        rows = torch.randperm(len(split.train), generator=generator)[:count].sort().values
        split = split.subset(rows)
    if not label_noise:
        return Changed(split, nothing)
    if split.vocab is None:
        raise VicinalError("--label-noise is for classes, and these are values: leave it out")
    check_label_noise(label_noise)
    wrong, labels = _made_wrong(split.targets, len(split.vocab), label_noise, generator)
    return Changed(split.relabelled(labels), wrong)


def check_label_noise(share: float) -> None:
    """Raise a VicinalError where this is no share of labels that may be wrong."""
    if not 0 <= share < 1:
        raise VicinalError(f"--label-noise must be 0 or more and below 1, not {share}")


def kept(train_size: float, count: int) -> int:
    """How many of ``count`` samples a number or a share keeps.

    >>> kept(0.25, 1000), kept(40, 1000)
    (250, 40)
    """
    number = round(train_size * count) if train_size < 1 else train_size
    if not 2 <= number <= count or number != int(number):
        raise VicinalError(
            f"--train-size must be a share below 1 or a number from 2 to the {count:,} training "
            f"samples, not {train_size:g}"
        )
    return int(number)


def _made_wrong(
    labels: Tensor, classes: int, share: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Which samples get a wrong label, and all labels as they are then."""
    count = round(share * len(labels))
    wrong = torch.randperm(len(labels), generator=generator)[:count].sort().values
    other = torch.randint(1, classes, (count,), generator=generator)
    labels = labels.clone()
    labels[wrong] = (labels[wrong] + other) % classes
    return wrong, labels
