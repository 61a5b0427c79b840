"""ImageDataLoaders: from stored images to batches on the device."""

import difflib
import inspect
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import torch
from torch import Tensor

from vicinal.data.augment import IMAGENET_STATS, BatchTransform, Normalize
from vicinal.data.cropping import RandomCropping
from vicinal.data.decoding import FULL_RANGE
from vicinal.data.folders import split_by_folder, split_by_name
from vicinal.data.image_data import RandomCrops, StreamedImages, complete, image_datasets
from vicinal.data.image_factories import ImageFactories, block_of
from vicinal.data.image_files import PILImage, get_image_files
from vicinal.data.image_options import image_options
from vicinal.data.images import (
    BadImage,
    image_shape,
    in_threads,
    name_of,
    prefetch,
    read_named,
)
from vicinal.data.keywords import like
from vicinal.data.loaders import DataLoaders
from vicinal.data.part_items import PartItems
from vicinal.data.paths import Path
from vicinal.data.readers import RegexLabeller, parent_label, using_attr
from vicinal.data.resizing import Resizing
from vicinal.data.samples import ImageParts, Samples, Split, emptied, index_labels, listed
from vicinal.data.sizes import Size, as_size, how_read, sides
from vicinal.data.split_loader import Batches
from vicinal.data.splitters import GrandparentSplitter
from vicinal.data.storage import Storage, storage_of
from vicinal.errors import VicinalError
from vicinal.processes import processors, this_process

FEW = 8  # images whose shapes are enough where they differ


