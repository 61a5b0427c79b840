"""The files below a folder, and which of them are images."""

import os
from pathlib import Path

from PIL import Image

SUFFIXES = frozenset(suffix for suffix in Image.registered_extensions() if suffix != ".pdf")


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
