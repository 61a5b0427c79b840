"""What a file of the cache holds, and how it is named by the content of the images."""

import hashlib
import math
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import PIL
import xxhash

from vicinal.data import cache, jpeg
from vicinal.data.images import (
    BadImage,
    decoded_shape,
    encoded,
    in_threads,
    is_encoded,
    prefetch,
    read_sample,
)
from vicinal.data.resizing import Resizing
from vicinal.data.samples import Samples

VERSION = 3  # of the decoding and the file format


@dataclass(frozen=True)
class Decoded:
    """What a file of the cache holds: one byte for each of the samples, after the pixels.

    Args:
        pixels: (G, 3, height, width) uint8, of the images that can be read; mapped, read-only.
        good: (N,) bool, which of the samples these are.
        bad: the names of the others, and why they cannot be read.
    """

    pixels: Any
    good: Any
    bad: list[str]


class Lookup:
    """Looks for the decoded images of samples among the files of the cache.

    Args:
        samples: images as they are stored.
        size: that they are resized to.

    Attributes:
        start: what the name of their file begins with.
    """

    def __init__(self, samples: Samples, size: Resizing) -> None:
        self.samples, self.size, self.start = samples, size, start_of(samples, size)
        self._seen: set[Path] = set()

    def find(self) -> Decoded | None:
        """The decoded images, if they are in a file that was not there at the last call.

        Images are read to compute the key, and read again to be decoded. So the key is computed
        only where the name of a file says that it holds as many, of which the first and the middle
        one are the same: on a first run none does.
        """
        files = {entry.file for entry in cache.entries() if entry.file.name.startswith(self.start)}
        new, self._seen = files - self._seen, files
        key = content_key(self.samples, self.size) if new else None
        return None if key is None else mapped(self.file(key), self.samples, self.size)

    def file(self, key: str) -> Path:
        """The file of the cache for images of this key."""
        return cache.folder() / f"{self.start}-{key}{cache.SUFFIX}"


def start_of(samples: Samples, size: Resizing) -> str:
    """What the name of a file begins with, by their number, the first and the middle one."""
    key = new_key(samples, size)
    for index in {0, len(samples) // 2}:
        with suppress(BadImage):
            key.update(digest_of(prefetch(samples, index)))
    return f"{len(samples)}x{key.hexdigest()[:8]}"


def content_key(samples: Samples, size: Resizing | int) -> str | None:
    """A key for the content of images and what becomes of them; None where there is none.

    >>> from vicinal.data.samples import Samples
    >>> content_key(Samples([b"a", b"b"], [0, 1]), 8) == content_key(Samples([b"ab"], [0]), 8)
    False
    """
    key = new_key(samples, Resizing.of(size))

    def digest(index: int) -> bytes | None:
        image = samples.images[index]
        if not is_encoded(image):
            return None
        return digest_of(content_of(samples.prefetched.get(index, image))[0])

    for each in in_threads(digest, len(samples)):
        if each is None:
            return None
        key.update(each)
    return key.hexdigest()


def has_content(samples: Samples) -> bool:
    """Whether images are stored as files or bytes, and can be identified by these."""
    images = samples.images
    try:  # only lists can be looked through without reading what they hold
        return all(map(is_encoded, images if isinstance(images, list) else [images[0]]))
    except BadImage:
        return False


def new_key(samples: Samples, size: Resizing) -> Any:
    """A hash of what becomes of images, which the digests of all of them are added to in order."""
    how = f"{VERSION} {PIL.__version__} {jpeg.DECODER} {size} {samples.pixel_range}"
    return hashlib.blake2b(how.encode(), digest_size=16)


def digest_of(content: bytes) -> bytes:
    return xxhash.xxh3_128_digest(content)


def content_of(image: Any) -> tuple[bytes, BadImage | None]:
    """What an image is stored as; nothing where that cannot be read, and why not."""
    try:
        return encoded(image), None
    except BadImage as error:
        return b"", error


def mapped(
    file: Path, samples: Samples, size: Resizing, reasons: list[str] | None = None
) -> Decoded | None:
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
    return Decoded(pixels, good, reasons)
