"""Images with the columns of a table: their classes, and their training and validation parts."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd

from vicinal.data.column_names import check_column
from vicinal.data.columns import are_whole, as_texts, is_numeric
from vicinal.data.duplicates import Joined
from vicinal.data.labels import MOST_CLASSES, check_labels
from vicinal.data.parts import part_names
from vicinal.data.row_parts import groups_of_rows
from vicinal.data.samples import (
    Samples,
    Split,
    copies_of,
    held_out,
    index_labels,
    notes_on_copies,
    unknown_classes,
    untested,
)
from vicinal.data.several import LabelSets
from vicinal.data.several_images import LabelledSets, split_of_sets
from vicinal.data.split_column import about_parts, named_parts, split_column_of
from vicinal.errors import VicinalError

if TYPE_CHECKING:
    from vicinal.data.request import DataRequest


@dataclass(frozen=True)
class LabelledImages:
    """Images of one part of the data, and what a table says about each.

    Args:
        images: as :class:`~vicinal.data.samples.Samples` takes them.
        frame: a row for each, whose index is the row's number in the data.
    """

    images: Sequence[Any]
    frame: pd.DataFrame

    def rows(self, picked: Any) -> Self:
        """Those of the images where ``picked``, (N,) bool, is true."""
        if picked.all():
            return self
        indices = np.flatnonzero(picked).tolist()
        if hasattr(self.images, "subset"):
            images = self.images.subset(indices)
        else:
            images = [self.images[index] for index in indices]
        return type(self)(images, self.frame.iloc[indices])


def split_of_labelled(
    parts: dict[str, LabelledImages],
    label: str,
    request: "DataRequest",
    notes: Sequence[str] = (),
    names: Sequence[str] | None = None,
    sets: LabelSets | None = None,
) -> Split:
    """The split of images whose classes are in a column.

    Args:
        parts: the images by the names of their parts.
        label: the column of their classes.
        request: says how parts and classes are found.
        notes: lines for the user, of what was found before.
        names: of the classes, where the column holds their indices.
        sets: how several labels of each image were understood, where the column holds tuples.

    Raises:
        VicinalError: a label is missing or no class, or a part is empty.
    """
    notes = [*notes]
    used = _parts(parts, label, request, notes, several=sets is not None)
    if sets is not None:
        return _of_sets(used, label, request, notes, sets)
    (train_name, train), *others = used.items()
    labels = [part.frame[label] for part in (train, *(valid for _, valid in others))]
    indices, vocab = _classes(labels, names, request.label_kind)
    count = len(train.images)
    samples = Samples(train.images, indices[:count])
    groups = None if request.group is None else _groups(train, request.group)
    if not others:
        return held_out(samples, vocab, request.valid_pct, request.seed, notes, groups)
    ((valid_name, valid),) = others
    of_valid = None if request.group is None else _groups(valid, request.group)
    _check_apart({train_name: groups, valid_name: of_valid}, request.group)
    notes.append(f"validation: the data's part {valid_name}")
    notes += unknown_classes(indices[:count], indices[count:], vocab)
    notes += untested(indices[:count], indices[count:], vocab)
    both_parts = Samples(Joined(train.images, valid.images), indices)
    in_valid = range(count, len(indices))
    notes += notes_on_copies(both_parts, copies_of(both_parts.images), in_valid)
    return Split(samples, Samples(valid.images, indices[count:]), vocab, notes)


def _of_sets(
    used: dict[str, LabelledImages],
    label: str,
    request: "DataRequest",
    notes: list[str],
    sets: LabelSets,
) -> Split:
    """The split of images with several labels each."""
    groups = {
        name: None if request.group is None else _groups(part, request.group)
        for name, part in used.items()
    }
    _check_apart(groups, request.group)
    parts = {
        name: LabelledSets(part.images, part.frame[label].reset_index(drop=True), groups[name])
        for name, part in used.items()
    }
    return split_of_sets(parts, sets, request.valid_pct, request.seed, notes)


def _check_apart(groups: dict[str, list[str] | None], column: str | None) -> None:
    """Refuse parts that both hold images of a group."""
    names, (first, *others) = [*groups], groups.values()
    both = {*(first or ())} & {*(others[0] or ())} if others else set()
    if both:
        raise VicinalError(
            f"the parts {names[0]} and {names[1]} both hold images of {column} {min(both)}, so "
            f"--group {column} cannot be kept: leave it out"
        )


def _parts(
    parts: dict[str, LabelledImages],
    label: str,
    request: "DataRequest",
    notes: list[str],
    *,
    several: bool = False,
) -> dict[str, LabelledImages]:
    """The training part and, if there is one, the validation part, with labels; adds ``notes``."""
    train_name, _ = part_names(parts)
    for name in [name for name in parts if name != train_name]:
        if label not in parts[name].frame or parts[name].frame[label].isna().all():
            notes.append(
                f"left alone: the part {name}, {len(parts[name].images):,} images without labels"
            )
            parts = {other: part for other, part in parts.items() if other != name}
    _, valid_name = part_names(parts)
    if valid_name is not None and request.split_column is not None:
        raise VicinalError(
            f"the data have the parts {', '.join(parts)} already, so --split-column "
            f"{request.split_column} does not apply: leave it out"
        )
    if valid_name is None:
        column = split_column(parts[train_name].frame, request, (label,))
        if column is not None:
            parts = _by_column(parts[train_name], column)
            notes.append(f"parts: column {column} ({', '.join(parts)})")
        else:
            besides = [name for name in (label, request.group, *request.drop) if name]
            numbering = about_parts(parts[train_name].frame, besides)
            notes += [f"parts: not by column {name}, {why}" for name, why in numbering.items()]
    used, found = part_names(parts), {}
    for name, part in parts.items():
        if name not in used:
            notes.append(f"left alone: the part {name}, {len(part.images):,} images")
            continue
        found[name], dropped = _with_labels(part, label, request.drop_missing, several)
        if dropped:
            total = f"{len(part.images):,} images of {name}"
            notes.append(f"left out: {dropped:,} of {total}, without a label")
    return dict(sorted(found.items(), key=lambda item: item[0] != used[0]))


def split_column(
    frame: pd.DataFrame, request: "DataRequest", besides: Collection[str] = ()
) -> str | None:
    """The column that names the part of each image: the one requested, or one that clearly does.

    Args:
        frame: what a table says about images.
        request: of the user.
        besides: columns that are something else.

    Raises:
        VicinalError: several columns do, or one by its values, but not by its name.
    """
    if request.split_column is not None:
        check_column(request.split_column, [*frame], "split-column")
        return request.split_column
    others = [name for name in (*besides, request.group, *request.drop) if name is not None]
    return split_column_of(frame, others, "leave it out with --drop")


def _by_column(images: LabelledImages, column: str) -> dict[str, LabelledImages]:
    """The parts of images by a column that names them, the training part first."""
    names = named_parts(images.frame, column).to_numpy()
    parts = sorted({*names}, key=lambda name: (name != "train", name))
    return {name: images.rows(names == name) for name in parts}


def _groups(part: LabelledImages, column: str) -> list[str]:
    """The group of each image."""
    check_column(column, [*part.frame], "group")
    return groups_of_rows(part.frame, column)


def _with_labels(
    part: LabelledImages, label: str, drop_missing: bool, several: bool
) -> tuple[LabelledImages, int]:
    """The images that have a label, and how many have none."""
    labels = part.frame[label]
    if drop_missing:
        missing = labels.isna()
        return part.rows(~missing.to_numpy()), int(missing.sum())
    if not several:
        check_labels(labels)
    return part, 0


def _classes(
    parts: list[pd.Series], names: Sequence[str] | None, label_kind: str | None
) -> tuple[list[int], list[str]]:
    """The class of each image of all parts, and the names of the classes."""
    labels = pd.concat(parts, ignore_index=True).infer_objects()
    if names is not None:
        indices = labels.astype(int)
        unnamed = indices[~indices.between(0, len(names) - 1)]
        if len(unnamed):
            raise VicinalError(
                f"column {labels.name} holds {unnamed.iloc[0]}, but the data name {len(names)} "
                "classes, from 0 on: correct it or drop the row"
            )
        return indices.tolist(), list(names)
    if label_kind == "values" or (label_kind is None and are_values(labels)):
        raise VicinalError(
            f"column {labels.name} holds values, and images are learned with a class each: name a "
            "column of classes with --label, or if its numbers are classes, add --label-kind "
            "classes"
        )
    if not is_numeric(labels):
        several = holds_lists(labels)
        if several is not None:
            raise VicinalError(
                f"column {labels.name} holds {several!r}, which may be several labels of one "
                "image: name what joins them by --label-sep, or a column with one class each by "
                "--label"
            )
        return index_labels(as_texts(labels).tolist())
    indices, numbers = np.unique(labels.to_numpy(), return_inverse=True)[::-1]
    return indices.tolist(), as_texts(pd.Series(numbers)).tolist()


def are_values(labels: pd.Series) -> bool:
    """Whether numbers are quantities: not whole, or many and not those of classes from 0 or 1.

    >>> are_values(pd.Series([63, 71, 58] * 2)), are_values(pd.Series([0.5, 1.5]))
    (False, True)
    >>> are_values(pd.Series(range(100))), are_values(pd.Series(range(20, 90)))
    (False, True)
    """
    if not is_numeric(labels):
        return False
    distinct = np.unique(labels.dropna().to_numpy(np.float64))
    if not are_whole(pd.Series(distinct)):
        return True
    first = distinct[0] if len(distinct) else 0
    counted = first in (0, 1) and distinct[-1] - first == len(distinct) - 1
    return len(distinct) > MOST_CLASSES and not counted


def holds_lists(labels: pd.Series) -> str | None:
    """A label that is a list of several, joined by ``|``, ``;``, a comma or a blank; else None.

    Commas and blanks also stand in names of classes, so these count only where the labels are made
    of fewer words than there are labels.

    >>> holds_lists(pd.Series(["Effusion|Mass", "Mass", "Effusion"]))
    'Effusion|Mass'
    >>> holds_lists(pd.Series(["golden retriever", "labrador retriever"]))
    """
    distinct = set(as_texts(labels.dropna()))
    for separator in ("|", ";", ",", " "):
        joined = sorted(text for text in distinct if separator in text.strip(separator + " "))
        words = {word.strip() for text in distinct for word in text.split(separator)}
        are_lists = {
            "|": True,
            ";": bool(words & distinct),
            ",": len(words) < len(distinct),
            " ": len(words) < len(distinct)
            and (words <= distinct or 3 * len(words) < len(distinct)),
        }
        if joined and are_lists[separator]:
            return joined[0]
    return None
