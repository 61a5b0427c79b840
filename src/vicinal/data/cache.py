"""Decoded images on disk: decoding is most of the time until the first batch."""

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import PIL
import psutil
import torch
from torch import Tensor

from vicinal.data.samples import Samples
from vicinal.files import write_whole

VERSION = 1  # of what decoding does: another one makes other pixels
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


def cached(
    samples: Samples, size: int, decode: Callable[[], Samples], limit: int = LIMIT
) -> Samples:
    """The samples with decoded images: from the cache, or decoded and put there.

    Args:
        samples: images as they are stored. Their content is the key: a file that changes is
            another one, and a file that moves is the same.
        size: the side of the square that they become.
        decode: gives them with (N, 3, size, size) uint8 images, or fewer where some cannot be
            read; those are not kept.
        limit: bytes that the cache may take; the least recently used parts make room.

    Returns:
        With images from the cache, mapped into memory and read as they are needed; or what
        ``decode`` gives.

    Where the cache cannot be written, decoding has to do without.
    """
    key = content_key(samples, size)
    if key is None:
        return decode()
    file, shape = folder() / f"{key}{SUFFIX}", (len(samples), 3, size, size)
    pixels = _mapped(file, shape)
    if pixels is not None:
        return Samples(pixels, samples.labels)
    decoded = decode()
    pixels = torch.as_tensor(decoded.images)
    if tuple(pixels.shape) == shape and pixels.nbytes <= limit:
        _make_room(pixels.nbytes, limit)
        _write(file, pixels)
    return decoded


def content_key(samples: Samples, size: int) -> str | None:
    """A key for the content of images and what becomes of them; None where there is none.

    >>> from vicinal.data.samples import Samples
    >>> content_key(Samples([b"a", b"b"], [0, 1]), 8) == content_key(Samples([b"ab"], [0]), 8)
    False
    """

    def digest(index: int) -> bytes | None:
        content = _content(samples.images[index])
        return None if content is None else hashlib.blake2b(content, digest_size=16).digest()

    with ThreadPoolExecutor(os.cpu_count()) as threads:
        digests = list(threads.map(digest, range(len(samples))))
    if None in digests:
        return None
    how = f"{VERSION} {PIL.__version__} {size}".encode()
    return hashlib.blake2b(b"".join([how, *filter(None, digests)]), digest_size=16).hexdigest()


def _content(image: Any) -> bytes | None:
    if isinstance(image, dict):
        image = image["bytes"] if image.get("bytes") is not None else image.get("path")
    if isinstance(image, bytes):
        return image
    if isinstance(image, str | os.PathLike):
        try:
            return Path(image).read_bytes()
        except OSError:  # decoding says what is wrong with it
            return None
    return None


def _mapped(file: Path, shape: tuple[int, ...]) -> Tensor | None:
    count = torch.Size(shape).numel()
    try:
        if file.stat().st_size != count:
            return None
        os.utime(file)  # it was used now
        pixels = torch.from_file(str(file), shared=False, size=count, dtype=torch.uint8)
    except (OSError, RuntimeError):
        return None
    return pixels.view(shape)


def _make_room(needed: int, limit: int) -> None:
    held = entries()
    taken = sum(entry.size for entry in held)
    for entry in held:
        if taken + needed <= limit:
            break
        # Who reads from it goes on: the file is there until the last one has closed it.
        entry.file.unlink(missing_ok=True)
        taken -= entry.size


def _write(file: Path, pixels: Tensor) -> None:
    with suppress(OSError):  # read-only or full
        file.parent.mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(file.parent).free < 2 * pixels.nbytes:
            return  # a cache is no reason to fill the disk
        for left in _left_by_the_killed(file.parent):
            left.unlink(missing_ok=True)
        write_whole(file, pixels.contiguous().numpy().data)


def _left_by_the_killed(parent: Path) -> Iterator[Path]:
    """Half-written files of processes that are there no more."""
    for file in parent.glob(".*.*"):
        owner = file.name.split(".")[-2]
        if owner.isdecimal() and not psutil.pid_exists(int(owner)):
            yield file
