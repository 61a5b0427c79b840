"""Labelled images as they are stored, and their split into training and validation."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from vicinal.data.split import DataSplit
from vicinal.errors import VicinalError

# What parts of data are called; of several validation parts, the first in this order serves.
TRAIN_NAMES = ("train", "training")
VALID_NAMES = ("valid", "val", "validation", "test", "testing")


@dataclass(frozen=True)
class Samples:
    """Images as they are stored, and the class of each.

    Args:
        images: paths, encoded bytes, ``{"bytes", "path"}`` records or PIL images; or one uint8
            tensor (N, 3, H, W) of images that are decoded already.
        labels: for each image the index of its class.
        prefetched: contents of files that had to be looked at before all are decoded, by index;
            each is dropped when it is used, so that no file is opened twice for a first epoch.
    """

    images: Sequence[Any] | torch.Tensor
    labels: Sequence[int]
    prefetched: dict[int, bytes] = field(default_factory=dict, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.labels)

    def subset(self, indices: Sequence[int]) -> "Samples":
        images = self.images
        if isinstance(images, torch.Tensor):
            picked: Any = images[list(indices)]
        elif hasattr(images, "subset"):
            picked = images.subset(indices)
        else:
            picked = [images[i] for i in indices]
        return Samples(picked, [self.labels[i] for i in indices])


@dataclass
class Split(DataSplit):
    """Labelled images: a training part, a validation part, and the classes.

    Args:
        train, valid: the two parts; their labels index ``vocab``.
        vocab: the names of the classes.
        notes: what was found and chosen on the way, each a line for the user.
        mirrored: whether an image means the same when it is flipped (a cat does, a digit does not).
    """

    kind: ClassVar[str] = "images"

    train: Samples
    valid: Samples
    vocab: list[str]
    notes: list[str] = field(default_factory=list)
    mirrored: bool = True

    @property
    def targets(self) -> Tensor:
        return torch.tensor(self.train.labels)

    def subset(self, rows: Tensor) -> Self:
        return replace(self, train=self.train.subset(rows.tolist()))

    def relabeled(self, targets: Tensor) -> Self:
        return replace(self, train=replace(self.train, labels=targets.tolist()))

    def preview(self) -> Samples:
        return self.train

    def examples(self, count: int, seed: int) -> Samples:
        """Training images to be shown, drawn at random."""
        generator = torch.Generator().manual_seed(seed)
        order = torch.randperm(len(self.train), generator=generator)
        return self.train.subset(order[:count].tolist())

    def __post_init__(self) -> None:
        if len(self.vocab) < 2:
            found = f"only the class {self.vocab[0]!r}" if self.vocab else "no class"
            raise VicinalError(f"the data have {found}: training needs two or more")
        for name, part in (("training", self.train), ("validation", self.valid)):
            if not len(part):
                raise VicinalError(f"the {name} part is empty: give it at least one image")


def random_split(samples: Samples, valid_pct: float, seed: int) -> tuple[Samples, Samples]:
    """Hold out a random share for validation; the same seed gives the same split.

    >>> train, valid = random_split(Samples(list("abcdefghij"), [0, 1] * 5), 0.2, seed=42)
    >>> len(train), len(valid)
    (8, 2)
    """
    if not 0 < valid_pct < 1:
        raise VicinalError(f"the validation share must lie between 0 and 1, not {valid_pct}")
    order = torch.randperm(len(samples), generator=torch.Generator().manual_seed(seed)).tolist()
    held_out = max(1, round(valid_pct * len(samples)))
    return samples.subset(order[held_out:]), samples.subset(order[:held_out])


def index_labels(labels: Sequence[Any]) -> tuple[list[int], list[str]]:
    """Class names, or numbers, to indices into the sorted list of classes, and their names.

    >>> index_labels(["dog", "cat", "dog"])
    ([1, 0, 1], ['cat', 'dog'])
    >>> index_labels([10, 9])
    ([1, 0], ['9', '10'])
    """
    classes = sorted(set(labels))
    index = {label: i for i, label in enumerate(classes)}
    return [index[label] for label in labels], [str(label) for label in classes]


def unknown_classes(train: Sequence[int], valid: Sequence[int], vocab: list[str]) -> list[str]:
    """A note where validation samples are of classes that no training sample has; else none.

    Args:
        train, valid: indices of classes.
        vocab: their names.

    Raises:
        VicinalError: none of the validation part's classes is known from the training part.

    >>> unknown_classes([0, 1, 1], [1, 2, 2], ["cat", "dog", "fox"])
    ['unknown: 2 validation samples are of classes that no training sample has: fox']
    """
    known = set(train)
    unknown = sorted(set(valid) - known)
    names = [vocab[index] for index in unknown]
    if not set(valid) & known:
        trained = [vocab[index] for index in sorted(known)]
        raise VicinalError(
            f"no class of the validation part ({listed(names, 3)}) is one of the training part's "
            f"({listed(trained, 3)}): spell them alike, or name other labels"
        )
    count = sum(index not in known for index in valid)
    told = f"{count:,} validation samples are of classes that no training sample has"
    return [f"unknown: {told}: {listed(names)}"] if unknown else []


def listed(names: Sequence[str], most: int = 8) -> str:
    """The first names of a list, to be shown."""
    return ", ".join([*names[:most], *(["…"] if len(names) > most else [])])


def held_out(
    samples: Samples, vocab: list[str], valid_pct: float, seed: int, notes: Sequence[str] = ()
) -> Split:
    """The split of data without a validation part, with a note that says so."""
    train, valid = random_split(samples, valid_pct, seed)
    note = f"validation: {len(valid):,} images held out at random ({valid_pct:.0%})"
    return Split(train, valid, vocab, [*notes, note])
