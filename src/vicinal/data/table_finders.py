"""Finders of data with tables: images with tables beside or around them, texts and other rows.

They are in a file of their own because their imports take a third of the time of torch's.
"""

from pathlib import Path

from vicinal.data.arrays import split_of_arrays
from vicinal.data.column_names import typed
from vicinal.data.column_split import split_of_parquet, split_of_tables
from vicinal.data.finders import of_folder
from vicinal.data.frames import Frames, cleaned_frames, read_frames_with_codes
from vicinal.data.image_columns import has_images, holds_images
from vicinal.data.image_table_split import class_folders, split_of_image_tables
from vicinal.data.image_tables import LOOKED_AT, is_submission
from vicinal.data.listing import is_image
from vicinal.data.plugins import is_readable
from vicinal.data.request import DataRequest
from vicinal.data.rows import RowSplit, split_of_rows
from vicinal.data.samples import Split
from vicinal.data.series import SeriesSplit
from vicinal.data.series_tables import plainly_wide, split_of_series_tables
from vicinal.data.shards import stream_of_hub, stream_of_parquet, too_large_for_disk
from vicinal.data.sound_files import is_sound
from vicinal.data.tables import frames_of
from vicinal.data.text_folders import split_of_text_folders
from vicinal.errors import VicinalError

OF_COLUMNS = (
    *("label", "text", "drop", "categorical", "split_column", "label_kind", "drop_missing"),
    *("group", "label_sep", "series", "columns"),
)
OF_IMAGES = {
    "": "holds images with one label each",
    "label_pattern": "has columns, of which --label names one",
}
OF_STREAM = OF_IMAGES | {"": "is streamed, one image after the other"}
OF_LABELLED = ("label", "drop", "group", "split_column", "drop_missing", "label_kind", "label_sep")
OF_ROWS = {
    "": "is no folder of images",
    "label_pattern": "has columns, of which --label names one",
    "stream": "has no image column",
}


def image_split(request: DataRequest) -> Split | None:
    """Images in tables, named by tables, or in folders beside tables."""
    if request.has_hub_tables:
        return _of_hub(request)
    shards = [file for file in request.tables if file.suffix.lower() == ".parquet"]
    if shards and holds_images(shards[0]):
        if not request.stream:
            request.accept(*OF_LABELLED, reasons=OF_IMAGES)
            return split_of_parquet(shards, request)
        request.accept("label", "stream", reasons=OF_STREAM)
        return stream_of_parquet(shards, request.label, request.valid_pct, request.seed)
    split = split_of_image_tables(request) or split_of_arrays(request)
    if split is not None:
        return split
    if not request.images or (request.tables and not _images_come_first(request)):
        return None
    return of_folder(request)


def row_split(request: DataRequest) -> RowSplit | SeriesSplit | None:
    """Texts and other rows: tables without an image column; and series, where names say so."""
    if request.has_hub_tables:
        request.accept(*OF_COLUMNS, "stream", reasons=OF_ROWS)
    elif request.tables:
        request.accept(*OF_COLUMNS, reasons=OF_ROWS)
    else:
        return split_of_text_folders(request)
    frames = row_frames(request)
    if plainly_wide(request, frames):
        return split_of_series_tables(request, frames)
    _check_names_of_images(frames, request)
    split = split_of_rows(frames, request)
    for table in request.image_tables:
        split.notes.append(
            f"left alone: the images that column {table.column} names (give the folder "
            f"{table.file.parent} to learn from them, or --columns all to learn from both)"
        )
    if not request.image_tables:
        split.notes.extend(_of_absent_files(frames, request))
    if request.images:
        split.notes.append(
            f"left alone: {len(request.images):,} images, which no column of the tables names"
        )
    return split


def row_frames(request: DataRequest) -> Frames:
    """The parts of a table, of a hub's or of files."""
    if request.has_hub_tables:
        return cleaned_frames(frames_of(request.hub_tables))
    assert request.path is not None
    folders = {file.parent for file in request.tables}
    is_deeper = len(folders) == 1 and request.path.is_dir()
    path = folders.pop() if is_deeper else request.path
    return read_frames_with_codes(path, request.categorical)


def _check_names_of_images(frames: Frames, request: DataRequest) -> None:
    """Refuse tables that name images beside them by names that these do not have.

    Raises:
        VicinalError: a column names images, none of which is there, and there are many others.
    """
    frame, count = next(iter(frames.values())), len(request.images)
    if request.image_tables or count < len(frame) / 2:
        return
    for name in frame:
        head = frame[name].dropna().head(LOOKED_AT)
        names = [value for value in head if isinstance(value, str) and is_image(Path(value))]
        if names and len(names) >= 0.9 * len(head) and name not in request.drop:
            raise VicinalError(
                f"column {name} names images such as {names[0]}, and none of them is among the "
                f"{count:,} below {request.path}, such as {request.images[0]}: correct the names, "
                f"or learn without the images by --drop {typed(str(name))}"
            )


def _of_absent_files(frames: Frames, request: DataRequest) -> list[str]:
    """A line about the images or sounds that a column names, where none of them is there."""
    frame = next(iter(frames.values()))
    for name in frame:
        head = frame[name].dropna().head(LOOKED_AT)
        texts = [value for value in head if isinstance(value, str)]
        for what, is_sample in (("images", is_readable), ("sounds", is_sound)):
            named = [text for text in texts if is_sample(Path(text).suffix)]
            if named and len(named) >= 0.9 * len(head) and name not in request.drop:
                return [
                    f"left alone: the {what} that column {name} names, such as {named[0]}: none of "
                    f"them is below {request.path}, so the other columns are learned from"
                ]
    return []


def _of_hub(request: DataRequest) -> Split | None:
    is_remote = request.path is None
    reasons = {"": "is no folder", "stream": "is stored on this machine"}
    request.accept(*OF_COLUMNS, *(["stream"] if is_remote else []), reasons=reasons)
    reason = too_large_for_disk(request.name) if is_remote and not request.stream else None
    if request.stream or reason is not None:
        request.accept("label", "stream", reasons=OF_STREAM)
        label, valid_pct, seed = request.label, request.valid_pct, request.seed
        return stream_of_hub(request.name, label, valid_pct, seed, reason)
    if not has_images(request.hub_tables):
        return None
    request.accept(*OF_LABELLED, reasons=OF_IMAGES)
    return split_of_tables(request.hub_tables, request)


def _images_come_first(request: DataRequest) -> bool:
    """Whether tables in a folder only describe its images, which have classes of their own."""
    if request.label is not None:  # a column
        return False
    are_templates = all(map(is_submission, request.tables))
    return request.label_pattern is not None or are_templates or len(class_folders(request)) > 1
