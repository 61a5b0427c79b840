"""Finders: each recognises data of one kind and splits them, or leaves them to the next.

A finder takes a :class:`~vicinal.data.request.DataRequest` and returns the split, or None where the
data are of another kind. It raises a VicinalError where they are of its kind but cannot be used.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch

from vicinal.data.arrays import split_of_arrays
from vicinal.data.digits import digits
from vicinal.data.folders import check_open, split_by_folder, split_by_name
from vicinal.data.known import split_of_torchvision
from vicinal.data.request import DataRequest
from vicinal.data.samples import Samples, Split, held_out, listed
from vicinal.errors import VicinalError

# Why options do not apply to such data, by option.
NO_COLUMNS = {
    "": "has no columns",
    "label_pattern": "is no folder",
    "group": "is no folder and has no columns",
    "stream": "has no Parquet shards",
}


def image_split(request: DataRequest) -> Split | None:
    """Images: digits, a folder of them, tables with an image column, torchvision's data sets."""
    if request.data == "digits" or request.source == "torchvision":
        request.accept(reasons=NO_COLUMNS)
        if request.data == "digits":
            return _digits(request)
        return split_of_torchvision(request.name, request.valid_pct, request.seed)
    if request.has_hub_tables or request.has_tables:
        from vicinal.data import table_finders

        return table_finders.image_split(request)
    split = split_of_arrays(request)
    return of_folder(request) if split is None and request.images else split


def of_folder(request: DataRequest) -> Split:
    """Images in a folder, whose classes are in the names of their folders or their own."""
    assert request.path is not None
    kinds = () if request.label_kind == "values" else ("label_kind",)
    request.accept("label_pattern", "group", *kinds, reasons=NO_COLUMNS)
    path, pattern = request.path, request.label_pattern
    check_open(request.listing, request.skip_bad)
    listing = request.listing.without(request.tables)
    how: dict[str, Any] = {"listing": listing, "group": request.group, "skip_bad": request.skip_bad}
    if pattern is not None:
        if request.label_kind == "labels":
            raise VicinalError(
                "--label-pattern finds one class in each name, and --label-kind labels asks for "
                "several: leave out one of them"
            )
        split = split_by_name(path, pattern, request.valid_pct, request.seed, **how)
    else:
        ways: dict[str | None, Any] = {None: "links", "labels": "copies", "classes": None}
        how["several"] = ways[request.label_kind]
        split = split_by_folder(path, request.valid_pct, request.seed, **how)
    return replace(split, notes=[*_with_remedy(split.notes), *_beside(request)])


def _with_remedy(notes: list[str]) -> Iterator[str]:
    """Lines, of which that about copies with several classes says what to do about it."""
    for note in notes:
        is_conflict = note.startswith("conflicts: ")
        yield f"{note} (--label-kind labels learns all of them)" if is_conflict else note


def _beside(request: DataRequest) -> Iterator[str]:
    """Lines about the tables beside images that have classes of their own."""
    naming = {table.file: table for table in request.image_tables}
    for file in request.tables:
        if file in naming:
            names = listed(naming[file].others, 3)
            yield f"left alone: {file.name}, though it names the images (--label takes {names})"
        else:
            yield f"left alone: {file.name}, beside the images"


def _digits(request: DataRequest) -> Split:
    images, labels = digits()
    gray = torch.tensor(images / 16 * 255).round().to(torch.uint8)
    samples = Samples(gray[:, None].expand(-1, 3, -1, -1).contiguous(), labels.tolist())
    vocab = [str(i) for i in range(10)]
    split = held_out(samples, vocab, request.valid_pct, request.seed)
    return replace(split, mirrored=False)
