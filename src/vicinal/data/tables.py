"""Labelled images from tables with an image column: Parquet files and the Hugging Face hub."""

import difflib
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vicinal.data.class_names import with_class_names
from vicinal.data.column import Column
from vicinal.data.parts import part_names, part_of, part_word
from vicinal.data.samples import (
    Samples,
    Split,
    held_out,
    index_labels,
    unknown_classes,
)
from vicinal.errors import VicinalError


def split_of_parquet(files: list[Path], label: str | None, valid_pct: float, seed: int) -> Split:
    for file in files:
        parquet_rows(file)
    return split_of_tables(load_parquet(files), label, valid_pct, seed)


def parts_of(files: list[Path]) -> dict[str, list[str]]:
    """Group files by the part of the data in their names, or in those of several folders."""
    parts: dict[str, list[str]] = {}
    in_folders = len({file.parent for file in files}) > 1
    for file in files:
        word = part_word(file.stem) or (part_word(file.parent.name) if in_folders else None)
        name = word if word and part_of(word) != "train" else "train"
        parts.setdefault(name, []).append(str(file))
    return parts


def load_parquet(files: list[Path], **options: Any) -> Any:
    """A hub's tables, one per part, from Parquet files; ``options`` are of ``load_dataset``."""
    import datasets

    datasets.disable_progress_bars()
    try:
        with silent(datasets.logging):
            return datasets.load_dataset("parquet", data_files=parts_of(files), **options)
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        cause, folder = error.__cause__ or error, files[0].parent
        if isinstance(cause, datasets.table.CastError):
            raise VicinalError(
                f"the Parquet files in {folder} differ in their columns: put those of one data "
                "set in a folder of their own"
            ) from None
        raise VicinalError(
            f"{folder} holds a Parquet file that cannot be read ({first_sentence(cause)}): fetch "
            "it anew or remove it"
        ) from None


def parquet_rows(file: Path) -> int:
    """The number of rows in the metadata of a Parquet file; at least one."""
    import pyarrow.parquet  # type: ignore[import-untyped]

    try:
        rows = int(pyarrow.parquet.read_metadata(file).num_rows)
    except (OSError, ValueError) as error:
        raise VicinalError(
            f"{file} cannot be read ({first_sentence(error)}): download it again or remove it"
        ) from None
    if not rows:
        raise VicinalError(f"{file} has no rows: remove it, or give one with images")
    return rows


def first_sentence(error: BaseException) -> str:
    return str(error).split("\n")[0].split(". ")[0].removesuffix(".")


@contextmanager
def silent(logs: Any) -> Iterator[None]:
    """Silence a library's log: errors are raised as one sentence instead."""
    verbosity = logs.get_verbosity()
    logs.set_verbosity(logging.CRITICAL)
    try:
        yield
    finally:
        logs.set_verbosity(verbosity)


def tables_of_hub(name: str) -> Any:
    """A hub's tables, one per part."""
    import datasets

    return load_hub(name, datasets.load_dataset)


def has_images(tables: Any) -> bool:
    """Whether a hub's tables have an image column."""
    return any(_is_image(feature) for feature in next(iter(tables.values())).features.values())


def holds_images(file: Path) -> bool:
    """Whether a Parquet file has an image column, records of bytes and path."""
    import pyarrow.parquet  # type: ignore[import-untyped]

    try:
        schema = pyarrow.parquet.read_schema(file)
    except (OSError, ValueError) as error:
        raise VicinalError(
            f"{file} cannot be read ({first_sentence(error)}): download it again or remove it"
        ) from None
    kinds = [kind for kind in schema.types if pyarrow.types.is_struct(kind)]
    return any({"bytes", "path"} <= {field.name for field in kind} for kind in kinds)


def frames_of(tables: Any) -> dict[str, Any]:
    """A hub's tables as data frames, with the names of classes."""
    import datasets

    frames = {}
    for part, table in tables.items():
        classes = {
            name: feature.names
            for name, feature in table.features.items()
            if isinstance(feature, datasets.ClassLabel)
        }
        frames[str(part)] = with_class_names(table.to_pandas(), classes)
    return frames


