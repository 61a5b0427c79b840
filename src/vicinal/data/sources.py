"""From the name of a data set to its samples."""

import difflib
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from vicinal.data.archives import is_archive, unpacked
from vicinal.data.folders import check_open
from vicinal.data.listing import endings, is_image
from vicinal.data.pixel_range import look_at_pixels
from vicinal.data.request import DataRequest
from vicinal.data.samples import listed
from vicinal.data.split import DataSplit
from vicinal.data.table_files import is_table
from vicinal.errors import VicinalError
from vicinal.kinds import KINDS

# What load_split takes beside folders of images.
READABLE = (
    "a CSV, TSV, Parquet, JSON Lines or Excel file, or a folder of them, or a .zip or .npz file"
)
ARCHIVES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".rar", ".7z")
SINGLE = (".npz", ".zip")  # they are read where they are given themselves


def load_split(
    data: str | os.PathLike[str],
    *,
    label: str | None = None,
    label_pattern: str | None = None,
    text: str | None = None,
    columns: Sequence[str] = (),
    drop: Sequence[str] = (),
    categorical: Sequence[str] = (),
    group: str | None = None,
    split_column: str | None = None,
    label_kind: Literal["classes", "values", "labels"] | None = None,
    label_sep: str | None = None,
    drop_missing: bool = False,
    pixel_range: int | None = None,
    legend: str | None = None,
    series: bool | None = None,
    series_id: str | None = None,
    time: str | None = None,
    valid_pct: float = 0.2,
    seed: int = 0,
    stream: bool = False,
    skip_bad: bool = False,
) -> DataSplit:
    """Find the samples of a data set, their classes or values, and its validation part.

    The kinds of data in :data:`vicinal.kinds.KINDS` are asked in their order; the first that
    recognises the data takes them.

    Args:
        data: ``digits``, a path (a folder of images, in folders of their classes or named by a
            table; a CSV, TSV, Parquet, JSON Lines or Excel file or a folder of them; a folder of
            texts, or one that ``save_to_disk`` wrote; an ``.npz`` or ``.zip`` file, MNIST's idx
            files, or series in ``.ts`` files),
            ``hf:NAME`` for the Hugging Face hub, or ``torchvision:NAME``.
        label: the label column, where there are columns; None finds it. Several columns of zeros
            and ones, joined by commas, are several labels of each sample.
        label_pattern: for a folder of images: a regular expression for the file name, or where it
            has a slash and no file name matches, for the path below the folder; its first group is
            the class. None reads classes off the folders' names.
        text: the column of texts to learn from, and no other; None looks for sentences.
        columns: columns that are learned from beside the texts or the images that a table names;
            ``["all"]`` takes all that can be.
        drop: columns to leave out.
        categorical: columns of numbers that are categories, such as zip codes.
        group: samples of one group (a patient, a place, a shot) are all in training or all in
            validation. For a table, a column; for a folder of images, a regular expression for the
            path below the folder, whose first group names it.
        split_column: the column that says of each row whether it is for training or validation.
        label_kind: what the labels are: ``"classes"``, one of each sample; ``"labels"``, any number
            of each sample; or ``"values"``. None looks at them.
        label_sep: what joins the labels of a sample, such as ``"|"``, which is found by itself.
        drop_missing: leave out rows without a label.
        pixel_range: the value that is white in images of 16 bits, such as 4095 where a camera has
            12; None is 65535.
        legend: for masks, a file that says which number or colour is which class; None takes one
            of a usual name in the folder, such as ``classes.csv``.
        series: each row of a table, or of the arrays of an ``.npz`` file, is a series; None takes
            tables for such whose columns are called t0, t1, … and arrays that are called series.
        series_id: for a table with a row for each step of time: the column that says which series
            it belongs to.
        time: the column of the times in such a table; None takes one that is called so, or the
            order of the rows.
        valid_pct: the share held out at random where the data have no validation part.
        seed: of that random split.
        stream: read Parquet files, or a hub's, from one shard after the other, and store nothing;
            a hub's data that are larger than the free space on the disk are always streamed.
        skip_bad: leave out images that a table names and are missing, and folders that cannot be
            opened.

    Returns:
        For images, a :class:`~vicinal.data.samples.Split`, or where they are streamed, a
        :class:`~vicinal.data.shards.StreamedSplit`; for images with masks, a
        :class:`~vicinal.data.mask_split.MaskSplit`; with columns beside them, an
        :class:`~vicinal.data.beside.ImagesBesideSplit`; for series, a
        :class:`~vicinal.data.series.SeriesSplit`; for texts and other tables, a
        :class:`~vicinal.data.rows.RowSplit`. Its ``targets_are`` says what they are.

    Raises:
        VicinalError: one sentence that says what is missing and what to do.

    >>> split = load_split("digits")
    >>> len(split.train), len(split.valid), split.vocab[:3]
    (1438, 359, ['0', '1', '2'])
    """
    request = DataRequest(
        os.fspath(data),
        label=label,
        label_pattern=label_pattern,
        text=text,
        columns=_names(columns),
        drop=_names(drop),
        categorical=_names(categorical),
        group=group,
        split_column=split_column,
        label_kind=label_kind,
        label_sep=label_sep,
        drop_missing=drop_missing,
        legend=legend,
        series=series,
        series_id=series_id,
        time=time,
        valid_pct=valid_pct,
        seed=seed,
        stream=stream,
        skip_bad=skip_bad,
    )
    from vicinal.progress import status

    with status(f"reading {request.data}"):
        return look_at_pixels(_found(request), pixel_range)


