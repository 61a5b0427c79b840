"""Labelled images from a folder: classes by the names of files, or of the folders around them."""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from vicinal.data.listing import find_images
from vicinal.data.parts import WORDS
from vicinal.data.samples import (
    Samples,
    Split,
    held_out,
    index_labels,
    listed,
    unknown_classes,
)
from vicinal.errors import VicinalError


def split_by_name(
    path: str | os.PathLike[str],
    pattern: str,
    valid_pct: float,
    seed: int | None,
    files: list[Path] | None = None,
) -> Split:
    """Class by file name; see :meth:`ImageDataLoaders.from_name_re`.

    Args:
        files: the images below ``path``, where they have been found already.
    """
    label = name_labeller(pattern)
    parts = _parts(Path(path), files or image_files(path), in_class_folders=False)
    return _split(parts, lambda file, part: label(file.name), valid_pct, seed or 0)


def split_by_folder(
    path: str | os.PathLike[str],
    valid_pct: float,
    seed: int | None,
    files: list[Path] | None = None,
) -> Split:
    """Class by the folder around an image; see :meth:`ImageDataLoaders.from_folder`.

    Args:
        files: the images below ``path``, where they have been found already.
    """
    parts = _parts(Path(path), files or image_files(path), in_class_folders=True)
    return _split(parts, _class_folder, valid_pct, seed or 0)


def name_labeller(pattern: str) -> Callable[[str], str]:
    r"""A function from a name to its class: the first group of a regular expression.

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


@dataclass(frozen=True)
class Parts:
    """The folders of the training and the validation part, and their images.

    Args:
        train, valid: the folders; no validation folder where the data have none.
        files: the images of each.
        notes: lines for the user.
    """

    train: Path
    valid: Path | None
    files: dict[Path, list[Path]]
    notes: list[str]


def _parts(root: Path, files: list[Path], *, in_class_folders: bool) -> Parts:
    """Which folder is which part, by its name.

    Args:
        root: the folder of all images, at any depth.
        files: the images.
        in_class_folders: only what holds class folders can be a part; others are classes.

    Raises:
        VicinalError: there is a validation part, but no training part.
    """
    below: dict[str, list[Path]] = {}
    for file in files:
        first, *others = file.relative_to(root).parts
        below.setdefault(first if others else "", []).append(file)
    depth = len(root.parts) + (2 if in_class_folders else 1)
    parts = {
        name.lower(): name
        for name, images in below.items()
        if name and any(len(image.parts) > depth for image in images)
    }
    train = next((parts[name] for name in WORDS["train"] if name in parts), None)
    valid = next((parts[name] for name in (*WORDS["valid"], *WORDS["test"]) if name in parts), None)
    if train is None and valid is not None:
        raise VicinalError(
            f"{root} holds the part {valid}, but none that is called train: put the "
            f"other images into a folder train, or rename {valid}"
        )
    if train is None:
        return Parts(root, None, {root: files}, [])
    found = {root / name: below.pop(name) for name in (train, valid) if name is not None}
    count = sum(map(len, below.values()))
    names = listed([name or "no folder" for name in below], 3)
    notes = [f"left out: {count:,} images beside {train}, in {names}"] if below else []
    return Parts(root / train, None if valid is None else root / valid, found, notes)


def _split(
    parts: Parts, class_of: Callable[[Path, Path], str], valid_pct: float, seed: int
) -> Split:
    """The split of labelled images.

    Args:
        parts: their folders.
        class_of: from an image and the folder of its part to its class.
        valid_pct, seed: to hold out images where there is no validation part.
    """
    train_files = parts.files[parts.train]
    names = [class_of(file, parts.train) for file in train_files]
    if parts.valid is None:
        labels, vocab = index_labels(names)
        return held_out(Samples(train_files, labels), vocab, valid_pct, seed, parts.notes)
    valid_files = parts.files[parts.valid]
    labels, vocab = index_labels(names + [class_of(file, parts.valid) for file in valid_files])
    train = Samples(train_files, labels[: len(names)])
    valid = Samples(valid_files, labels[len(names) :])
    note = f"validation: the folder {parts.valid.name}"
    notes = [*parts.notes, note, *unknown_classes(train.labels, valid.labels, vocab)]
    return Split(train, valid, vocab, notes)


def _class_folder(file: Path, root: Path) -> str:
    parts = file.relative_to(root).parts
    if len(parts) < 2:
        raise VicinalError(
            f"{file} is in no class folder: move it into one, or take classes from the file names "
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
        raise VicinalError(f"{folder} does not exist: give the folder that holds the images")
    if not folder.is_dir():
        raise VicinalError(f"{folder} is a file: give the folder that holds the images")
    files = find_images(folder)
    if not files:
        raise VicinalError(f"{folder} holds no images: give a folder with image files below it")
    return files
