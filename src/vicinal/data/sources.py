"""From the name of a data set to its labelled images.

A name is ``digits``, a path (a folder of images, a Parquet file or a folder of them),
``hf:NAME`` for the Hugging Face hub, or ``torchvision:NAME`` for torchvision's data sets.
"""

import difflib
import inspect
import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch

from vicinal.data.download import data_folder
from vicinal.data.images import BadImage
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
    files_in_folders = data != "digits" and not data.startswith(("hf:", "torchvision:"))
    if label_pattern is not None and not files_in_folders:
        raise VicinalError(f"{data} is no folder, so --label-pattern names nothing: leave it out")
    if label is not None and (data == "digits" or data.startswith("torchvision:")):
        raise VicinalError(f"{data} has no columns, so --label {label} names nothing: leave it out")
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
        if label_pattern is not None:
            raise VicinalError(f"{data} has columns: name one with --label, not --label-pattern")
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
    for file in files:
        _check_parquet(file)
    try:
        with _silent(datasets.logging):
            tables = datasets.load_dataset("parquet", data_files=parts)
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        cause, folder = error.__cause__ or error, files[0].parent
        if isinstance(cause, datasets.table.CastError):
            raise VicinalError(
                f"the Parquet files in {folder} differ in their columns: keep those of one data "
                "set in a folder"
            ) from None
        raise VicinalError(
            f"{folder} holds a Parquet file that cannot be read ({_first_sentence(cause)}): fetch "
            "it anew or remove it"
        ) from None
    return _tables(tables, label, valid_pct, seed)


def _check_parquet(file: Path) -> None:
    import pyarrow.parquet  # type: ignore[import-untyped]

    try:
        rows = pyarrow.parquet.read_metadata(file).num_rows
    except (OSError, ValueError) as error:
        raise VicinalError(
            f"{file} cannot be read ({_first_sentence(error)}): fetch it anew or remove it"
        ) from None
    if not rows:
        raise VicinalError(f"{file} has no rows: remove it, or give one with images")


def _first_sentence(error: BaseException) -> str:
    return str(error).split("\n")[0].split(". ")[0].removesuffix(".")


@contextmanager
def _silent(logs: Any) -> Iterator[None]:
    """What goes wrong is said in one sentence, not in a log before it as well."""
    verbosity = logs.get_verbosity()
    logs.set_verbosity(logging.CRITICAL)
    try:
        yield
    finally:
        logs.set_verbosity(verbosity)


def _hub(name: str, label: str | None, valid_pct: float, seed: int) -> Split:
    import datasets

    path, _, configuration = name.partition(":")
    if not path:
        raise VicinalError("hf: names no data set: say hf:NAME, or hf:NAME:CONFIGURATION")
    try:
        tables = datasets.load_dataset(path, configuration or None)
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        # Which configurations there are stands in the second line.
        reason = " ".join(str(error).partition("\nExample")[0].split())
        raise VicinalError(
            f"hf:{name} cannot be had ({reason}): check the name (hf:NAME:CONFIGURATION picks one "
            "of several) and the network, or download its Parquet files and give their folder"
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
    table = table.select_columns(image).cast_column(image, datasets.Image(decode=False))
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


# Data sets of torchvision whose images mean something else, or nothing, when they are flipped.
GLYPHS = frozenset(
    ("MNIST", "EMNIST", "KMNIST", "QMNIST", "SVHN", "USPS", "SEMEION", "Omniglot", "GTSRB")
)


class _Pictures(Sequence[Any]):
    """The images of a torchvision data set, without its labels."""

    def __init__(self, dataset: Any) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: Any) -> Any:
        try:
            return self.dataset[index][0]
        except OSError as error:
            raise BadImage(str(error)) from None


def _torchvision(name: str, valid_pct: float, seed: int) -> Split:
    from torchvision import datasets as known

    if name not in known.__all__:
        names = {each.lower(): each for each in known.__all__}
        near = difflib.get_close_matches(name.lower(), names, n=1)
        hint = f", did you mean {names[near[0]]}?" if near else ""
        raise VicinalError(f"torchvision has no data set {name}{hint}")
    try:
        datasets = _torchvision_parts(getattr(known, name), data_folder() / name)
    except (OSError, RuntimeError, ValueError, TypeError) as error:
        raise VicinalError(
            f"torchvision:{name} cannot be had ({str(error).splitlines()[0]}): check the "
            f"network, or put its files into {data_folder() / name}"
        ) from None
    try:
        labels = [_torchvision_labels(dataset) for dataset in datasets]
    except (RuntimeError, ValueError, TypeError):
        raise VicinalError(
            f"the images of torchvision:{name} have no classes: use a data set whose images do"
        ) from None
    vocab = [_plain(c) for c in getattr(datasets[0], "classes", [])]
    if not vocab:
        numbers = sorted({label for part in labels for label in part})
        index = {number: i for i, number in enumerate(numbers)}
        labels = [[index[label] for label in part] for part in labels]
        vocab = [str(number) for number in numbers]
    parts = [Samples(_Pictures(d), part) for d, part in zip(datasets, labels, strict=True)]
    notes = []
    if len(parts) == 1:
        parts = list(random_split(parts[0], valid_pct, seed))
        notes.append(_held_out_note(parts[1], valid_pct))
    return Split(parts[0], parts[1], vocab, notes, mirrored=name not in GLYPHS)


def _plain(class_name: Any) -> str:
    # Imagenette's classes are tuples of synonyms.
    return str(class_name[0] if isinstance(class_name, tuple) else class_name)


def _torchvision_parts(kind: Any, folder: Path) -> list[Any]:
    """The training part, and the validation part where there is one."""
    parameters = inspect.signature(kind).parameters
    common = {"root": str(folder)} | ({"download": True} if "download" in parameters else {})
    if "train" in parameters:
        return [kind(**common, train=True), kind(**common, train=False)]
    if "split" not in parameters:
        return [kind(**common)]
    default = str(parameters["split"].default)
    train = default if default.startswith("train") else "train"
    others = ["test"] if train == "trainval" else ["val", "valid", "test"]
    return [kind(**common, split=train), _first_split(kind, common, others)]


def _first_split(kind: Any, common: dict[str, Any], splits: list[str]) -> Any:
    for split in splits[:-1]:
        with suppress(ValueError):  # torchvision's word for a split that it does not know
            return kind(**common, split=split)
    return kind(**common, split=splits[-1])


def _torchvision_labels(dataset: Any) -> list[int]:
    for name in ("targets", "_labels", "labels"):
        if hasattr(dataset, name):
            return [int(label) for label in getattr(dataset, name)]
    if hasattr(dataset, "_samples"):
        return [int(label) for _, label in dataset._samples]
    return [int(dataset[i][1]) for i in range(len(dataset))]
