"""The folder of decoded images on disk: decoding takes most of the time of a first epoch."""

import errno
import math
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from vicinal.data.images import decoded_shape
from vicinal.data.resizing import Resizing

LIMIT = 20 * 2**30  # bytes of the whole cache
SUFFIX = ".pixels"
PARTIAL = "decoding"  # in the names of files that are being written


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
    must not fill the disk. Files that are being filled have their share already.
    """
    parent = folder()
    while not os.path.exists(parent):
        parent = parent.parent
    if not (os.path.isdir(parent) and os.access(parent, os.W_OK)):
        return 0
    filling = [status for file, status in _partial() if not _is_left_behind(file)]
    whole = sum(status.st_size for status in filling)
    written = sum(min(status.st_size, 512 * status.st_blocks) for status in filling)
    free = shutil.disk_usage(parent).free - (whole - written)
    return max(0, min(LIMIT - whole, sum(entry.size for entry in entries()) + free // 2))


def make_room(needed: int) -> None:
    """Remove what was not used for longest, until there is room for so many bytes.

    Raises:
        OSError: the cache cannot hold as many.
    """
    folder().mkdir(parents=True, exist_ok=True)
    for file, _ in _partial():
        if _is_left_behind(file):
            file.unlink(missing_ok=True)
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


def decoded_size(count: int, size: Resizing | int) -> int:
    """Bytes that images take when decoded to a size.

    >>> decoded_size(10, size=8)  # one byte for each says whether it could be read
    1930
    """
    return count * (math.prod(decoded_shape(size)) + 1)


def _partial() -> Iterator[tuple[Path, os.stat_result]]:
    """Files that are being written, and those that killed processes left."""
    for file in folder().glob(".*.*"):
        if file.name.split(".")[-2].isdecimal():
            try:
                yield file, file.stat()
            except FileNotFoundError:  # it has just got its name
                continue


def _is_left_behind(file: Path) -> bool:
    """Whether the process that wrote a partial file runs no longer."""
    return not psutil.pid_exists(int(file.name.split(".")[-2]))
