"""From one encoded image to RGB pixels of a size."""

import io
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import torch
from PIL import ExifTags, Image, UnidentifiedImageError
from torch import Tensor
from torch.nn import functional

from vicinal.data import jpeg, plugins
from vicinal.data.dicom import dicom_image
from vicinal.data.resizing import Box, Resizing

# How to turn an image of each EXIF orientation upright; 1 is upright.
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
SIDEWAYS = [UPRIGHT[orientation] for orientation in (5, 6, 7, 8)]

FULL_RANGE = 65535  # of 16 bits
PHOTOMETRIC, WHITE_IS_ZERO = 262, 0  # a TIFF tag, and one of its values


def decoded(
    image: bytes | Image.Image, resizing: Resizing | None, pixel_range: int = FULL_RANGE
) -> Tensor:
    """An image as (3, H, W) uint8, upright.

    Args:
        pixel_range: the value that is white in an image of 16 bits.

    Raises:
        Exception: of nearly any type, where it cannot be read.
    """
    if isinstance(image, bytes) and image.startswith(jpeg.START):
        turn = UPRIGHT.get(jpeg.orientation(image))
        stored = resizing.turned() if resizing and turn in SIDEWAYS else resizing
        scaled = jpeg.scaled(image, stored.least if stored else None)
        pixels = None
        if scaled is not None:
            few = stored is not None and scaled.size <= jpeg.SCRATCH
            pixels = jpeg.read_jpeg(image, scaled, jpeg.scratch(1, scaled)[0] if few else None)
        if scaled is not None and pixels is not None:
            return _finished(pixels, scaled.height, scaled.width, stored, turn, resizing)
    return _decoded_by_pillow(image, resizing, pixel_range)


def decoded_together(
    images: Sequence[bytes], resizing: Resizing, pixel_range: int = FULL_RANGE
) -> list[Tensor | Exception]:
    """:func:`decoded` of several images; of those that cannot be read, the error.

    Upright JPEG files of one size are resized in one operation, in two thirds of the time.
    """
    found: list[Tensor | Exception | None] = [None] * len(images)
    alike: dict[jpeg.Scaled, list[int]] = {}
    for place, image in enumerate(images):
        scaled = None
        with suppress(Exception):  # which is raised again below
            scaled = None if jpeg.may_be_turned(image) else jpeg.scaled(image, resizing.least)
        if scaled is not None and scaled.size <= jpeg.SCRATCH:
            alike.setdefault(scaled, []).append(place)
    for scaled, places in alike.items():
        most = jpeg.SCRATCH // scaled.size
        for start in range(0, len(places), most):
            some = places[start : start + most]
            for place, pixels in _resized_together(images, some, scaled, resizing).items():
                found[place] = pixels
    for place, image in enumerate(images):
        if found[place] is None:
            try:
                found[place] = decoded(image, resizing, pixel_range)
            except Exception as error:  # decoders raise nearly anything on broken data
                found[place] = error
    return [each for each in found if each is not None]


def _resized_together(
    images: Sequence[bytes], places: list[int], scaled: jpeg.Scaled, resizing: Resizing
) -> dict[int, Tensor]:
    """JPEG files of one size by their places; those that Pillow must decode are left out."""
    box, shape = resizing.placed(scaled.height, scaled.width)
    if not all(float(side).is_integer() for side in box):
        return {}
    stack = jpeg.scratch(len(places), scaled)
    read: list[int] = []
    for place in places:
        if jpeg.read_jpeg(images[place], scaled, stack[len(read)]) is not None:
            read.append(place)
    if not read:
        return {}
    left, top, right, bottom = map(int, box)
    part = torch.from_numpy(stack[: len(read), top:bottom, left:right]).permute(0, 3, 1, 2)
    # NumPy's copy takes half of the time of torch's.
    pixels = torch.from_numpy(np.array(_interpolated(part, shape).numpy(), order="C"))
    return dict(zip(read, _padded(pixels, resizing), strict=True))


def _decoded_by_pillow(
    image: bytes | Image.Image, resizing: Resizing | None, pixel_range: int
) -> Tensor:
    with open_image(image) as opened:
        turn = UPRIGHT.get(opened.getexif().get(ExifTags.Base.Orientation, 1))
        stored = resizing.turned() if resizing and turn in SIDEWAYS else resizing
        # What JPEG is left to Pillow is decoded at 1/2, 1/4 or 1/8 of its size, too.
        drafted = stored and opened.draft(None, stored.least(opened.height, opened.width)[::-1])
        opened.load()
        pixels = _to_rgb(opened, pixel_range)
    width, height = drafted[1][2:] if drafted else pixels.size
    return _finished(np.array(pixels), height, width, stored, turn, resizing)


def _finished(
    pixels: Any,
    height: float,
    width: float,
    stored: Resizing | None,
    turn: Image.Transpose | None,
    upright: Resizing | None,
) -> Tensor:
    """Pixels (H, W, 3) resized, turned and filled up.

    Args:
        height, width: how much of the pixels the image covers.
        stored, upright: the resizing of what lies as it is stored, and of what was turned.
    """
    if stored is not None:
        pixels = _resized(pixels, *stored.placed(height, width))
    if turn is not None:
        pixels = np.array(Image.fromarray(pixels).transpose(turn))
    # NumPy's copy takes half of the time of torch's.
    image = torch.from_numpy(np.array(pixels.transpose(2, 0, 1), order="C"))
    return image if upright is None else _padded(image, upright)


