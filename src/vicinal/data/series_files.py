"""Series in files of their own format (.ts): a data set's parts, found and read."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from vicinal.data.parts import part_of, part_word
from vicinal.data.request import DataRequest
from vicinal.data.samples import listed
from vicinal.data.series import SeriesSplit, split_of_series
from vicinal.data.series_values import FoundSeries
from vicinal.data.ts_file import TsFile, is_ts, read_ts
from vicinal.errors import VicinalError

NO_COLUMNS = {"": "holds series with a label each, and no columns"}
_PART = re.compile(r"[_\-. ]?([A-Za-z]+)$")


def split_of_ts(request: DataRequest) -> SeriesSplit | None:
    """Series in a .ts file or in a folder of a training and a test file; None without any.

    Raises:
        VicinalError: they are of several data sets, or cannot be used.
    """
    files = ts_files(request)
    if not files:
        return None
    request.accept("label_kind", "drop_missing", "series", reasons=NO_COLUMNS)
    read = {part: read_ts(file) for part, file in files.items()}
    first = next(iter(read.values()))
    if not any(file.label for file in read.values()):
        raise VicinalError(
            f"{next(iter(files.values()))} says by no @classLabel true or @targetLabel true that "
            "its series have labels: give one that does"
        )
    if request.label_kind is None:
        are_classes = any(file.label == "class" for file in read.values())
        request = replace(request, label_kind="classes" if are_classes else "values")
    notes = []
    if any(file.stamped for file in read.values()):
        notes.append(
            "times: the files give the time of each value, which counts by its order alone"
        )
    named = first.label or "class"
    # As numbers where all are plainly written as such, so that 10 comes after 9.
    written = [label for file in read.values() for label in file.labels if label is not None]
    are_numbers = all(re.fullmatch(r"0|-?[1-9]\d*", label) for label in written)
    parts = {
        part: found_in(file, files[part].name, named, are_numbers=are_numbers)
        for part, file in read.items()
    }
    return split_of_series(parts, request, notes=notes)


def ts_files(request: DataRequest) -> dict[str, Path]:
    """The files of a data set by the names of their parts; none where there are no such files.

    Raises:
        VicinalError: there are files of several data sets, or two of one part.
    """
    path = request.path
    if path is None:
        return {}
    if path.is_file():
        if not is_ts(path):
            return {}
        name, part = name_and_part(path)
        beside = [path]
        if part_of(part) == "train":  # the files of an archive come in pairs
            siblings = [file for file in sorted(path.parent.iterdir()) if is_ts(file)]
            beside += [
                file
                for file in siblings
                if name_and_part(file)[0] == name and part_of(name_and_part(file)[1]) != "train"
            ]
        return {name_and_part(file)[1] or "train": file for file in beside}
    found = [file for file in request.files if is_ts(file)]
    sets: dict[str, dict[str, Path]] = {}
    for file in found:
        name, part = name_and_part(file)
        first = sets.setdefault(name, {}).setdefault(part or "train", file)
        if first != file:
            raise VicinalError(
                f"{path} holds two files of one part, {first} and {file}: give one of them, or the "
                "folder of one"
            )
    if len(sets) > 1:
        example = found[0]
        raise VicinalError(
            f"{path} holds series of {len(sets):,} data sets ({listed(list(sets), 4)}): give one "
            f"of their files, such as {example}"
        )
    return next(iter(sets.values()), {})


def name_and_part(file: Path) -> tuple[str, str]:
    """The name of the data set and the word of the part in the name of a file, or of its folder.

    >>> name_and_part(Path("GunPoint_TRAIN.ts")), name_and_part(Path("test/GunPoint.ts"))
    (('GunPoint', 'train'), ('GunPoint', 'test'))
    """
    stem = file.stem
    found = _PART.search(stem)
    if found and part_of(found[1]):
        return stem[: found.start()], part_word(found[1]) or ""
    return stem, part_word(file.parent.name) or ""


def found_in(file: TsFile, name: str, label: str, *, are_numbers: bool) -> FoundSeries:
    """The series of a file, with their labels in a column of this name."""
    names = [f"line {line} of {name}" for line in file.lines]
    labels: Sequence[str | None] = file.labels or [None] * len(file.series)
    column = pd.Series(labels, dtype=object)
    frame = pd.DataFrame({label: pd.to_numeric(column) if are_numbers else column})
    frame = frame.set_index(pd.Index(file.lines))
    return FoundSeries(file.series, names, frame)
