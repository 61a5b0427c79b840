"""The data sets of image files: from the cache, in memory, or decoded for each batch."""

from collections.abc import Callable, Sequence
from typing import Any

import psutil
import torch
from torch import Tensor
from torch.utils.data import Dataset

from vicinal.data import cache
from vicinal.data.cropping import RandomCropping
from vicinal.data.decoded_on_demand import DecodedOnDemand, MappedImages, on_demand
from vicinal.data.filling import cached
from vicinal.data.images import bad_images_message, batch_of, decode, read_sample
from vicinal.data.resizing import Resizing
from vicinal.data.samples import Samples
from vicinal.data.split_loader import TensorData
from vicinal.data.storage import Storage, choose_storage
from vicinal.processes import this_process
from vicinal.rng import derive_seed


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


class RandomCrops(StreamedImages):
    """Images of which each batch has other random parts.

    Args:
        samples, skip_bad: as of :class:`StreamedImages`.
        size: which parts, and the size that they are resized to.
        seed: of the random draws.
    """

    size: RandomCropping

    def __init__(
        self, samples: Samples, size: RandomCropping, seed: int, *, skip_bad: bool = False
    ) -> None:
        super().__init__(samples, size, skip_bad=skip_bad)
        self.seed = seed

    def __getitems__(self, indices: Sequence[int]) -> tuple[Tensor, Tensor]:
        # Batches differ from epoch to epoch, and so the draws do, whichever worker reads them.
        seed = derive_seed(self.seed, "crops", *indices)
        generator = torch.Generator().manual_seed(seed)
        samples = self.samples
        read = (
            (read_sample(samples, i, self.size.drawn(generator)), samples.labels[i])
            for i in indices
        )
        return batch_of(read, self.size, skip_bad=self.skip_bad)


def image_datasets(
    parts: Sequence[Samples],
    size: Resizing | int | None,
    storage: Storage,
    skip_bad: bool,
    workers: int,
) -> list[Any]:
    """The data sets of several parts, stored as chosen.

    Args:
        parts: the stored images.
        size: that they are resized to; None where they are in memory, and keep their size.
        storage: where they are during training.
        skip_bad: leave out images that cannot be read.
        workers: processes that decode images in each epoch, where they are stored nowhere.
    """
    if storage.kind == "memory":
        return [_decoded(decode, part, size, skip_bad) for part in parts]
    assert size is not None
    if storage.kind == "streamed":
        for part in parts:  # else each worker would get a copy
            part.prefetched.clear()
        return [StreamedImages(part, size, skip_bad=skip_bad) for part in parts]
    try:
        # How many images there are must be known before, and the same in all processes.
        if skip_bad or this_process().num_processes > 1:
            return [_decoded(cached, part, size, skip_bad) for part in parts]
        return [_on_demand(part, size) for part in parts]
    except OSError as error:  # such as a full disk
        needed = cache.decoded_size(sum(map(len, parts)), size)
        storage = _storage_without_cache(needed, error, workers)
        return image_datasets(parts, size, storage, skip_bad, workers)


def _on_demand(samples: Samples, size: Resizing | int) -> MappedImages | DecodedOnDemand:
    """Images that are decoded when they are needed; where the disk fails then, others."""

    def instead(error: OSError) -> TensorData | StreamedImages:
        needed = cache.decoded_size(len(samples), size)
        if _storage_without_cache(needed, error, workers=0).kind == "memory":
            decoded, _ = decode(samples, size)
            assert isinstance(decoded.images, Tensor)
            return TensorData(decoded.images, torch.tensor(decoded.labels))
        return StreamedImages(samples, size)

    from vicinal.progress import progress_bar

    with progress_bar() as progress:

        def step(name: str, total: int) -> Callable[[], None]:
            task = progress.add_task(name, total=total)
            return lambda: progress.advance(task)

        return on_demand(samples, size, instead, step)


def _storage_without_cache(needed: int, error: OSError, workers: int) -> Storage:
    """Where so many bytes of images are, as the cache cannot be used; it is said."""
    free = psutil.virtual_memory().available // this_process().num_processes
    storage = choose_storage(needed, free=free, room=0, workers=workers)
    this_process().print(f"the cache cannot be used ({error.strerror}): images are {storage.text}")
    return storage


def complete(datasets: Sequence[Any]) -> None:
    """Decode the images of data sets that are not decoded yet, with a progress bar."""
    left = [data for data in datasets if isinstance(data, DecodedOnDemand) and data.missing]
    if not left:
        return
    from vicinal.progress import progress_bar

    with progress_bar() as progress:
        task = progress.add_task("reading images", total=sum(data.missing for data in left))
        for data in left:
            data.complete(lambda: progress.advance(task))


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
