"""The split of images that tables name."""

import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from vicinal.data.beside import images_beside
from vicinal.data.columns import is_numeric
from vicinal.data.image_tables import ImageTable
from vicinal.data.labelled_images import (
    LabelledImages,
    are_values,
    split_column,
    split_of_labelled,
)
from vicinal.data.labels import MOST_CLASSES, as_written, check_labels, label_column
from vicinal.data.parts import is_only_part, part_names, part_of, part_word
from vicinal.data.samples import Split, images_of, listed
from vicinal.data.several import LabelSets, single_names, with_label_sets
from vicinal.errors import VicinalError

if TYPE_CHECKING:
    from vicinal.data.request import DataRequest

# Folders with such a word in their names hold images of all classes.
CONTAINERS = {"image", "images", "img", "imgs", "photo", "photos", "picture", "pictures", "files"}
CONTAINERS |= {"jpg", "jpgs", "jpeg", "jpegs", "png", "pngs", "data", "raw", "part", "batch"}
REASONS = {"": "holds images that a table names", "stream": "holds images in files of their own"}
OPTIONS = ("label", "group", "split_column", "drop", "drop_missing", "label_kind", "label_sep")


def split_of_image_tables(request: "DataRequest") -> Split | None:
    """The images that tables name, with their classes; None where data are to be read otherwise.

    That is where no table names images, where classes have folders of their own and no label
    column was requested, or where the data are one table that has more to learn from.

    Args:
        request: a folder of images with tables in it, or a table with images beside it.

    Raises:
        VicinalError: a table names images, and they or their classes are not all there.
    """
    if request.label_pattern is not None:
        return None
    tables = request.image_tables
    labelled = [table for table in tables if table.label(request.label) is not None]
    if not tables or _are_read_otherwise(labelled, request):
        return None
    more = ("columns", "categorical") if request.columns and request.takes_columns else ()
    request.accept(*OPTIONS, *more, reasons=REASONS)
    is_other = request.label is None and not any(map(_trains, labelled))
    if not labelled or (is_other and any(map(_trains, tables))):
        raise _no_label(min(tables, key=_rank), request)
    for name in request.drop:
        if not any(name in table.dropped for table in tables):
            raise VicinalError(f"{tables[0].file} has no column {name}: leave it out of --drop")
    chosen = _by_part(labelled)
    label = next(iter(chosen.values()))[0].label(request.label)
    assert label is not None
    chosen, sets = _understood(chosen, label, request)
    first = labelled[0].frame[label]
    if request.label is None and sets is None and _are_captions(first):
        raise VicinalError(
            f"{labelled[0].file} names images, and column {label} seems to hold no classes, such "
            f"as {first.iloc[0]}: name a column of classes with --label"
        )
    notes = _instead_of_folders(next(iter(chosen.values())), request)
    chosen = chosen if sets else _spelled(chosen, label, request)
    parts = {name: _part(part, label, request, notes, sets) for name, part in chosen.items()}
    used = {table.file for part in chosen.values() for table in part}
    parts = _by_folders(parts, label, request, notes)
    notes += _left_alone(parts, used, request)
    _keep_apart(parts, notes)
    split = split_of_labelled(parts, label, request, [*dict.fromkeys(notes)], sets=sets)
    return images_beside(split, parts, next(iter(chosen.values()))[0], label, request)


def _understood(
    parts: dict[str, list[ImageTable]], label: str, request: "DataRequest"
) -> tuple[dict[str, list[ImageTable]], LabelSets | None]:
    """The tables with tuples of labels, and how these were understood; or with one label a row."""
    tables = [table for part in parts.values() for table in part]
    if tables[0].sets is not None:
        return parts, tables[0].sets
    frames = {str(number): table.frame for number, table in enumerate(tables)}
    found = with_label_sets(frames, label, request)
    made, sets = found or (
        {
            number: frame.assign(**{label: single_names(frame[label])}) if label in frame else frame
            for number, frame in frames.items()
        },
        None,
    )
    numbers = iter(made)
    return {
        name: [replace(table, frame=made[next(numbers)]) for table in part]
        for name, part in parts.items()
    }, sets


