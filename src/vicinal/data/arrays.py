"""Arrays of images and classes in files of NumPy (.npz) and of MNIST (idx, idx.gz)."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from vicinal.data.idx import idx_parts
from vicinal.data.known import GLYPHS
from vicinal.data.npz import npz_parts
from vicinal.data.parts import part_names
from vicinal.data.request import DataRequest
from vicinal.data.samples import Samples, Split, held_out, index_labels, unknown_classes, untested
from vicinal.errors import VicinalError

Array = NDArray[Any]


def split_of_arrays(request: DataRequest) -> Split | None:
    """Images and classes in arrays; None where the data are no such file.

    Raises:
        VicinalError: the arrays are no images, or do not fit together.
    """
    path = request.path
    if path is None:
        return None
    parts, name = npz_parts(path) or idx_parts(_plain_files(request, path)), path.name
    if not parts:
        return None
    request.accept(
        reasons={"": "holds arrays of images and their classes", "label_pattern": "is no folder"}
    )
    notes = []
    train_name, valid_name = part_names(parts)
    used = [part for part in (train_name, valid_name) if part is not None]
    # One range for all parts: a part may be darker than the others.
    high = max(parts[part][0].max(initial=0) for part in used)
    if high <= 1:
        notes.append("pixels: values from 0 to 1, taken as 0 to 255")
    pixels = {part: _pixels(parts[part][0], f"{part} of {name}", high <= 1) for part in used}
    classes = {part: _classes(parts[part][1], f"{part} of {name}") for part in used}
    for part in used:
        if len(pixels[part]) != len(classes[part]):
            raise VicinalError(
                f"the part {part} of {path} holds {len(pixels[part]):,} images and "
                f"{len(classes[part]):,} labels: give one label for each image"
            )
    labels, vocab = index_labels([value for part in used for value in classes[part]])
    count = len(classes[train_name])
    left_alone = [f"left alone: the part {part}" for part in parts if part not in used]
    notes = [*dict.fromkeys(notes), *left_alone]
    samples = Samples(pixels[train_name], labels[:count])
    if valid_name is None:
        split = held_out(samples, vocab, request.valid_pct, request.seed, notes)
    else:
        notes.append(f"validation: the data's part {valid_name}")
        notes += unknown_classes(labels[:count], labels[count:], vocab)
        notes += untested(labels[:count], labels[count:], vocab)
        split = Split(samples, Samples(pixels[valid_name], labels[count:]), vocab, notes)
    return replace(split, mirrored=not _are_glyphs(path))


def _plain_files(request: DataRequest, path: Path) -> list[Path]:
    """The file itself, or those in a folder without images."""
    if path.is_file():
        return [path]
    return [] if request.images else request.files


def _are_glyphs(path: Path) -> bool:
    """Whether the names of a file and the two folders around it are those of glyphs alone."""
    words = {word for part in path.parts[-3:] for word in re.findall("[a-z]+", part.lower())}
    return bool(words & GLYPHS) and not words & {"fashion", "fashionmnist"}


def _pixels(images: Array, what: str, are_fractions: bool) -> torch.Tensor:
    """(N, H, W), (N, H, W, C) or (N, C, H, W) of any range to (N, 3, H, W) uint8."""
    if not len(images):
        raise VicinalError(f"there are no images in {what}: leave it out")
    if images.ndim == 3:
        images = images[:, None]
    elif images.shape[-1] in (1, 3):
        images = images.transpose(0, 3, 1, 2)
    if images.shape[1] not in (1, 3):
        raise VicinalError(
            f"the images in {what} have the shape {images.shape}: give grey or RGB images, of the "
            "shape (N, H, W), (N, H, W, 3) or (N, 3, H, W)"
        )
    if are_fractions or images.dtype != np.uint8:
        low, high = images.min(), images.max()
        if not (low >= 0 and high <= 255):
            raise VicinalError(
                f"the images in {what} have values from {low:g} to {high:g}: store them from 0 to "
                "255, or as fractions from 0 to 1; series are learned by --series"
            )
        images = (images * (255.0 if are_fractions else 1.0)).round().astype(np.uint8)
    return torch.tensor(images).expand(-1, 3, -1, -1).contiguous()


def _classes(labels: Array, what: str) -> list[Any]:
    """The class of each image, from (N,), (N, 1) or one-hot (N, C)."""
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim == 2:
        if not (np.isin(labels, (0, 1)).all() and (labels.sum(1) == 1).all()):
            raise VicinalError(
                f"the labels in {what} have the shape {labels.shape}, several of each image, and "
                "images are learned with one label each"
            )
        labels = labels.argmax(1)
    if np.issubdtype(labels.dtype, np.floating):
        if not (labels == labels.round()).all():
            raise VicinalError(
                f"the labels in {what} are values such as {labels[labels != labels.round()][0]:g}, "
                "and images are learned with a class each"
            )
        labels = labels.astype(np.int64)
    if labels.dtype.kind == "S":
        labels = labels.astype(str)
    return labels.tolist()
