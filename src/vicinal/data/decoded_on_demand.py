"""Images in a file of the cache, which are decoded there when a batch needs them."""

import os
from collections.abc import Callable, Sequence
from threading import Lock
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from vicinal.data.decoded_file import Lookup
from vicinal.data.filling import Filling, OnImage, alone, check_content
from vicinal.data.images import check_readable
from vicinal.data.resizing import Resizing
from vicinal.data.samples import Samples
from vicinal.data.whole_images import doubtful

Instead = Callable[[OSError], Any]
Steps = Callable[[str, int], OnImage]


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


class DecodedOnDemand(Dataset[tuple[Tensor, Tensor]]):
    """Images that are decoded when a batch needs them, once, into a file of the cache.

    With the last batch that has new images, the few that training drops are decoded, too, and the
    file gets its name: the next training finds it.

    Args:
        filling: the file.
        instead: makes another data set, after an error of the disk.

    Raises:
        BadImage: while reading, where an image is found that cannot be read. All others have been
            decoded by then, as the message counts them.
    """

    batches_are_new = True

    def __init__(self, filling: Filling, instead: Instead) -> None:
        self.y = torch.tensor(filling.samples.labels)
        self._data: Any = MappedImages(filling.pixels, self.y)
        self._filling: Filling | None = filling
        self._bad = filling.bad
        self._instead, self._lock = instead, Lock()

    def __len__(self) -> int:
        return len(self.y)

    def __getitems__(self, indices: Sequence[int]) -> tuple[Tensor, Tensor]:
        rows, x = np.arange(len(self))[indices].tolist(), None
        with self._lock:
            if self._filling is not None:
                x = self._read(self._filling, rows)
        self._check()
        if x is None:
            x, _ = self._data.__getitems__(rows)
        return torch.as_tensor(x), self.y[rows]

    @property
    def missing(self) -> int:
        """How many images are not decoded yet."""
        return self._filling.missing if self._filling is not None else 0

    @property
    def x(self) -> Any:
        """(N, 3, H, W) uint8, once all are decoded."""
        self.complete()
        return self._data.x

    def complete(self, on_image: OnImage = None) -> None:
        """Decode all images that are missing, or take them from a process that was faster.

        Args:
            on_image: is called after each of them.

        Raises:
            BadImage: some cannot be read.
        """
        with self._lock:
            if self._filling is not None:
                self._complete(self._filling, on_image)
        self._check()

    def __reduce__(self) -> Any:
        """Other processes get images that are decoded."""
        self.complete()
        return _rebuilt, (self._data,)

    def _check(self) -> None:
        check_readable(self._bad, len(self), skip_bad=False)

    def _read(self, filling: Filling, indices: list[int]) -> Any:
        """The images at these indices; None where the disk has failed."""
        try:
            x = filling.read(indices)
            self._bad = filling.bad
            # A forked process does not know what others have decoded.
            if filling.owner == os.getpid() and (self._bad or filling.missing < len(indices)):
                self._finish(filling)
        except OSError as error:
            self._do_without(filling, error)
            return None
        return x

    def _complete(self, filling: Filling, on_image: OnImage) -> None:
        try:
            if filling.owner != os.getpid():
                filling.fill(range(len(self)), on_image)
                self._bad = filling.bad
                return
            with alone(filling.lookup.start):
                found = filling.lookup.find()
                if found is None:
                    self._finish(filling, on_image)
                else:
                    self._data, self._bad = MappedImages(found.pixels, self.y), found.bad
                    self._filling = None
                    filling.drop()
        except OSError as error:
            self._do_without(filling, error)

    def _finish(self, filling: Filling, on_image: OnImage = None) -> None:
        filling.fill(range(len(self)), on_image)
        self._bad = filling.bad
        try:
            filling.finish()
        except OSError:
            raise
        except BaseException:  # it was interrupted: all pixels are there, and only not kept
            self._filling = None
            raise
        self._filling = None

    def _do_without(self, filling: Filling, error: OSError) -> None:
        """Read no pixel of a file that could not be written."""
        if not self._bad:
            self._data = self._instead(error)
        self._filling = None
        filling.drop()


def _rebuilt(data: Any) -> Any:
    return data


def on_demand(
    samples: Samples, size: Resizing | int, instead: Instead, steps: Steps = lambda *_: None
) -> MappedImages | DecodedOnDemand:
    """A data set of decoded images in the cache, which are decoded when a batch needs them.

    Before, all are looked at, and those that may be broken are decoded.

    Args:
        samples: images as they are stored.
        size: that they are resized to, as in :func:`~vicinal.data.images.read_image`.
        instead: makes another data set, where the disk fails later.
        steps: called with the name of a step and its number of images; returns what is called
            after each of them, for progress.

    Raises:
        BadImage: an image cannot be read. All others have been decoded by then.
        OSError: as :func:`~vicinal.data.filling.cached`.
    """
    check_content(samples)
    lookup = Lookup(samples, Resizing.of(size))
    found = lookup.find()
    if found is not None:
        samples.prefetched.clear()
        check_readable(found.bad, len(samples), skip_bad=False)
        return MappedImages(found.pixels, torch.tensor(samples.labels))
    filling = Filling(lookup)
    try:
        some = doubtful(samples, steps("checking images", len(samples)))
        if some:
            filling.fill(some, steps("reading images", len(some)))
        dataset = DecodedOnDemand(filling, instead)
        if filling.bad:
            dataset.complete(steps("reading images", filling.missing))
        return dataset
    except BaseException:
        filling.drop()
        raise
