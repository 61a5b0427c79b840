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

from vicinal.data.augment import resize
from vicinal.data.samples import Samples
from vicinal.errors import VicinalError
from vicinal.processes import processors

T = TypeVar("T")

PREFETCHED = 64 * 2**20  # bytes of files that were looked at, and are not decoded yet
AHEAD = 4  # images per processor that are decoded in advance
SUFFIXES = frozenset(suffix for suffix in Image.registered_extensions() if suffix != ".pdf")

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


class BadImage(VicinalError):
    """An image that cannot be read."""


def image_name(image: Any, index: int) -> str:
    """The name of an image in a message."""
    if isinstance(image, str | os.PathLike):
        return str(image)
    if isinstance(image, dict) and image.get("path"):
        return f"image {index} ({image['path']})"
    return f"image {index}"


def read_image(image: Any, size: int | None = None) -> Tensor:
    """Read one image as RGB.

    Greyscale (8 and 16 bits), palettes and CMYK are converted, transparency shows white, and the
    EXIF orientation is applied.

    Args:
        image: a path, encoded bytes, a hub's ``{"bytes", "path"}`` record, or a PIL image.
        size: resize the shorter side to this many pixels and crop the centre square; None keeps
            the image's size.

    Returns:
        (3, H, W) uint8.

    Raises:
        BadImage: the file is missing, truncated, or not an image.

    >>> read_image(Image.new("L", (6, 4), 7), size=2).tolist()[0]
    [[7, 7], [7, 7]]
    """
    try:
        with open_image(image) as opened:
            # JPEG can decode at 1/2, 1/4 or 1/8 of the size in a fraction of the time.
            drafted = None if size is None else opened.draft(None, (size, size))
            opened.load()
            pixels = _to_rgb(opened)
            turn = UPRIGHT.get(opened.getexif().get(ExifTags.Base.Orientation, 1))
        if size is not None:
            # The size of a draft need not be whole: its last pixel may be only partly covered.
            width, height = drafted[1][2:] if drafted else pixels.size
            pixels = _centre_square(pixels, width, height, size)
        if turn is not None:
            pixels = pixels.transpose(turn)
    except Exception as error:  # Pillow's decoders raise nearly anything on broken data
        raise BadImage(reason(error)) from None
    return torch.from_numpy(np.array(pixels)).permute(2, 0, 1).contiguous()


def read_named(image: Any, size: int | None = None) -> Tensor:
    """:func:`read_image`, with the image's name in the error."""
    try:
        return read_image(image, size)
    except BadImage as error:
        raise BadImage(f"{image} cannot be read: {error}") from None


def open_image(image: Any) -> Image.Image:
    """An image of Pillow's, of which the header is read and not yet the pixels.

    Args:
        image: as for :func:`read_image`.

    Raises:
        Exception: of nearly any class, where it is no image.
    """
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
        raise BadImage(reason(error)) from None


def stored_as(image: Any) -> Any:
    """The bytes or path in a hub's ``{"bytes", "path"}`` record; other images as they are."""
    if not isinstance(image, dict):
        return image
    return image["bytes"] if image.get("bytes") is not None else image.get("path")


def _centre_square(image: Image.Image, width: float, height: float, size: int) -> Image.Image:
    side = min(width, height)
    left, top = (width - side) / 2, (height - side) / 2
    box = (left, top, left + side, top + side)
    return image.resize((size, size), Image.Resampling.BILINEAR, box)


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
        with open_image(image) as opened:
            return opened.height, opened.width
    except Exception as error:
        raise BadImage(reason(error)) from None


def reason(error: Exception) -> str:
    """Why an image cannot be read, from what was raised."""
    # Pillow's message ends with the repr of the file object, which is of no use.
    text = getattr(error, "strerror", None) or str(error)
    return text.split("<")[0].split("\n")[0].strip() or type(error).__name__


def read_sample(samples: Samples, index: int, size: int | None) -> Tensor | str:
    """One of the images; if it cannot be read, its name and the reason."""
    image = None
    try:
        image = samples.images[index]
        if isinstance(image, Tensor):
            return image if size is None else resize(image[None], size)[0]
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


def read_all(samples: Samples, size: int | None) -> Iterator[Tensor | str]:
    """All images in order, as :func:`read_sample` returns them, by a thread per processor."""
    return in_threads(lambda index: read_sample(samples, index, size), len(samples))


def decode(
    samples: Samples, size: int | None, *, skip_bad: bool = False, on_image: Any = None
) -> tuple[Samples, list[str]]:
    """Decode all images into one uint8 tensor, by a thread per processor.

    Args:
        samples: the stored images; a tensor of decoded ones is only resized.
        size: the side of the square that they are resized to; None where all have one size.
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
        pixels = samples.images if size is None else resize(samples.images, size)
        return Samples(pixels, samples.labels), []

    shape = (3, size, size) if size is not None else _first_shape(samples)
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


def batch_of(
    read: Iterable[tuple[Tensor | str, int]], size: int, *, skip_bad: bool
) -> tuple[Tensor, Tensor]:
    """A batch of images and labels, from what :func:`read_sample` returned for each.

    Returns:
        (B, 3, size, size) uint8 and (B,) int64, of the images that could be read.

    Raises:
        BadImage: one cannot be read, and ``skip_bad`` is not set.
    """
    each = list(read)
    good = [(image, label) for image, label in each if isinstance(image, Tensor)]
    bad = [image for image, _ in each if isinstance(image, str)]
    if bad and not skip_bad:
        raise BadImage(bad_images_message(bad, len(each)))
    none = torch.empty(0, 3, size, size, dtype=torch.uint8)
    images = torch.stack([image for image, _ in good]) if good else none
    return images, torch.tensor([label for _, label in good], dtype=torch.int64)


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
