"""Files of NumPy (.npz) with images and their classes, as Keras and MedMNIST store them."""

import re
import zipfile
import zlib
from collections.abc import Iterable
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
    try:
        with np.load(path, allow_pickle=False) as opened:
            arrays = {name: opened[name] for name in opened.files}
    except (OSError, ValueError, zipfile.BadZipFile, zlib.error, EOFError) as error:
        if "allow_pickle" in str(error):
            raise VicinalError(
                f"{path} holds Python objects, which could run any code when they are read: store "
                "arrays of numbers or strings"
            ) from None
        raise VicinalError(f"{path} cannot be read ({error}): store it anew") from None
    images, labels = (_by_part(arrays, names, path) for names in (IMAGES, LABELS))
    parts = {
        part: (arrays[images[part]], arrays[labels[part]]) for part in images if part in labels
    }
    shapes = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
    if not parts:
        raise VicinalError(
            f"{path} holds {shapes or 'no arrays'}: name arrays x_train and y_train, or images and "
            "labels"
        )
    if not all(array.ndim in (3, 4) for array, _ in parts.values()):
        raise VicinalError(
            f"{path} holds {shapes}, which are no images: store rows of a table as CSV or Parquet"
        )
    return parts


def _by_part(names: Iterable[str], words: set[str], path: Path) -> dict[str, str]:
    """The names of the arrays that hold images or labels, by the word that names their part."""
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
