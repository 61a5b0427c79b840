"""Labelled images from torchvision's data sets, by name."""

import difflib
import inspect
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from vicinal.data.download import data_folder
from vicinal.data.images import BadImage
from vicinal.data.samples import Samples, Split, held_out, index_labels
from vicinal.errors import VicinalError

# Data sets whose images change their meaning, or lose it, when they are flipped; in lower case.
GLYPHS = frozenset(
    (
        *("mnist", "emnist", "kmnist", "qmnist", "notmnist", "svhn", "usps", "semeion"),
        *("omniglot", "gtsrb"),
    )
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


def split_of_torchvision(name: str, valid_pct: float, seed: int) -> Split:
    from torchvision import datasets as known

    if name not in known.__all__:
        names = {each.lower(): each for each in known.__all__}
        near = difflib.get_close_matches(name.lower(), names, n=1)
        hint = f", did you mean {names[near[0]]}?" if near else ""
        raise VicinalError(f"torchvision has no data set {name}{hint}")
    try:
        datasets = _parts(getattr(known, name), data_folder() / name)
    except (OSError, RuntimeError, ValueError, TypeError) as error:
        raise VicinalError(
            f"torchvision:{name} cannot be loaded ({str(error).splitlines()[0]}): check the "
            f"network, or put its files into {data_folder() / name}"
        ) from None
    try:
        labels = [_labels(dataset) for dataset in datasets]
    except (RuntimeError, ValueError, TypeError):
        raise VicinalError(
            f"the images of torchvision:{name} have no classes: use a data set whose images do"
        ) from None
    vocab = [_plain(c) for c in getattr(datasets[0], "classes", [])]
    if not vocab:
        indices, vocab = index_labels([label for part in labels for label in part])
        count = len(labels[0])
        labels = [indices[:count], indices[count:]][: len(labels)]
    parts = [Samples(_Pictures(d), part) for d, part in zip(datasets, labels, strict=True)]
    if len(parts) == 1:
        split = held_out(parts[0], vocab, valid_pct, seed)
    else:
        split = Split(parts[0], parts[1], vocab)
    return replace(split, mirrored=name.lower() not in GLYPHS)


def _plain(class_name: Any) -> str:
    # Imagenette's classes are tuples of synonyms.
    return str(class_name[0] if isinstance(class_name, tuple) else class_name)


def _parts(kind: Any, folder: Path) -> list[Any]:
    """The training part, and the validation part if there is one."""
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
        with suppress(ValueError):  # what torchvision raises for an unknown split
            return kind(**common, split=split)
    return kind(**common, split=splits[-1])


def _labels(dataset: Any) -> list[int]:
    for name in ("targets", "_labels", "labels"):
        if hasattr(dataset, name):
            return [int(label) for label in getattr(dataset, name)]
    if hasattr(dataset, "_samples"):
        return [int(label) for _, label in dataset._samples]
    return [int(dataset[i][1]) for i in range(len(dataset))]
