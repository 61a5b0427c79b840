"""DataBlock: fastai's mid-level interface to the data, on top of the same loaders."""

import math
import os
import warnings
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import index
from pathlib import Path
from typing import Any

from vicinal.data.augment import BatchTransform, Normalize
from vicinal.data.folders import image_files, name_labeller
from vicinal.data.groups import hold_out_groups
from vicinal.data.hold_out import hold_out
from vicinal.data.resizing import Method, Resizing
from vicinal.data.samples import Samples, Split, copies_of, index_labels
from vicinal.data.sizes import Size, how_read
from vicinal.data.vision import ImageDataLoaders
from vicinal.errors import VicinalError

# As ours or as fastai's; see DataBlock.
Splitter = Callable[[Any], Any]


class ImageBlock:
    """The input is an image."""


class CategoryBlock:
    """The target is one class."""


class Resize:
    """Resize images when they are read.

    Args:
        size: side of a square, or (height, width), in pixels.
        method: ``"crop"`` fills the size and cuts off what is beyond it, at both sides alike;
            ``"squish"`` changes the aspect ratio; ``"pad"`` shows the whole image on black.

    Raises:
        VicinalError: a size below 1, or another method.
    """

    def __init__(self, size: Size, method: Method = "crop") -> None:
        self.size, self.method = size, method
        self.item_size: Resizing | int = how_read(size, method)


class RandomSplitter:
    """Hold out a random fraction.

    Image files with the same bytes are on one side, and each class has an image in training.

    Args:
        valid_pct: the fraction, between 0 and 1.
        seed: the same one gives the same split.
    """

    def __init__(self, valid_pct: float = 0.2, seed: int | None = None) -> None:
        self.valid_pct, self.seed = valid_pct, seed

    def __call__(self, samples: Samples) -> tuple[Samples, Samples]:
        copies = copies_of(samples.images)
        train, valid = hold_out(samples.labels, self.valid_pct, self.seed or 0, copies)
        return samples.subset(train), samples.subset(valid)


class GroupSplitter:
    """Hold out a random fraction by groups, each of which is whole on one side.

    Args:
        group: from an item to its group, such as the patient of whom it is.
        valid_pct: about the fraction of the samples, between 0 and 1.
        seed: the same one gives the same split.
    """

    def __init__(
        self, group: Callable[[Any], Hashable], valid_pct: float = 0.2, seed: int | None = None
    ) -> None:
        self.group, self.valid_pct, self.seed = group, valid_pct, seed

    def __call__(self, samples: Samples) -> tuple[Samples, Samples]:
        items = samples.items if isinstance(samples, _Labelled) else samples.images
        groups = [self.group(item) for item in items]
        train, valid = hold_out_groups(groups, self.valid_pct, self.seed or 0, samples.labels)
        return samples.subset(train), samples.subset(valid)


class RegexLabeller:
    r"""Read the class off a name: the first group of a regular expression.

    >>> RegexLabeller(r"(.+)_\d+.jpg$")("pug_7.jpg")
    'pug'
    """

    def __init__(self, pat: str) -> None:
        self._label = name_labeller(pat)

    def __call__(self, name: object) -> str:
        return self._label(str(name))


def using_attr(function: Callable[[Any], Any], attr: str) -> Callable[[Any], Any]:
    """Apply a function to an attribute of its argument.

    >>> using_attr(str.upper, "name")(Path("images/pug_7.jpg"))
    'PUG_7.JPG'
    """
    return lambda item: function(getattr(item, attr))


def get_image_files(path: str | os.PathLike[str]) -> list[Path]:
    """All image files below a folder, sorted by name."""
    return image_files(path)


def parent_label(path: Path) -> str:
    """The name of the folder that contains a file.

    >>> parent_label(Path("train/pug/7.jpg"))
    'pug'
    """
    return Path(path).parent.name


