"""From the name of a data set to its labelled samples.

A name is ``digits``, a path (a folder of images, a CSV or Parquet file or a folder of them),
``hf:NAME`` for the Hugging Face hub, or ``torchvision:NAME`` for torchvision's data sets.
"""

import difflib
from dataclasses import replace
from pathlib import Path

import torch

from vicinal.data.folders import split_by_folder, split_by_name
from vicinal.data.frames import is_table, read_frames
from vicinal.data.images import find_images
from vicinal.data.known import split_of_torchvision
from vicinal.data.rows import RowSplit, split_of_rows
from vicinal.data.samples import Samples, Split, held_out
from vicinal.data.stream import stream_of_hub, stream_of_parquet, too_large_for_disk
from vicinal.data.tables import (
    frames_of,
    has_images,
    holds_images,
    split_of_parquet,
    split_of_tables,
    tables_of_hub,
)
from vicinal.errors import VicinalError


def load_split(
    data: str,
    *,
    label: str | None = None,
    label_pattern: str | None = None,
    valid_pct: float = 0.2,
    seed: int = 0,
    stream: bool = False,
) -> Split | RowSplit:
    """Find the samples of a data set, their classes or values, and its validation part.

    Args:
        data: ``digits``, a path, ``hf:NAME`` or ``torchvision:NAME``.
        label: the label column, where there are columns; None finds it.
        label_pattern: for a folder of images: a regular expression for the file name whose first
            group is the class; None reads classes off the folders' names.
        valid_pct: the share held out at random where the data have no validation part.
        seed: of that random split.
        stream: read Parquet files, or a hub's, from one shard after the other, and keep nothing;
            a hub's data that are larger than what is free on the disk are always streamed.

    Returns:
        For images, a :class:`~vicinal.data.samples.Split`, or where they are streamed, a
        :class:`~vicinal.data.stream.StreamedSplit`; for texts and other tables, a
        :class:`~vicinal.data.rows.RowSplit`.

    Raises:
        VicinalError: one sentence that says what is missing and what to do.

    >>> split = load_split("digits")
    >>> len(split.train), len(split.valid), split.vocab[:3]
    (1438, 359, ['0', '1', '2'])
    """
    source, _, name = data.partition(":")
    if data == "digits" or source in ("hf", "torchvision"):
        _refuse(data, "is no folder", "--label-pattern", label_pattern)
    if data == "digits" or source == "torchvision":
        _refuse(data, "has no columns", "--label", label)
        _refuse_stream(data, stream)
    if data == "digits":
        return _digits(valid_pct, seed)
    if source == "hf":
        reason = None if stream else too_large_for_disk(name)
        if stream or reason is not None:
            return stream_of_hub(name, label, valid_pct, seed, reason)
        tables = tables_of_hub(name)
        if has_images(tables):
            return split_of_tables(tables, label, valid_pct, seed)
        return split_of_rows(frames_of(tables), label, valid_pct, seed)
    if source == "torchvision":
        return split_of_torchvision(name, valid_pct, seed)
    return _from_path(Path(data), label, label_pattern, valid_pct, seed, stream)


def _from_path(
    path: Path,
    label: str | None,
    label_pattern: str | None,
    valid_pct: float,
    seed: int,
    stream: bool,
) -> Split | RowSplit:
    if not path.exists():
        near = difflib.get_close_matches(str(path), ["digits"]) + _near_paths(path)
        hint = f", did you mean {near[0]}?" if near else ": give a path, or digits to try it out"
        raise VicinalError(f"{path} is not there{hint}")
    # A clone of a hub's repository has its files in a folder data.
    found = [path] if path.is_file() else sorted([*path.glob("*"), *path.glob("data/*")])
    tables = [file for file in found if is_table(file)]
    shards = [file for file in tables if file.suffix == ".parquet"]
    of_images = bool(shards) and holds_images(shards[0])
    if of_images or (tables and not _are_beside_images(path, label, label_pattern)):
        _refuse(path, "has columns, of which --label names one", "--label-pattern", label_pattern)
        if of_images:
            split_of = stream_of_parquet if stream else split_of_parquet
            return split_of(shards, label, valid_pct, seed)
        _refuse_stream(path, stream)
        return split_of_rows(read_frames(path), label, valid_pct, seed)
    if path.is_file():
        raise VicinalError(f"{path} is no table: give a CSV or Parquet file, or a folder of images")
    _refuse(path, "has no columns", "--label", label)
    _refuse_stream(path, stream)
    if label_pattern is not None:
        split = split_by_name(path, label_pattern, valid_pct, seed)
    else:
        split = split_by_folder(path, valid_pct, seed)
    beside = [f"left alone: {file.name}, beside the images" for file in tables]
    return replace(split, notes=[*split.notes, *beside])


def _are_beside_images(path: Path, label: str | None, label_pattern: str | None) -> bool:
    """Whether tables in a folder only tell something of the images there, which have classes."""
    if label is not None:  # a column
        return False
    images = find_images(path)
    return bool(images if label_pattern else [file for file in images if file.parent != path])


def _refuse(data: str | Path, reason: str, option: str, value: str | None) -> None:
    if value is not None:
        raise VicinalError(f"{data} {reason}, so {option} {value} names nothing: leave it out")


def _refuse_stream(data: str | Path, stream: bool) -> None:
    if stream:
        raise VicinalError(
            f"{data} is not of Parquet shards, so --stream has nothing to read: leave it out"
        )


def _near_paths(path: Path) -> list[str]:
    parent = path.parent
    if not parent.is_dir():
        return []
    names = [child.name for child in parent.iterdir()]
    return [str(parent / name) for name in difflib.get_close_matches(path.name, names)]


def _digits(valid_pct: float, seed: int) -> Split:
    from sklearn.datasets import load_digits

    digits = load_digits()
    grey = torch.tensor(digits.images / 16 * 255).round().to(torch.uint8)
    samples = Samples(grey[:, None].expand(-1, 3, -1, -1).contiguous(), digits.target.tolist())
    split = held_out(samples, [str(i) for i in range(10)], valid_pct, seed)
    return replace(split, mirrored=False)
