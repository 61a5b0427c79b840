"""Labelled images from tables with an image column: Parquet files and the Hugging Face hub."""

import difflib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from vicinal.data.class_names import named_lists
from vicinal.data.column import Column
from vicinal.data.column_names import check_column
from vicinal.data.image_columns import image_column
from vicinal.data.labelled_images import (
    LabelledImages,
    are_values,
    split_column,
    split_of_labelled,
)
from vicinal.data.parts import part_names
from vicinal.data.samples import Split
from vicinal.data.several import (
    LabelSets,
    is_list,
    names_several,
    single_flag,
    single_names,
    with_label_sets,
)
from vicinal.data.tables import frames_of, parquet_rows, parts_of, tables_of_parquet, undecoded
from vicinal.errors import VicinalError

if TYPE_CHECKING:
    from vicinal.data.request import DataRequest

LOOKED_AT = 1000  # rows that show which column names parts of the data
PLAIN = ("string", "large_string", "bool", "int8", "int32", "int64")  # what such a column holds


def split_of_parquet(files: list[Path], request: "DataRequest") -> Split:
    """Labelled images from Parquet files; the name of each tells which part it belongs to."""
    for file in files:
        parquet_rows(file)
    with_labels = _with_columns_of_training(files)
    split = split_of_tables(tables_of_parquet(with_labels), request)
    for file in files:
        if file not in with_labels:
            split.notes.append(f"left alone: {file.name}, which lacks columns of the training part")
    return split


def _with_columns_of_training(files: list[Path]) -> list[Path]:
    """The files without those of other parts that only lack columns, such as the label."""
    import pyarrow.parquet  # type: ignore[import-untyped]

    columns = {str(file): set(pyarrow.parquet.read_schema(file).names) for file in files}
    parts = parts_of(files)
    train, _ = part_names(parts)
    known = columns[parts[train][0]]
    return [file for file in files if str(file) in parts[train] or not columns[str(file)] < known]


def split_of_tables(tables: Any, request: "DataRequest") -> Split:
    """Labelled images from a hub's tables, one per part."""
    train = tables[part_names(tables)[0]]
    image = image_column(train)
    for name in request.drop:
        check_column(name, [each for each in train.features if each != image], "drop")
    features = {name: f for name, f in train.features.items() if name not in request.drop}
    flags = names_several(request, [*features])
    label = request.label if flags else label_column(features, request.label, image)
    assert label is not None
    columns = {"group": request.group, "split-column": request.split_column}
    if part_names(tables)[1] is None and request.split_column is None:
        columns["split-column"] = _split_column(train, image, label, request)
    parts = {
        str(name): _labelled(table, image, flags or [label], columns, request)
        for name, table in tables.items()
    }
    found = None
    if flags or not hasattr(features[label], "names"):  # whose numbers stand for classes
        names = [] if flags else _names_in_lists(features[label])
        found = _understood(parts, label, request, names)
    if found is not None:
        return split_of_labelled(found[0], label, request, sets=found[1])
    if request.label_kind == "labels":
        raise VicinalError(
            f"each image has one label in column {label}: leave out --label-kind labels, or name "
            "another label column"
        )
    parts = {name: _checked(part, label) for name, part in parts.items()}
    names, note = getattr(train.features[label], "names", None), f"labels: column {label}"
    if names is None and request.label_kind is None:
        # Images are stored with classes far more often than with quantities.
        labels = next(iter(parts.values())).frame[label].dropna().infer_objects()
        if are_values(labels):
            note += f", whose whole numbers are taken as {labels.nunique():,} classes"
        request = replace(request, label_kind="classes")
    return split_of_labelled(parts, label, request, [note], names)