@dataclass(frozen=True)
class _Labelled(Samples):
    """Samples that are read like the list of their items, as fastai's splitters do."""

    items: Sequence[Any] = ()

    def __iter__(self) -> Iterator[Any]:
        return iter(self.items)

    def __getitem__(self, place: int) -> Any:
        return self.items[place]


class DataBlock:
    """Describes how to get the data; :meth:`dataloaders` then does it.

    Args:
        blocks: ``(ImageBlock, CategoryBlock)``.
        get_items: from a source to the list of items, by default from a folder to its image files.
            Where the source is a data frame, its rows are the items; a list is taken as it is.
        get_x: from an item to its image: a path, encoded bytes or a PIL image; None where items
            are images.
        get_y: from an item to its class name.
        splitter: from all samples (:class:`~vicinal.data.samples.Samples`) to training and
            validation samples; or as in fastai, from the items, or the data frame, to the indices
            of each part.
        item_tfms: :class:`Resize`, or None where all images have one size.
        batch_tfms: such as :func:`aug_transforms` returns, and :class:`Normalize` for other
            statistics than ImageNet's.

    Raises:
        VicinalError: blocks or item transforms of another kind.
    """

    def __init__(
        self,
        *,
        get_y: Callable[[Any], Any],
        blocks: Sequence[Any] = (ImageBlock, CategoryBlock),
        get_items: Callable[[Any], Sequence[Any]] = get_image_files,
        get_x: Callable[[Any], Any] | None = None,
        splitter: Splitter | None = None,
        item_tfms: Resize | Sequence[Resize] | None = None,
        batch_tfms: Sequence[BatchTransform] = (),
    ) -> None:
        kinds = tuple(block if isinstance(block, type) else type(block) for block in blocks)
        if kinds != (ImageBlock, CategoryBlock):
            raise VicinalError(
                "blocks must be (ImageBlock, CategoryBlock), not "
                f"({', '.join(kind.__name__ for kind in kinds)})"
            )
        if isinstance(item_tfms, Sequence) and len(item_tfms) == 1:
            (item_tfms,) = item_tfms
        if item_tfms is not None and not isinstance(item_tfms, Resize):
            kind = type(item_tfms)
            other = f"that of {kind.__module__}" if kind.__name__ == "Resize" else repr(item_tfms)
            raise VicinalError(f"item_tfms must be a Resize, not {other}: use vicinal.Resize")
        self.get_items, self.get_x, self.get_y = get_items, get_x, get_y
        self.splitter = splitter or RandomSplitter()
        self.item_tfms, self.batch_tfms = item_tfms, list(batch_tfms)

    def dataloaders(self, source: Any, *, bs: int = 64, **kwargs: Any) -> ImageDataLoaders:
        """Find the items, then label, split and decode them.

        Args:
            source: what ``get_items`` takes, a list of items or a data frame.
            bs: batch size.
            **kwargs: of :meth:`ImageDataLoaders.from_split`.

        Raises:
            VicinalError: an item has no class, or several; the splitter gives no two parts; or as
                in :meth:`ImageDataLoaders.from_split`.
        """
        normalize = [t for t in self.batch_tfms if isinstance(t, Normalize)]
        return ImageDataLoaders.from_split(
            self._split(source),
            item_size=self.item_tfms.item_size if self.item_tfms else None,
            batch_tfms=[t for t in self.batch_tfms if not isinstance(t, Normalize)],
            normalize=normalize[-1] if normalize else None,
            bs=bs,
            **{"seed": getattr(self.splitter, "seed", None), **kwargs},
        )

    def _split(self, source: Any) -> Split:
        found = self._found(source)
        is_frame = hasattr(found, "iterrows")
        if is_frame and self.get_x is None:
            raise VicinalError(
                "the items are rows of a data frame: give get_x, from a row to a file"
            )
        items = _rows(found) if is_frame else list(found)
        labels, vocab = _classes([self.get_y(item) for item in items], items)
        images = items if self.get_x is None else [self.get_x(item) for item in items]
        samples = _Labelled(images, labels, items=items)
        if is_frame and not isinstance(self.splitter, RandomSplitter | GroupSplitter):
            return Split(*_parts(self.splitter(found), samples), vocab)
        return Split(*_parts(self.splitter(samples), samples), vocab)

    def _found(self, source: Any) -> Any:
        if hasattr(source, "iterrows"):
            return source
        if self.get_items is get_image_files and not isinstance(source, str | os.PathLike):
            if not isinstance(source, Iterable):
                raise VicinalError(
                    f"the source must be a folder, a list of items or a data frame, not {source!r}"
                )
            return source
        return self.get_items(source)


