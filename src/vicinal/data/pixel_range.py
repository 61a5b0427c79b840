"""Images of 16 bits a pixel whose values fill only a part of them: they are nearly black.

Cameras and scanners of 10, 12 or 14 bits write files of 16; some programs store 8 bits so. Which
value is white cannot be told from one image, so it is said what was seen, and taken on request.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from torch import Tensor

from vicinal.data.images import BadImage, greatest_value, image_name, pages, prefetch
from vicinal.data.samples import Samples, Split
from vicinal.data.split import DataSplit
from vicinal.errors import VicinalError

LOOKED_AT = 16  # images of each part
EIGHT_BITS = (".jpg", ".jpeg", ".gif", ".webp")  # files that need not be opened for the look
DARK = 4096  # below it, less than a sixteenth of the values is used


def look_at_pixels(split: DataSplit, pixel_range: int | None) -> DataSplit:
    """The split, with notes on what its images hold beside 8 bits a pixel and one page.

    Args:
        split: of any kind of data; notes are of stored images.
        pixel_range: the value that is white in images of 16 bits; None is 65535.

    Raises:
        VicinalError: ``pixel_range`` is given, and there are no such images; or it is out of range.
    """
    parts: list[Samples] = []
    if isinstance(split, Split) and split.kind != "sounds":
        parts = [part for part in (split.train, split.valid) if isinstance(part, Samples)]
    if pixel_range is None and not parts:
        return split
    seen = [value for part in parts for value in _each(part, greatest_value)]
    if pixel_range is not None:
        if not seen:
            looked = "none of the images that were looked at has 16 bits a pixel"
            reason = looked if parts else f"{split.kind} are read without a range"
            raise VicinalError(
                f"{reason}, so --pixel-range {pixel_range} does not apply: leave it out"
            )
        check_pixel_range(pixel_range)
    assert isinstance(split, Split)  # of others, nothing was seen
    notes = [*split.notes, *_range_notes(seen, pixel_range), *_page_notes(parts)]
    if pixel_range is None:
        return replace(split, notes=notes) if notes != split.notes else split
    train, valid = (replace(part, pixel_range=pixel_range) for part in parts)
    return replace(split, train=train, valid=valid, notes=notes)


def check_pixel_range(value: int) -> None:
    """Raise a VicinalError where this cannot be the value that is white."""
    if not 0 < value <= 65535:
        raise VicinalError(f"--pixel-range is the value that is white, 1 to 65535, not {value}")


def _each(samples: Samples, look: Callable[[Any], int | None]) -> list[int]:
    """What a look at a few images finds, of those where it finds something."""
    found: list[int] = []
    images = samples.images
    if isinstance(images, Tensor):
        return found
    for index in range(0, len(images), max(1, len(images) // LOOKED_AT)):
        with suppress(BadImage):  # it is reported when all are decoded
            if image_name(images[index], index).lower().endswith(EIGHT_BITS):
                continue
            value = look(prefetch(samples, index))
            if value is not None:
                found.append(value)
    return found


def _range_notes(seen: Sequence[int], pixel_range: int | None) -> list[str]:
    if not seen:
        return []
    most = max(seen)
    looked = f"up to {most:,} in the {len(seen)} images of 16 bits that were looked at"
    if pixel_range is not None:
        beyond = ": what is above is white, too" if most > pixel_range else ""
        return [f"pixels: values {looked}, of which {pixel_range:,} is white{beyond}"]
    if most >= DARK:
        return []
    bits = next(bits for bits in (8, 10, 12) if most < 2**bits)
    return [
        f"pixels: values {looked}, so they are nearly black (white is 65,535): "
        f"--pixel-range {2**bits - 1} makes it the greatest of {bits} bits"
    ]


def _page_notes(parts: Sequence[Samples]) -> list[str]:
    counts = [count for part in parts for count in _each(part, pages)]
    if not counts:
        return []
    return [f"pages: TIFF files have up to {max(counts)}, of which the first is read"]
