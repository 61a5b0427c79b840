"""Labelled images as they are stored, and their training and validation split."""

from collections.abc import Container, Hashable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from vicinal.data.duplicates import identical
from vicinal.data.groups import hold_out_groups
from vicinal.data.hold_out import hold_out
from vicinal.data.split import DataSplit
from vicinal.data.summary import Summary, summary_of
from vicinal.errors import VicinalError
from vicinal.formatting import pluralize

MOST_COMPARED = 200_000  # files: with more, opening those of equal sizes can take minutes


@dataclass(frozen=True)
class Samples:
    """Images as they are stored, and their classes.

    Args:
        images: paths, encoded bytes, ``{"bytes", "path"}`` records or PIL images; or one uint8
            tensor (N, 3, H, W) of decoded images.
        labels: the index of each image's class; or of images with values, the list of these; or of
            images with several labels, a tuple of zeros and ones.
        prefetched: contents of files that were opened before all are decoded, by index; decoding
            takes them from here, so that no file is opened twice.
        pixel_range: the value that is white in images of 16 bits a pixel.
    """

    images: Sequence[Any] | torch.Tensor
    labels: Sequence[Any]
    prefetched: dict[int, bytes] = field(default_factory=dict, repr=False, compare=False)
    pixel_range: int = 65535

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
        return Samples(picked, [self.labels[i] for i in indices], pixel_range=self.pixel_range)


@dataclass
class ImageParts:
    """Images with values, or with several labels each: a training and a validation part.

    Args:
        train, valid: the two parts.
        vocab: the names of the labels; None for values.
        n_out: how many numbers a network gives for each image.
    """

    train: Samples
    valid: Samples
    vocab: list[str] | None
    n_out: int

    def __post_init__(self) -> None:
        _check_parts(self.train, self.valid)


@dataclass
class Split(DataSplit):
    """Labelled images: a training part, a validation part, and the classes.

    Args:
        train, valid: the two parts; their labels index ``vocab``.
        vocab: the names of the classes.
        notes: what was found and chosen on the way, each a line for the user.
        mirrored: whether flipping an image keeps its meaning (of a cat yes, of a digit no).
        several: whether each image has any number of labels.
    """

    kind: ClassVar[str] = "images"

    train: Samples
    valid: Samples
    vocab: list[str]
    notes: list[str] = field(default_factory=list)
    mirrored: bool = True
    several: bool = False

    @property
    def n_out(self) -> int:
        return len(self.vocab)

    @property
    def targets(self) -> Tensor:
        return torch.tensor(self.train.labels)

    def subset(self, rows: Tensor) -> Self:
        return replace(self, train=self.train.subset(rows.tolist()))

    def relabelled(self, targets: Tensor) -> Self:
        return replace(self, train=replace(self.train, labels=targets.tolist()))

    def with_vocab(self, vocab: list[str]) -> Self:
        """The same with the classes in this order.

        Raises:
            VicinalError: a class is not among them.
        """
        unknown = sorted(set(self.vocab) - set(vocab))
        if unknown:
            raise VicinalError(
                f"vocab lacks the class {unknown[0]!r} of the data: name all of them, or leave out "
                "its images"
            )
        place = [vocab.index(name) for name in self.vocab]
        train, valid = (
            replace(part, labels=[place[label] for label in part.labels])
            for part in (self.train, self.valid)
        )
        return replace(self, train=train, valid=valid, vocab=vocab)

    def summary(self) -> Summary:
        from vicinal.data.image_summary import image_summary

        found = summary_of(self, {"training": self.train.labels, "validation": self.valid.labels})
        images = self.preview()
        vocab = None if self.several else self.vocab
        return found if images is None else found + image_summary(images, vocab)

    def preview(self) -> Samples:
        return self.train

    def examples(self, count: int, seed: int) -> Samples:
        """A random sample of the training images, to be shown."""
        generator = torch.Generator().manual_seed(seed)
        order = torch.randperm(len(self.train), generator=generator)
        return self.train.subset(order[:count].tolist())

    def __post_init__(self) -> None:
        if len(self.vocab) < (1 if self.several else 2):
            found = f"only the class {self.vocab[0]!r}" if self.vocab else "no class"
            raise VicinalError(f"the data have {found}: training needs two or more")
        _check_parts(self.train, self.valid)


def _check_parts(train: Samples, valid: Samples) -> None:
    for name, part in (("training", train), ("validation", valid)):
        if not len(part):
            raise VicinalError(f"the {name} part is empty: give it at least one image")


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


def images_of(count: int) -> str:
    """A number of images, for a message.

    >>> images_of(1), images_of(2000)
    ('1 image', '2,000 images')
    """
    return pluralize(count, "image")