def _rows(frame: Any) -> list[Any]:
    """The rows of a data frame; of mixed columns, whole numbers stay whole."""
    return [row for _, row in frame.astype(object).iterrows()]


def _classes(labels: list[Any], items: list[Any]) -> tuple[list[int], list[str]]:
    """:func:`index_labels`, of labels that are classes.

    Raises:
        VicinalError: one is missing, is a list, or cannot be compared with the others.
    """
    # A scalar of NumPy or torch is its number: torch's would each be a class of its own.
    labels = [label.item() if getattr(label, "ndim", None) == 0 else label for label in labels]
    for place, (label, item) in enumerate(zip(labels, items, strict=True)):
        if is_missing(label):
            count = sum(map(is_missing, labels))
            raise VicinalError(
                f"get_y gives {label!r} for {count:,} of {len(items):,} items, the first is "
                f"{_name(item, place)}: give each a class, or leave them out of get_items"
            )
        if isinstance(label, Collection) and not isinstance(label, str | bytes):
            raise VicinalError(
                f"get_y gives {label!r:.80} for {_name(item, place)}, and an image has one class: "
                "give one of them, or join them to one text"
            )
    try:
        return index_labels(labels)
    except TypeError:
        kinds = sorted({type(label).__name__ for label in labels})
        raise VicinalError(
            f"get_y gives labels of different types ({', '.join(kinds)}): give texts alone"
        ) from None


def is_missing(label: Any) -> bool:
    """Whether a label is none: None, NaN, or pandas' NA.

    >>> is_missing(float("nan")), is_missing("nan")
    (True, False)
    """
    if label is None or type(label).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(label, float) and math.isnan(label)  # also NumPy's float64


def _name(item: Any, place: int) -> str:
    is_short = isinstance(item, str | os.PathLike)
    return str(item) if is_short else f"item {place}"


def _parts(parts: Any, samples: Samples) -> tuple[Samples, Samples]:
    """Training and validation samples, from what a splitter gave.

    Raises:
        VicinalError: that is neither two parts of the samples, nor their indices.
    """
    given = list(parts) if isinstance(parts, Iterable) else []
    if len(given) != 2:
        raise VicinalError(
            "a splitter gives two parts, for training and for validation, not "
            f"{len(given) or repr(parts)}"
        )
    if all(isinstance(part, Samples) for part in given):
        return given[0], given[1]
    train, valid = (_indices(part, len(samples)) for part in given)
    both = set(train) & set(valid)
    if both:
        warnings.warn(
            f"{len(both):,} samples are in the training and in the validation part, so that "
            "validation says nothing of new ones",
            stacklevel=4,
        )
    return samples.subset(train), samples.subset(valid)


def _indices(part: Any, count: int) -> list[int]:
    try:
        given = list(part)
        if any(isinstance(row, bool) for row in given):  # a mask, not indices
            raise TypeError
        rows = [index(row) for row in given]
    except TypeError:
        raise VicinalError(
            f"a splitter gives the indices of each part, as whole numbers, not {part!r:.80}"
        ) from None
    outside = [row for row in rows if not 0 <= row < count]
    if outside:
        raise VicinalError(
            f"the splitter gives the index {outside[0]}, and there are {count:,} samples, from 0 on"
        )
    return rows
