"""Sizes of images in pixels: the side of a square, or height and width."""

import re
from collections.abc import Sequence
from operator import index

from vicinal.data.resizing import Method, Resizing
from vicinal.errors import VicinalError

Size = int | tuple[int, int]


def sides(size: Size) -> tuple[int, int]:
    """Height and width.

    Raises:
        VicinalError: it is neither a whole number nor two.

    >>> sides(64), sides((48, 64))
    ((64, 64), (48, 64))
    """
    try:
        if not isinstance(size, Sequence):
            return index(size), index(size)
        height, width = map(index, size)
    except (TypeError, ValueError):
        raise VicinalError(f"a size is a side in pixels or (height, width), not {size!r}") from None
    return height, width


def as_size(height: int, width: int) -> Size:
    """One number for a square.

    >>> as_size(64, 64), as_size(48, 64)
    (64, (48, 64))
    """
    return height if height == width else (height, width)


def scaled(size: Size, factor: float) -> Size:
    """A size with each side multiplied, and rounded.

    >>> scaled(128, 1.15), scaled((96, 128), 1.15)
    (147, (110, 147))
    """
    height, width = sides(size)
    return as_size(round(height * factor), round(width * factor))


def how_read(size: Size | Resizing, method: Method = "crop") -> Resizing | int:
    """How images are read at a size: its side where squares are cropped, else a Resizing.

    >>> how_read(64), how_read((48, 64), "pad")
    (64, Resizing(height=48, width=64, method='pad'))
    """
    resizing = size if isinstance(size, Resizing) else Resizing(*sides(size), method)
    is_plain = resizing == Resizing.of(resizing.height)
    return resizing.height if is_plain else resizing


def parse_size(text: str) -> Size:
    """A size from the command line.

    Raises:
        VicinalError: it is none.

    >>> parse_size("64"), parse_size("48x64")
    (64, (48, 64))
    """
    found = re.fullmatch(r"(-?\d+)(?:x(-?\d+))?", text.strip().lower())
    if found is None:
        raise VicinalError(
            f"--size must be a side in pixels, or height x width such as 96x128, not {text}"
        )
    return as_size(int(found[1]), int(found[2] or found[1]))


def size_text(size: Size) -> str:
    """What :func:`parse_size` reads.

    >>> size_text(64), size_text((48, 64))
    ('64', '48x64')
    """
    return str(size) if isinstance(size, int) else "x".join(map(str, size))
