"""A file of the cache that is being filled with decoded images, in any order."""

import errno
import math
import os
import weakref
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from vicinal.data import cache
from vicinal.data.decoded_file import (
    Decoded,
    Lookup,
    content_of,
    digest_of,
    has_content,
    mapped,
    new_key,
)
from vicinal.data.images import (
    BadImage,
    check_readable,
    decoded_shape,
    image_name,
    is_encoded,
    read_together,
    several_in_threads,
)
from vicinal.data.resizing import Resizing
from vicinal.data.samples import Samples
from vicinal.files import whole_file

EARLY = 2**26  # bytes that go to the disk while more images are decoded, not at the end
NO_FILES = "some images are no files"
MISSING, GOOD, BAD = 0, 1, 2
OnImage = Callable[[], Any] | None


class Filling:
    """A file of the cache that is being filled with decoded images, in any order.

    It gets its name when all of them are there. If this process ends before, or has no more use for
    it, the file is removed; if the process is killed, the next one that decodes images does so.

    Args:
        lookup: the samples that are to be decoded.

    Attributes:
        pixels: (N, 3, height, width) uint8, mapped from the file; zero where an image is missing.
        owner: the process that made it. One that was forked from it can fill the file, not finish.

    Raises:
        OSError: the cache cannot be written or has no room.
    """

    def __init__(self, lookup: Lookup) -> None:
        self.lookup, self.samples, self.owner = lookup, lookup.samples, os.getpid()
        count, shape = len(self.samples), decoded_shape(lookup.size)
        self._state = np.zeros(count, np.uint8)
        self._digests, self._each = [b""] * count, math.prod(shape)
        self._reasons: dict[int, str] = {}
        self._new = 0  # bytes since the disk was last asked to write
        self._written: Future[None] | None = None
        if not hasattr(os, "pwrite"):
            raise OSError(errno.ENOTSUP, "this system cannot write to a file in use")
        cache.make_room(cache.decoded_size(count, lookup.size))
        named, stack = [cache.PARTIAL], ExitStack()
        self._name, self._stack = named, stack  # nothing that the stack holds may hold this object
        self._drop = weakref.finalize(self, _drop, stack, self.samples.prefetched)
        partial = whole_file(cache.folder() / cache.PARTIAL, lambda: named[-1])
        self._file = stack.enter_context(partial)
        self._disk = stack.enter_context(ThreadPoolExecutor(1))
        try:
            self._file.truncate(count * self._each)  # holes, which take no space yet
            self.pixels: Any = np.memmap(self._file, np.uint8, "r", shape=(count, *shape))
        except BaseException:
            self.drop()
            raise

    def drop(self) -> None:
        """Remove the file, unless it was finished."""
        self._drop()

    @property
    def missing(self) -> int:
        """How many images are not decoded yet."""
        return int((self._state == MISSING).sum())

    @property
    def bad(self) -> list[str]:
        """The names of the images that cannot be read, and why."""
        return [self._reasons[index] for index in sorted(self._reasons)]

    def read(self, indices: list[int]) -> Any:
        """The images at these indices, of which the missing ones are decoded.

        Args:
            indices: which images; they may repeat.

        Returns:
            (B, 3, height, width) uint8, in new memory; of bad images, anything.

        Raises:
            OSError: as :meth:`fill`.
        """
        batch = np.empty((len(indices), *self.pixels.shape[1:]), np.uint8)
        rows = {index: row for row, index in enumerate(indices)}
        are_there = self._state[indices] != MISSING
        # The threads that decode also copy: reading the map would take longer, and they would wait.
        self.fill(indices, into=lambda index, pixels: batch.__setitem__(rows[index], pixels))
        others = [r for r, i in enumerate(indices) if are_there[r] or rows[i] != r]
        batch[others] = self.pixels[[indices[row] for row in others]]
        return batch

    def fill(
        self,
        indices: Iterable[int],
        on_image: OnImage = None,
        into: Callable[[int, Any], None] | None = None,
    ) -> None:
        """Decode those of these images that are missing, by a thread per processor.

        Args:
            indices: which images; they may repeat.
            on_image: is called after each of them that was missing.
            into: is called with the index and the pixels of each that can be read, by its thread.

        Raises:
            OSError: the disk is full or failed, or an image is stored neither as file nor as bytes.
        """
        missing = [index for index in dict.fromkeys(indices) if self._state[index] == MISSING]

        def read(places: range) -> range:
            self._decode(missing[places.start : places.stop], into)
            return places

        # Closed at once after an error: the threads must not write to a file that is dropped then.
        with closing(several_in_threads(read, len(missing))) as done:
            for _ in done:
                if on_image is not None:
                    on_image()
                self._write_early()

    def _decode(self, indices: list[int], into: Callable[[int, Any], None] | None) -> None:
        images = [self.samples.images[index] for index in indices]
        if not all(map(is_encoded, images)):
            raise OSError(errno.EINVAL, NO_FILES)
        stored = [
            content_of(self.samples.prefetched.pop(index, image))
            for index, image in zip(indices, images, strict=True)
        ]
        contents = [content for content, _ in stored]
        read = read_together(contents, self.lookup.size, self.samples.pixel_range)
        for place, (index, pixels) in enumerate(zip(indices, read, strict=True)):
            # Of what was decoded: a file may have changed by the time that the key is made.
            self._digests[index] = digest_of(contents[place])
            if isinstance(pixels, BadImage):
                name = image_name(images[place], index)
                self._reasons[index] = f"{name} ({stored[place][1] or pixels})"
                self._state[index] = BAD
            else:
                self._write(pixels.numpy(), index)
                self._state[index] = GOOD
                if into is not None:
                    into(index, pixels.numpy())

    def _write(self, pixels: Any, place: int) -> None:
        """Write an image to its place. A full disk is an error; in a map it would be a crash."""
        content, offset = memoryview(pixels).cast("B"), place * self._each
        while content:
            done = os.pwrite(self._file.fileno(), content, offset)
            content, offset = content[done:], offset + done

    def _write_early(self) -> None:
        self._new += self._each
        if self._new >= EARLY and (self._written is None or self._written.done()):
            self._check_written()
            self._written, self._new = self._disk.submit(os.fsync, self._file.fileno()), 0

    def _check_written(self) -> None:
        """Raise the error of a write to the disk, which the system reports only once."""
        if self._written is not None:
            self._written.result()

    def finish(self) -> Path:
        """Give the file its name, when no image is missing, and return it.

        ``pixels`` can be read from then on only where all images are good.

        Raises:
            OSError: the disk is full or failed; the file is removed.
        """
        try:
            self._check_written()
            if self._file.closed:
                raise OSError(errno.EBADF, "the decoded images are gone")
            good = self._state == GOOD
            for place, index in enumerate(np.flatnonzero(good).tolist()):
                if index != place:  # bad ones leave no holes
                    self._write(self.pixels[index], place)
            end = int(good.sum()) * self._each
            self._file.truncate(end)
            self._file.seek(end)
            self._file.write(good.astype(np.uint8).data)
            key = new_key(self.samples, self.lookup.size)
            for digest in self._digests:
                key.update(digest)
            file = self.lookup.file(key.hexdigest())
            self._name.append(file.name)
            self._stack.close()
            return file
        finally:
            self.drop()