def _resized(pixels: Any, box: Box, shape: tuple[int, int]) -> Any:
    """What is in a box of pixels (H, W, 3), at another size.

    torch's kernel is several times faster, but takes no fractions of pixels.
    """
    height, width = shape
    if not all(float(side).is_integer() for side in box):
        image = Image.fromarray(pixels).resize((width, height), Image.Resampling.BILINEAR, box)
        return np.array(image)
    left, top, right, bottom = map(int, box)
    part = torch.from_numpy(pixels)[None, top:bottom, left:right].permute(0, 3, 1, 2)
    return _interpolated(part, shape)[0].permute(1, 2, 0).numpy()


def _interpolated(images: Tensor, shape: tuple[int, int]) -> Tensor:
    if images.shape[-2:] == shape:
        return images
    return functional.interpolate(images, shape, mode="bilinear", antialias=True)


def resize_decoded(images: Tensor, size: Resizing | int) -> Tensor:
    """Decoded images, (N, 3, H, W) uint8, at another size."""
    resizing = Resizing.of(size)
    box, shape = resizing.placed(*images.shape[-2:])
    left, top, right, bottom = map(round, box)
    return _padded(_interpolated(images[..., top:bottom, left:right], shape), resizing)


def _padded(images: Tensor, resizing: Resizing) -> Tensor:
    """Images (..., H, W) amid what fills them up to the size."""
    height, width = (resizing.height - images.shape[-2], resizing.width - images.shape[-1])
    if not height and not width:
        return images
    top, left = height // 2, width // 2
    if resizing.method == "pad":
        return functional.pad(images, (left, width - left, top, height - top))
    mirrored = resizing.method == "pad_reflection"
    rows = _sources(images.shape[-2], top, resizing.height, mirrored)
    columns = _sources(images.shape[-1], left, resizing.width, mirrored)
    return images[..., rows[:, None], columns]


def _sources(length: int, before: int, side: int, mirrored: bool) -> Tensor:
    """The index of each of ``side`` pixels among ``length``, of which so many come before."""
    index = torch.arange(side) - before
    if not mirrored:
        return index.clamp(0, length - 1)
    period = max(2 * length - 2, 1)  # mirrored without repeating the border
    index = index.remainder(period)
    return torch.minimum(index, period - index)


def upright_shape(image: bytes | Image.Image) -> tuple[int, int]:
    """Height and width of the upright image, from the header if the format allows.

    Raises:
        Exception: of nearly any type, where it cannot be read.
    """
    with open_image(image) as opened:
        height, width = opened.height, opened.width
        # Pillow would decode the whole of a PNG to look for an orientation behind the pixels.
        has_none = opened.format == "PNG" and not {"exif", "Raw profile type exif"} & {*opened.info}
        if has_none or height == width:
            return height, width
        orientation = opened.getexif().get(ExifTags.Base.Orientation, 1)
    return (width, height) if UPRIGHT.get(orientation) in SIDEWAYS else (height, width)


def open_image(image: bytes | Image.Image) -> Image.Image:
    if isinstance(image, Image.Image):
        return image.copy()
    if plugins.is_dicom(image) and plugins.is_readable(".dcm"):
        return dicom_image(image)
    try:
        return Image.open(io.BytesIO(image))
    except UnidentifiedImageError:
        plugins.register()
        try:
            return Image.open(io.BytesIO(image))
        except UnidentifiedImageError as error:
            hint = plugins.hint(image)
            raise ValueError(reason(error) + (f": {hint}" if hint else "")) from None


def _to_rgb(image: Image.Image, pixel_range: int) -> Image.Image:
    if image.mode == "F" or (image.mode == "I" and not _has_16_bits(image)):
        raise ValueError("it has 32 bits a pixel, of no known range: store it with 8 or 16")
    if _has_16_bits(image):  # which PIL's own conversion would clip
        # Pillow stretches PGM files, which name the value that is white.
        most = FULL_RANGE if image.format == "PPM" else pixel_range
        grey = np.asarray(image, np.float32) / (most / 255)
        if _is_negative(image):
            grey = 255 - grey
        image = Image.fromarray(grey.round().clip(0, 255).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return image.convert("RGB")


def _has_16_bits(image: Image.Image) -> bool:
    # Older versions of Pillow read 16-bit PNG files in mode I, and all read PGM files so.
    return image.mode.startswith("I;16") or (image.mode == "I" and image.format in ("PNG", "PPM"))


def _is_negative(image: Image.Image) -> bool:
    """Whether 0 is white, which Pillow heeds for 8 bits only."""
    tags = getattr(image, "tag_v2", {}) if image.format == "TIFF" else {}
    return tags.get(PHOTOMETRIC) == WHITE_IS_ZERO


def greatest(image: bytes) -> int | None:
    """The greatest value of an image of 16 bits a pixel; None of another one."""
    if image.startswith(jpeg.START):
        return None
    with open_image(image) as opened:
        is_known = not _has_16_bits(opened) or opened.format == "PPM"
        return None if is_known else int(np.asarray(opened).max())


def tiff_pages(image: bytes) -> int | None:
    """The number of a TIFF file's pages, if it has several."""
    if not image.startswith((b"II", b"MM")):
        return None
    with open_image(image) as opened:
        count = getattr(opened, "n_frames", 1)
        return count if opened.format == "TIFF" and count > 1 else None


def reason(error: Exception) -> str:
    """One line that says why an image cannot be read."""
    # Pillow's message ends with the repr of the file object, which is of no use.
    text = getattr(error, "strerror", None) or str(error)
    return text.split("<")[0].split("\n")[0].strip() or type(error).__name__
