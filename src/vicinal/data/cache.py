"""Decoded images on disk: decoding is most of the time until the first batch."""

import errno
import hashlib
import math
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import PIL
import psutil
from filelock import FileLock
from torch import Tensor

from vicinal.data.images import (
    BadImage,
    check_readable,
    in_threads,
    read_all,
    read_sample,
    stored_as,
)
from vicinal.data.samples import Samples
from vicinal.files import whole_file

VERSION = 2  # of what decoding does and how it is kept
LIMIT = 20 * 2**30  # bytes that the cache may take
SUFFIX = ".pixels"


@dataclass(frozen=True)
class Entry:
    """One decoded part of a data set: ``file`` takes ``size`` bytes, last used at ``used``."""

    file: Path
    size: int
    used: float


def folder() -> Path:
    """Where the cache is: the environment variable ``VICINAL_CACHE``, else ``~/.vicinal/cache``."""
    return Path(os.environ.get("VICINAL_CACHE") or "~/.vicinal/cache").expanduser()


def entries() -> list[Entry]:
    """What the cache holds, the least recently used first."""
    found = []
    for file in folder().glob(f"*{SUFFIX}"):
        try:
            status = file.stat()
        except FileNotFoundError:  # another process has just removed it
            continue
        found.append(Entry(file, status.st_size, status.st_mtime))
    return sorted(found, key=lambda entry: entry.used)


def clear() -> int:
    """Remove all that the cache holds; how many bytes that were."""
    freed = 0
    for entry in entries():
        entry.file.unlink(missing_ok=True)
        freed += entry.size
    return freed