def _drop(stack: ExitStack, prefetched: dict[int, bytes]) -> None:
    """Remove a partial file, and what was read for it."""
    prefetched.clear()
    error = GeneratorExit()
    stack.__exit__(type(error), error, None)


@contextmanager
def alone(start: str) -> Iterator[None]:
    """Let no other process decode the same images meanwhile.

    Their key is known only once all are read, so those whose files begin alike wait for each other.
    """
    lock = cache.folder() / f".{start}.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(lock):
        try:
            yield
        finally:
            # Who waits for the deleted file still gets the lock, and finds the decoded images.
            lock.unlink(missing_ok=True)


def cached(
    samples: Samples, size: Resizing | int, *, skip_bad: bool = False, on_image: OnImage = None
) -> tuple[Samples, list[str]]:
    """The samples with decoded images in a file that is mapped into memory.

    They are decoded straight into the file, unless it exists. Only a few are in memory at a time,
    so there may be many more than would fit. Of several processes that need the same images at the
    same time, one decodes them and the others wait.

    Args:
        samples: images as they are stored. Their content is the key: a changed file is another
            image, a moved file the same.
        size: that they are resized to, as in :func:`~vicinal.data.images.read_image`.
        skip_bad: leave out images that cannot be read.
        on_image: is called after each decoded image, for progress.

    Returns:
        The samples with a read-only, memory-mapped (N, 3, height, width) uint8 array as images,
        and the names of those left out.

    Raises:
        BadImage: an image cannot be read and ``skip_bad`` is not set.
        OSError: the cache cannot be written or has no :func:`~vicinal.data.cache.room`, or some
            images are not stored as files or bytes.
    """
    check_content(samples)
    lookup = Lookup(samples, Resizing.of(size))
    found = lookup.find()
    if found is None:
        with alone(lookup.start):
            found = lookup.find() or _decoded(lookup, on_image)
    samples.prefetched.clear()
    check_readable(found.bad, len(samples), skip_bad)
    labels = [label for label, good in zip(samples.labels, found.good, strict=True) if good]
    return replace(samples, images=found.pixels, labels=labels, prefetched={}), found.bad


def check_content(samples: Samples) -> None:
    """Raise an OSError where images are not stored as files or bytes."""
    if not has_content(samples):
        raise OSError(errno.EINVAL, NO_FILES)


def _decoded(lookup: Lookup, on_image: OnImage) -> Decoded:
    filling = Filling(lookup)
    try:
        filling.fill(range(len(lookup.samples)), on_image)
        found = mapped(filling.finish(), lookup.samples, lookup.size, filling.bad)
    finally:
        filling.drop()
    if found is None:
        raise OSError(errno.ENOENT, "the decoded images are gone")
    return found
