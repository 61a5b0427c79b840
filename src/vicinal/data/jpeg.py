"""JPEG files by simplejpeg, in half of the time that Pillow takes for the same pixels."""

import io
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from PIL import ExifTags, Image

try:
    import simplejpeg  # type: ignore[import-untyped]
except ImportError:  # it has no wheels for some systems, on which Pillow does it all
    simplejpeg = None

DECODER = f"simplejpeg {simplejpeg.__version__}" if simplejpeg else "no simplejpeg"
START, END, START_OF_SCAN, APP1 = b"\xff\xd8\xff", b"\xff\xd9", 0xDA, 0xE1
SCRATCH = 2**22  # bytes that a thread keeps; what is larger gets memory of its own
_threads = threading.local()


class Scaled(NamedTuple):
    """The rows and columns that a JPEG file is decoded to, and how many of them the image covers.

    The last ones may be covered only partly.
    """

    rows: int
    columns: int
    height: float
    width: float

    @property
    def size(self) -> int:
        """Bytes of the pixels."""
        return 3 * self.rows * self.columns


def scaled(content: bytes, least: Callable[[int, int], tuple[int, int]] | None) -> Scaled | None:
    """How a JPEG file is decoded: at the smallest of 1/8, 1/4 and 1/2 of its size that is enough.

    Args:
        content: of the file.
        least: from its height and width to those that are needed at least; None needs all of it.

    Returns:
        None for what Pillow must decode, or refuse.
    """
    if simplejpeg is None or not content.startswith(START):
        return None
    try:
        # In strict mode, what is truncated or only dubious is an error, and for Pillow to judge.
        height, width, colours, _ = simplejpeg.decode_jpeg_header(content)
    except ValueError:
        return None
    most = Image.MAX_IMAGE_PIXELS
    if colours not in ("YCbCr", "Gray", "RGB") or (most and height * width > most):
        return None
    least_height, least_width = (height, width) if least is None else least(height, width)
    scale = min(height // least_height, width // least_width)
    scale = next(factor for factor in (8, 4, 2, 1) if factor <= max(1, scale))
    return Scaled(-(-height // scale), -(-width // scale), height / scale, width / scale)


def read_jpeg(content: bytes, to: Scaled, memory: Any = None) -> Any:
    """The pixels of a JPEG file, as Pillow would decode them.

    Args:
        content: of the file.
        to: what :func:`scaled` returned.
        memory: (rows, columns, 3) uint8 to decode into; None takes new memory.

    Returns:
        (rows, columns, 3) uint8; None for what Pillow must decode, or refuse.
    """
    rows, columns = to.rows, to.columns
    try:
        return simplejpeg.decode_jpeg(
            content, "RGB", min_height=rows, min_width=columns, buffer=memory
        )
    except ValueError:
        return None


def orientation(content: bytes) -> Any:
    """A JPEG file's EXIF orientation, 1 to 8 of which 1 is upright, or what stands in its place.

    Raises:
        Exception: of Pillow, where the file is broken.
    """
    if not may_be_turned(content):
        return 1
    with Image.open(io.BytesIO(content)) as opened:
        return opened.getexif().get(ExifTags.Base.Orientation, 1)


def may_be_turned(content: bytes) -> bool:
    """Whether there is a segment that may hold EXIF or XMP data, before the pixels."""
    place = 2
    while place + 4 <= len(content) and content[place] == 0xFF:
        marker = content[place + 1]
        if marker in (START_OF_SCAN, APP1):
            return marker == APP1
        length = int.from_bytes(content[place + 2 : place + 4], "big")
        place += 1 if marker == 0xFF else 2 + length  # the former is padding
    return True  # something unusual, which Pillow may know


def scratch(count: int, to: Scaled) -> Any:
    """(count, rows, columns, 3) uint8 to decode into, of at most :data:`SCRATCH` bytes.

    It is this thread's own, as new memory is slow, and valid until the next call.
    """
    needed = count * to.size
    if len(getattr(_threads, "scratch", ())) < needed:
        _threads.scratch = np.empty(needed, np.uint8)
    return _threads.scratch[:needed].reshape(count, to.rows, to.columns, 3)