def _found(request: DataRequest) -> DataSplit:
    if request.path is not None and is_archive(request.path):
        folder = unpacked(request.path)
        try:
            split = _split(replace(request, data=str(folder)))
        except VicinalError as error:  # which names what the user knows
            sentence = str(error).replace(str(folder), request.data)
            named = request.data in sentence
            raise VicinalError(sentence if named else f"in {request.data}, {sentence}") from None
        split.notes.append(f"archive: unpacked to {folder}")
        return split
    return _split(request)


def _split(request: DataRequest) -> DataSplit:
    for kind in KINDS.values():
        split = kind.find(request)
        if split is not None:
            return split
    raise _unrecognized(request)


def _unrecognized(request: DataRequest) -> VicinalError:
    """What is wrong with data that no kind recognises."""
    check_open(request.listing, request.skip_bad)
    path = Path(request.data)
    if not os.path.exists(path):
        near = difflib.get_close_matches(str(path), ["digits"]) + _near_paths(path)
        hint = f", did you mean {near[0]}?" if near else ": give a path, or digits to try it out"
        return VicinalError(f"{path} does not exist{hint}")
    if path.is_file() and is_image(path):
        return VicinalError(f"{path} is a single image: give a folder of images")
    if path.is_file() and path.suffix.lower() == ".json":
        return VicinalError(
            f"{path} is no JSON Lines file: write one object a line, with the ending .jsonl"
        )
    if path.is_file() and path.suffix.lower() == ".zip":
        return VicinalError(f"{path} is a damaged archive, or none: fetch it anew")
    if path.is_file() and path.name.lower().endswith(ARCHIVES):
        return VicinalError(f"{path} is an archive: unpack it and give the folder")
    if path.is_file():
        return VicinalError(f"{path} is no table: give {READABLE}, or a folder of images")
    return _unknown_folder(request, path)


def _unknown_folder(request: DataRequest, path: Path) -> VicinalError:
    """What is in a folder that no kind recognises."""
    tables = [file for file in request.files if is_table(file)]
    folders = sorted({str(file.parent.relative_to(path)) for file in tables})
    if tables:
        return VicinalError(
            f"{path} holds tables in the folders {listed(folders, 4)}: give one of them"
        )
    single = [file for file in request.files if file.suffix.lower() in SINGLE]
    if len(single) == 1:
        return VicinalError(
            f"{path} holds no images, but {single[0].name}: give {single[0]} itself"
        )
    beside = f", but {endings(request.files)}" if request.files else " and no other files"
    return VicinalError(
        f"{path} holds no images{beside}: give a folder with images or texts in folders of their "
        f"classes, or {READABLE}"
    )


def _near_paths(path: Path) -> list[str]:
    parent = path.parent
    if not parent.is_dir():
        return []
    names = [child.name for child in parent.iterdir()]
    return [str(parent / name) for name in difflib.get_close_matches(path.name, names)]


def _names(names: str | Sequence[str]) -> tuple[str, ...]:
    """One name or several; a string is a sequence, too, but of letters."""
    return (names,) if isinstance(names, str) else tuple(names)