def _are_read_otherwise(labelled: list[ImageTable], request: "DataRequest") -> bool:
    """Whether classes have folders of their own, or a single table has more than the images."""
    if request.columns:
        return False
    if request.path is not None and request.path.is_file():
        if not request.columns_come_first:
            return False
        return not labelled or set(labelled[0].others) != {labelled[0].label(request.label)}
    if request.label is not None or len(class_folders(request)) < 2:
        return False
    labels = [table.frame[table.label(None)] for table in labelled]
    if not labels or any(are_values(each) or _are_captions(each) for each in labels):
        return True
    rows = [
        (files, label)
        for table in labelled
        for files, label in zip(table.found, table.frame[table.label(None)], strict=True)
        if files
    ]
    if len({files[0] for files, _ in rows}) < len(request.images) / 2:
        return True
    alike = sum(any(str(label) in f.parent.parts for f in files) for files, label in rows)
    # Tables that repeat the folders' names may still say which images are of which part.
    tell_parts = len({table.part for table in labelled}) > 1
    has_parts = any(part_of(name) for names in _folders(request) for name in names)
    return alike >= 0.9 * len(rows) and not (tell_parts and not has_parts)


def _are_captions(labels: pd.Series) -> bool:
    """Whether a column holds texts, another one for nearly each image."""
    if is_numeric(labels):
        return False
    return labels.astype("string").nunique() > max(MOST_CLASSES, 0.9 * len(labels))


def _instead_of_folders(tables: list[ImageTable], request: "DataRequest") -> list[str]:
    """A line where images are in folders that could be classes, too."""
    if request.path is None or request.path.is_file():
        return []
    folders = class_folders(request)
    if len(folders) < 2:
        return []
    return [f"classes: by {tables[0].file.name}, not by the folders ({listed(folders, 3)})"]


def _folders(request: "DataRequest") -> set[tuple[str, ...]]:
    """The names of the folders that lead to each folder with images."""
    assert request.path is not None
    folders = {os.path.dirname(file) for file in request.images}
    return {Path(folder).relative_to(request.path).parts for folder in folders}


def class_folders(request: "DataRequest") -> list[str]:
    """The folders around images that may be their classes: no parts, and not called images."""
    found = set()
    for names in _folders(request):
        for name in names:
            if part_of(name) is None and not CONTAINERS & set(re.findall(r"[a-z]+", name.lower())):
                found.add(name)
                break
    return sorted(found)


def _rank(table: ImageTable) -> tuple[bool, bool]:
    """Lowest for the table that most likely has a label: it has other columns, and trains."""
    return not table.others, not _trains(table)


def _trains(table: ImageTable) -> bool:
    return part_of(table.part or "train") == "train"


def _no_label(table: ImageTable, request: "DataRequest") -> VicinalError:
    """Which column is the label?"""
    flags = [name for name in table.others if is_numeric(table.frame[name])]
    flags = [name for name in flags if table.frame[name].dropna().isin([-1, 0, 1]).all()]
    if request.label is None and len(flags) > 1 and len(flags) == len(table.others):
        return VicinalError(
            f"the columns {listed(flags)} of {table.file} may be several labels of each image: "
            "learn all of them by --label-kind labels, or name one or some of them with --label"
        )
    if not table.others:
        return VicinalError(
            f"{table.file} names images and has no column of their classes: add one"
        )
    try:
        label_column(table.others, request.label)
    except VicinalError as error:
        return VicinalError(f"{table.file} names images, and {error}")
    raise AssertionError


