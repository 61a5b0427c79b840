"""Fewer training samples, and injected label noise: what a comparison may change in the data."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from vicinal.data.split import DataSplit
from vicinal.errors import VicinalError
from vicinal.rng import derive_seed


def no_noise() -> Tensor:
    """No training sample has a noisy label: (0,) int64."""
    return torch.empty(0, dtype=torch.int64)


@dataclass(frozen=True)
class ModifiedSplit:
    """A split whose training part was modified.

    Args:
        split: the data.
        noisy: (M,) int64, the indices of the training samples with injected label noise.
    """

    split: DataSplit
    noisy: Tensor = field(default_factory=no_noise)


def modify_training_set(
    split: DataSplit, train_size: float | None, label_noise: float, seed: int
) -> ModifiedSplit:
    """Take some of the training samples, and inject label noise.

    Args:
        split: the data.
        train_size: how many samples to take: a number, 2 or more, or a share, below 1; drawn at
            random. None takes all.
        label_noise: the share of the labels that are replaced by another class, drawn uniformly;
            in [0, 1).
        seed: of both.

    Raises:
        VicinalError: a number is out of its range, there are fewer samples, or the data have
            no classes, or are streamed.
    """
    generator = _generator(seed)
    if train_size is not None:
        split = split.subset(_rows(train_size, len(split.train), generator))
    if not label_noise:
        return ModifiedSplit(split)
    if split.vocab is None or split.targets_are != "classes":
        raise VicinalError(
            f"--label-noise is for classes, and these are {split.targets_are}: leave it out"
        )
    check_label_noise(label_noise)
    noisy, labels = _with_noise(split.targets, len(split.vocab), label_noise, generator)
    return ModifiedSplit(split.relabelled(labels), noisy)


def rows_of_subset(split: DataSplit, train_size: float, seed: int) -> Tensor:
    """The indices of the samples that :func:`modify_training_set` takes, (M,) int64."""
    return _rows(train_size, len(split.train), _generator(seed))


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(derive_seed(seed, "training samples"))


def _rows(train_size: float, available: int, generator: torch.Generator) -> Tensor:
    count = train_count(train_size, available)
    return torch.randperm(available, generator=generator)[:count].sort().values


def check_label_noise(share: float) -> None:
    """Raise a VicinalError where this cannot be a share of noisy labels."""
    if not 0 <= share < 1:
        raise VicinalError(f"--label-noise must be 0 or more and below 1, not {share}")


def check_train_size(train_size: float) -> None:
    """Raise a VicinalError where no data have so many training samples, or such a share."""
    if not (0 < train_size < 1 or (train_size >= 2 and train_size.is_integer())):
        raise VicinalError(
            "--train-size must be a share below 1 or a number of training samples, 2 or more, not "
            f"{train_size:g}"
        )


def check_train_sizes(sizes: Sequence[float]) -> None:
    """Raise a VicinalError where no data have one of them, one comes twice, or kinds differ."""
    for size in sizes:
        check_train_size(size)
        if sizes.count(size) > 1:
            raise VicinalError(f"--train-size names {size:g} twice: leave out one of them")
    shares = [f"{size:g}" for size in sizes if size < 1]
    if 0 < len(shares) < len(sizes):
        raise VicinalError(
            f"--train-size has shares ({', '.join(shares)}) and numbers of samples: give one kind"
        )


def train_count(train_size: float, available: int) -> int:
    """How many of the available samples a number or a share asks for.

    >>> train_count(0.25, 1000), train_count(40, 1000)
    (250, 40)
    """
    number = round(train_size * available) if train_size < 1 else train_size
    if not 2 <= number <= available or number != int(number):
        raise VicinalError(
            f"--train-size must be a share below 1 or a number from 2 to the {available:,} "
            f"training samples, not {train_size:g}"
        )
    return int(number)


def _with_noise(
    labels: Tensor, classes: int, share: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """The indices of the noisy labels, and all labels with them."""
    count = round(share * len(labels))
    if share > 0 and not count:
        raise VicinalError(
            f"--label-noise {share:g} of {len(labels):,} training samples is not one label: give "
            f"{1 / len(labels):.2g} or more"
        )
    noisy = torch.randperm(len(labels), generator=generator)[:count].sort().values
    shift = torch.randint(1, classes, (count,), generator=generator)  # never to the same class
    labels = labels.clone()
    labels[noisy] = (labels[noisy] + shift) % classes
    return noisy, labels
