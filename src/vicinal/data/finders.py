"""Finders: each recognises data of one kind and splits them, or leaves them to the next.

A finder takes a :class:`~vicinal.data.request.DataRequest` and returns the split, or None where the
data are of another kind. It raises a VicinalError where they are of its kind but cannot be used.
"""

from dataclasses import replace
from typing import Any

import torch

from vicinal.data.folders import check_open, split_by_folder, split_by_name
from vicinal.data.frames import read_frames
from vicinal.data.known import split_of_torchvision
from vicinal.data.request import DataRequest
from vicinal.data.rows import RowSplit, split_of_rows
from vicinal.data.samples import Samples, Split, held_out
from vicinal.data.shards import stream_of_hub, stream_of_parquet, too_large_for_disk
from vicinal.data.tables import (
    frames_of,
    has_images,
    holds_images,
    split_of_parquet,
    split_of_tables,
)

OF_COLUMNS = (
    *("label", "text", "drop", "categorical", "split_column", "label_kind", "drop_missing"),
    "group",
)
# Why options do not apply to such data, by option.
NO_COLUMNS = {
    "": "has no columns",
    "label_pattern": "is no folder",
    "group": "is no folder and has no columns",
    "stream": "has no Parquet shards",
}
OF_IMAGES = {
    "": "holds images with one label each",
    "label_pattern": "has columns, of which --label names one",
}
OF_ROWS = {
    "": "is no folder of images",
    "label_pattern": "has columns, of which --label names one",
    "stream": "has no image column",
}


def image_split(request: DataRequest) -> Split | None:
    """Images: digits, a folder of them, tables with an image column, torchvision's data sets."""
    if request.data == "digits" or request.source == "torchvision":
        request.accept(reasons=NO_COLUMNS)
        if request.data == "digits":
            return _digits(request)
        return split_of_torchvision(request.name, request.valid_pct, request.seed)
    if request.source == "hf":
        return _of_hub(request)
    shards = [file for file in request.tables if file.suffix == ".parquet"]
    if shards and holds_images(shards[0]):
        request.accept("label", "stream", reasons=OF_IMAGES)
        split_of = stream_of_parquet if request.stream else split_of_parquet
        return split_of(shards, request.label, request.valid_pct, request.seed)
    if not request.images or (request.tables and not _images_come_first(request)):
        return None
    return _of_folder(request)


def row_split(request: DataRequest) -> RowSplit | None:
    """Texts and other rows: tables without an image column."""
    if request.source == "hf":
        request.accept("label", "stream", reasons=OF_ROWS)
        frames = frames_of(request.hub_tables)
    elif request.tables:
        request.accept("label", reasons=OF_ROWS)
        assert request.path is not None
        frames = read_frames(request.path)
    else:
        return None
    return split_of_rows(frames, request.label, request.valid_pct, request.seed)


def _of_hub(request: DataRequest) -> Split | None:
    request.accept(*OF_COLUMNS, "stream", reasons={"": "is no folder"})
    label, valid_pct, seed = request.label, request.valid_pct, request.seed
    reason = None if request.stream else too_large_for_disk(request.name)
    if request.stream or reason is not None:
        request.accept("label", "stream", reasons=OF_IMAGES)
        return stream_of_hub(request.name, label, valid_pct, seed, reason)
    if not has_images(request.hub_tables):
        return None
    request.accept("label", "stream", reasons=OF_IMAGES)
    return split_of_tables(request.hub_tables, label, valid_pct, seed)


def _images_come_first(request: DataRequest) -> bool:
    """Whether tables in a folder only describe its images, which have classes of their own."""
    if request.label is not None:  # a column
        return False
    path, images = request.path, request.images
    return bool(request.label_pattern or [file for file in images if file.parent != path])


def _of_folder(request: DataRequest) -> Split:
    assert request.path is not None
    request.accept("label_pattern", "group", reasons=NO_COLUMNS)
    path, pattern = request.path, request.label_pattern
    check_open(request.listing, request.skip_bad)
    listing = request.listing.without(request.tables)
    how: dict[str, Any] = {"listing": listing, "group": request.group, "skip_bad": request.skip_bad}
    if pattern is not None:
        split = split_by_name(path, pattern, request.valid_pct, request.seed, **how)
    else:
        split = split_by_folder(path, request.valid_pct, request.seed, **how)
    beside = [f"left alone: {file.name}, beside the images" for file in request.tables]
    return replace(split, notes=[*split.notes, *beside])


def _digits(request: DataRequest) -> Split:
    from sklearn.datasets import load_digits

    digits = load_digits()
    gray = torch.tensor(digits.images / 16 * 255).round().to(torch.uint8)
    samples = Samples(gray[:, None].expand(-1, 3, -1, -1).contiguous(), digits.target.tolist())
    vocab = [str(i) for i in range(10)]
    split = held_out(samples, vocab, request.valid_pct, request.seed)
    return replace(split, mirrored=False)
