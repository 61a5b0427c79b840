"""Other data, for ``--ood``: samples that are of none of the classes, read as the data are.

Labels are not needed, as for ``vicinal predict``: folders of images or texts and tables are read
without them. Data by name, and files that only the finders know, are read by these.
"""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from vicinal.data.decoding import FULL_RANGE
from vicinal.data.folders import check_open
from vicinal.data.frames import read_frame
from vicinal.data.images import decode
from vicinal.data.listing import is_image, list_folder
from vicinal.data.rows import RowSplit, TextSplit
from vicinal.data.samples import Samples, Split
from vicinal.data.series import SeriesSplit
from vicinal.data.shards import StreamedSplit
from vicinal.data.sizes import how_read
from vicinal.data.sound_files import is_sound
from vicinal.data.sound_split import SoundSplit, waves_of
from vicinal.data.sources import load_split
from vicinal.data.split import DataSplit
from vicinal.data.table_files import is_table
from vicinal.data.text_folders import read_texts
from vicinal.errors import VicinalError
from vicinal.progress import progress_bar
from vicinal.study.result import digest
from vicinal.study.unknown_samples import MOST
from vicinal.tasks.beside import BesideTask
from vicinal.tasks.images import ImageTask
from vicinal.tasks.series import SeriesTask
from vicinal.tasks.sounds import SoundTask
from vicinal.tasks.tables import TableTask
from vicinal.tasks.task import Task
from vicinal.tasks.texts import TextTask

FEWEST = 20  # samples; of fewer, no interval could be trusted


@dataclass(frozen=True)
class OtherData:
    """Samples of other data.

    Args:
        items: the samples, as :meth:`DataLoaders.stack` takes them: a uint8 tensor of images
            (M, 3, height, width), rows or texts.
        text: how many there are and of what, for the user.
        digest: changes when the samples change.
    """

    items: Sequence[Any] | Tensor
    text: str
    digest: str


def read_other(data: str, task: Task) -> OtherData:
    """Read samples of other data: all, or 2,000 that are picked evenly.

    Args:
        data: a path or a name, as of the data themselves; labels are not needed.
        task: of the data, whose preprocessing is used.

    Raises:
        VicinalError: the data have no classes, the other data are the same, of another kind, too
            few, or cannot be read.
    """
    if task.split.targets_are != "classes":
        raise VicinalError(
            f"--ood is for classes, and these are {task.split.targets_are}: leave it out"
        )
    if isinstance(task, BesideTask):
        raise VicinalError(f"--ood does not apply to {task.kind}: leave it out")
    own = Path(os.path.realpath(task.options.data))
    other = Path(os.path.realpath(data))
    if own == other:
        raise VicinalError(f"--ood {data} names the data themselves: name other data")
    if not isinstance(task, ImageTask) and other.is_relative_to(own):
        raise VicinalError(f"--ood {data} is a part of {task.options.data}: name other data")
    read: Any = {
        ImageTask: _images,
        SeriesTask: _series,
        SoundTask: _sounds,
        TableTask: _rows,
        TextTask: _texts,
    }
    items, available, note, identity = next(
        found(data, task) for kind, found in read.items() if isinstance(task, kind)
    )
    if len(items) < FEWEST:
        raise VicinalError(
            f"--ood {data} has only {len(items)} {task.kind.split()[-1]}: give {FEWEST} or more"
        )
    kind = task.kind.split()[-1]
    count = f"{len(items):,} of {available:,}" if len(items) < available else f"{available:,}"
    return OtherData(items, f"{count} {kind} of {data}{note}", digest(identity))


def _picked(available: int) -> list[int]:
    """The indices of at most so many samples as are used, evenly spaced."""
    return torch.linspace(0, max(available - 1, 0), min(available, MOST)).round().long().tolist()


def _found(data: str, task: Task, kind: type[DataSplit]) -> Any:
    """The other data as the finders read them.

    Raises:
        VicinalError: they cannot be read, or are of another kind.
    """
    options = task.options
    try:
        split = load_split(
            data, text=options.text, pixel_range=options.pixel_range, skip_bad=options.skip_bad
        )
    except VicinalError as error:
        if str(error).startswith(data):  # it does not exist
            raise VicinalError(f"--ood {error}") from None
        raise VicinalError(f"--ood {data} cannot be read as {task.kind}: {error}") from None
    if not isinstance(split, kind) or (kind is RowSplit and isinstance(split, TextSplit)):
        raise VicinalError(
            f"--ood {data} holds {split.kind}, and {options.data} {task.kind}: name other data of "
            "the same kind"
        )
    return split


# ---- images -------------------------------------------------------------------------------------

Read = tuple[Any, int, str, Any]  # samples, how many there are in all, a note, what identifies them


def _images(data: str, task: ImageTask) -> Read:
    parts, available = _stored(data, task)
    size = how_read(task.item_size, task.resize)
    pixels, bad = [], []
    with progress_bar() as progress:
        shown = progress.add_task("reading other data", total=sum(map(len, parts)))
        for part in parts:
            read, unread = decode(
                part, size, skip_bad=True, on_image=lambda: progress.advance(shown)
            )
            pixels.append(torch.as_tensor(read.images))
            bad += unread
    if bad and not sum(map(len, pixels)):
        raise VicinalError(f"no image of --ood {data} can be read: {bad[0]}")
    note = f"; {len(bad):,} more cannot be read" if bad else ""
    images = torch.cat(pixels)
    content = hashlib.blake2b(images.numpy().tobytes(), digest_size=16).hexdigest()
    return images, available - len(bad), note, (tuple(images.shape), content)


