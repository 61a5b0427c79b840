"""A cache of decoded images on disk: decoding takes most of the time to the first batch."""

import errno
import hashlib
import math
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import PIL
import psutil
import xxhash
from filelock import FileLock
from torch import Tensor

from vicinal.data import jpeg
from vicinal.data.images import (
    BadImage,
    check_readable,
    decoded_shape,
    encoded,
    image_name,
    in_threads,
    is_encoded,
    prefetch,
    read_sample,
    read_together,
    several_in_threads,
)
from vicinal.data.resizing import Resizing
from vicinal.data.samples import Samples
from vicinal.files import whole_file

VERSION = 3  # of the decoding and the file format
LIMIT = 20 * 2**30  # bytes of the whole cache
EARLY = 2**26  # bytes that go to the disk while more images are decoded, not at the end
SUFFIX = ".pixels"
NO_FILES = "some images are no files"


@dataclass(frozen=True)
class Entry:
    """One decoded split of a data set: its file, the file's size in bytes, and when it was used."""

    file: Path
    size: int
    used: float


def folder() -> Path:
    """The cache's folder: the environment variable ``VICINAL_CACHE``, or ``~/.vicinal/cache``."""
    return Path(os.environ.get("VICINAL_CACHE") or "~/.vicinal/cache").expanduser()


def entries() -> list[Entry]:
    """The files of the cache, the least recently used first."""
    found = []
    for file in folder().glob(f"*{SUFFIX}"):
        try:
            status = file.stat()
        except FileNotFoundError:  # another process has just removed it
            continue
        found.append(Entry(file, status.st_size, status.st_mtime))
    return sorted(found, key=lambda entry: entry.used)


def clear() -> int:
    """Empty the cache; returns how many bytes were freed."""
    freed = 0
    for entry in entries():
        entry.file.unlink(missing_ok=True)
        freed += entry.size
    return freed