class ImageDataLoaders(ImageFactories, DataLoaders):
    """Batches of labelled images.

    Images are decoded once, to uint8, when a batch needs them, into a file of the cache that is
    mapped into memory; the next training finds it. All files are looked at before: those that are
    missing, cut off or of an unusual format are decoded at once. If the cache has no room for them,
    images are held in memory, if they fit in half of what is free; else worker processes decode
    them in each epoch. Augmentation runs on the device.
    """

    @classmethod
    def from_split(
        cls,
        split: Split | ImageParts,
        *,
        item_size: Size | Resizing | None = None,
        batch_tfms: Sequence[BatchTransform] | None = None,
        normalize: Normalize | None = None,
        bs: int = 64,
        val_bs: int | None = None,
        seed: int | None = None,
        device: torch.device | str | None = None,
        workers: int | None = None,
        skip_bad: bool = False,
        storage: Storage | None = None,
    ) -> "ImageDataLoaders":
        """From a split of labelled images.

        Args:
            item_size: side of the square to which images are resized when they are read, or
                (height, width), or a :class:`~vicinal.data.resizing.Resizing` that says how; None
                where they all have one size.
            batch_tfms: augmentation of training batches; None for none.
            normalize: normalization; None takes ImageNet's statistics.
            bs: batch size in training.
            val_bs: batch size in validation; None for twice as much.
            seed: of the order and the augmentation.
            workers: worker processes for images that fit neither in the cache nor in memory, or are
                cropped anew in each epoch; None takes one per processor, 0 reads in this process.
            skip_bad: leave out images that cannot be read.
            storage: where images are during training; None chooses by what is free now.

        Raises:
            VicinalError: an image cannot be read, sizes differ and no size is given, or the batch
                size does not go with the data. An image that is damaged in its middle may raise
                only when a batch needs it.
        """
        transforms = [*(batch_tfms or []), normalize or Normalize(*IMAGENET_STATS)]
        readers = processors() if workers is None else workers
        read_at = None if item_size is None else how_read(item_size)
        if read_at is None:
            storage = Storage("memory", "in memory, as they are")
        elif storage is None:
            storage = storage_of(split, read_at, workers=readers)
        if isinstance(read_at, RandomCropping):
            split.train.prefetched.clear()  # else each worker would get a copy
            train: Any = RandomCrops(split.train, read_at, seed or 0, skip_bad=skip_bad)
            (valid,) = image_datasets([split.valid], read_at, storage, skip_bad, readers)
        else:
            parts = [split.train, split.valid]
            train, valid = image_datasets(parts, read_at, storage, skip_bad, readers)
        if read_at is None:
            _check_same_size(train.x, valid.x)
        is_decoded = not isinstance(train, StreamedImages)
        if isinstance(split, Split) and is_decoded and len(train.y) < len(split.train):
            for note in emptied(split.train.labels, train.y, split.vocab):
                this_process().print(note)
        if read_at is None and train.x.shape[-2] == train.x.shape[-1]:
            read_at = train.x.shape[-1]
        common: dict[str, Any] = {"transforms": transforms, "device": device}
        in_train, in_valid = (
            readers if isinstance(part, StreamedImages) else 0 for part in (train, valid)
        )
        dls = cls(
            Batches(train, bs, training=True, seed=seed or 0, workers=in_train, **common),
            Batches(valid, val_bs or 2 * bs, workers=in_valid, **common),
            split.vocab,
            split.n_out,
        )
        dls.item_size, dls.stored = read_at, (split.train, split.valid)
        dls.pixel_range = split.train.pixel_range
        if isinstance(split, Split) and split.several:
            from vicinal.data.label_blocks import MultiCategoryBlock  # which imports this module

            dls.target_block = MultiCategoryBlock(vocab=split.vocab)
            dls.loss_func = dls.target_block.loss_func
        return dls

    #: How images are resized: side of the square to which they are cropped, or another way; None
    #: where they keep their size.
    item_size: Resizing | int | None
    #: Whether batches hold columns beside the images.
    has_columns: bool = False
    #: The value that is white in images of 16 bits a pixel.
    pixel_range: int = FULL_RANGE
    #: The images of both parts as they are stored, where they are known.
    stored: tuple[Samples, Samples] | None = None

    def _samples(self, part: int) -> PartItems:
        if self.stored is None:
            return super()._samples(part)
        samples = self.stored[part]
        items: Any = samples.images
        if self.data is not None:
            items = [self.data.items[i] for i in (self.data.train, self.data.valid)[part]]

        def read(row: int) -> tuple[PILImage, Tensor]:
            return PILImage.create(samples.images[row]), torch.tensor(samples.labels[row])

        return PartItems(items, read, self.vocab)

    def prepare(self) -> None:
        """Decode all images that are not decoded yet, which the first epoch would do.

        Raises:
            BadImage: some cannot be read.
        """
        complete([self.train.dataset, self.valid.dataset])

    def stack(self, items: Sequence[Any]) -> Tensor:
        """Image files, PIL images or arrays (H, W, 3) to (B, 3, H, W) uint8; tensors as they are.

        Raises:
            VicinalError: one cannot be read, or has another size where images are not resized.
        """
        if all(isinstance(item, Tensor) for item in items):
            return super().stack(items)

        def read(place: int) -> Tensor:
            return read_named(items[place], self.item_size, self.pixel_range)

        images = list(in_threads(read, len(items)))
        if self.item_size is None:
            _, _, *expected = self.train.dataset.x.shape
            for item, image in zip(items, images, strict=True):
                if [*image.shape[1:]] != expected:
                    raise VicinalError(
                        f"{name_of(item)} has {image.shape[1]}x{image.shape[2]} pixels, the "
                        f"training images {expected[0]}x{expected[1]}: resize it to that"
                    )
        return torch.stack(images)

    @classmethod
    def from_name_re(
        cls,
        path: str | os.PathLike[str],
        fnames: Any = None,
        pat: str | None = None,
        *,
        valid_pct: float = 0.2,
        seed: int | None = None,
        group: str | None = None,
        item_tfms: Any = None,
        batch_tfms: Any = None,
        item_size: Size | Resizing | None = None,
        size: Size | None = None,
        min_scale: float = 1.0,
        **kwargs: Any,
    ) -> "ImageDataLoaders":
        r"""From images with the class in the file name, ``from_name_re(path, pat)``.

        Args:
            path: the folder; files in folders below it are found, too.
            fnames: the files; without them, ``pat`` comes second, and all files are found.
            pat: a regular expression for the file name; its first group is the class, as in
                ``r"(.+)_\d+.jpg$"``.
            valid_pct: the fraction held out for validation, between 0 and 1.
            seed: of the split, the order and the augmentation.
            group: a regular expression for the path of an image below the folder, whose first group
                names a patient, a place or a shot: all images of one are on the same side.
            item_tfms, batch_tfms: as of a :class:`DataBlock`.
            item_size, size, min_scale: in the place of these: images are stored at ``item_size``,
                as in :meth:`from_split`; random crops of at least ``min_scale`` of the area are
                resized to ``size``, the side of a square or (height, width), and augmented by
                :func:`aug_transforms`.
            **kwargs: of :meth:`from_split`.

        Raises:
            VicinalError: the folder does not exist or holds no image, the pattern has no group or
                does not match a name, or as in :meth:`from_split`.
        """
        if pat is None:
            if not isinstance(fnames, str):
                raise VicinalError(f"pat must be a regular expression, not {fnames!r:.60}")
            fnames, pat = None, fnames
        if fnames is not None:
            if (group, item_size, size, min_scale) != (None, None, None, 1.0):
                raise VicinalError(
                    "group, item_size, size and min_scale are for all files of a folder: leave out "
                    "fnames, or give item_tfms and batch_tfms"
                )
            tfms = {"item_tfms": item_tfms, "batch_tfms": batch_tfms}
            labeller = RegexLabeller(pat)
            return cls.from_name_func(
                path, fnames, labeller, valid_pct=valid_pct, seed=seed, **tfms, **kwargs
            )
        options = image_options(item_tfms, batch_tfms, item_size, size, min_scale)
        skip_bad = kwargs.get("skip_bad", False)
        split = split_by_name(path, pat, valid_pct, seed, group=group, skip_bad=skip_bad)
        label = using_attr(RegexLabeller(pat), "name")
        return cls._at(path, split, options | {"seed": seed, **kwargs}, label)

    @classmethod
    def from_folder(
        cls,
        path: str | os.PathLike[str],
        train: str = "train",
        valid: str = "valid",
        valid_pct: float | None = None,
        seed: int | None = None,
        vocab: Sequence[Any] | None = None,
        item_tfms: Any = None,
        batch_tfms: Any = None,
        *,
        group: str | None = None,
        item_size: Size | Resizing | None = None,
        size: Size | None = None,
        min_scale: float = 1.0,
        **kwargs: Any,
    ) -> "ImageDataLoaders":
        """From class folders, with or without ``train`` and ``valid`` folders above them.

        Arguments and errors are those of :meth:`from_name_re`, and:

        Args:
            train, valid: the folders of the two parts; those of usual names are found.
            valid_pct: hold out this fraction at random, also where there is a folder for
                validation; None holds out 0.2 where there is none.
            vocab: the classes, which are sorted, as in fastai.
        """
        options = image_options(item_tfms, batch_tfms, item_size, size, min_scale)
        if (train, valid) != ("train", "valid") and valid_pct is None:
            split = _two_folders(path, train, valid)
        else:
            split = split_by_folder(
                path,
                0.2 if valid_pct is None else valid_pct,
                seed,
                group=group,
                skip_bad=kwargs.get("skip_bad", False),
                pooled=valid_pct is not None,
            )
        if vocab is not None:
            split = split.with_vocab(sorted({str(name) for name in vocab}))
        return cls._at(path, split, options | {"seed": seed, **kwargs}, parent_label)

    @classmethod
    def _at(
        cls,
        path: str | os.PathLike[str],
        split: Split,
        options: dict[str, Any],
        label: Callable[[Any], str],
    ) -> "ImageDataLoaders":
        dls = cls.from_split(split, **split_options(options))
        dls.path, dls.block = Path(path), block_of(get_y=label)
        return dls