def _stored(data: str, task: ImageTask) -> tuple[list[Samples], int]:
    """The images that are used, as they are stored, in parts; and how many there are."""
    files: list[Path] = []
    if os.path.isdir(data):
        listing = list_folder(data)
        files = [file for file in listing.files if is_image(file)]
        if files:
            check_open(listing, task.options.skip_bad)
    if files:
        picked = [files[i] for i in _picked(len(files))]
        if not isinstance(task.split, StreamedSplit):  # whose images are in no files of their own
            _check_apart(data, picked, task)
        white = task.options.pixel_range or FULL_RANGE
        return [Samples(picked, [0] * len(picked), pixel_range=white)], len(files)
    split = _found(data, task, Split)
    available = len(split.train) + len(split.valid)
    if isinstance(split, StreamedSplit):  # none can be picked
        return [split.train.head(MOST)], available
    rows = torch.tensor(_picked(available))
    count = len(split.train)
    both = ((split.train, rows[rows < count]), (split.valid, rows[rows >= count] - count))
    return [part.subset(own.tolist()) for part, own in both if len(own)], available


def _check_apart(data: str, files: list[Path], task: ImageTask) -> None:
    """Refuse images of the data themselves, in a folder above or below another one."""
    parts = (task.split.train.images, task.split.valid.images)
    own = {
        os.path.abspath(image)
        for images in parts
        if not isinstance(images, Tensor)
        for image in images
        if isinstance(image, Path)
    }
    same = next((file for file in files if os.path.abspath(file) in own), None)
    if same is not None:
        raise VicinalError(
            f"{same} of --ood {data} is an image of {task.options.data}, too: name other data"
        )


# ---- sounds -------------------------------------------------------------------------------------


def _sounds(data: str, task: SoundTask) -> Read:
    listing = list_folder(data) if os.path.isdir(data) else None
    files = [file for file in listing.files if is_sound(file.suffix)] if listing else []
    if not files:
        split = _found(data, task, SoundSplit)
        files = [file for part in (split.train, split.valid) for file in waves_of(part).files]
    picked = [files[i] for i in _picked(len(files))]
    parts = (task.split.train, task.split.valid)
    own = {os.path.abspath(file) for part in parts for file in waves_of(part).files}
    same = next((file for file in picked if os.path.abspath(file) in own), None)
    if same is not None:
        raise VicinalError(
            f"{same} of --ood {data} is a sound of {task.options.data}, too: name other data"
        )
    return picked, len(files), "", [(file.name, os.path.getsize(file)) for file in picked]


# ---- rows and texts -----------------------------------------------------------------------------


def _tables(data: str) -> list[Path]:
    """The tables that a path names."""
    files = list_folder(data).files if os.path.isdir(data) else [Path(data)]
    return [file for file in files if file.is_file() and is_table(file)]


def _rows(data: str, task: TableTask) -> Read:
    table, reading = task.preparation.table, task.preparation.reading
    files = _tables(data)
    if files:
        strings = [] if reading else list(table.categories)
        frame = pd.concat([read_frame(file, strings, reading=reading) for file in files])
    else:
        split = _found(data, task, RowSplit)
        frame = pd.concat([split.train.frame, split.valid.frame])
    available = len(frame)
    frame = frame.iloc[_picked(available)].reset_index(drop=True)
    try:
        table.transform(frame)
    except VicinalError as error:
        raise VicinalError(f"--ood {data}: {error}") from None
    hashed = pd.util.hash_pandas_object(frame[list(table.columns)], index=False)
    # Not by iterrows, which makes one type of a whole row.
    return frame.to_dict("records"), available, "", hashed.tolist()


def _texts(data: str, task: TextTask) -> Read:
    texts = _all_texts(data, task)
    picked = [texts[i] for i in _picked(len(texts))]
    return picked, len(texts), "", picked


def _all_texts(data: str, task: TextTask) -> list[str]:
    if os.path.isfile(data):
        return [text for _, text in task.preparation.samples([data])]
    if not os.path.isdir(data):
        return _texts_of(_found(data, task, TextSplit))
    tables = _tables(data)
    files = [file for file in list_folder(data).files if file.suffix.lower() == ".txt"]
    if tables:
        return [text for file in tables for _, text in task.preparation.samples([str(file)])]
    if not files:
        return _texts_of(_found(data, task, TextSplit))
    if os.path.isdir(task.options.data) and not _tables(task.options.data):
        # A text a file, as in the data.
        return [text for text in read_texts(files, []) if text]
    return [text for file in files for _, text in task.preparation.samples([str(file)])]


def _texts_of(split: TextSplit) -> list[str]:
    return [*split.texts(split.train), *split.texts(split.valid)]


# ---- series -------------------------------------------------------------------------------------


def _series(data: str, task: SeriesTask) -> Read:
    preparation, skip_bad = task.preparation, task.options.skip_bad
    if os.path.exists(data):
        found = [item for _, item in preparation.found([data])]
    else:
        split = _found(data, task, SeriesSplit)
        found = [*split.train.series, *split.valid.series]
    picked, bad = [], []
    for place in _picked(len(found)):
        item = found[place]
        try:
            if isinstance(item, VicinalError):
                raise item
            preparation.batch([item])
        except VicinalError as error:
            if not skip_bad:  # what comes from a file names it
                where = "" if error is item else f"{data}: "
                raise VicinalError(f"--ood {where}{error}") from None
            bad.append(error)
        else:
            picked.append(item)
    note = f"; {len(bad):,} more cannot be used" if bad else ""
    content = hashlib.blake2b(digest_size=16)
    for item in picked:
        content.update(repr(item.shape).encode() + item.tobytes())
    return picked, len(found) - len(bad), note, content.hexdigest()
