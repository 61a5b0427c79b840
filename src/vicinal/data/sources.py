"""From the name of a data set to its labelled images.

A name is ``digits``, a path (a folder of images, a Parquet file or a folder of them),
``hf:NAME`` for the Hugging Face hub, or ``torchvision:NAME`` for torchvision's data sets.
"""

import difflib
import inspect
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from vicinal.data.download import data_folder
from vicinal.data.samples import Samples, Split, index_labels, random_split
from vicinal.data.vision import (
    TRAIN_NAMES,
    VALID_NAMES,
    _held_out_note,
    split_by_folder,
    split_by_name,
)
from vicinal.errors import VicinalError


def load_split(
    data: str,
    *,
    label: str | None = None,
    label_pattern: str | None = None,
    valid_pct: float = 0.2,
    seed: int = 0,
) -> Split:
    """Find the images of a data set, their classes, and its validation part.

    Args:
        data: ``digits``, a path, ``hf:NAME`` or ``torchvision:NAME``.
        label: the label column, where there are columns; None finds it.
        label_pattern: for a folder of images: a regular expression for the file name whose first
            group is the class; None reads classes off the folders' names.
        valid_pct: the share held out at random where the data have no validation part.
        seed: of that random split.

    Raises:
        VicinalError: one sentence that says what is missing and what to do.

    >>> split = load_split("digits")
    >>> len(split.train), len(split.valid), split.vocab[:3]
    (1438, 359, ['0', '1', '2'])
    """
    if data == "digits":
        return _digits(valid_pct, seed)
    if data.startswith("hf:"):
        return _hub(data.removeprefix("hf:"), label, valid_pct, seed)
    if data.startswith("torchvision:"):
        return _torchvision(data.removeprefix("torchvision:"), valid_pct, seed)
    path = Path(data)
    if not path.exists():
        near = difflib.get_close_matches(data, ["digits"]) + _near_paths(path)
        hint = f", did you mean {near[0]}?" if near else ": give a path, or digits to try it out"
        raise VicinalError(f"{data} is not there{hint}")
    parquet = [path] if path.is_file() else sorted(path.glob("*.parquet"))
    if parquet and parquet[0].suffix == ".parquet":
        return _parquet(parquet, label, valid_pct, seed)
    if path.is_file():
        raise VicinalError(f"{data} is no Parquet file: give one, or a folder of images")
    if label is not None:
        raise VicinalError(f"{data} has no columns, so --label {label} names nothing: leave it out")
    if label_pattern is not None:
        return split_by_name(path, label_pattern, valid_pct, seed)
    return split_by_folder(path, valid_pct, seed)


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
    train, valid = random_split(samples, valid_pct, seed)
    notes = [_held_out_note(valid, valid_pct)]
    return Split(train, valid, [str(i) for i in range(10)], notes, mirrored=False)


class Column(Sequence[Any]):
    """An image column of a hub's table, read row by row."""

    def __init__(self, table: Any, name: str, rows: Sequence[int] | None = None) -> None:
        self.table, self.name = table, name
        self.rows = range(len(table)) if rows is None else rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: Any) -> Any:
        return self.table[self.rows[index]][self.name]

    def subset(self, indices: Sequence[int]) -> "Column":
        return Column(self.table, self.name, [self.rows[i] for i in indices])


def _parquet(files: list[Path], label: str | None, valid_pct: float, seed: int) -> Split:
    import datasets

    datasets.disable_progress_bars()
    parts: dict[str, list[str]] = {}
    for file in files:
        stem = re.split(r"[^a-z]", file.stem.lower())[0]
        part = "valid" if stem in VALID_NAMES else "train"
        # Of a validation and a test part, the first in VALID_NAMES's order serves.
        name = stem if part == "valid" else "train"
        parts.setdefault(name, []).append(str(file))
    try:
        tables = datasets.load_dataset("parquet", data_files=parts)
    except (OSError, datasets.exceptions.DatasetGenerationError) as error:
        reason = str(error.__cause__ or error).split("\n")[0]
        raise VicinalError(
            f"{files[0].parent} holds a Parquet file that cannot be read: {reason}"
        ) from None
    return _tables(tables, label, valid_pct, seed)


def _hub(name: str, label: str | None, valid_pct: float, seed: int) -> Split:
    import datasets

    try:
        tables = datasets.load_dataset(*name.split(":"))
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        raise VicinalError(
            f"hf:{name} cannot be had ({str(error).splitlines()[0]}): check the name and the "
            "network, or download its Parquet files and give their folder"
        ) from None
    return _tables(tables, label, valid_pct, seed)


