"""Files with the same bytes."""

import hashlib
import os
from collections.abc import Callable, Hashable, Iterable, Sequence
from pathlib import Path

TAIL = 1024  # bytes at the end of a file: unlike the first ones, they differ where images do


def identical(files: Sequence[Path]) -> list[list[int]]:
    """Which files have the same bytes.

    Only files of one size are opened, and only those that also end alike are read as a whole.

    Returns:
        The indices of each set of two or more, in ascending order. Files that are empty or cannot
        be opened are in none.

    >>> identical([Path(__file__), Path("missing.png"), Path(__file__)])
    [[0, 2]]
    """
    sizes = {index: size for index, file in enumerate(files) if (size := _size(file))}
    found = []
    for same_size in _alike(sizes, lambda index: sizes[index]):
        for same_end in _alike(same_size, lambda index: _tail(files[index])):
            whole = sizes[same_end[0]] <= TAIL
            found += [same_end] if whole else _alike(same_end, lambda i: _digest(files[i]))
    return sorted(found)


def _alike(indices: Iterable[int], key: Callable[[int], Hashable]) -> list[list[int]]:
    """Sets of two or more indices with the same key, where it is not None."""
    by_key: dict[Hashable, list[int]] = {}
    for index in indices:
        by_key.setdefault(key(index), []).append(index)
    return [each for value, each in by_key.items() if len(each) > 1 and value is not None]


def _size(file: Path) -> int:
    try:
        return os.stat(file).st_size
    except OSError:
        return 0  # its reader will name it


def _tail(file: Path) -> bytes | None:
    try:
        with open(file, "rb", buffering=0) as opened:
            end = opened.seek(0, os.SEEK_END)
            opened.seek(max(0, end - TAIL))
            return opened.read(TAIL)
    except OSError:
        return None


def _digest(file: Path) -> bytes | None:
    try:
        with open(file, "rb") as opened:
            return hashlib.file_digest(opened, "blake2b").digest()
    except OSError:
        return None
