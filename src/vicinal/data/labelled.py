"""A table with a label: its parts with known labels, and what its other columns are for."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from vicinal.data.chosen_columns import named_columns
from vicinal.data.column_names import check_roles
from vicinal.data.columns import as_texts, with_names
from vicinal.data.labels import (
    LabelKind,
    Targets,
    also_labels,
    also_several_labels,
    as_written,
    check_labels,
    label_column,
    label_kind,
)
from vicinal.data.parts import part_names
from vicinal.data.request import DataRequest
from vicinal.data.row_numbers import row_numbers
from vicinal.data.several import LabelSets, names_several, single_names, with_label_sets
from vicinal.data.several_targets import SeveralTargets
from vicinal.data.split_column import about_parts, parts_by_column, split_column_of
from vicinal.data.text import check_texts
from vicinal.errors import VicinalError
from vicinal.formatting import pluralize

Frames = dict[str, pd.DataFrame]
Written = dict[str, Mapping[str, pd.Series]]


@dataclass(frozen=True)
class LabelledTable:
    """A table whose label is known in all rows.

    Args:
        frames: the training part and, if any, the validation part, by name; rows have the numbers
            that they have in their files.
        label: the label column.
        numbering: columns that number the rows, with the reason to leave them out.
        set_aside: columns not to learn from, with the reason.
        sets: how several labels of each row were understood; None where each has one.
        notes: what was found and chosen, each a line for the user.
        written: of each part, columns as they are written in the file, where that is not the same.
        called: what a row stands for, in notes and errors.
    """

    frames: Frames
    label: str
    numbering: dict[str, str]
    set_aside: dict[str, str]
    notes: list[str]
    written: Written
    sets: LabelSets | None = None
    called: str = "row"

    def classes(self, kind: LabelKind | None) -> Sequence[Hashable] | None:
        """The class of each training row, or its labels; None for values."""
        labels = next(iter(self.frames.values()))[self.label]
        if self.sets is not None:
            return [*labels]
        return as_texts(labels).tolist() if (kind or label_kind(labels)) == "classes" else None

    def left_out(self, train: pd.DataFrame, targets: Targets | SeveralTargets) -> dict[str, str]:
        """The columns not to learn from, with the reason."""
        others = [name for name in train if name not in self.set_aside]
        same: list[str] = []
        if isinstance(targets, SeveralTargets):
            vocab = targets.vocab
            same = also_several_labels(train[others], targets.train, self.label, vocab)
        elif targets.vocab is not None:
            same = also_labels(train[others], targets.train, self.label)
        return self.set_aside | dict.fromkeys(same, f"another name of {self.label}")

    def with_texts(
        self, column: str, train: pd.DataFrame, valid: pd.DataFrame
    ) -> list[pd.DataFrame]:
        """Rows of the two parts with a column of texts as they are written.

        Raises:
            VicinalError: a text is missing or empty.
        """
        texts = {name: self._texts(name, column) for name in self.frames}
        for found in texts.values():
            check_texts(found.tolist(), column, found.index)
        first, last = next(iter(texts)), list(texts)[-1]
        return [
            rows.assign(**{column: texts[name][rows.index]})
            for name, rows in ((first, train), (last, valid))
        ]

    def _texts(self, part: str, column: str) -> pd.Series:
        texts = self.frames[part][column]
        written = self.written.get(part, {}).get(column)
        if written is not None:
            return written[texts.index]
        are_strings = pd.api.types.infer_dtype(texts, skipna=True) in ("string", "empty")
        return texts if are_strings else as_texts(texts)


def labelled_table(frames: Frames, request: DataRequest, called: str = "row") -> LabelledTable:
    """Find the label and the parts of a table, and set aside what is not to be learned from.

    Args:
        frames: its parts by name.
        request: the user's options for columns.
        called: what a row stands for, in notes and errors.

    Raises:
        VicinalError: options name columns that are not there, or contradict each other; or labels
            are missing.
    """
    written: Written = dict(getattr(frames, "written", {}))
    notes = list(getattr(frames, "notes", ()))
    train_name, _ = part_names(frames)
    train = with_names(frames[train_name])
    label = _label(list(train), request)
    frames = {train_name: train} | {name: with_names(frame) for name, frame in frames.items()}
    frames, sets = _understood(frames, label, request, notes)
    train = frames[train_name]
    numbering = row_numbers([f.drop(columns=label, errors="ignore") for f in frames.values()])
    frames = _with_labels(frames, label, notes, called)
    named = (label, request.text, request.group, *request.drop, *request.categorical)
    beside = named_columns(request.columns, list(train))
    besides = [name for name in (*named, *beside) if name is not None]
    split_column = _split_column(frames, besides, request)
    if split_column is not None:
        frames = parts_by_column(train, split_column)
        notes.append(f"parts: by column {split_column} ({', '.join(frames)})")
        frames = _with_labels(frames, label, notes, called)
        written = dict.fromkeys(frames, written.get(train_name, {}))
        besides.append(split_column)
    set_aside = dict.fromkeys(request.drop, "--drop") | about_parts(train, besides)
    if request.group is not None:
        set_aside[request.group] = "it groups the rows"
    dropped = [name for name in request.drop if name != request.group]
    frames = {n: frame.drop(columns=dropped, errors="ignore") for n, frame in frames.items()}
    frames, more = _known(frames, label, written, request, several=sets is not None, called=called)
    found = (frames, label, numbering, set_aside, [*notes, *more], written, sets)
    return LabelledTable(*found, called)


def _understood(
    frames: Frames, label: str, request: DataRequest, notes: list[str]
) -> tuple[Frames, LabelSets | None]:
    """The parts with tuples of labels, and how these were understood; or with one label a row."""
    found = with_label_sets(frames, label, request)
    if found is not None:
        return found
    own = {name: frame[label] for name, frame in frames.items() if label in frame}
    single = {name: single_names(labels) for name, labels in own.items()}
    if any(single[name] is not labels for name, labels in own.items()):
        notes.append(f"labels: column {label} holds lists of one label each, taken for classes")
    return {
        name: frame.assign(**{label: single[name]}) if name in single else frame
        for name, frame in frames.items()
    }, None


def _label(columns: list[str], request: DataRequest) -> str:
    """The label column, after a look at all columns that options name."""
    single = {"label": request.label, "text": request.text, "group": request.group}
    single["split-column"] = request.split_column
    named = {option: [name] for option, name in single.items() if name is not None}
    several = names_several(request, columns)
    if several:
        named["label"] = several
    named |= {"drop": list(request.drop), "categorical": list(request.categorical)}
    named["columns"] = list(named_columns(request.columns, columns))
    check_roles(named, columns)
    if several and request.label is not None:
        return request.label
    others = {name for option, names in named.items() if option != "label" for name in names}
    return label_column([name for name in columns if name not in others], request.label)


def _split_column(frames: Frames, besides: Sequence[str], request: DataRequest) -> str | None:
    """The column that names the part of each row, if one does, and there are no others."""
    _, valid_name = part_names(frames)
    if request.split_column is None:
        return None if valid_name else split_column_of(next(iter(frames.values())), besides)
    if valid_name is None:
        return request.split_column
    raise VicinalError(
        f"the data have the parts {', '.join(frames)} already, so --split-column "
        f"{request.split_column} does not apply: leave it out"
    )


def _with_labels(frames: Frames, label: str, notes: list[str], called: str) -> Frames:
    """The parts that have labels; a note is added about each other one. The first is for training.

    A part has none where its labels are missing, or -1 in all rows, which is no class of these.
    """
    train, *_ = frames.values()
    kept = {}
    for name, frame in frames.items():
        missing = label not in frame or bool(frame[label].isna().all())
        if not missing and not (train[label] == -1).any():
            missing = bool((frame[label] == -1).all())
        if missing and frame is not train:
            notes.append(
                f"left alone: the part {name}, {pluralize(len(frame), called)} without labels"
            )
        else:
            kept[name] = frame
    return kept


def _known(
    frames: Frames,
    label: str,
    written: Written,
    request: DataRequest,
    *,
    several: bool,
    called: str,
) -> tuple[Frames, list[str]]:
    """The parts to learn from and to validate with, with known labels, and notes."""
    used = part_names(frames)
    cells = {n: None if several else written.get(n, {}).get(label) for n in frames}
    spelled = as_written(frames[used[0]][label], cells[used[0]], request.label_kind)
    known: Frames = {}
    notes = []
    for name, frame in frames.items():
        if name not in used:
            notes.append(f"left alone: the part {name}, {pluralize(len(frame), called)}")
            continue
        labels, as_cells = frame[label], cells[name]
        if spelled and as_cells is not None:
            labels = as_cells[labels.index].rename(label)
            if request.label_kind is None:
                labels = labels.where(frame[label].notna())
        missing = labels.isna()
        dropped = request.drop_missing and missing.any() and not missing.all()
        if not several:
            check_labels(labels[~missing] if dropped else labels, as_cells)
        known[name] = frame.assign(**{label: labels})
        if dropped:
            known[name] = known[name][~missing]
            count = f"{missing.sum():,} of {pluralize(len(frame), called)} in the part {name}"
            notes.append(f"left out: {count}, which have no label")
    return known, notes
