"""Files of MNIST's own format, idx, plain or compressed with gzip."""

import gzip
import math
import re
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vicinal.data.parts import part_word
from vicinal.errors import VicinalError

NAME = re.compile(r"(?i)(.*)(images|labels)[-.]idx[1-4](?:-\w+)?(\.gz)?$")
# What an element is, by the third byte of a file; numbers are big-endian.
TYPES = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}


def idx_parts(files: Iterable[Path]) -> dict[str, tuple[NDArray[Any], NDArray[Any]]]:
    """The images and labels of each part, by its name; none where no file is called so.

    Args:
        files: those that may be of idx, such as ``train-images-idx3-ubyte.gz``.

    Raises:
        VicinalError: one cannot be read, images lack their labels, or there are several data sets.
    """
    found: dict[str, dict[str, Path]] = {}
    # Of a file and its compressed copy, the shorter name comes first.
    for file in sorted(files, key=lambda file: len(file.name)):
        match = NAME.match(file.name)
        if match:
            found.setdefault(match[1].rstrip("-_."), {}).setdefault(match[2].lower(), file)
    parts = {}
    for name, pair in found.items():
        if len(pair) < 2:
            (file,) = pair.values()
            kind = "labels" if "images" in pair else "images"
            raise VicinalError(
                f"{file} has no {kind} beside it: give the folder that holds both files"
            )
        part = "test" if name.lower().startswith("t10k") else part_word(name) or "train"
        if part in parts:
            raise VicinalError(
                f"{file.parent} holds several data sets of idx, {name} among them: move the files "
                "of one into a folder of their own"
            )
        parts[part] = (pair["images"], pair["labels"])
    return {part: (_read(images), _read(labels)) for part, (images, labels) in parts.items()}


def _read(file: Path) -> NDArray[Any]:
    """An array, whose header is two zeros, its type, the number of dimensions, and their sizes."""
    try:
        with (gzip.open if file.suffix.lower() == ".gz" else open)(file, "rb") as opened:
            content = opened.read()
    except (OSError, EOFError, zlib.error) as error:
        raise VicinalError(f"{file} cannot be read ({error}): fetch it anew") from None
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in TYPES:
        raise VicinalError(f"{file} does not begin as a file of idx: fetch it anew")
    start, kind = 4 + 4 * content[3], np.dtype(TYPES[content[2]])
    shape = tuple(np.frombuffer(content[4:start], ">i4").tolist())
    if len(content) - start != math.prod(shape) * kind.itemsize:
        raise VicinalError(
            f"{file} holds {len(content) - start:,} bytes and names a shape of {shape}: it is "
            "damaged, fetch it anew"
        )
    return np.frombuffer(content, kind, offset=start).reshape(shape)
