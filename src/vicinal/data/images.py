"""From a stored image to RGB pixels, and from many to one tensor in memory."""

import io
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from PIL import ExifTags, Image
from torch import Tensor
from torch.nn import functional

from vicinal.data.resizing import Resizing
from vicinal.data.samples import Samples
from vicinal.errors import VicinalError
from vicinal.processes import processors

T = TypeVar("T")

PREFETCHED = 64 * 2**20  # bytes of files that were looked at, and are not decoded yet
AHEAD = 4  # images per processor that are decoded in advance

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


class BadImage(VicinalError):
    """An image that cannot be read."""


def image_name(image: Any, index: int) -> str:
    """The name of an image in a message."""
    if isinstance(image, str | os.PathLike):
        return str(image)
    if isinstance(image, dict) and image.get("path"):
        return f"image {index} ({image['path']})"
    return f"image {index}"


def read_image(image: Any, size: Resizing | int | None = None) -> Tensor:
    """Read one image as RGB.

    Greyscale (8 and 16 bits), palettes and CMYK are converted, transparency shows white, and the
    EXIF orientation is applied.

    Args:
        image: a path, encoded bytes, a hub's ``{"bytes", "path"}`` record, or a PIL image.
        size: resize it to this size; of an int the shorter side gets this many pixels, and the
            centre square is cropped; None keeps the image's size.

    Returns:
        (3, H, W) uint8.

    Raises:
        BadImage: the file is missing, truncated, or not an image.

    >>> read_image(Image.new("L", (6, 4), 7), size=2).tolist()[0]
    [[7, 7], [7, 7]]
    >>> read_image(Image.new("L", (6, 4), 7), Resizing(3, 3, "pad")).tolist()[0]
    [[7, 7, 7], [7, 7, 7], [0, 0, 0]]
    """
    resizing = None if size is None else Resizing.of(size)
    try:
        with _open(image) as opened:
            turn = UPRIGHT.get(opened.getexif().get(ExifTags.Base.Orientation, 1))
            stored = resizing.turned() if resizing and turn in SIDEWAYS else resizing
            # JPEG can decode at 1/2, 1/4 or 1/8 of the size in a fraction of the time.
            drafted = stored and opened.draft(None, _drafted_size(opened, stored))
            opened.load()
            pixels = _to_rgb(opened)
        if stored is not None:
            # The size of a draft need not be whole: its last pixel may be only partly covered.
            width, height = drafted[1][2:] if drafted else pixels.size
            box, (height, width) = stored.placed(height, width)
            pixels = pixels.resize((width, height), Image.Resampling.BILINEAR, box)
        if turn is not None:
            pixels = pixels.transpose(turn)
    except Exception as error:  # Pillow's decoders raise nearly anything on broken data
        raise BadImage(_reason(error)) from None
    upright = torch.from_numpy(np.array(pixels)).permute(2, 0, 1).contiguous()
    return upright if resizing is None else _padded(upright, resizing)


def read_named(image: Any, size: Resizing | int | None = None) -> Tensor:
    """:func:`read_image`, with the image's name in the error."""
    try:
        return read_image(image, size)
    except BadImage as error:
        raise BadImage(f"{image} cannot be read: {error}") from None


def _open(image: Any) -> Image.Image:
    if isinstance(image, Image.Image):
        return image.copy()
    image = stored_as(image)
    if image is None:
        raise ValueError("no image is stored")
    return Image.open(io.BytesIO(image) if isinstance(image, bytes) else image)


def is_encoded(image: Any) -> bool:
    """Whether an image is stored as a file, as bytes or as a record of either."""
    return isinstance(image, str | os.PathLike | bytes | dict)


def encoded(image: Any) -> Any:
    """The bytes of an image that is stored as a file, as bytes or as a record; others as they are.

    Raises:
        BadImage: the file cannot be read, or the record is empty.
    """
    image = stored_as(image)
    if image is None:
        raise BadImage("no image is stored")
    if not isinstance(image, str | os.PathLike):
        return image
    try:
        return Path(image).read_bytes()
    except OSError as error:
        raise BadImage(_reason(error)) from None


