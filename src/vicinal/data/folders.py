"""Labelled images from a folder: by the names of files, or by the folders that they lie in."""

import os
import re
from collections.abc import Callable
from pathlib import Path

from vicinal.data.images import find_images
from vicinal.data.samples import (
    TRAIN_NAMES,
    VALID_NAMES,
    Samples,
    Split,
    held_out,
    index_labels,
    random_split,
    unknown_classes,
)
from vicinal.errors import VicinalError


def split_by_name(
    path: str | os.PathLike[str], pattern: str, valid_pct: float, seed: int | None
) -> Split:
    """Class by file name; see :meth:`ImageDataLoaders.from_name_re`."""
    files = image_files(path)
    label = name_labeller(pattern)
    labels, vocab = index_labels([label(file.name) for file in files])
    train, valid = random_split(Samples(files, labels), valid_pct, seed or 0)
    return Split(train, valid, vocab)


def name_labeller(pattern: str) -> Callable[[str], str]:
    r"""A function that reads the class off a name: the first group of a regular expression.

    Raises:
        VicinalError: the pattern is no regular expression or has no group; and when called, it
            does not match.

    >>> name_labeller(r"(.+)_\d+.jpg$")("great_pyrenees_173.jpg")
    'great_pyrenees'
    """
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise VicinalError(f"{pattern!r} is no regular expression: {error}") from None
    if compiled.groups < 1:
        raise VicinalError(
            f"the pattern {pattern!r} has no group: put the part that is the class in parentheses"
        )

    def label(name: str) -> str:
        found = compiled.search(name)
        if found is None or found[1] is None:
            raise VicinalError(f"the name {name!r} does not match the pattern {pattern!r}")
        return found[1]

    return label


def split_by_folder(path: str | os.PathLike[str], valid_pct: float, seed: int | None) -> Split:
    """Class by the folder that an image lies in; see :meth:`ImageDataLoaders.from_folder`."""
    root = Path(path)
    files = image_files(root)
    folders = {child.name.lower(): child for child in root.iterdir() if child.is_dir()}
    train_folder = next((folders[name] for name in TRAIN_NAMES if name in folders), None)
    valid_folder = next((folders[name] for name in VALID_NAMES if name in folders), None)
    train_files = files if train_folder is None else image_files(train_folder)
    names = [_class_folder(file, train_folder or root) for file in train_files]
    if train_folder is None or valid_folder is None:
        labels, vocab = index_labels(names)
        return held_out(Samples(train_files, labels), vocab, valid_pct, seed or 0)
    valid_files = image_files(valid_folder)
    valid_names = [_class_folder(file, valid_folder) for file in valid_files]
    labels, vocab = index_labels(names + valid_names)
    train = Samples(train_files, labels[: len(names)])
    valid = Samples(valid_files, labels[len(names) :])
    note = f"validation: the folder {valid_folder.name}"
    notes = [note, *unknown_classes(train.labels, valid.labels, vocab)]
    return Split(train, valid, vocab, notes)


def _class_folder(file: Path, root: Path) -> str:
    parts = file.relative_to(root).parts
    if len(parts) < 2:
        raise VicinalError(
            f"{file} lies in no class folder: put it into one, or read classes off the file names "
            "with a pattern (--label-pattern)"
        )
    try:
        parts[0].encode()
    except UnicodeEncodeError:
        raise VicinalError(
            f"the folder {os.fsencode(parts[0])!r} has a name that is not in UTF-8: rename it"
        ) from None
    return parts[0]


def image_files(path: str | os.PathLike[str]) -> list[Path]:
    """The images below a folder.

    Raises:
        VicinalError: there is no such folder, or no image in it.
    """
    folder = Path(path)
    if not folder.exists():
        raise VicinalError(f"{folder} is not there: give the folder that holds the images")
    if not folder.is_dir():
        raise VicinalError(f"{folder} is a file: give the folder that holds the images")
    files = find_images(folder)
    if not files:
        raise VicinalError(f"{folder} holds no images: give a folder with image files below it")
    return files