def split_options(given: dict[str, Any]) -> dict[str, Any]:
    """Arguments of :meth:`ImageDataLoaders.from_split`, of which fastai names one otherwise.

    Raises:
        VicinalError: one is of another name.
    """
    known = inspect.signature(ImageDataLoaders.from_split).parameters
    named = {"workers" if name == "num_workers" else name: value for name, value in given.items()}
    for name in named:
        if name not in known:
            own = ("bs", "val_bs", "seed", "device", "num_workers", "skip_bad")
            near = like(name, (*own, "item_tfms", "batch_tfms"))
            others = f"they have {', '.join(own)}, item_tfms and batch_tfms"
            raise VicinalError(
                f"loaders of images have no option {name!r}: "
                + (f"did you mean {near}?" if near else others)
            )
    return named


def _two_folders(path: str | os.PathLike[str], train: str, valid: str) -> Split:
    """The split of the class folders in two folders."""
    for argument, name in (("train", train), ("valid", valid)):
        if Path(path).is_dir() and not (Path(path) / name).is_dir():
            found = sorted(each.name for each in Path(path).iterdir() if each.is_dir())
            near = difflib.get_close_matches(name, found, n=1)
            hint = f"did you mean {near[0]}?" if near else f"its folders are {listed(found)}"
            raise VicinalError(f"{path} has no folder {name} ({argument}=): {hint}")
    files = get_image_files(path, folders=[train, valid])
    in_train, in_valid = GrandparentSplitter(train, valid)(files)
    labels, vocab = index_labels([parent_label(file) for file in files])
    samples = Samples(files, labels)
    return Split(samples.subset(in_train), samples.subset(in_valid), vocab)


