"""ImageDataLoaders: from stored images to batches on the device."""

import os
from collections.abc import Sequence
from typing import Any

import psutil
import torch
from torch import Tensor
from torch.utils.data import Dataset

from vicinal.data import cache
from vicinal.data.augment import IMAGENET_STATS, BatchTransform, Normalize, aug_transforms
from vicinal.data.folders import split_by_folder, split_by_name
from vicinal.data.images import (
    BadImage,
    bad_images_message,
    decode,
    image_shape,
    read_image,
    read_sample,
)
from vicinal.data.loaders import Batches, DataLoaders, TensorData
from vicinal.data.samples import Samples, Split
from vicinal.errors import VicinalError

MEMORY_SHARE = 0.5  # of the memory that is free: more images than fit there are streamed


class StreamedImages(Dataset[tuple[Tensor, Tensor]]):
    """Images that are decoded when their batch is needed, by worker processes.

    Args:
        samples: the stored images.
        size: side of the square that they become.
        skip_bad: leave what cannot be read out of its batch, which may become an empty one.

    Raises:
        BadImage: while reading, where an image cannot be read and ``skip_bad`` is not set.
    """

    def __init__(self, samples: Samples, size: int, *, skip_bad: bool = False) -> None:
        self.samples, self.size, self.skip_bad = samples, size, skip_bad

    def __len__(self) -> int:
        return len(self.samples)

    def __getitems__(self, indices: Sequence[int]) -> tuple[Tensor, Tensor]:
        images, labels, bad = [], [], []
        for index in indices:
            image = read_sample(self.samples, index, self.size)
            if isinstance(image, str):
                bad.append(image)
                continue
            images.append(image)
            labels.append(self.samples.labels[index])
        if bad and not self.skip_bad:
            raise BadImage(bad_images_message(bad, len(indices)))
        x = torch.stack(images) if images else torch.empty(0)
        return x, torch.tensor(labels, dtype=torch.int64)


class ImageDataLoaders(DataLoaders):
    """Batches of labelled images.

    Images are decoded once, to uint8, and kept in memory where they fit in half of what is free;
    else worker processes decode them again each epoch. Random changes are made on the device.
    """

    @classmethod
    def from_split(
        cls,
        split: Split,
        *,
        item_size: int | None = None,
        batch_tfms: Sequence[BatchTransform] | None = None,
        normalize: Normalize | None = None,
        bs: int = 64,
        seed: int | None = None,
        device: torch.device | str | None = None,
        workers: int | None = None,
        skip_bad: bool = False,
    ) -> "ImageDataLoaders":
        """From labelled images that are split already.

        Args:
            item_size: side of the square to which images are brought when they are read; None
                where they are all of one size.
            batch_tfms: random changes of training batches; None for none.
            normalize: how pixels become floats; None takes ImageNet's statistics.
            bs: batch size in training; validation uses twice as much.
            seed: of the order and the random changes.
            workers: reading processes for images that do not fit in memory; None takes one for
                each processor, 0 reads in this process.
            skip_bad: leave out images that cannot be read.

        Raises:
            VicinalError: an image cannot be read, sizes differ and no size is given, or the batch
                size does not go with the data.
        """
        transforms = [*(batch_tfms or []), normalize or Normalize(*IMAGENET_STATS)]
        streamed = item_size is not None and not fits_in_memory(split, item_size)
        if streamed:
            assert item_size is not None
            train: Any = StreamedImages(split.train, item_size, skip_bad=skip_bad)
            valid: Any = StreamedImages(split.valid, item_size, skip_bad=skip_bad)
            readers = _processors() if workers is None else workers
        else:
            train, valid = (
                _in_memory(part, item_size, skip_bad) for part in (split.train, split.valid)
            )
            readers = 0
            _check_same_size(train.x, valid.x)
        side = item_size or train.x.shape[-1]
        common: dict[str, Any] = {"transforms": transforms, "device": device, "workers": readers}
        dls = cls(
            Batches(train, bs, training=True, seed=seed or 0, **common),
            Batches(valid, 2 * bs, **common),
            split.vocab,
            len(split.vocab),
        )
        dls.item_size = side
        return dls

    item_size: int

    def stack(self, items: Sequence[Any]) -> Tensor:
        """Image files or PIL images to (B, 3, H, W) uint8; tensors as they are."""
        if all(isinstance(item, Tensor) for item in items):
            return super().stack(items)
        return torch.stack([read_image(item, self.item_size) for item in items])

    @classmethod
    def from_name_re(
        cls,
        path: str | os.PathLike[str],
        pat: str,
        *,
        valid_pct: float = 0.2,
        seed: int | None = None,
        item_size: int | None = None,
        size: int | None = None,
        min_scale: float = 1.0,
        **kwargs: Any,
    ) -> "ImageDataLoaders":
        r"""From a folder of images whose file names tell the class.

        Args:
            path: the folder; files are looked for below it, too.
            pat: a regular expression for the file name; its first group is the class, as in
                ``r"(.+)_\d+.jpg$"``.
            valid_pct: the share held out for validation, between 0 and 1.
            seed: of the split, the order and the random changes.
            item_size, size, min_scale: images are kept at ``item_size`` pixels; random crops of
                at least ``min_scale`` of the area become ``size`` pixels, with the changes of
                :func:`aug_transforms`.
            **kwargs: of :meth:`from_split`.

        Raises:
            VicinalError: the folder is not there or holds no image, the pattern has no group or
                does not match a name, or as in :meth:`from_split`.
        """
        split = split_by_name(path, pat, valid_pct, seed)
        return cls._augmented(split, item_size, size, min_scale, seed=seed, **kwargs)

    @classmethod
    def from_folder(
        cls,
        path: str | os.PathLike[str],
        *,
        valid_pct: float = 0.2,
        seed: int | None = None,
        item_size: int | None = None,
        size: int | None = None,
        min_scale: float = 1.0,
        **kwargs: Any,
    ) -> "ImageDataLoaders":
        """From class folders, with or without ``train`` and ``valid`` folders above them.

        Arguments and errors are those of :meth:`from_name_re`; ``valid_pct`` is used where there
        is no validation folder.
        """
        split = split_by_folder(path, valid_pct, seed)
        return cls._augmented(split, item_size, size, min_scale, seed=seed, **kwargs)

    @classmethod
    def _augmented(
        cls,
        split: Split,
        item_size: int | None,
        size: int | None,
        min_scale: float,
        **kwargs: Any,
    ) -> "ImageDataLoaders":
        kwargs.setdefault("batch_tfms", aug_transforms(size=size, min_scale=min_scale))
        return cls.from_split(split, item_size=item_size or size, **kwargs)


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def fits_in_memory(split: Split, size: int) -> bool:
    """Whether all images fit, decoded to squares of ``size`` pixels, in the memory that is free."""
    needed = (len(split.train) + len(split.valid)) * 3 * size * size
    return bool(needed <= MEMORY_SHARE * psutil.virtual_memory().available)