def room() -> int:
    """How many bytes of decoded images the cache can take; 0 where nothing can be written.

    That is its limit, or what it holds and half of what is free on the disk, where that is less:
    a cache is no reason to fill the disk.
    """
    place = folder()
    while not os.path.exists(place):
        place = place.parent
    if not (os.path.isdir(place) and os.access(place, os.W_OK)):
        return 0
    return min(LIMIT, sum(entry.size for entry in entries()) + shutil.disk_usage(place).free // 2)


def decoded_size(count: int, size: int) -> int:
    """Bytes of images that are decoded to squares of ``size`` pixels.

    >>> decoded_size(10, size=8)  # with one for each, whether it could be read
    1930
    """
    return count * (3 * size * size + 1)


def has_content(samples: Samples) -> bool:
    """Whether images are stored as files or bytes, and can be known by these."""
    try:
        return _content(samples.images[0]) is not None
    except BadImage:
        return False


def cached(
    samples: Samples, size: int, *, skip_bad: bool = False, on_image: Any = None
) -> tuple[Samples, list[str]]:
    """The samples with decoded images in a file that is mapped into memory.

    They are decoded straight into the file, where it is not there already. Only a few are in memory
    at a time, so many more than would fit can be decoded. Of several processes that want the same
    images at the same time one decodes them, and the others wait.

    Args:
        samples: images as they are stored. Their content is the key: a file that changes is
            another one, and a file that moves is the same.
        size: the side of the square that they become.
        skip_bad: leave out what cannot be read.
        on_image: called after each image that is decoded, for progress.

    Returns:
        The samples with a read-only (N, 3, size, size) uint8 array as images, whose pages are read
        as they are needed, and the names of those left out.

    Raises:
        BadImage: an image cannot be read and ``skip_bad`` is not set.
        OSError: the cache cannot be written, has no :func:`room`, or the images have no content
            to be known by.
    """
    key = content_key(samples, size)
    if key is None:
        raise OSError(errno.EINVAL, "some images are no files")
    file = folder() / f"{key}{SUFFIX}"
    kept = _mapped(file, samples, size)
    if kept is None:
        file.parent.mkdir(parents=True, exist_ok=True)
        with _alone(file):
            kept = _mapped(file, samples, size) or _decoded_into(file, samples, size, on_image)
    check_readable(kept.bad, len(samples), skip_bad)
    labels = [label for label, good in zip(samples.labels, kept.good, strict=True) if good]
    return Samples(kept.pixels, labels), kept.bad


def content_key(samples: Samples, size: int) -> str | None:
    """A key for the content of images and what becomes of them; None where there is none.

    >>> from vicinal.data.samples import Samples
    >>> content_key(Samples([b"a", b"b"], [0, 1]), 8) == content_key(Samples([b"ab"], [0]), 8)
    False
    """
    how = f"{VERSION} {PIL.__version__} {size}".encode()
    key = hashlib.blake2b(how, digest_size=16)

    def digest(index: int) -> bytes | None:
        content = _content(samples.images[index])
        return None if content is None else hashlib.blake2b(content, digest_size=16).digest()

    for each in in_threads(digest, len(samples)):
        if each is None:
            return None
        key.update(each)
    return key.hexdigest()


def _content(image: Any) -> bytes | None:
    """What an image is stored as, nothing where that cannot be read; None where it is no file."""
    image = stored_as(image) or b"" if isinstance(image, dict) else image
    if isinstance(image, str | os.PathLike):
        try:
            return Path(image).read_bytes()
        except OSError:  # decoding says what is wrong with it
            return b""
    return image if isinstance(image, bytes) else None


@dataclass(frozen=True)
class _Kept:
    """What a file of the cache holds: one byte for each of the samples, after the pixels.

    Args:
        pixels: (G, 3, size, size) uint8, of the images that can be read.
        good: (N,) bool, which of the samples these are.
        bad: what the others are called, and why they cannot be read.
    """

    pixels: Any
    good: Any
    bad: list[str]


def _mapped(file: Path, samples: Samples, size: int) -> _Kept | None:
    """The file, if it is there and whole."""
    count = len(samples)
    try:
        length = file.stat().st_size
        good = np.fromfile(file, np.uint8, offset=length - count) == 1
        shape = (int(good.sum()), 3, size, size)
        if length != math.prod(shape) + count:
            return None
        # Read-only, or the system would refuse to map files that are larger than its memory.
        pixels = np.memmap(file, np.uint8, "r", shape=shape)
    except (OSError, ValueError):
        return None
    with suppress(OSError):  # it is another user's
        os.utime(file)  # it was used now
    bad = [read_sample(samples, int(index), size) for index in np.flatnonzero(~good)]
    reasons = [each for each in bad if isinstance(each, str)]
    # An image may have been out of reach when the others were decoded, and be back by now.
    return _Kept(pixels, good, reasons) if len(reasons) == len(bad) else None


@contextmanager
def _alone(file: Path) -> Iterator[None]:
    """Let no other process decode into the same file meanwhile."""
    lock = file.with_name(f".{file.stem}.lock")
    with FileLock(lock):
        try:
            yield
        finally:
            # Who waits for it finds what this process has decoded, also under the lost lock.
            lock.unlink(missing_ok=True)


def _decoded_into(file: Path, samples: Samples, size: int, on_image: Any) -> _Kept:
    _make_room(decoded_size(len(samples), size))
    for left in _left_by_the_killed(file.parent):
        left.unlink(missing_ok=True)
    good = np.zeros(len(samples), np.uint8)
    with whole_file(file) as opened:
        for index, image in enumerate(read_all(samples, size)):
            if isinstance(image, Tensor):
                opened.write(image.numpy().data)
                good[index] = 1
            if on_image is not None:
                on_image()
        opened.write(good.data)
    kept = _mapped(file, samples, size)
    if kept is None:
        raise OSError(errno.ENOENT, "what was written is gone")
    return kept


def _make_room(needed: int) -> None:
    limit = room()
    if needed > limit:
        raise OSError(errno.ENOSPC, "no room is left in the cache")
    held = entries()
    taken = sum(entry.size for entry in held)
    for entry in held:
        if taken + needed <= limit:
            break
        # Who reads from it goes on: the file is there until the last one has closed it.
        entry.file.unlink(missing_ok=True)
        taken -= entry.size


def _left_by_the_killed(parent: Path) -> Iterator[Path]:
    """Half-written files of processes that are there no more."""
    for file in parent.glob(".*.*"):
        owner = file.name.split(".")[-2]
        if owner.isdecimal() and not psutil.pid_exists(int(owner)):
            yield file
