"""From a stored image to RGB pixels, and from many to one tensor in memory."""

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from vicinal.data.decoding import (
    FULL_RANGE,
    decoded,
    decoded_together,
    greatest,
    reason,
    resize_decoded,
    tiff_pages,
    upright_shape,
)
from vicinal.data.resizing import Resizing
from vicinal.data.samples import Samples
from vicinal.errors import VicinalError
from vicinal.processes import processors

T = TypeVar("T")

PREFETCHED = 256 * 2**20  # bytes of files that were looked at, and are not decoded yet
TOGETHER = 8  # images that a thread takes at a time
AHEAD = 2 * TOGETHER  # images per processor that are decoded in advance
SUFFIXES = frozenset(suffix for suffix in Image.registered_extensions() if suffix != ".pdf")


class BadImage(VicinalError):
    """An image that cannot be read."""


def image_name(image: Any, index: int) -> str:
    """The name of an image in a message."""
    if isinstance(image, str | os.PathLike):
        return str(image)
    if isinstance(image, dict) and image.get("path"):
        return f"image {index} ({image['path']})"
    return f"image {index}"


def read_image(
    image: Any, size: Resizing | int | None = None, pixel_range: int = FULL_RANGE
) -> Tensor:
    """Read one image as RGB.

    Greyscale (8 and 16 bits), palettes and CMYK are converted, transparency shows white, and the
    EXIF orientation is applied.

    Args:
        image: a path, encoded bytes, a hub's ``{"bytes", "path"}`` record, an open file, a PIL
            image, or its pixels as an array (H, W) or (H, W, 3) of uint8.
        size: resize it to this size; of an int the shorter side gets this many pixels, and the
            centre square is cropped; None keeps the image's size.
        pixel_range: the value that is white in an image of 16 bits, such as 4095 of 12 bits.

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
        return decoded(_stored(image), resizing, pixel_range)
    except Exception as error:  # decoders raise nearly anything on broken data
        raise BadImage(reason(error)) from None


def read_together(
    images: Sequence[bytes], size: Resizing | int, pixel_range: int
) -> list[Tensor | BadImage]:
    """:func:`read_image` of several encoded images, in less time; of bad ones the error."""
    found = decoded_together(images, Resizing.of(size), pixel_range)
    return [BadImage(reason(each)) if isinstance(each, Exception) else each for each in found]


def read_named(
    image: Any, size: Resizing | int | None = None, pixel_range: int = FULL_RANGE
) -> Tensor:
    """:func:`read_image`, with the image's name in the error."""
    try:
        return read_image(image, size, pixel_range)
    except BadImage as error:
        raise BadImage(f"{name_of(image)} cannot be read: {error}") from None


def name_of(image: Any) -> str:
    """The path of an image; of pixels and of encoded bytes, which are long, only what they are.

    >>> name_of("pug_7.jpg"), name_of(b"GIF89a")
    ('pug_7.jpg', 'an image of bytes')
    """
    is_path = isinstance(image, str | os.PathLike)
    return str(image) if is_path else f"an image of {type(image).__name__}"


def _stored(image: Any) -> bytes | Image.Image:
    image = encoded(image)
    if hasattr(image, "read"):
        image = image.read()
    if isinstance(image, np.ndarray):
        if image.dtype != np.uint8:
            raise BadImage(f"pixels are uint8, from 0 to 255, not {image.dtype}: convert them")
        image = Image.fromarray(image)
    if not isinstance(image, bytes | Image.Image):
        raise BadImage(f"a {type(image).__name__} is no image")
    return image


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
        raise BadImage(reason(error)) from None


def stored_as(image: Any) -> Any:
    """The bytes or path in a hub's ``{"bytes", "path"}`` record; other images as they are."""
    if not isinstance(image, dict):
        return image
    return image["bytes"] if image.get("bytes") is not None else image.get("path")


def image_shape(image: Any) -> tuple[int, int]:
    """Height and width of the upright image, from the header if the format allows."""
    try:
        return upright_shape(_stored(image))
    except Exception as error:
        raise BadImage(reason(error)) from None


