"""Files of NumPy (.npz) with images and their classes, as Keras and MedMNIST store them."""

import re
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vicinal.data.parts import part_word
from vicinal.errors import VicinalError

IMAGES = {"x", "image", "images", "img", "imgs", "data", "features", "pixels"}
LABELS = {"y", "label", "labels", "target", "targets", "class", "classes"}
Parts = dict[str, tuple[NDArray[Any], NDArray[Any]]]


def npz_parts(path: Path) -> Parts:
    """The images and labels of each part, by its name; none where the file is no .npz.

    Names of arrays are those of parts and of what they hold: ``x_train``, ``y_test``,
    ``val_images``, or without parts ``images`` and ``labels``.

    Raises:
        VicinalError: the file cannot be read, or its arrays are no images with labels.
    """
    if path.suffix.lower() != ".npz" or not path.is_file():
        return {}
    arrays = read_arrays(path)
    images, labels = (by_part(arrays, names, path) for names in (IMAGES, LABELS))
    parts = {
        part: (arrays[images[part]], arrays[labels[part]]) for part in images if part in labels
    }
    shapes = shapes_of(arrays)
    if not parts:
        raise VicinalError(
            f"{path} holds {shapes}: name arrays x_train and y_train, or images and labels"
        )
    if not all(array.ndim in (3, 4) for array, _ in parts.values()):
        raise VicinalError(
            f"{path} holds {shapes}, which are no images: store rows of a table as CSV or Parquet, "
            "or learn series, (N, T) or (N, C, T), by --series"
        )
    return parts


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of a file, by name.

    Raises:
        VicinalError: the file cannot be read.
    """
    try:
        with np.load(path, allow_pickle=False) as opened:
            return {name: opened[name] for name in opened.files}
    except (OSError, ValueError, zipfile.BadZipFile, zlib.error, EOFError) as error:
        if "allow_pickle" in str(error):
            raise VicinalError(
                f"{path} holds Python objects, which could run any code when they are read: store "
                "arrays of numbers or strings"
            ) from None
        raise VicinalError(f"{path} cannot be read ({error}): store it anew") from None


def shapes_of(arrays: Mapping[str, NDArray[Any]]) -> str:
    """The names and shapes of arrays, for a message."""
    return ", ".join(f"{name} {array.shape}" for name, array in arrays.items()) or "no arrays"


def by_part(names: Iterable[str], words: set[str], path: Path) -> dict[str, str]:
    """The names of the arrays that hold images or labels, by the word that names their part.

    Raises:
        VicinalError: there are several of one part.
    """
    found: dict[str, str] = {}
    for name in names:
        if set(re.findall("[a-z]+", name.lower())) & words:
            part = part_word(name) or "train"
            if found.setdefault(part, name) != name:
                raise VicinalError(
                    f"{path} holds both {found[part]} and {name} for {part}: store one of them in "
                    "a file with the others"
                )
    return found