def load_hub(name: str, load: Callable[..., Any], **options: Any) -> Any:
    """Call a loader of the ``datasets`` library with ``NAME`` or ``NAME:CONFIGURATION``."""
    import datasets

    path, _, configuration = name.partition(":")
    if not path:
        raise VicinalError("hf: names no data set: use hf:NAME, or hf:NAME:CONFIGURATION")
    try:
        return load(path, configuration or None, **options)
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        # The second line lists the configurations.
        reason = " ".join(str(error).partition("\nExample")[0].split())
        raise VicinalError(
            f"hf:{name} cannot be loaded ({reason}): check the name (hf:NAME:CONFIGURATION picks "
            "one of several) and the network, or download its Parquet files and give their folder"
        ) from None


def split_of_tables(tables: Any, label: str | None, valid_pct: float, seed: int) -> Split:
    """Labelled images from a hub's tables, one per part."""
    train_name, valid_name = part_names(tables)
    train = _labelled(tables[train_name], label)
    notes = [f"labels: column {train.column}"]
    if valid_name is None:
        labels, vocab = index_labels_or_names(train.names, train.labels)
        return held_out(Samples(train.images, labels), vocab, valid_pct, seed, notes)
    valid = _labelled(tables[valid_name], train.column)
    labels, vocab = index_labels_or_names(train.names, [*train.labels, *valid.labels])
    count = len(train.labels)
    notes += [
        f"validation: the data's part {valid_name}",
        *unknown_classes(labels[:count], labels[count:], vocab),
    ]
    return Split(
        Samples(train.images, labels[:count]), Samples(valid.images, labels[count:]), vocab, notes
    )


@dataclass(frozen=True)
class Labelled:
    """A table's images, its raw labels, and the names of its classes if it has them."""

    images: Column
    labels: list[Any]
    column: str
    names: list[str] | None


def _labelled(table: Any, label: str | None) -> Labelled:
    import datasets

    features = table.features
    image = image_column(features)
    label = label_column(features, label, image)
    labels = table[label][:]
    _check_labels(labels, label)
    table = table.select_columns(image).cast_column(image, datasets.Image(decode=False))
    names = getattr(features[label], "names", None)
    return Labelled(Column(table, image), labels, label, names)


def image_column(features: Any) -> str:
    for name, feature in features.items():
        if _is_image(feature):
            return str(name)
    raise VicinalError(
        f"none of the columns holds images (they are {', '.join(features)}): an image column has "
        "records of bytes and path"
    )


def _is_image(feature: Any) -> bool:
    import datasets

    is_record = isinstance(feature, dict) and {"bytes", "path"} <= set(feature)
    return is_record or isinstance(feature, datasets.Image)


def label_column(features: Any, label: str | None, image: str) -> str:
    import datasets

    others = [name for name in features if name != image]
    if not others:
        raise VicinalError(f"there is no column but {image}: add one with the label of each image")
    if label is not None:
        if label in others:
            return label
        near = difflib.get_close_matches(label, others, n=1)
        hint = f", did you mean {near[0]}?" if near else ""
        raise VicinalError(f"there is no label column {label} among {', '.join(others)}{hint}")
    if "label" in others or "labels" in others:
        return "label" if "label" in others else "labels"
    classes = [name for name in others if isinstance(features[name], datasets.ClassLabel)]
    if len(classes) == 1 or len(others) == 1:
        return str((classes or others)[0])
    raise VicinalError(f"which column is the label? use --label with one of {', '.join(others)}")


def _check_labels(labels: Sequence[Any], column: str) -> None:
    missing = [row for row, value in enumerate(labels) if value is None or value == -1]
    if missing:
        raise VicinalError(
            f"{len(missing):,} of {len(labels):,} labels in column {column} are missing, first in "
            f"row {missing[0]}: fill them in or drop the rows"
        )
    check_class(labels[0], column)


def check_class(value: Any, column: str) -> None:
    if not isinstance(value, int | str):
        raise VicinalError(
            f"column {column} holds {type(value).__name__} values, not classes: "
            "name a column of class names or numbers with --label"
        )


def index_labels_or_names(
    names: list[str] | None, labels: Sequence[Any]
) -> tuple[list[int], list[str]]:
    """Labels as indices, with the class names of the data or else the labels themselves."""
    return index_labels(labels) if names is None else (list(labels), list(names))