def greatest_value(image: Any) -> int | None:
    """The greatest value of an image of 16 bits a pixel; None where it has others."""
    return _looked_at(image, greatest)


def pages(image: Any) -> int | None:
    """The number of pages of a TIFF file that has several; None of other images."""
    return _looked_at(image, tiff_pages)


def _looked_at(image: Any, look: Callable[[bytes], int | None]) -> int | None:
    content = encoded(image)
    try:
        return look(content) if isinstance(content, bytes) else None
    except Exception as error:
        raise BadImage(reason(error)) from None


def read_sample(samples: Samples, index: int, size: Resizing | int | None) -> Tensor | str:
    """One of the images; if it cannot be read, its name and the reason."""
    image = None
    try:
        image = samples.images[index]
        if isinstance(image, Tensor):
            return image if size is None else resize_decoded(image[None], size)[0]
        return read_image(samples.prefetched.pop(index, image), size, samples.pixel_range)
    except BadImage as error:
        return f"{image_name(image, index)} ({error})"


def in_threads(function: Callable[[int], T], count: int) -> Iterator[T]:
    """``function(0)``, ``function(1)``, … in this order, computed by a thread per processor.

    Only a few are computed in advance, which bounds the memory they take.

    >>> list(in_threads(lambda i: i * i, 5))
    [0, 1, 4, 9, 16]
    """

    return several_in_threads(lambda indices: [function(index) for index in indices], count)


def several_in_threads(
    function: Callable[[range], Sequence[T]], count: int
) -> Generator[T, None, None]:
    """:func:`in_threads` of a function that takes several indices at a time."""
    threads_at_once = processors()
    # Of few images, such as a batch, each thread gets some.
    together = max(1, min(TOGETHER, -(-count // threads_at_once)))
    ahead: deque[Future[Sequence[T]]] = deque()
    with ThreadPoolExecutor(threads_at_once) as threads:
        for start in range(0, count, together):
            indices = range(start, min(start + together, count))
            ahead.append(threads.submit(function, indices))
            if len(ahead) * TOGETHER == AHEAD * threads_at_once:
                yield from ahead.popleft().result()
        while ahead:
            yield from ahead.popleft().result()


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
        return replace(samples, images=pixels, prefetched={}), []

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
    return replace(samples, images=pixels[: len(labels)], labels=labels, prefetched={}), bad


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
    read: Iterable[tuple[Tensor | str, Any]], size: Resizing | int, *, skip_bad: bool
) -> tuple[Tensor, Tensor]:
    """A batch of images and labels, from what :func:`read_sample` returned for each.

    Returns:
        (B, 3, height, width) uint8 and (B,) int64 classes, or (B, k) float32 values, of the images
        that could be read.

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
    labels = [label for _, label in good]
    return images, torch.tensor(labels) if labels else torch.empty(0, dtype=torch.int64)


def bad_images_message(bad: Sequence[str], total: int) -> str:
    """One sentence that counts the unreadable images, and names the first."""
    if len(bad) == 1:
        count = f"1 of {total:,} images cannot be read: {bad[0]}"
    else:
        count = f"{len(bad):,} of {total:,} images cannot be read, the first is {bad[0]}"
    return f"{count}; repair or remove what is broken, or leave it out with skip_bad (--skip-bad)"


def is_image(file: Path) -> bool:
    """Whether a file has the suffix of an image."""
    return file.suffix.lower() in SUFFIXES


def find_images(folder: Path) -> list[Path]:
    """All image files below a folder, by suffix; see :func:`files_below`."""
    return [file for file in files_below(folder) if is_image(file)]


def files_below(folder: Path) -> list[Path]:
    """All files below a folder, sorted by name.

    Hidden files and folders are left out; a link to a folder above itself is not followed.
    """
    found = []
    for root, folders, files in os.walk(folder, followlinks=True):
        here = Path(root).resolve()
        folders[:] = [
            name
            for name in folders
            if not name.startswith(".") and not here.is_relative_to(Path(root, name).resolve())
        ]
        found += [Path(root, name) for name in files if not name.startswith(".")]
    return sorted(found)
