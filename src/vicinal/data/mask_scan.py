"""A look at every mask: its size, and the numbers or colours that it holds."""

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from vicinal.data.decoding import reason
from vicinal.data.images import BadImage, encoded, image_name, image_shape, in_threads
from vicinal.errors import VicinalError

SHORT = (np.dtype(np.uint8), np.dtype(np.uint16))


@dataclass(frozen=True)
class Scanned:
    """What one mask holds.

    Args:
        counts: its numbers, or where it is ``coloured``, packed colours; how many pixels of each.
        coloured: whether it has colours that are no greys.
        palette: of a palette image: the packed colour of each index.
        wrong: what is wrong with it, in place of all that; the message is a clause.
    """

    counts: Mapping[int, int] = field(default_factory=dict)
    coloured: bool = False
    palette: tuple[int, ...] | None = None
    wrong: str | None = None

    @property
    def values(self) -> frozenset[int]:
        return frozenset(self.counts)


def scan(images: Sequence[Any], masks: Sequence[Any], step: Callable[[], None]) -> list[Scanned]:
    """Look at each mask beside its image, by a thread per processor.

    Args:
        images, masks: as they are stored.
        step: is called after each.
    """
    found = []
    for each in in_threads(lambda index: _look(images[index], masks[index], index), len(masks)):
        step()
        found.append(each)
    return found


def _look(image: Any, mask: Any, index: int) -> Scanned:
    name = mask_name(mask, index)
    try:
        opened = opened_mask(mask)
        values = pixel_values(opened)
    except Exception as error:  # decoders raise nearly anything on broken data
        return Scanned(wrong=f"{name} cannot be read: {reason(error)}")
    if opened.format == "JPEG":
        return Scanned(wrong=f"{name} is a JPEG file, which blurs the numbers of classes")
    try:
        height, width = image_shape(image)
    except BadImage:  # it is reported when images are read
        height, width = values.shape[:2]
    if (height, width) != values.shape[:2]:
        rows, columns = values.shape[:2]
        shown = image_name(image, index)
        return Scanned(
            wrong=f"{name} has {columns}x{rows} pixels, and {shown} has {width}x{height}"
        )
    coloured = values.ndim == 3 and bool((values != values[..., :1]).any())
    flat = as_packed(values) if coloured else values if values.ndim == 2 else values[..., 0]
    return Scanned(_counted(flat), coloured, palette_of(opened))


def _counted(values: Any) -> dict[int, int]:
    if values.dtype in SHORT:  # a count of each number takes a tenth of the time of sorting them
        counts = np.bincount(values.ravel())
        found = counts.nonzero()[0]
        counts = counts[found]
    else:
        found, counts = np.unique(values, return_counts=True)
    return dict(zip(found.tolist(), counts.tolist(), strict=True))


def mask_name(mask: Any, index: int) -> str:
    """The name of a mask in a message."""
    return (
        image_name(mask, index).replace("image", "mask", 1)
        if isinstance(mask, dict)
        else (image_name(mask, index))
    )


def opened_mask(mask: Any) -> Image.Image:
    """A mask as Pillow reads it, upright; its format stays known."""
    stored = encoded(mask)
    image = Image.open(io.BytesIO(stored)) if isinstance(stored, bytes) else stored
    kind = image.format
    upright = ImageOps.exif_transpose(image)
    if upright.mode in ("LA", "RGBA", "PA"):
        upright = upright.convert({"LA": "L", "RGBA": "RGB", "PA": "P"}[upright.mode])
    upright.format = kind
    return upright


def pixel_values(mask: Image.Image) -> Any:
    """Its pixels, whole: (H, W) numbers or indices of its palette, or (H, W, 3) colours.

    Of 8 or 16 bits as they are stored, else int64.

    Raises:
        VicinalError: they are no whole numbers, 0 or more; the message is a clause.
    """
    if mask.mode in ("CMYK", "YCbCr", "LAB", "HSV"):
        mask = mask.convert("RGB")
    values = np.asarray(mask)
    if values.dtype in SHORT:
        return values
    whole = values.astype(np.int64)
    if (whole != values).any() or (whole < 0).any():
        raise VicinalError("its values are no numbers of classes")
    return whole


def as_packed(colours: Any) -> Any:
    """Colours (..., 3) to packed ones (...), int64."""
    colours = colours.astype(np.int64)
    return (colours[..., 0] << 16) + (colours[..., 1] << 8) + colours[..., 2]


def palette_of(mask: Image.Image) -> tuple[int, ...] | None:
    """The packed colours of a palette image."""
    if mask.mode != "P":
        return None
    flat = np.array(mask.getpalette() or [], dtype=np.int64).reshape(-1, 3)
    return tuple(as_packed(flat).tolist())
