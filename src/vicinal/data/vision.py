"""ImageDataLoaders: from stored images to batches on the device."""

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

import psutil
import torch
from rich.filesize import decimal
from torch import Tensor
from torch.utils.data import Dataset

from vicinal.data import cache
from vicinal.data.augment import IMAGENET_STATS, BatchTransform, Normalize, aug_transforms
from vicinal.data.folders import split_by_folder, split_by_name
from vicinal.data.images import (
    BadImage,
    bad_images_message,
    batch_of,
    decode,
    image_shape,
    prefetch,
    read_named,
    read_sample,
)
from vicinal.data.loaders import DataLoaders
from vicinal.data.resizing import Resizing
from vicinal.data.samples import Samples, Split, emptied
from vicinal.data.sizes import Size, as_size, how_read, sides
from vicinal.data.split_loader import Batches, TensorData
from vicinal.errors import VicinalError
from vicinal.processes import processors, this_process

MEMORY_SHARE = 0.5  # of the free memory may be taken by images
FEW = 8  # images whose shapes are enough where they differ


class StreamedImages(Dataset[tuple[Tensor, Tensor]]):
    """Images that are decoded for each batch, by worker processes.

    Args:
        samples: the stored images.
        size: that they are resized to, as in :func:`~vicinal.data.images.read_image`.
        skip_bad: leave unreadable images out of their batch, which may then be empty.

    Raises:
        BadImage: while reading, where an image cannot be read and ``skip_bad`` is not set.
    """

    batches_are_new = True

    def __init__(self, samples: Samples, size: Resizing | int, *, skip_bad: bool = False) -> None:
        self.samples, self.size, self.skip_bad = samples, size, skip_bad

    def __len__(self) -> int:
        return len(self.samples)

    def __getitems__(self, indices: Sequence[int]) -> tuple[Tensor, Tensor]:
        samples = self.samples
        read = ((read_sample(samples, i, self.size), samples.labels[i]) for i in indices)
        return batch_of(read, self.size, skip_bad=self.skip_bad)


class MappedImages(Dataset[tuple[Tensor, Tensor]]):
    """Decoded images in a memory-mapped file.

    Args:
        x: (N, 3, H, W) uint8, the mapped array.
        y: (N,) int64, their classes.
    """

    batches_are_new = True

    def __init__(self, x: Any, y: Tensor) -> None:
        self.x, self.y = x, y

    def __len__(self) -> int:
        return len(self.x)

    def __getitems__(self, indices: Sequence[int]) -> tuple[Tensor, Tensor]:
        return torch.from_numpy(self.x[indices]), self.y[indices]


@dataclass(frozen=True)
class Storage:
    """Where images are during training.

    Args:
        kind: ``"mapped"``: decoded once, into a file of the cache; ``"memory"``: decoded once, into
            memory; ``"streamed"``: decoded in each epoch, by worker processes.
        text: a description for the user.
    """

    kind: Literal["mapped", "memory", "streamed"]
    text: str


def choose_storage(needed: int, *, free: int, room: int, workers: int) -> Storage:
    """Choose where images are: in the cache if it has room, else in memory, else nowhere.

    Args:
        needed: bytes of the decoded images.
        free: bytes of free memory.
        room: bytes that the cache can hold.
        workers: worker processes that decode images in each epoch.

    >>> choose_storage(6 * 10**9, free=20 * 10**9, room=10**9, workers=2).text
    'in memory, 6.0 GB (half of 20.0 GB free is the limit)'
    """
    limit = int(MEMORY_SHARE * free)
    if needed <= room:
        return Storage("mapped", f"mapped from the cache, {decimal(needed)} on disk")
    if needed <= limit:
        text = f"in memory, {decimal(needed)} (half of {decimal(free)} free is the limit)"
        return Storage("memory", text)
    readers = f"{workers} process{'es' if workers > 1 else ''}" if workers else "this process"
    return Storage(
        "streamed",
        f"streamed through {readers}: {decimal(needed)} are too many for memory ({decimal(limit)}) "
        f"and cache ({decimal(room)})",
    )