def _tables(tables: Any, label: str | None, valid_pct: float, seed: int) -> Split:
    """From a hub's tables, one a part, to labelled images."""
    train_name = next((name for name in TRAIN_NAMES if name in tables), next(iter(tables)))
    valid_name = next((name for name in VALID_NAMES if name in tables), None)
    train, label_column, names = _labelled(tables[train_name], label)
    notes = [f"labels: column {label_column}"]
    if valid_name is None or valid_name == train_name:
        labels, vocab = index_labels_or_names(names, train[1])
        part, held_out = random_split(Samples(train[0], labels), valid_pct, seed)
        return Split(part, held_out, vocab, [*notes, _held_out_note(held_out, valid_pct)])
    valid, _, _ = _labelled(tables[valid_name], label_column)
    labels, vocab = index_labels_or_names(names, [*train[1], *valid[1]])
    return Split(
        Samples(train[0], labels[: len(train[1])]),
        Samples(valid[0], labels[len(train[1]) :]),
        vocab,
        [*notes, f"validation: the data's part {valid_name}"],
    )


def _labelled(
    table: Any, label: str | None
) -> tuple[tuple[Column, list[Any]], str, list[str] | None]:
    """The image column, the labels, the label column's name, and its classes where it has them."""
    import datasets

    features = table.features
    image = _image_column(features)
    label = _label_column(features, label, image)
    labels = table[label][:]
    _check_labels(labels, label)
    table = table.cast_column(image, datasets.Image(decode=False))
    return (Column(table, image), labels), label, getattr(features[label], "names", None)


def _image_column(features: Any) -> str:
    import datasets

    for name, feature in features.items():
        is_record = isinstance(feature, dict) and {"bytes", "path"} <= set(feature)
        if isinstance(feature, datasets.Image) or is_record:
            return str(name)
    raise VicinalError(
        f"none of the columns holds images (they are {', '.join(features)}): an image column has "
        "records of bytes and path"
    )


def _label_column(features: Any, label: str | None, image: str) -> str:
    import datasets

    others = [name for name in features if name != image]
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
    raise VicinalError(f"which column is the label? say --label with one of {', '.join(others)}")


def _check_labels(labels: Sequence[Any], column: str) -> None:
    missing = [row for row, value in enumerate(labels) if value is None or value == -1]
    if missing:
        raise VicinalError(
            f"{len(missing):,} of {len(labels):,} labels in column {column} are missing, first in "
            f"row {missing[0]}: fill them in or drop the rows"
        )
    if not isinstance(labels[0], int | str):
        raise VicinalError(
            f"column {column} holds {type(labels[0]).__name__} values, not classes: "
            "name a column of class names or numbers with --label"
        )


def index_labels_or_names(
    names: list[str] | None, labels: Sequence[Any]
) -> tuple[list[int], list[str]]:
    """Labels as indices, with the names that the data give to them or that they have themselves."""
    if names is not None:
        return list(labels), list(names)
    if isinstance(labels[0], int):
        numbers = sorted(set(labels))
        index = {number: i for i, number in enumerate(numbers)}
        return [index[number] for number in labels], [str(number) for number in numbers]
    return index_labels(labels)


class _Pictures(Sequence[Any]):
    """The images of a torchvision data set, without its labels."""

    def __init__(self, dataset: Any) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: Any) -> Any:
        return self.dataset[index][0]


def _torchvision(name: str, valid_pct: float, seed: int) -> Split:
    from torchvision import datasets as known

    kind: Any = getattr(known, name, None)
    if not callable(kind):
        near = difflib.get_close_matches(name, dir(known), n=1)
        hint = f", did you mean {near[0]}?" if near else ""
        raise VicinalError(f"torchvision has no data set {name}{hint}")
    parts = []
    for arguments in _torchvision_parts(kind):
        try:
            dataset = kind(str(data_folder() / name), download=True, **arguments)
        except (OSError, RuntimeError, ValueError, TypeError) as error:
            raise VicinalError(
                f"torchvision:{name} cannot be had ({str(error).splitlines()[0]}): check the "
                f"network, or put its files into {data_folder() / name}"
            ) from None
        parts.append(Samples(_Pictures(dataset), _torchvision_labels(dataset)))
        vocab = [_plain(c) for c in getattr(dataset, "classes", [])]
    vocab = vocab or [str(i) for i in sorted({i for part in parts for i in part.labels})]
    if len(parts) == 1:
        parts = list(random_split(parts[0], valid_pct, seed))
    return Split(parts[0], parts[1], vocab)


def _plain(class_name: Any) -> str:
    # Imagenette's classes are tuples of synonyms.
    return str(class_name[0] if isinstance(class_name, tuple) else class_name)


def _torchvision_parts(kind: Any) -> list[dict[str, Any]]:
    parameters = inspect.signature(kind.__init__).parameters
    if "train" in parameters:
        return [{"train": True}, {"train": False}]
    if "split" in parameters:
        train = parameters["split"].default
        if train is inspect.Parameter.empty or train not in ("train", "trainval"):
            train = "train"
        return [{"split": train}, {"split": "test" if train == "trainval" else "val"}]
    return [{}]


def _torchvision_labels(dataset: Any) -> list[int]:
    for name in ("targets", "_labels", "labels"):
        if hasattr(dataset, name):
            return [int(label) for label in getattr(dataset, name)]
    if hasattr(dataset, "_samples"):
        return [int(label) for _, label in dataset._samples]
    return [int(dataset[i][1]) for i in range(len(dataset))]