def shapes_of(samples: Samples, at_most: int = 64) -> list[tuple[int, int]]:
    """Height and width of images that are picked evenly: fewer where they differ.

    >>> shapes_of(Samples(torch.zeros(2, 3, 6, 8, dtype=torch.uint8), [0, 1]))
    [(6, 8)]
    """
    if isinstance(samples.images, Tensor):
        return [(samples.images.shape[2], samples.images.shape[3])]
    step = max(1, len(samples) // at_most)
    shapes: list[tuple[int, int]] = []
    for index in range(0, len(samples), step):
        with suppress(BadImage):  # it is reported when all are decoded
            shapes.append(image_shape(prefetch(samples, index)))
        if len(shapes) >= FEW and len(set(shapes)) > 1:
            break
    return shapes


def one_size(shapes: Sequence[tuple[int, int]]) -> Size | None:
    """The size of images, if all have the same.

    >>> one_size([(8, 8), (8, 8)]), one_size([(6, 8)]), one_size([(8, 8), (6, 8)])
    (8, (6, 8), None)
    """
    found = set(shapes)
    return as_size(*found.pop()) if len(found) == 1 else None


def cut_off(shapes: Sequence[tuple[int, int]], size: Size) -> float:
    """The share of the area that is cropped from images of these shapes, on average.

    >>> cut_off([(30, 40), (40, 40)], 8)
    0.125
    """
    resizing = Resizing(*sides(size))
    shares = []
    for height, width in shapes:
        (left, top, right, bottom), _ = resizing.placed(height, width)
        shares.append(1 - (right - left) * (bottom - top) / (height * width))
    return sum(shares) / max(1, len(shares))


def _check_same_size(train: Tensor, valid: Tensor) -> None:
    (height, width), (valid_height, valid_width) = train.shape[2:], valid.shape[2:]
    if (height, width) != (valid_height, valid_width):
        raise VicinalError(
            f"the images differ in size (training images have {height}x{width} pixels, "
            f"validation images {valid_height}x{valid_width}): give a size to resize them to"
        )
