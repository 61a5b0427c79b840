"""A look at the beginning and the end of images, which finds most of those that cannot be read."""

import os
from collections.abc import Callable
from typing import Any

from PIL import Image

from vicinal.data import jpeg
from vicinal.data.images import PREFETCHED, BadImage, in_threads, is_encoded, stored_as
from vicinal.data.samples import Samples

HEAD = 2**17  # bytes: systems read as much from a disk, even if less is asked for
TAIL = 2**10
PNG = b"\x89PNG\r\n\x1a\n"


def doubtful(samples: Samples, on_image: Callable[[], Any] | None = None) -> list[int]:
    """The images that may be broken: only decoding them can tell.

    They are missing or empty, lack their end, or are of a format that is not known here. The others
    begin and end as they should, and may still be damaged in the middle.

    Files that are read as a whole for it are held for decoding, up to a limit.

    Args:
        samples: images as they are stored.
        on_image: is called after each image, for progress.
    """
    found = []
    left = PREFETCHED - sum(map(len, samples.prefetched.values()))
    for index, (is_whole, content) in enumerate(
        in_threads(lambda index: _look(samples, index), len(samples))
    ):
        if not is_whole:
            found.append(index)
        if content is not None and len(content) <= left:
            samples.prefetched[index] = content
            left -= len(content)
        if on_image is not None:
            on_image()
    return found


def _look(samples: Samples, index: int) -> tuple[bool, bytes | None]:
    """Whether an image seems whole, and the content of a small file."""
    try:
        image = samples.prefetched.get(index, samples.images[index])
    except BadImage:
        return False, None
    image = stored_as(image) if is_encoded(image) else None
    if isinstance(image, bytes):
        return seems_whole(image[:HEAD], image[-TAIL:], len(image)), None
    if image is None:
        return False, None
    try:
        with open(image, "rb", buffering=0) as opened:
            size = os.fstat(opened.fileno()).st_size
            head = opened.read(min(size, HEAD))
            if size <= HEAD:
                return seems_whole(head, head[-TAIL:], len(head)), head
            opened.seek(size - TAIL)
            return seems_whole(head, opened.read(TAIL), size), None
    except OSError:
        return False, None


def seems_whole(head: bytes, tail: bytes, size: int) -> bool:
    """Whether an image has the header and the end of its format.

    Args:
        head, tail: the first and the last of its bytes; those of small images overlap.
        size: of all of it, in bytes.

    >>> seems_whole(b"GIF89a...", b"...\\0;", 100), seems_whole(b"GIF89a...", b"...", 100)
    (True, False)
    """
    if head.startswith(jpeg.START):  # after its end there may be more, as cameras write it
        return jpeg.END in tail and jpeg.scaled(head, None) is not None
    if head.startswith(PNG):
        width, height = (int.from_bytes(head[at : at + 4], "big") for at in (16, 20))
        most = Image.MAX_IMAGE_PIXELS
        return b"IEND\xae\x42\x60\x82" in tail and not (most and width * height > most)
    if head.startswith((b"GIF87a", b"GIF89a")):
        return tail.endswith(b"\0;")
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return size >= 8 + int.from_bytes(head[4:8], "little")
    if head.startswith(b"BM"):
        return size == int.from_bytes(head[2:6], "little")
    return False
