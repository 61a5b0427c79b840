"""ImageBlock and CategoryBlock: images, of one class each."""

import os
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from vicinal.data.blocks import InputBlock, LabelledItems, LoaderOptions, TargetBlock, Targets
from vicinal.data.image_files import PILImage, get_image_files
from vicinal.data.image_options import by_batch
from vicinal.data.item_transforms import resizing_of
from vicinal.data.readers import is_missing
from vicinal.data.samples import ImageParts, Samples, Split, copies_of, listed
from vicinal.data.vision import ImageDataLoaders, split_options
from vicinal.data.vocab import plain, sorted_classes
from vicinal.errors import VicinalError


class ImageBlock(InputBlock):
    """The input is an image: a path, encoded bytes, or a PIL image.

    Args:
        cls: :class:`PILImage`, that is, in RGB; there is no other.

    Raises:
        VicinalError: another ``cls``.
    """

    def __init__(self, cls: type = PILImage) -> None:
        if cls is not PILImage:
            raise VicinalError(
                f"images are read in RGB, as vicinal.PILImage, not as {cls.__name__}: leave cls "
                "out; grey images get three equal channels"
            )

    def items_of(self, source: Any) -> Any:
        """A folder's image files; a list of items or a data frame as it is."""
        if isinstance(source, str | os.PathLike):
            return get_image_files(source)
        if not isinstance(source, Iterable):
            raise VicinalError(
                f"the source must be a folder, a list of items or a data frame, not {source!r}"
            )
        return source

    def copies(self, x: Sequence[Any]) -> list[list[int]]:
        return copies_of(x)

    def opened(self, x: Any) -> PILImage:
        return PILImage.create(x)

    def check(self, item_tfms: Sequence[Any]) -> None:
        resizing_of(item_tfms)

    def loaders(self, data: LabelledItems, options: LoaderOptions) -> ImageDataLoaders:
        targets = data.targets
        samples = Samples(list(data.x), targets.values.tolist())
        train, valid = samples.subset(data.train), samples.subset(data.valid)
        split: Split | ImageParts
        if targets.values.ndim == 1 and targets.vocab is not None:
            split = Split(train, valid, targets.names or [])
        else:
            split = ImageParts(train, valid, targets.names, targets.n_out)
        return ImageDataLoaders.from_split(
            split,
            item_size=resizing_of(options.item_tfms),
            **by_batch(options.batch_tfms),
            bs=options.bs,
            seed=options.seed,
            **split_options(options.other),
        )


class CategoryBlock(TargetBlock):
    """The target is one class.

    Args:
        vocab: the classes; None for those that there are.
        sort: sort the classes, also those of ``vocab``, as in fastai. With False, they keep the
            order of ``vocab``, or that in which they appear in the training part.
        add_na: must be False: a label that is missing is an error.

    >>> targets = CategoryBlock(vocab=["pug", "cat"]).encode(["pug", "cat"], ["1.jpg", "2.jpg"])
    >>> targets.vocab, targets.values.tolist()
    (['cat', 'pug'], [1, 0])
    """

    def __init__(
        self, vocab: Sequence[Any] | None = None, sort: bool = True, add_na: bool = False
    ) -> None:
        if add_na:
            raise VicinalError(
                "a class for missing labels is not added: leave out add_na, and let get_y give "
                "such samples a name, such as 'unknown'"
            )
        self.vocab = None if vocab is None else [plain(label) for label in vocab]
        self.sort = sort

    def encode(self, values: Sequence[Any], items: Sequence[Any]) -> Targets:
        labels = _labels(values, items)
        vocab = list(dict.fromkeys(labels if self.vocab is None else self.vocab))
        if self.sort:
            vocab = _sorted(
                vocab, "get_y gives labels" if self.vocab is None else "vocab has classes"
            )
        indices = _of_vocab(labels, vocab, items)
        return Targets(torch.tensor(indices, dtype=torch.int64), vocab, len(vocab))

    def arranged(self, targets: Targets, train: Sequence[int]) -> Targets:
        if self.sort or self.vocab is not None or targets.vocab is None:
            return targets
        first = dict.fromkeys(targets.values[torch.as_tensor(train)].tolist())
        order = list(dict.fromkeys([*first, *range(len(targets.vocab))]))
        place = torch.tensor(order).argsort()
        return replace(
            targets, values=place[targets.values], vocab=[targets.vocab[each] for each in order]
        )

    def encode_more(
        self, values: Sequence[Any], items: Sequence[Any], vocab: list[str] | None
    ) -> Tensor:
        labels = [str(label) for label in _labels(values, items)]
        return torch.tensor(_of_vocab(labels, vocab or [], items))


def _labels(values: Sequence[Any], items: Sequence[Any]) -> list[Any]:
    """The classes of items.

    Raises:
        VicinalError: one is missing, or is a list.
    """
    labels = [plain(value) for value in values]
    for place, (label, item) in enumerate(zip(labels, items, strict=True)):
        if is_missing(label):
            count = sum(map(is_missing, labels))
            raise VicinalError(
                f"get_y gives {label!r} for {count:,} of {len(items):,} items, the first is "
                f"{item_name(item, place)}: give each a class, or leave them out of get_items"
            )
        if isinstance(label, Collection) and not isinstance(label, str | bytes):
            raise VicinalError(
                f"get_y gives {label!r:.80} for {item_name(item, place)}, and an image has one "
                "class: give one of them, join them to one text, or let MultiCategoryBlock take "
                "them all"
            )
    return labels


def _of_vocab(labels: Sequence[Any], vocab: list[Any], items: Sequence[Any]) -> list[int]:
    index = {label: i for i, label in enumerate(vocab)}
    for place, label in enumerate(labels):
        if label not in index:
            raise VicinalError(
                f"get_y gives {label!r} for {item_name(items[place], place)}, which is none of the "
                f"classes: {listed(list(map(str, vocab)))}"
            )
    return [index[label] for label in labels]


def _sorted(labels: Sequence[Any], whose: str) -> list[Any]:
    classes = sorted_classes(labels)
    if classes is None:
        kinds = sorted({type(label).__name__ for label in labels})
        raise VicinalError(f"{whose} of different types ({', '.join(kinds)}): give texts alone")
    return classes


def item_name(item: Any, place: int) -> str:
    """The name of an item in a message."""
    is_short = isinstance(item, str | os.PathLike)
    return str(item) if is_short else f"item {place}"
