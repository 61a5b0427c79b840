"""Tables that name images: CSV files with a column of file names."""

import gzip
import os
import re
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import torch

from vicinal.data.chosen_columns import named_columns
from vicinal.data.columns import are_whole, as_texts, is_numeric
from vicinal.data.frames import Frames, read_frames_with_codes
from vicinal.data.labelled_images import split_column
from vicinal.data.labels import LABEL_NAMES, also_labels, label_column
from vicinal.data.listing import find_images
from vicinal.data.named_images import NamedImages
from vicinal.data.parts import part_word, words_of
from vicinal.data.several import LabelSets, joined_columns, names_several
from vicinal.data.spellings import Spellings
from vicinal.data.split_column import about_parts
from vicinal.data.table_files import is_table
from vicinal.errors import VicinalError

if TYPE_CHECKING:
    from vicinal.data.request import DataRequest

MOST_TABLES = 20  # in one folder; more of them are annotations, one for each image
LOOKED_AT = 200  # values of a column that show whether it names images
# Folders of tables beside those of the images, as of meta/esc50.csv and audio/.
BESIDE = {"meta", "metadata", "annotation", "annotations", "lists", "labels"}
# Of several columns that name images, that of the first of these names is taken.
FILE_NAMES = ("file_name", "filename", "file", "image", "image_id", "img", "path", "filepath")
ONE_OF = "label"  # the column that takes the place of several of 0 and 1
SEVERAL = "labels"  # the same, where rows have several 1


@dataclass(frozen=True)
class ImageTable:
    """A table with a column that names images.

    Args:
        file: of the table.
        part: the word in its name, or in that of the folder around it, that names its part.
        frame: its rows.
        column: the one that names images.
        found: for each row the files that are meant: none, one, or where it is unclear, several.
        others: the columns that may hold classes.
        dropped: the columns that were to be left out.
        one_of: columns of 0 and 1, of which each row has one 1; ``label`` stands for them.
        written: columns as they are written in the file, where that is not the same.
        sets: how several columns of 0 and 1 were understood, which became one of tuples.
        beside: the columns that may be learned from beside the images.
        reading: how the file was read, by which new ones are.
    """

    file: Path
    part: str | None
    frame: pd.DataFrame
    column: str
    found: list[list[Path]]
    others: list[str]
    dropped: list[str]
    one_of: list[str]
    written: Mapping[str, pd.Series]
    sets: LabelSets | None = None
    beside: tuple[str, ...] = ()
    reading: Mapping[str, Any] = field(default_factory=dict)

    def label(self, requested: str | None) -> str | None:
        """The label column: as requested, by its name, or the only one beside the files.

        Of one that numbers the classes, such as target, and one that names them, it is the latter.
        """
        if requested is not None:
            return requested if requested in self.others else None
        if len(self.others) == 1:
            return self.others[0]
        named = [name for name in self.others if name.lower() in LABEL_NAMES and name != "y"]
        if not named:
            return None
        label = label_column(named, None)  # y is a place in the image
        return self._named_by(label) or label

    def _named_by(self, label: str) -> str | None:
        """The column that names the classes that the label column numbers, if there is one."""
        if not is_numeric(self.frame[label]):
            return None
        others = [n for n in self.others if n != label and not is_numeric(self.frame[n])]
        numbers = torch.from_numpy(pd.factorize(self.frame[label])[0])
        names = also_labels(self.frame[others], numbers, label)
        return names[0] if len(names) == 1 else None


def image_tables(request: "DataRequest") -> list[ImageTable]:
    """The tables that name images: those of a folder, or the one that was given.

    Tables that cannot be read are left out: they may have nothing to do with the images.
    """
    path = request.path
    if path is None:
        return []
    if path.is_file():
        root, files = path.parent, [path] if mentions(path, request) else []
        images = find_images(root, request.is_sample) if files else []
        if files and not images and root.name.lower() in BESIDE:
            root = root.parent
            images = find_images(root, request.is_sample)
    else:
        root, images = path, request.images
        files = [file for file in request.files if is_table(file)] if images else []
    named, tables = NamedImages(root, images), []
    in_folder = Counter(file.parent for file in files)
    for file in files:
        deep = len(file.relative_to(root).parts) > 2 and not file.name.startswith("metadata.")
        if deep or in_folder[file.parent] > MOST_TABLES or is_submission(file):
            continue
        with suppress(VicinalError):
            tables.append((file, read_frames_with_codes(file, request.categorical)))
    found = [_image_table(file, frames, named, request) for file, frames in tables]
    return [table for table in found if table is not None]