def _split_column(table: Any, image: str, label: str, request: "DataRequest") -> str | None:
    """The column that clearly names the part of each image, by a sample of the rows."""
    plain = [
        name
        for name, feature in table.features.items()
        if name != image and getattr(feature, "dtype", None) in PLAIN
    ]
    if not plain:
        return None
    rows = range(0, len(table), max(1, len(table) // LOOKED_AT))
    frame = frames_of({"": table.select_columns(plain).select(rows)})[""]
    return split_column(frame, request, (label,))


def _labelled(
    table: Any,
    image: str,
    labels: Sequence[str],
    columns: dict[str, str | None],
    request: "DataRequest",
) -> LabelledImages:
    """The images of one part, their labels, and the columns that options name."""
    frame = pd.DataFrame({name: _labels(table, name, request) for name in labels})
    others = [name for name in table.features if name != image]
    for option, name in columns.items():
        if name is not None:
            check_column(name, others, option)
            frame[name] = frames_of({"": table.select_columns(name)})[""][name]
    return LabelledImages(Column(undecoded(table, image), image), frame)


def _labels(table: Any, label: str, request: "DataRequest") -> pd.Series:
    """The labels of one part; None where one is missing."""
    if label not in table.features:
        return pd.Series([None] * len(table), dtype=object)
    labels = table[label][:]
    known = [value for value in labels if value is not None]
    if any(map(is_list, known)):
        return pd.Series(labels, dtype=object)
    # What has no label in a data set with names of classes has -1; elsewhere -1 can be a class.
    has_both = -1 in known and 1 in known and all(value in (-1, 1) for value in known)
    are_signs = has_both or request.label_kind == "classes"
    if hasattr(table.features[label], "names") or not are_signs:
        labels = [None if value == -1 else value for value in labels]
    return pd.Series(labels, dtype=object)


def _understood(
    parts: dict[str, LabelledImages], label: str, request: "DataRequest", names: list[str]
) -> tuple[dict[str, LabelledImages], LabelSets] | None:
    """The images with tuples of labels, and how these were understood; None for one label each.

    Args:
        names: of the labels, where lists hold their numbers; -1 is none.
    """
    frames = {name: part.frame for name, part in parts.items()}
    if names:
        frames = {
            name: frame.assign(**{label: named_lists(frame[label], names)})
            for name, frame in frames.items()
        }
    elif "," not in label and not any(_may_be_several(f, request) for f in frames.values()):
        return None
    found = with_label_sets(frames, label, request, names or None)
    if found is None:
        if names:
            raise VicinalError(
                f"each list in column {label} holds one label: add --label-kind labels to learn "
                "them as they are, or name a column of classes by --label"
            )
        return None
    made, sets = found
    return {name: replace(part, frame=made[name]) for name, part in parts.items()}, sets


def _may_be_several(frame: pd.DataFrame, request: "DataRequest") -> bool:
    """Whether the first column holds lists, texts, or zeros and ones of a label."""
    if single_flag(frame, frame.columns[0], request):
        return True
    return bool(frame.iloc[:, 0].map(lambda value: is_list(value) or isinstance(value, str)).any())


def _names_in_lists(feature: Any) -> list[str]:
    """The names of the classes whose numbers are in the lists of a column; none where they are not.

    The ``datasets`` library calls such a column ``List(ClassLabel)`` or ``Sequence(ClassLabel)``.
    """
    inner = feature[0] if isinstance(feature, list) and feature else feature
    inner = inner if inner is not feature else getattr(feature, "feature", None)
    return list(getattr(inner, "names", None) or ())


def _checked(part: LabelledImages, label: str) -> LabelledImages:
    labels = single_names(part.frame[label])
    for value in labels.dropna().head(1):
        check_class(value, label)
    return replace(part, frame=part.frame.assign(**{label: labels}))


def label_column(features: Any, label: str | None, image: str) -> str:
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
    classes = [name for name in others if hasattr(features[name], "names")]
    if len(classes) == 1 or len(others) == 1:
        return str((classes or others)[0])
    raise VicinalError(f"which column is the label? use --label with one of {', '.join(others)}")


def check_class(value: Any, column: str) -> None:
    if is_list(value):
        raise VicinalError(
            f"column {column} holds several labels of each image, and streamed images have one "
            "class each: leave out --stream, or name another column with --label"
        )
    if not isinstance(value, int | str):
        raise VicinalError(
            f"column {column} holds {type(value).__name__} values, not classes: "
            "name a column of class names or numbers with --label"
        )
