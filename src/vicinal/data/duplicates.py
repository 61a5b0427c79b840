"""Images whose files have the same bytes."""

import hashlib
import os
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any

TAIL = 1024  # bytes at the end of a file: unlike the first ones, they differ where images do


class Joined(Sequence[Any]):
    """The images of two parts one after the other, which are read where they are stored."""

    def __init__(self, first: Sequence[Any], second: Sequence[Any]) -> None:
        self.first, self.second = first, second

    def __len__(self) -> int:
        return len(self.first) + len(self.second)

    def __getitem__(self, index: Any) -> Any:
        count = len(self.first)
        return self.first[index] if index < count else self.second[index - count]

    def sizes(self) -> list[int]:
        return [*_sizes(self.first), *_sizes(self.second)]


def identical(images: Sequence[Any]) -> list[list[int]]:
    """Which images are stored with the same bytes.

    Only files of one size are opened, and only those that also end alike are read as a whole.

    Args:
        images: paths of files, encoded bytes, or ``{"bytes", "path"}`` records. A sequence that has
            a method ``sizes`` is asked for the numbers of their bytes.

    Returns:
        The indices of each set of two or more, in ascending order. Images that are empty or cannot
        be opened are in none.

    >>> from pathlib import Path
    >>> identical([Path(__file__), Path("missing.png"), Path(__file__)])
    [[0, 2]]
    >>> identical([b"a", {"bytes": b"a", "path": None}, b"b"])
    [[0, 1]]
    """
    sizes = {index: size for index, size in enumerate(_sizes(images)) if size}
    found = []
    for same_size in _alike(sizes, lambda index: sizes[index]):
        for same_end in _alike(same_size, lambda index: _tail(images[index])):
            whole = sizes[same_end[0]] <= TAIL
            found += [same_end] if whole else _alike(same_end, lambda i: _digest(images[i]))
    return sorted(found)


def _alike(indices: Iterable[int], key: Callable[[int], Hashable]) -> list[list[int]]:
    """Sets of two or more indices with the same key, where it is not None."""
    by_key: dict[Hashable, list[int]] = {}
    for index in indices:
        by_key.setdefault(key(index), []).append(index)
    return [each for value, each in by_key.items() if len(each) > 1 and value is not None]


def _sizes(images: Any) -> Iterable[int]:
    return images.sizes() if hasattr(images, "sizes") else map(_size, images)


def _size(image: Any) -> int:
    content = _content(image)
    if content is not None:
        return len(content)
    try:
        return os.stat(image).st_size
    except OSError:
        return 0  # its reader will name it


def _tail(image: Any) -> bytes | None:
    content = _content(image)
    if content is not None:
        return content[-TAIL:]
    try:
        with open(image, "rb", buffering=0) as opened:
            end = opened.seek(0, os.SEEK_END)
            opened.seek(max(0, end - TAIL))
            return opened.read(TAIL)
    except OSError:
        return None


def _digest(image: Any) -> bytes | None:
    content = _content(image)
    if content is not None:
        return hashlib.blake2b(content).digest()
    try:
        with open(image, "rb") as opened:
            return hashlib.file_digest(opened, "blake2b").digest()
    except OSError:
        return None


def _content(image: Any) -> bytes | None:
    """The bytes of an image; None where it is a file."""
    if isinstance(image, dict):
        return image.get("bytes") or b""
    return image if isinstance(image, bytes) else None