def one_size(samples: Samples, look_at: int = 64) -> int | None:
    """The side of the images, where those looked at are all squares of one size.

    >>> one_size(Samples(torch.zeros(2, 3, 8, 8, dtype=torch.uint8), [0, 1]))
    8
    """
    if isinstance(samples.images, Tensor):
        shapes = {tuple(samples.images.shape[2:])}
    else:
        step = max(1, len(samples) // look_at)
        shapes = set()
        for index in range(0, len(samples), step):
            try:
                shapes.add(image_shape(samples.images[index]))
            except BadImage:  # is named when all are decoded
                continue
    sides = {side for shape in shapes for side in shape}
    return sides.pop() if len(sides) == 1 else None


def _check_same_size(train: Tensor, valid: Tensor) -> None:
    (height, width), (valid_height, valid_width) = train.shape[2:], valid.shape[2:]
    if (height, width) != (valid_height, valid_width):
        raise VicinalError(
            f"the images differ in size (training images have {height}x{width} pixels, "
            f"validation images {valid_height}x{valid_width}): give a size to bring them to"
        )


def _in_memory(samples: Samples, size: int | None, skip_bad: bool) -> TensorData:
    def read() -> Samples:
        decoded, bad = _decode_with_progress(samples, size, skip_bad)
        if bad:
            print(f"left out: {bad_images_message(bad, len(samples)).partition(';')[0]}")
        return decoded

    # Where images are of one size already, decoding is quick, and there is no size to be known by.
    if size is None or isinstance(samples.images, Tensor):
        decoded = read()
    else:
        decoded = cache.cached(samples, size, read)
    assert isinstance(decoded.images, Tensor)
    return TensorData(decoded.images, torch.tensor(decoded.labels))


def _decode_with_progress(
    samples: Samples, size: int | None, skip_bad: bool
) -> tuple[Samples, list[str]]:
    if isinstance(samples.images, Tensor):
        return decode(samples, size)
    from vicinal.progress import progress_bar

    with progress_bar() as progress:
        task = progress.add_task("reading images", total=len(samples))
        return decode(samples, size, skip_bad=skip_bad, on_image=lambda: progress.advance(task))