def stored_as(image: Any) -> Any:
    """The bytes or path in a hub's ``{"bytes", "path"}`` record; other images as they are."""
    if not isinstance(image, dict):
        return image
    return image["bytes"] if image.get("bytes") is not None else image.get("path")


def _drafted_size(image: Image.Image, resizing: Resizing) -> tuple[int, int]:
    """The least width and height from which an image can be resized without a loss."""
    _, (height, width) = resizing.placed(image.height, image.width)
    return width, height


def _padded(images: Tensor, resizing: Resizing) -> Tensor:
    """Images (..., H, W) amid black that fills them up to the size."""
    height, width = (resizing.height - images.shape[-2], resizing.width - images.shape[-1])
    if not height and not width:
        return images
    top, left = height // 2, width // 2
    return functional.pad(images, (left, width - left, top, height - top))


def resize_decoded(images: Tensor, size: Resizing | int) -> Tensor:
    """Resize decoded images.

    Args:
        images: (N, 3, H, W) uint8.

    Returns:
        (N, 3, height, width) uint8.
    """
    resizing = Resizing.of(size)
    (left, top, right, bottom), shape = resizing.placed(*images.shape[-2:])
    images = images[..., round(top) : round(bottom), round(left) : round(right)]
    if images.shape[-2:] != shape:
        images = functional.interpolate(images, shape, mode="bilinear", antialias=True)
    return _padded(images, resizing)


