"""Images with several labels each: their training and validation parts."""

import os
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from torch import Tensor

from vicinal.data.duplicates import Joined
from vicinal.data.groups import hold_out_groups
from vicinal.data.samples import Samples, Split, copies_of, images_of, notes_on_copies
from vicinal.data.several import LabelSets
from vicinal.data.several_targets import targets_of_sets
from vicinal.errors import VicinalError


@dataclass(frozen=True)
class LabelledSets:
    """Images of one part with their labels.

    Args:
        images: as :class:`~vicinal.data.samples.Samples` takes them.
        labels: tuples of names.
        groups: the group of each, where whole groups are held out.
    """

    images: Sequence[Any]
    labels: pd.Series
    groups: Sequence[Hashable] | None = None


def split_of_sets(
    parts: Mapping[str, LabelledSets],
    sets: LabelSets,
    valid_pct: float,
    seed: int,
    notes: Sequence[str] = (),
) -> Split:
    """The split of images with several labels each.

    Args:
        parts: the training part, and if there is one, the validation part, by name. Without one,
            a share of each label is held out.
        sets: how the labels were understood.
        valid_pct, seed: of the images that are held out.
        notes: lines for the user, of what was found before.

    Raises:
        VicinalError: there is nothing to learn, or a part is empty.
    """
    (_, train), *others = parts.items()
    if others:
        ((name, valid),) = others
        found = targets_of_sets(train.labels, valid.labels, sets, "image")
        both = Joined(train.images, valid.images)
        samples = Samples(both, [*_rows(found.train), *_rows(found.valid)])
        count = len(train.labels)
        in_valid = [*range(count, len(samples))]
        held, copies = f"validation: the data's part {name}", copies_of(samples.images)
        own = (
            Samples(train.images, samples.labels[:count]),
            Samples(valid.images, samples.labels[count:]),
        )
    else:
        copies = copies_of(train.images)
        in_train, in_valid, held = _held_out(train, copies, valid_pct, seed)
        labels = train.labels.iloc[in_train], train.labels.iloc[in_valid]
        found = targets_of_sets(*labels, sets, "image")
        order, made = [*in_train, *in_valid], [*_rows(found.train), *_rows(found.valid)]
        rows = dict(zip(order, made, strict=True))
        samples = Samples(train.images, [rows[i] for i in range(len(rows))])
        own = samples.subset(in_train), samples.subset(in_valid)
    more = notes_on_copies(samples, copies, {*in_valid})
    lines = [*found.notes, *notes, held, *(note.replace("class", "label") for note in more)]
    return Split(*own, found.vocab, lines, several=True)


def _held_out(
    train: LabelledSets, copies: list[list[int]], valid_pct: float, seed: int
) -> tuple[list[int], list[int], str]:
    """The indices of both parts, and a line; copies of an image are on one side."""
    groups = train.groups
    if groups is None:
        alone: list[Hashable] = [*range(len(train.labels))]
        for each in copies:
            for index in each:
                alone[index] = each[0]
        groups = alone
    kept, held = hold_out_groups(groups, valid_pct, seed, [*train.labels], several=True)
    share = f"{len(held) / len(train.labels):.0%}"
    if train.groups is not None:
        of = f"{len({groups[i] for i in held}):,} of {len({*groups}):,} groups"
        return kept, held, f"validation: {images_of(len(held))}, of {of} held out ({share})"
    count = f"{images_of(len(held))} held out, with about a share of each label"
    return kept, held, f"validation: {count} ({share})"


def _rows(targets: Tensor) -> list[tuple[float, ...]]:
    """Zeros and ones of each image; images with the same labels share theirs."""
    shared: dict[tuple[float, ...], tuple[float, ...]] = {}
    ones = (0.0, 1.0)
    made = (tuple(ones[value] for value in row) for row in targets.int().tolist())
    return [shared.setdefault(row, row) for row in made]


# ---- images in class folders --------------------------------------------------------------------


def in_several_folders(
    labelled: Sequence[tuple[Path, str]], *, by_bytes: bool
) -> tuple[list[Path], list[tuple[str, ...]], int] | None:
    """Images that lie in several class folders, once each with all their classes.

    Args:
        labelled: the files with the classes of their folders.
        by_bytes: files with the same bytes are one image, and not only links to one file.

    Returns:
        The files, the first of each image; their labels; and how many have several. None where no
        image has several.
    """
    files = [file for file, _ in labelled]
    # An image that is no link may be what the links of other folders lead to.
    linked = any(os.path.islink(file) for file in files)
    first: dict[str, int] = {}
    of = [first.setdefault(_real(file) if linked else str(file), i) for i, file in enumerate(files)]
    if by_bytes:
        for each in copies_of(files):
            root = min(of[index] for index in each)
            for index in each:
                of[index] = root
        of = [of[index] for index in of]
    labels: dict[int, dict[str, None]] = {}
    for index, (_, name) in zip(of, labelled, strict=True):
        labels.setdefault(index, {})[name] = None
    count = sum(len(names) > 1 for names in labels.values())
    if not count:
        return None
    return [files[i] for i in labels], [tuple(names) for names in labels.values()], count


def _real(file: Path) -> str:
    return os.path.realpath(file)


def split_of_folders(
    parts: Mapping[str, Sequence[tuple[Path, str]]],
    valid_pct: float,
    seed: int,
    notes: Sequence[str],
    *,
    by_bytes: bool,
    groups: Any = None,
) -> Split | None:
    """The split of images in class folders, if some lie in several of them.

    Args:
        parts: the files of each part with the classes of their folders, the training part first.
        by_bytes: as for :func:`in_several_folders`.
        groups: from a list of files to the group of each; None for no groups.
    """
    merged = {name: in_several_folders(each, by_bytes=by_bytes) for name, each in parts.items()}
    if not any(merged.values()):
        return None
    found: dict[str, LabelledSets] = {}
    count = 0
    for name, labelled in parts.items():
        own = merged[name]
        files = [file for file, _ in labelled] if own is None else own[0]
        labels = [(label,) for _, label in labelled] if own is None else own[1]
        count += 0 if own is None else own[2]
        series = pd.Series(labels, dtype=object)
        found[name] = LabelledSets(files, series, groups(files) if groups else None)
    how = "links or files with the same bytes" if by_bytes else "links"
    sets = LabelSets("", f"as {images_of(count)} lie in several class folders, by {how}")
    return split_of_sets(found, sets, valid_pct, seed, notes)


def check_some(split: Split | None, folder: Path) -> None:
    """Refuse ``--label-kind labels`` where each image lies in one folder."""
    if split is None:
        raise VicinalError(
            f"no image in {folder} lies in several class folders, by links or with the same bytes, "
            "so each has one label: leave out --label-kind labels"
        )