def storage_of(
    split: Split, size: Resizing | int, *, workers: int | None = None, may_cache: bool = True
) -> Storage:
    """:func:`choose_storage` for images of this size on this machine, as it is now."""
    return choose_storage(
        cache.decoded_size(len(split.train) + len(split.valid), size),
        free=psutil.virtual_memory().available // this_process().num_processes,
        room=cache.room() if may_cache and cache.has_content(split.train) else 0,
        workers=processors() if workers is None else workers,
    )


class ImageDataLoaders(DataLoaders):
    """Batches of labelled images.

    Images are decoded once, to uint8, into a file of the cache that is mapped into memory. If the
    cache has no room for them, they are held in memory, if they fit in half of what is free; else
    worker processes decode them in each epoch. Augmentation runs on the device.
    """

    @classmethod
    def from_split(
        cls,
        split: Split,
        *,
        item_size: Size | Resizing | None = None,
        batch_tfms: Sequence[BatchTransform] | None = None,
        normalize: Normalize | None = None,
        bs: int = 64,
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
            bs: batch size in training; validation uses twice as much.
            seed: of the order and the augmentation.
            workers: worker processes for images that fit neither in the cache nor in memory; None
                takes one per processor, 0 reads in this process.
            skip_bad: leave out images that cannot be read.
            storage: where images are during training; None chooses by what is free now.

        Raises:
            VicinalError: an image cannot be read, sizes differ and no size is given, or the batch
                size does not go with the data.
        """
        transforms = [*(batch_tfms or []), normalize or Normalize(*IMAGENET_STATS)]
        readers = processors() if workers is None else workers
        read_at = None if item_size is None else how_read(item_size)
        if read_at is None:
            storage = Storage("memory", "in memory, as they are")
        elif storage is None:
            storage = storage_of(split, read_at, workers=readers)
        train, valid = _datasets(split, read_at, storage, skip_bad, readers)
        if read_at is None:
            _check_same_size(train.x, valid.x)
        if not isinstance(train, StreamedImages):
            for note in emptied(split.train.labels, train.y.tolist(), split.vocab):
                this_process().print(note)
            readers = 0
        if read_at is None and train.x.shape[-2] == train.x.shape[-1]:
            read_at = train.x.shape[-1]
        common: dict[str, Any] = {"transforms": transforms, "device": device, "workers": readers}
        dls = cls(
            Batches(train, bs, training=True, seed=seed or 0, **common),
            Batches(valid, 2 * bs, **common),
            split.vocab,
            len(split.vocab),
        )
        dls.item_size = read_at
        return dls

    #: How images are resized: side of the square to which they are cropped, or another way; None
    #: where they keep their size.
    item_size: Resizing | int | None

    def stack(self, items: Sequence[Any]) -> Tensor:
        """Image files or PIL images to (B, 3, H, W) uint8; tensors as they are.

        Raises:
            VicinalError: one cannot be read, or has another size where images are not resized.
        """
        if all(isinstance(item, Tensor) for item in items):
            return super().stack(items)
        images = [read_named(item, self.item_size) for item in items]
        if self.item_size is None:
            _, _, *expected = self.train.dataset.x.shape
            for item, image in zip(items, images, strict=True):
                if [*image.shape[1:]] != expected:
                    raise VicinalError(
                        f"{item} has {image.shape[1]}x{image.shape[2]} pixels, the training images "
                        f"{expected[0]}x{expected[1]}: resize it to that"
                    )
        return torch.stack(images)

    @classmethod
    def from_name_re(
        cls,
        path: str | os.PathLike[str],
        pat: str,
        *,
        valid_pct: float = 0.2,
        seed: int | None = None,
        group: str | None = None,
        item_size: Size | Resizing | None = None,
        size: Size | None = None,
        min_scale: float = 1.0,
        **kwargs: Any,
    ) -> "ImageDataLoaders":
        r"""From a folder of images with the class in the file name.

        Args:
            path: the folder; files in folders below it are found, too.
            pat: a regular expression for the file name; its first group is the class, as in
                ``r"(.+)_\d+.jpg$"``.
            valid_pct: the fraction held out for validation, between 0 and 1.
            seed: of the split, the order and the augmentation.
            group: a regular expression for the path of an image below the folder, whose first group
                names a patient, a place or a shot: all images of one are on the same side.
            item_size, size, min_scale: images are stored at ``item_size``, as in
                :meth:`from_split`; random crops of at least ``min_scale`` of the area are resized
                to ``size``, the side of a square or (height, width), and augmented by
                :func:`aug_transforms`.
            **kwargs: of :meth:`from_split`.

        Raises:
            VicinalError: the folder does not exist or holds no image, the pattern has no group or
                does not match a name, or as in :meth:`from_split`.
        """
        skip_bad = kwargs.get("skip_bad", False)
        split = split_by_name(path, pat, valid_pct, seed, group=group, skip_bad=skip_bad)
        return cls._augmented(split, item_size, size, min_scale, seed=seed, **kwargs)

    @classmethod
    def from_folder(
        cls,
        path: str | os.PathLike[str],
        *,
        valid_pct: float = 0.2,
        seed: int | None = None,
        group: str | None = None,
        item_size: Size | Resizing | None = None,
        size: Size | None = None,
        min_scale: float = 1.0,
        **kwargs: Any,
    ) -> "ImageDataLoaders":
        """From class folders, with or without ``train`` and ``valid`` folders above them.

        Arguments and errors are those of :meth:`from_name_re`; ``valid_pct`` is used if there is
        no validation folder.
        """
        skip_bad = kwargs.get("skip_bad", False)
        split = split_by_folder(path, valid_pct, seed, group=group, skip_bad=skip_bad)
        return cls._augmented(split, item_size, size, min_scale, seed=seed, **kwargs)

    @classmethod
    def _augmented(
        cls,
        split: Split,
        item_size: Size | Resizing | None,
        size: Size | None,
        min_scale: float,
        **kwargs: Any,
    ) -> "ImageDataLoaders":
        kwargs.setdefault("batch_tfms", aug_transforms(size=size, min_scale=min_scale))
        return cls.from_split(split, item_size=item_size or size, **kwargs)


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


def _datasets(
    split: Split, size: Resizing | int | None, storage: Storage, skip_bad: bool, workers: int
) -> list[Any]:
    """The data sets of both parts, stored as chosen."""
    parts = (split.train, split.valid)
    if storage.kind == "memory":
        return [_decoded(decode, part, size, skip_bad) for part in parts]
    assert size is not None
    if storage.kind == "streamed":
        for part in parts:  # else each worker would get a copy
            part.prefetched.clear()
        return [StreamedImages(part, size, skip_bad=skip_bad) for part in parts]
    try:
        return [_decoded(cache.cached, part, size, skip_bad) for part in parts]
    except OSError as error:  # such as a full disk
        storage = storage_of(split, size, workers=workers, may_cache=False)
        this_process().print(
            f"the cache cannot be used ({error.strerror}): images are {storage.text}"
        )
        return _datasets(split, size, storage, skip_bad, workers)


def _decoded(read: Any, samples: Samples, size: Resizing | int | None, skip_bad: bool) -> Any:
    """Read images by ``decode`` or ``cached``, with a progress bar."""
    if isinstance(samples.images, Tensor):
        decoded, bad = read(samples, size)
    else:
        from vicinal.progress import progress_bar

        with progress_bar() as progress:
            task = progress.add_task("reading images", total=len(samples))
            decoded, bad = read(
                samples, size, skip_bad=skip_bad, on_image=lambda: progress.advance(task)
            )
    if bad:
        this_process().print(f"left out: {bad_images_message(bad, len(samples)).partition(';')[0]}")
    labels = torch.tensor(decoded.labels)
    kind = TensorData if isinstance(decoded.images, Tensor) else MappedImages
    return kind(decoded.images, labels)
