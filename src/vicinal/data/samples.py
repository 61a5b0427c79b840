"""Labelled images as they are stored, and their training and validation split."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from vicinal.data.split import DataSplit
from vicinal.errors import VicinalError


@dataclass(frozen=True)
class Samples:
    """Images as they are stored, and their classes.

    Args:
        images: paths, encoded bytes, ``{"bytes", "path"}`` records or PIL images; or one uint8
            tensor (N, 3, H, W) of decoded images.
        labels: the index of each image's class.
        prefetched: contents of files that were opened before all are decoded, by index; decoding
            takes them from here, so that no file is opened twice.
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
        mirrored: whether flipping an image keeps its meaning (of a cat yes, of a digit no).
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

    def relabelled(self, targets: Tensor) -> Self:
        return replace(self, train=replace(self.train, labels=targets.tolist()))

    def preview(self) -> Samples:
        return self.train

    def examples(self, count: int, seed: int) -> Samples:
        """A random sample of the training images, to be shown."""
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
    """Hold out a random fraction for validation; the same seed gives the same split.

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
    """Encode classes as indices into their sorted list; returns indices and names.

    >>> index_labels(["dog", "cat", "dog"])
    ([1, 0, 1], ['cat', 'dog'])
    >>> index_labels([10, 9])
    ([1, 0], ['9', '10'])
    """
    classes = sorted(set(labels))
    index = {label: i for i, label in enumerate(classes)}
    return [index[label] for label in labels], [str(label) for label in classes]


def unknown_classes(train: Sequence[int], valid: Sequence[int], vocab: list[str]) -> list[str]:
    """A note if the validation part has classes that the training part lacks.

    Args:
        train, valid: class indices.
        vocab: their names.

    Raises:
        VicinalError: no class of the validation part occurs in the training part.

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
    are = "sample is of a class" if count == 1 else "samples are of classes"
    note = f"{count:,} validation {are} that no training sample has"
    return [f"unknown: {note}: {listed(names)}"] if unknown else []


def listed(names: Sequence[str], most: int = 8) -> str:
    """The first names of a list, joined for a message."""
    return ", ".join([*names[:most], *(["…"] if len(names) > most else [])])


def held_out(
    samples: Samples, vocab: list[str], valid_pct: float, seed: int, notes: Sequence[str] = ()
) -> Split:
    """Split data that have no validation part, with a note about it."""
    train, valid = random_split(samples, valid_pct, seed)
    note = f"validation: {len(valid):,} images held out at random ({valid_pct:.0%})"
    return Split(train, valid, vocab, [*notes, note])
