"""DataBlock: fastai's mid-level interface to the data, on top of the same loaders."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from vicinal.data.augment import BatchTransform, Normalize
from vicinal.data.folders import image_files, name_labeller
from vicinal.data.samples import Samples, Split, index_labels, random_split
from vicinal.data.vision import ImageDataLoaders
from vicinal.errors import VicinalError

Splitter = Callable[[Samples], tuple[Samples, Samples]]


class ImageBlock:
    """The input is an image."""


class CategoryBlock:
    """The target is one class."""


class Resize:
    """Resize images when they are read: the shorter side to ``size`` pixels, then a center crop."""

    def __init__(self, size: int) -> None:
        self.size = size


class RandomSplitter:
    """Hold out a random fraction.

    Args:
        valid_pct: the fraction, between 0 and 1.
        seed: the same one gives the same split.
    """

    def __init__(self, valid_pct: float = 0.2, seed: int | None = None) -> None:
        self.valid_pct, self.seed = valid_pct, seed

    def __call__(self, samples: Samples) -> tuple[Samples, Samples]:
        return random_split(samples, self.valid_pct, self.seed or 0)


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


class DataBlock:
    """Describes how to get the data; :meth:`dataloaders` then does it.

    Args:
        blocks: ``(ImageBlock, CategoryBlock)``.
        get_items: from a source (a folder) to the list of items (files).
        get_y: from an item to its class name.
        splitter: from all samples to training and validation samples.
        item_tfms: :class:`Resize`, or None where all images have one size.
        batch_tfms: such as :func:`aug_transforms` returns, and :class:`Normalize` for other
            statistics than ImageNet's.

    Raises:
        VicinalError: blocks or item transforms of another kind.
    """

    def __init__(
        self,
        *,
        get_y: Callable[[Any], str],
        blocks: Sequence[Any] = (ImageBlock, CategoryBlock),
        get_items: Callable[[Any], Sequence[Any]] = get_image_files,
        splitter: Splitter | None = None,
        item_tfms: Resize | None = None,
        batch_tfms: Sequence[BatchTransform] = (),
    ) -> None:
        kinds = tuple(block if isinstance(block, type) else type(block) for block in blocks)
        if kinds != (ImageBlock, CategoryBlock):
            raise VicinalError(
                "blocks must be (ImageBlock, CategoryBlock), not "
                f"({', '.join(kind.__name__ for kind in kinds)})"
            )
        if item_tfms is not None and not isinstance(item_tfms, Resize):
            raise VicinalError(f"item_tfms must be a Resize, not {item_tfms!r}")
        self.get_items, self.get_y = get_items, get_y
        self.splitter = splitter or RandomSplitter()
        self.item_tfms, self.batch_tfms = item_tfms, list(batch_tfms)

    def dataloaders(self, source: Any, *, bs: int = 64, **kwargs: Any) -> ImageDataLoaders:
        """Find the items, then label, split and decode them.

        Args:
            source: what ``get_items`` takes.
            bs: batch size.
            **kwargs: of :meth:`ImageDataLoaders.from_split`.
        """
        items = list(self.get_items(source))
        labels, vocab = index_labels([self.get_y(item) for item in items])
        train, valid = self.splitter(Samples(items, labels))
        normalize = [t for t in self.batch_tfms if isinstance(t, Normalize)]
        return ImageDataLoaders.from_split(
            Split(train, valid, vocab),
            item_size=self.item_tfms.size if self.item_tfms else None,
            batch_tfms=[t for t in self.batch_tfms if not isinstance(t, Normalize)],
            normalize=normalize[-1] if normalize else None,
            bs=bs,
            **{"seed": getattr(self.splitter, "seed", None), **kwargs},
        )