def _by_part(labelled: list[ImageTable]) -> dict[str, list[ImageTable]]:
    """The tables of each part; those of no part are of the training part, or left out."""
    parts: dict[str, list[ImageTable]] = {}
    for table in labelled:
        name = table.part or ""
        parts.setdefault("train" if part_of(name) == "train" else name, []).append(table)
    if "" in parts and "train" in parts:
        del parts[""]
    elif "" in parts:
        parts = {"train": parts.pop(""), **parts}
    for tables in parts.values():
        for table in tables:
            if set(table.frame) != set(tables[0].frame):
                raise VicinalError(
                    f"{tables[0].file} and {table.file} both name images, and differ in their "
                    "columns: leave one of them in the folder"
                )
    train, valid = part_names(parts)
    return {name: parts[name] for name in (train, valid) if name is not None}


def _spelled(
    parts: dict[str, list[ImageTable]], label: str, request: "DataRequest"
) -> dict[str, list[ImageTable]]:
    """The same tables with labels as they are written, where they would lose something as numbers.

    Raises:
        VicinalError: words such as ``None`` may be labels, or missing ones.
    """
    train = next(iter(parts.values()))
    as_cells = any(
        as_written(table.frame[label], table.written.get(label), request.label_kind)
        for table in train
    )
    spelled: dict[str, list[ImageTable]] = {}
    for name, tables in parts.items():
        spelled[name] = []
        for table in tables:
            cells = table.written.get(label)
            if as_cells and cells is not None:
                table = replace(table, frame=table.frame.assign(**{label: cells}))
            elif cells is not None and not request.drop_missing and label in table.frame:
                check_labels(table.frame[label], cells)
            spelled[name].append(table)
    return spelled


def _part(
    tables: list[ImageTable],
    label: str,
    request: "DataRequest",
    notes: list[str],
    sets: LabelSets | None,
) -> LabelledImages:
    """The images of one part; ``notes`` gets lines about them."""
    files: list[Path] = []
    frames = []
    for table in tables:
        if label not in table.frame:
            raise VicinalError(f"{table.file} has no column {label}: name the label alike in both")
        found, frame = _found(table, request, notes)
        files += found
        frames.append(frame)
    images = LabelledImages(files, pd.concat(frames))
    names, first = listed([table.file.name for table in tables]), tables[0]
    notes.append(f"files: those in column {first.column} of {names}")
    if first.one_of:
        notes.append(f"labels: that of {listed(first.one_of)} which is 1 in a row")
    elif sets is None:
        notes.append(f"labels: column {label}")
    if sets is not None and request.label_kind == "labels":
        return _united(images, label, names, notes)
    return _each_once(images, label, names, notes)


def _united(images: LabelledImages, label: str, names: str, notes: list[str]) -> LabelledImages:
    """The images once each, with the labels of all rows that name them."""
    files = [*map(str, images.images)]
    together: dict[str, dict[str, None]] = {}
    for file, labels in zip(files, images.frame[label], strict=True):
        together.setdefault(file, {}).update(dict.fromkeys(labels or ()))
    again = len(files) - len(together)
    if not again:
        return images
    notes.append(f"joined: {again:,} rows of {names} name an image again, with more labels of it")
    once = images.rows(~pd.Series(files).duplicated().to_numpy())
    labels = pd.Series([tuple(each) for each in together.values()], once.frame.index, dtype=object)
    return replace(once, frame=once.frame.assign(**{label: labels}))


def _found(
    table: ImageTable, request: "DataRequest", notes: list[str]
) -> tuple[list[Path], pd.DataFrame]:
    """The files that a table names, and their rows."""
    values, counts = table.frame[table.column], [len(files) for files in table.found]
    for row, files in enumerate(table.found):
        if len(files) > 1:
            raise VicinalError(
                f"{values.iloc[row]} in row {values.index[row]} of {table.file} can be {files[0]} "
                f"or {files[1]}: write folders before the names, or move away what is not meant"
            )
    there = [count == 1 for count in counts]
    missing = counts.index(0) if 0 in counts else None
    if missing is not None:
        what = (
            f"{counts.count(0):,} of {len(counts):,} images in column {table.column} of "
            f"{table.file.name} are missing, first {values.iloc[missing]} in row "
            f"{values.index[missing]}"
        )
        if not request.skip_bad:
            raise VicinalError(f"{what}: add them, or leave them out with skip_bad (--skip-bad)")
        notes.append(f"left out: {what}")
    return [files[0] for files in table.found if files], table.frame[there]