def room() -> int:
    """How many bytes of decoded images the cache can hold; 0 where it cannot be written.

    That is its limit, or if less, its present size and half of the free space on the disk: a cache
    must not fill the disk.
    """
    parent = folder()
    while not os.path.exists(parent):
        parent = parent.parent
    if not (os.path.isdir(parent) and os.access(parent, os.W_OK)):
        return 0
    return min(LIMIT, sum(entry.size for entry in entries()) + shutil.disk_usage(parent).free // 2)


def decoded_size(count: int, size: Resizing | int) -> int:
    """Bytes that images take when decoded to a size.

    >>> decoded_size(10, size=8)  # one byte for each says whether it could be read
    1930
    """
    return count * (math.prod(decoded_shape(size)) + 1)


def has_content(samples: Samples) -> bool:
    """Whether images are stored as files or bytes, and can be identified by these."""
    images = samples.images
    try:  # only lists can be looked through without reading what they hold
        return all(map(is_encoded, images if isinstance(images, list) else [images[0]]))
    except BadImage:
        return False


def cached(
    samples: Samples, size: Resizing | int, *, skip_bad: bool = False, on_image: Any = None
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
        OSError: the cache cannot be written or has no :func:`room`, or some images are not stored
            as files or bytes.
    """
    if not has_content(samples):
        raise OSError(errno.EINVAL, NO_FILES)
    size = Resizing.of(size)
    start = _start(samples, size)
    there = entries()
    found = _find(samples, size, start, there)
    if found is None:
        folder().mkdir(parents=True, exist_ok=True)
        with _alone(start):
            files = {entry.file for entry in there}
            new = [entry for entry in entries() if entry.file not in files]
            found = _find(samples, size, start, new) or _decode(samples, size, start, on_image)
    samples.prefetched.clear()
    check_readable(found.bad, len(samples), skip_bad)
    labels = [label for label, good in zip(samples.labels, found.good, strict=True) if good]
    return replace(samples, images=found.pixels, labels=labels, prefetched={}), found.bad


def _find(samples: Samples, size: Resizing, start: str, among: list[Entry]) -> "_Decoded | None":
    """The decoded images, if they are in one of these files.

    Images are read to compute the key, and read again to be decoded. So the key is computed only
    where the name of a file says that it holds as many, of which the first and the middle one are
    the same: on a first run none does.
    """
    if not any(entry.file.name.startswith(start) for entry in among):
        return None
    key = content_key(samples, size)
    return None if key is None else _mapped(_file(start, key), samples, size)


def _file(start: str, key: str) -> Path:
    return folder() / f"{start}-{key}{SUFFIX}"


def _start(samples: Samples, size: Resizing) -> str:
    """What the name of a file begins with, by their number, the first and the middle one."""
    key = _new_key(samples, size)
    for index in {0, len(samples) // 2}:
        with suppress(BadImage):
            key.update(_digest(prefetch(samples, index)))
    return f"{len(samples)}x{key.hexdigest()[:8]}"


def content_key(samples: Samples, size: Resizing | int) -> str | None:
    """A key for the content of images and what becomes of them; None where there is none.

    >>> from vicinal.data.samples import Samples
    >>> content_key(Samples([b"a", b"b"], [0, 1]), 8) == content_key(Samples([b"ab"], [0]), 8)
    False
    """
    key = _new_key(samples, Resizing.of(size))

    def digest(index: int) -> bytes | None:
        image = samples.images[index]
        if not is_encoded(image):
            return None
        return _digest(_content(samples.prefetched.get(index, image))[0])

    for each in in_threads(digest, len(samples)):
        if each is None:
            return None
        key.update(each)
    return key.hexdigest()


def _new_key(samples: Samples, size: Resizing) -> Any:
    how = f"{VERSION} {PIL.__version__} {jpeg.DECODER} {size} {samples.pixel_range}"
    return hashlib.blake2b(how.encode(), digest_size=16)


def _digest(content: bytes) -> bytes:
    return xxhash.xxh3_128_digest(content)


def _content(image: Any) -> tuple[bytes, BadImage | None]:
    """What an image is stored as; nothing where that cannot be read, and why not."""
    try:
        return encoded(image), None
    except BadImage as error:
        return b"", error


def read_all(samples: Samples, size: Resizing) -> Iterator[tuple[bytes, Tensor | str]]:
    """All images in their order: the digest of what each is stored as, and its pixels.

    Each is opened once for both. Where one cannot be read, its name and the reason take the place
    of the pixels.

    Raises:
        OSError: an image has no content to be identified by.
    """

    def read(indices: range) -> list[tuple[bytes, Tensor | str]]:
        images = [samples.images[index] for index in indices]
        if not all(map(is_encoded, images)):
            raise OSError(errno.EINVAL, NO_FILES)
        stored = [
            _content(samples.prefetched.pop(index, image))
            for index, image in zip(indices, images, strict=True)
        ]
        contents = [content for content, _ in stored]
        found: list[tuple[bytes, Tensor | str]] = []
        for place, each in enumerate(read_together(contents, size, samples.pixel_range)):
            if isinstance(each, BadImage):
                name = image_name(images[place], indices[place])
                found.append((_digest(contents[place]), f"{name} ({stored[place][1] or each})"))
            else:
                found.append((_digest(contents[place]), each))
        return found

    return several_in_threads(read, len(samples))


@dataclass(frozen=True)
class _Decoded:
    """What a file of the cache holds: one byte for each of the samples, after the pixels.

    Args:
        pixels: (G, 3, height, width) uint8, of the images that can be read.
        good: (N,) bool, which of the samples these are.
        bad: the names of the others, and why they cannot be read.
    """

    pixels: Any
    good: Any
    bad: list[str]


def _mapped(
    file: Path, samples: Samples, size: Resizing, reasons: list[str] | None = None
) -> _Decoded | None:
    """The file, if it is there and whole.

    Args:
        reasons: the names of images that cannot be read, and why; None tries to read them.
    """
    count = len(samples)
    try:
        length = file.stat().st_size
        good = np.fromfile(file, np.uint8, offset=length - count) == 1
        shape = (int(good.sum()), *decoded_shape(size))
        if length != math.prod(shape) + count:
            return None
        # Read-only, or the system would refuse to map files that are larger than its memory.
        pixels = np.memmap(file, np.uint8, "r", shape=shape)
    except (OSError, ValueError):
        return None
    with suppress(OSError):  # it belongs to another user
        os.utime(file)  # it was used now
    if reasons is None:
        bad = [read_sample(samples, int(index), size) for index in np.flatnonzero(~good)]
        reasons = [each for each in bad if isinstance(each, str)]
        if len(reasons) < len(bad):
            return None  # an image was out of reach when the others were decoded, and is back
    return _Decoded(pixels, good, reasons)


@contextmanager
def _alone(start: str) -> Iterator[None]:
    """Let no other process decode the same images meanwhile.

    Their key is known only once all are read, so those whose files begin alike wait for each other.
    """
    lock = folder() / f".{start}.lock"
    with FileLock(lock):
        try:
            yield
        finally:
            # Who waits for the deleted file still gets the lock, and finds the decoded images.
            lock.unlink(missing_ok=True)


def _decode(samples: Samples, size: Resizing, start: str, on_image: Any) -> _Decoded:
    """Decode into a file, which is named by the key of what was read."""
    _make_room(decoded_size(len(samples), size))
    for file in _left_by_killed_processes(folder()):
        file.unlink(missing_ok=True)
    key, good, bad = _new_key(samples, size), np.zeros(len(samples), np.uint8), []

    def name() -> str:
        return _file(start, key.hexdigest()).name

    often = max(1, EARLY * len(samples) // decoded_size(len(samples), size))
    pending: Future[None] | None = None
    with whole_file(folder() / "decoding", name) as opened, ThreadPoolExecutor(1) as disk:
        for index, (digest, image) in enumerate(read_all(samples, size)):
            key.update(digest)
            if isinstance(image, Tensor):
                opened.write(image.numpy().data)
                good[index] = 1
            else:
                bad.append(image)
            if on_image is not None:
                on_image()
            if index % often == often - 1 and (pending is None or pending.done()):
                _check_written(pending)
                pending = disk.submit(os.fsync, opened.fileno())
        opened.write(good.data)
        _check_written(pending)
    found = _mapped(folder() / name(), samples, size, bad)
    if found is None:
        raise OSError(errno.ENOENT, "the decoded images are gone")
    return found


def _check_written(pending: Future[None] | None) -> None:
    """Raise the error of a write to the disk, which the system reports only once."""
    if pending is not None:
        pending.result()


def _make_room(needed: int) -> None:
    limit = room()
    if needed > limit:
        raise OSError(errno.ENOSPC, "no room is left in the cache")
    existing = entries()
    taken = sum(entry.size for entry in existing)
    for entry in existing:
        if taken + needed <= limit:
            break
        # Processes that have mapped it go on: the data stay until the last one unmaps them.
        entry.file.unlink(missing_ok=True)
        taken -= entry.size


def _left_by_killed_processes(parent: Path) -> Iterator[Path]:
    """Partial files of processes that no longer run."""
    for file in parent.glob(".*.*"):
        owner = file.name.split(".")[-2]
        if owner.isdecimal() and not psutil.pid_exists(int(owner)):
            yield file