def is_submission(table: Path) -> bool:
    """Whether a table is a template of what to hand in: its labels are made up."""
    return "submission" in table.name.lower()


def mentions(file: Path, request: "DataRequest") -> bool:
    """Whether the beginning of a table holds the name of an image file."""
    if not is_table(file):
        return False
    # Without --columns, these are learned from by their columns.
    beside = bool(request.columns) and request.takes_columns
    if file.suffix.lower() == ".parquet":
        return (request.lists_in_parquet or beside) and _parquet_mentions(file, request)
    if file.suffix.lower() == ".xlsx":
        return beside and _excel_mentions(file, request)
    try:
        with (gzip.open if file.suffix == ".gz" else open)(file, "rb") as opened:
            start = opened.read(2**16).decode("utf-8", "replace")
    except OSError:
        return False
    return any(request.is_sample(name[1:]) for name in set(re.findall(r"\w\.\w{2,5}\b", start)))


def _parquet_mentions(file: Path, request: "DataRequest") -> bool:
    import pyarrow.parquet  # type: ignore[import-untyped]

    try:
        opened = pyarrow.parquet.ParquetFile(file)
        kinds = (pyarrow.string(), pyarrow.large_string())
        texts = [each.name for each in opened.schema_arrow if each.type in kinds]
        head = next(opened.iter_batches(LOOKED_AT, columns=texts), None)
    except (OSError, ValueError):
        return False
    columns = [] if head is None else head.to_pydict().values()
    return any(request.is_sample(Path(text or "").suffix) for each in columns for text in each)


def _excel_mentions(file: Path, request: "DataRequest") -> bool:
    try:
        ((_, frame),) = read_frames_with_codes(file, request.categorical).items()
    except VicinalError:
        return False
    values = frame.head(LOOKED_AT).select_dtypes(exclude="number").to_numpy().ravel()
    return any(request.is_sample(Path(text).suffix) for text in values if isinstance(text, str))


def _image_table(
    file: Path, frames: Frames, named: NamedImages, request: "DataRequest"
) -> ImageTable | None:
    """The table, if one of its columns names images."""
    ((part, frame),) = frames.items()
    written: Mapping[str, pd.Series] = frames.written.get(part, Spellings())
    dropped = [name for name in request.drop if name in frame]
    frame = frame.drop(columns=dropped)
    spelled = frame.assign(**{name: written[name] for name in frame if name in written})
    unlabelled = spelled.drop(columns=request.label or [], errors="ignore")
    columns = _file_columns(unlabelled, named, file, request.is_sample)
    if not columns:
        return None
    column = next(iter(columns))
    word = part_word(file.name.partition(".")[0])
    if word is None and file.parent != named.root:
        word = part_word(file.parent.name)
    taken = {*columns, request.group, request.split_column}
    if request.split_column is None:
        with suppress(VicinalError):  # it is asked about where the table is used
            taken.add(split_column(frame, request, (*columns, request.label or "")))
    if request.label is None:
        taken.update(about_parts(frame, [*columns]))
    beside = named_columns(request.columns, [*frame])
    free = [name for name in frame if name not in taken and not name.startswith("Unnamed: ")]
    others = [name for name in free if name not in beside]
    is_asked = request.label is not None or request.label_kind == "labels"
    one_of = [] if is_asked else _one_of(frame[others])
    if one_of:
        frame = frame.assign(**{ONE_OF: frame[one_of].idxmax(axis=1)})
        others = [ONE_OF]
    flags = names_several(request, frame)
    if request.label is None and request.label_kind == "labels" and _are_flags(frame[others]):
        flags = others
    sets = None
    if flags:
        name = request.label or SEVERAL
        labels, how = joined_columns(frame, flags, drop_missing=request.drop_missing)
        frame, others = frame.drop(columns=flags).assign(**{name: labels}), [name]
        sets = LabelSets(name, how, columns=flags)
    found = (frame, column, columns[column], others, dropped, one_of, written, sets)
    free = [name for name in free if name not in (*one_of, *flags)]
    return ImageTable(file, word, *found, tuple(free), frames.reading)