def _by_folders(
    parts: dict[str, LabelledImages], label: str, request: "DataRequest", notes: list[str]
) -> dict[str, LabelledImages]:
    """The parts that folders around the images name, where tables and columns name none."""
    images = next(iter(parts.values()))
    if len(parts) > 1 or request.path is None or request.path.is_file():
        return parts
    if split_column(images.frame, request, (label,)) is not None:
        return parts
    depth = len(request.path.parts)
    words = pd.Series([_word_of_part(file.parts[depth:-1]) for file in images.images])
    found = sorted({*words.dropna()}, key=lambda word: (word != "train", word))
    if words.isna().any() or len(found) < 2 or found[0] != "train":
        return parts
    notes.append(f"parts: by the folders of the images ({listed(found)})")
    return {word: images.rows((words == word).to_numpy()) for word in found}


def _word_of_part(folders: Sequence[str]) -> str | None:
    """The part that the innermost of some folders says; one word for all training parts."""
    word = next((part_word(name) for name in reversed(folders) if is_only_part(name)), None)
    return "train" if word is not None and part_of(word) == "train" else word


def _each_once(images: LabelledImages, label: str, names: str, notes: list[str]) -> LabelledImages:
    """The images without rows that name one again.

    Raises:
        VicinalError: an image is named with several labels.
    """
    files = pd.Series([*map(str, images.images)], images.frame.index)
    again = files.duplicated().to_numpy()
    if not again.any():
        return images
    labels = images.frame[label].astype(object).where(images.frame[label].notna(), None)
    first: dict[str, object] = {}
    for file, value in zip(files, labels, strict=True):
        if first.setdefault(file, value) != value:
            raise VicinalError(
                f"{file} is named in {names} with the labels {_shown(first[file])} and "
                f"{_shown(value)}: leave one row for each image, or learn all of them by "
                "--label-kind labels"
            )
    notes.append(f"left out: {again.sum():,} rows of {names} that name an image again")
    return images.rows(~again)


def _shown(label: object) -> object:
    return "|".join(label) if isinstance(label, tuple) else label


def _left_alone(
    parts: dict[str, LabelledImages], used: set[Path], request: "DataRequest"
) -> list[str]:
    """Lines about images that no table names, and about other tables."""
    if request.path is None or request.path.is_file():
        return []
    named = {file for part in parts.values() for file in part.images}
    others = [file for file in request.images if file not in named]
    notes = []
    if others:
        first = others[0].relative_to(request.path)
        names = listed(sorted(file.name for file in used), 3)
        notes.append(
            f"left out: {images_of(len(others))} that {names} does not name, first {first}"
        )
    naming = {table.file: table.label(request.label) for table in request.image_tables}
    for file in request.tables:
        if file in naming and file not in used:
            what = " without a label" if naming[file] is None else ", too"
            notes.append(f"left alone: {file.name}, which names images{what}")
        elif file not in used:
            notes.append(f"left alone: {file.name}, beside the images")
    return notes


def _keep_apart(parts: dict[str, LabelledImages], notes: list[str]) -> None:
    """Leave images out of the training part that the validation part names, too."""
    if len(parts) < 2:
        return
    train, valid = part_names(parts)
    of_valid = set(parts[valid or ""].images)
    in_both = pd.Series([file in of_valid for file in parts[train].images])
    if in_both.any():
        parts[train] = parts[train].rows(~in_both.to_numpy())
        notes.append(f"left out of {train}: {images_of(in_both.sum())} that {valid} names, too")