def _to_rgb(image: Image.Image) -> Image.Image:
    # Older versions of Pillow read 16-bit PNG files in mode I.
    if image.mode == "F" or (image.mode == "I" and image.format != "PNG"):
        raise ValueError("it has 32 bits a pixel, of no known range: store it with 8 or 16")
    if image.mode.startswith("I"):  # 16 bits per pixel, which PIL's own conversion would clip
        grey = (np.asarray(image, np.float32) / 257).round().clip(0, 255)
        image = Image.fromarray(grey.astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return image.convert("RGB")


def image_shape(image: Any) -> tuple[int, int]:
    """Height and width, from the header if the format allows."""
    try:
        with _open(image) as opened:
            return opened.height, opened.width
    except Exception as error:
        raise BadImage(_reason(error)) from None


def _reason(error: Exception) -> str:
    # Pillow's message ends with the repr of the file object, which is of no use.
    text = getattr(error, "strerror", None) or str(error)
    return text.split("<")[0].split("\n")[0].strip() or type(error).__name__


def read_sample(samples: Samples, index: int, size: Resizing | int | None) -> Tensor | str:
    """One of the images; if it cannot be read, its name and the reason."""
    image = None
    try:
        image = samples.images[index]
        if isinstance(image, Tensor):
            return image if size is None else resize_decoded(image[None], size)[0]
        return read_image(samples.prefetched.pop(index, image), size)
    except BadImage as error:
        return f"{image_name(image, index)} ({error})"


def in_threads(function: Callable[[int], T], count: int) -> Iterator[T]:
    """``function(0)``, ``function(1)``, … in this order, computed by a thread per processor.

    Only a few are computed in advance, which bounds the memory they take.

    >>> list(in_threads(lambda i: i * i, 5))
    [0, 1, 4, 9, 16]
    """
    threads_at_once = processors()
    ahead: deque[Future[T]] = deque()
    with ThreadPoolExecutor(threads_at_once) as threads:
        for index in range(count):
            ahead.append(threads.submit(function, index))
            if len(ahead) == AHEAD * threads_at_once:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()


def read_all(samples: Samples, size: Resizing | int | None) -> Iterator[Tensor | str]:
    """All images in order, as :func:`read_sample` returns them, by a thread per processor."""
    return in_threads(lambda index: read_sample(samples, index, size), len(samples))


def decode(
    samples: Samples,
    size: Resizing | int | None,
    *,
    skip_bad: bool = False,
    on_image: Any = None,
) -> tuple[Samples, list[str]]:
    """Decode all images into one uint8 tensor, by a thread per processor.

    Args:
        samples: the stored images; a tensor of decoded ones is only resized.
        size: that they are resized to, as in :func:`read_image`; None where all have one size.
        skip_bad: leave out images that cannot be read.
        on_image: is called after each image, for progress.

    Returns:
        The samples with an (N, 3, H, W) uint8 tensor as images, and the names of those left out.

    Raises:
        BadImage: an image cannot be read and ``skip_bad`` is not set; it is named, and the others
            are counted.
        VicinalError: ``size`` is None and the images differ in size.
    """
    if isinstance(samples.images, Tensor):
        pixels = samples.images if size is None else resize_decoded(samples.images, size)
        return Samples(pixels, samples.labels), []

    shape = _first_shape(samples) if size is None else decoded_shape(size)
    # Filled in place: stacking a list would need twice the memory.
    pixels = torch.empty(len(samples), *shape, dtype=torch.uint8)
    labels: list[int] = []
    bad: list[str] = []
    for index, image in enumerate(read_all(samples, size)):
        if on_image is not None:
            on_image()
        if isinstance(image, str):
            bad.append(image)
            continue
        if image.shape != shape:
            raise VicinalError(
                f"the images differ in size ({image_name(samples.images[index], index)} has "
                f"{image.shape[1]}x{image.shape[2]} pixels, the first one {shape[1]}x{shape[2]}): "
                "give a size to resize them to"
            )
        pixels[len(labels)] = image
        labels.append(samples.labels[index])
    check_readable(bad, len(samples), skip_bad)
    return Samples(pixels[: len(labels)], labels), bad


def check_readable(bad: Sequence[str], total: int, skip_bad: bool) -> None:
    """Check that images could be read.

    Raises:
        BadImage: none could, or one could not and ``skip_bad`` is not set; the first is named.
    """
    if bad and len(bad) == total:
        raise BadImage(f"none of the {total:,} images can be read, the first is {bad[0]}")
    if bad and not skip_bad:
        raise BadImage(bad_images_message(bad, total))


def _first_shape(samples: Samples) -> tuple[int, ...]:
    """The shape of the first image that can be read; any shape if there is none."""
    for index in range(len(samples)):
        with suppress(BadImage):
            return (3, *image_shape(prefetch(samples, index)))
    return (3, 1, 1)


def prefetch(samples: Samples, index: int) -> Any:
    """An image's bytes, which :func:`read_sample` will use, if it is a file; others as they are.

    Raises:
        BadImage: it cannot be read.
    """
    image = samples.images[index]
    if index in samples.prefetched or not is_encoded(image):
        return samples.prefetched.get(index, image)
    content = encoded(image)
    if sum(map(len, samples.prefetched.values())) + len(content) <= PREFETCHED:
        samples.prefetched[index] = content
    return content


def decoded_shape(size: Resizing | int) -> tuple[int, int, int]:
    """The shape of an image that was read at a size."""
    resizing = Resizing.of(size)
    return 3, resizing.height, resizing.width


def batch_of(
    read: Iterable[tuple[Tensor | str, int]], size: Resizing | int, *, skip_bad: bool
) -> tuple[Tensor, Tensor]:
    """A batch of images and labels, from what :func:`read_sample` returned for each.

    Returns:
        (B, 3, height, width) uint8 and (B,) int64, of the images that could be read.

    Raises:
        BadImage: one cannot be read, and ``skip_bad`` is not set.
    """
    each = list(read)
    good = [(image, label) for image, label in each if isinstance(image, Tensor)]
    bad = [image for image, _ in each if isinstance(image, str)]
    if bad and not skip_bad:
        raise BadImage(bad_images_message(bad, len(each)))
    none = torch.empty(0, *decoded_shape(size), dtype=torch.uint8)
    images = torch.stack([image for image, _ in good]) if good else none
    return images, torch.tensor([label for _, label in good], dtype=torch.int64)


def bad_images_message(bad: Sequence[str], total: int) -> str:
    """One sentence that counts the unreadable images, and names the first."""
    if len(bad) == 1:
        count = f"1 of {total:,} images cannot be read: {bad[0]}"
    else:
        count = f"{len(bad):,} of {total:,} images cannot be read, the first is {bad[0]}"
    return f"{count}; repair or remove what is broken, or leave it out with skip_bad (--skip-bad)"