def held_out(
    samples: Samples,
    vocab: list[str],
    valid_pct: float,
    seed: int,
    notes: Sequence[str] = (),
    groups: Sequence[Hashable] | None = None,
) -> Split:
    """Split data that have no validation part, with notes about it.

    Files with the same bytes are on one side, and each class has an image in training.

    Args:
        samples: all samples.
        vocab: the names of their classes.
        valid_pct, seed: of the random choice.
        notes: those about what was found before.
        groups: the group of each sample, to hold out whole groups; None holds out samples.

    Raises:
        VicinalError: as :func:`~vicinal.data.groups.hold_out_groups`.
    """
    copies = copies_of(samples.images)
    if groups is None:
        train, valid = hold_out(samples.labels, valid_pct, seed, copies)
        note = f"validation: {images_of(len(valid))} held out at random ({valid_pct:.0%})"
        share = f"{len(valid) / len(samples):.0%}"
        if copies and len(valid) != max(1, round(valid_pct * len(samples))):
            share += ", for copies stay together"
            note = f"validation: {images_of(len(valid))} held out at random ({share})"
    else:
        train, valid = hold_out_groups(groups, valid_pct, seed, samples.labels)
        held, count = len({groups[index] for index in valid}), len(set(groups))
        which = f"{images_of(len(valid))}, of {held:,} of {count:,} groups"
        note = f"validation: {which} held out ({len(valid) / len(samples):.0%})"
    made = Split(samples.subset(train), samples.subset(valid), vocab, [*notes, note])
    made.notes.extend(untested(made.train.labels, made.valid.labels, vocab))
    made.notes.extend(notes_on_copies(samples, copies, set(valid)))
    return made


def untested(
    train: Sequence[int], valid: Sequence[int], vocab: list[str], called: str = "image"
) -> list[str]:
    """A note if classes have no image, or what else a sample is called, in the validation part.

    >>> untested([0, 0, 1, 2], [0], ["cat", "dog", "fox"])
    ['untested: no validation image of 2 of 3 classes: dog, fox']
    """
    missing = [vocab[index] for index in sorted(set(train) - set(valid))]
    count = f"no validation {called} of {len(missing):,} of {len(vocab):,} classes"
    return [f"untested: {count}: {listed(missing)}"] if missing else []


def emptied(before: Sequence[Any], after: Sequence[Any] | Tensor, vocab: list[str]) -> list[str]:
    """A note if classes, or several labels of each image, lost all their images.

    >>> emptied([0, 1, 2, 2], [0, 2], ["cat", "dog", "fox"])
    ['emptied: no training image can be read of 1 of 3 classes: dog']
    >>> emptied([(1.0, 1.0), (1.0, 0.0)], [[1.0, 0.0]], ["cat", "dog"])
    ['emptied: no training image can be read of 1 of 2 labels: dog']
    """
    targets = [torch.as_tensor(labels) for labels in (before, after)]
    several = targets[0].ndim > 1
    there = [{*((y > 0.5).any(0).nonzero() if several else y).flatten().tolist()} for y in targets]
    lost = [vocab[index] for index in sorted(there[0] - there[1])]
    of = f"{len(vocab):,} {'labels' if several else 'classes'}"
    count = f"no training image can be read of {len(lost):,} of {of}"
    return [f"emptied: {count}: {listed(lost)}"] if lost else []


def copies_of(images: Any) -> list[list[int]]:
    """The indices of images with the same bytes; none of images that are decoded already."""
    return identical(images) if _are_stored(images) and len(images) <= MOST_COMPARED else []


def _are_stored(images: Any) -> bool:
    if hasattr(images, "sizes"):
        return True
    return isinstance(images, list) and all(
        isinstance(image, str | Path | bytes | dict) for image in images
    )


def _such_as(images: Any, *indices: int) -> str:
    """The names of images, where they have some, for the end of a message."""
    names = []
    for image in (images[index] for index in indices):
        path = image.get("path") if isinstance(image, dict) else image
        if isinstance(path, str | Path):
            names.append(str(path))
    return f", such as {' and '.join(names)}" if names else ""


def notes_on_copies(samples: Samples, copies: list[list[int]], valid: Container[int]) -> list[str]:
    """What files with the same bytes mean for training and validation.

    Args:
        samples: of both parts.
        copies: the indices of those with the same bytes.
        valid: the indices of the validation part.
    """
    if len(samples) > MOST_COMPARED and _are_stored(samples.images):
        return [f"duplicates: not looked for, among more than {images_of(MOST_COMPARED)}"]
    notes = []
    both = [each for each in copies if 0 < sum(i in valid for i in each) < len(each)]
    if both:
        seen = [i for each in both for i in each if i in valid]
        notes.append(
            f"duplicates: {images_of(len(seen))} of the validation part with the same bytes as a "
            f"training image{_such_as(samples.images, seen[0])}: results on them are too good"
        )
    elif copies:
        count = images_of(sum(len(each) - 1 for each in copies))
        notes.append(f"duplicates: {count} with the same bytes as another one")
    mixed = [each for each in copies if len({samples.labels[i] for i in each}) > 1]
    if mixed:
        first = mixed[0][0]
        other = next(i for i in mixed[0] if samples.labels[i] != samples.labels[first])
        notes.append(
            f"conflicts: {images_of(sum(map(len, mixed)))} with the same bytes as one of another "
            f"class{_such_as(samples.images, first, other)}"
        )
    return notes