def _file_columns(
    frame: pd.DataFrame, named: NamedImages, table: Path, is_sample: Callable[[str], bool]
) -> dict[str, list[list[Path]]]:
    """The columns that name images, the one to take first, and which files each row means."""
    with_endings, others = {}, {}
    for name in frame:
        values = frame[name].dropna()
        head = values.head(LOOKED_AT)
        if not len(head) or not head.map(pd.api.types.is_scalar).all():
            continue
        if pd.api.types.is_bool_dtype(values) or (is_numeric(values) and not are_whole(values)):
            continue
        names = _texts(head)
        if sum(is_sample(Path(text or "").suffix) for text in names) >= 0.9 * len(names):
            with_endings[name] = _found(_texts(frame[name]), named, table)
            continue
        # Names without an ending may be words or numbers that are found by chance.
        found = sum(map(bool, named.find(names, table)))
        if found >= len(names) / 2 and values.nunique() >= len(values) / 2:
            others[name] = named.find(_texts(frame[name]), table)
    numbers = [name for name in others if is_numeric(frame[name]) and not _is_called_so(name)]
    by_name = len(others) > len(numbers)
    for name in numbers:
        if by_name or not _number_images(frame[name], others[name], named):
            del others[name]
    columns = {name: found for name, found in (with_endings or others).items() if any(found)}
    if not columns:
        return {}
    most = max(sum(map(bool, found)) for found in columns.values())
    columns = {name: found for name, found in columns.items() if sum(map(bool, found)) == most}
    known = [name for like in FILE_NAMES for name in columns if name.lower() == like]
    column = (known or [*columns])[0]
    if not known and any(found != columns[column] for found in columns.values()):
        raise VicinalError(
            f"the columns {', '.join(columns)} of {table} name images: leave out all but one of "
            "them with --drop"
        )
    same = {name: found for name, found in columns.items() if found == columns[column]}
    return {column: columns[column], **same, **with_endings}


def _found(texts: list[str | None], named: NamedImages, table: Path) -> list[list[Path]]:
    """The files that each row means: of those below the folder, or else where its path leads."""
    found = named.find(texts, table)
    for row, text in enumerate(texts):
        if not found[row] and text is not None and "/" in text:
            file = table.parent / text
            found[row] = [file] if os.path.isfile(file) else []
    return found


def _is_called_so(name: str) -> bool:
    """Whether a column's own name says that it names images or rows: image_id, id."""
    return name.lower() in FILE_NAMES or bool({"id", "ids"} & set(words_of(name)))


def _number_images(values: pd.Series, found: list[list[Path]], named: NamedImages) -> bool:
    """Whether whole numbers name images, rather than being quantities that some are called by.

    Nearly each of them, of which none comes twice, names one image, and most of the images in the
    folders of these are named.
    """
    values = values.dropna()
    meant = [files[0] for files in found if len(files) == 1]
    beside = sum(named.counts[folder] for folder in set(map(os.path.dirname, meant)))
    return values.is_unique and len(meant) >= max(0.9 * len(values), beside / 2)


def _texts(values: pd.Series) -> list[str | None]:
    texts = as_texts(values)
    return [None if missing else text for text, missing in zip(texts, texts.isna(), strict=True)]


def _are_flags(frame: pd.DataFrame) -> bool:
    """Whether these are several columns, all of 0 and 1."""
    return frame.shape[1] > 1 and all(
        is_numeric(frame[name]) and frame[name].isin([0, 1]).all() for name in frame
    )


def _one_of(frame: pd.DataFrame) -> list[str]:
    """The columns, if there are several that hold 0 and 1, with one 1 in each row."""
    if frame.shape[1] < 2 or not all(is_numeric(frame[name]) for name in frame):
        return []
    is_flag = frame.isin([0, 1]).all(axis=None)
    return [*frame] if is_flag and (frame.sum(axis=1) == 1).all() else []
