"""MaskSplit: images with a class for each pixel, as they are stored."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from vicinal.data.groups import hold_out_groups
from vicinal.data.hold_out import hold_out
from vicinal.data.legend import Legend
from vicinal.data.mask_form import MaskForm, Understood, understand
from vicinal.data.mask_scan import scan
from vicinal.data.samples import (
    Samples,
    Split,
    copies_of,
    images_of,
    listed,
    notes_on_copies,
)
from vicinal.data.split import TargetsAre
from vicinal.data.summary import Summary, Table
from vicinal.errors import VicinalError

LEAVE_OUT = "or leave them out with skip_bad (--skip-bad)"


@dataclass
class MaskSplit(Split):
    """Images and masks: a training part, a validation part, and the classes of pixels.

    Args:
        train, valid: the images; their labels are the rows of their masks.
        masks: the masks of both parts, as they are stored.
        form: how these say which class a pixel has.
        pixels: (masks, C) int64, how many pixels of each class each mask has.
    """

    kind: ClassVar[str] = "masks"

    masks: Sequence[Any] = ()
    form: MaskForm = field(default_factory=lambda: MaskForm("numbers", [0, 1]))
    pixels: Tensor = field(default_factory=lambda: torch.empty(0, 2, dtype=torch.int64))

    @property
    def targets_are(self) -> TargetsAre:
        return "pixels"

    @property
    def targets(self) -> Tensor:
        raise VicinalError("masks have a class for each pixel, and none for an image")

    def relabelled(self, targets: Tensor) -> Self:
        raise VicinalError("masks have a class for each pixel, and cannot be given others")

    def preview(self) -> None:  # type: ignore[override]
        return None

    def summary(self) -> Summary:
        from vicinal.data.image_summary import sizes_and_formats

        counts = f"{len(self.train):,} for training, {len(self.valid):,} for validation"
        notes = [(name, text) for name, _, text in (note.partition(": ") for note in self.notes)]
        lines = [("kind", self.kind), ("samples", f"{counts}, of {len(self.vocab):,} classes")]
        rows = []
        parts = [self.pixels[list(part.labels)] for part in (self.train, self.valid)]
        for place, name in enumerate(self.vocab):
            cells = [name, self.form.shown(self.form.values[place])]
            for part in parts:
                share = float(part[:, place].sum()) / max(1, int(part.sum()))
                cells += [f"{share:.1%}", f"{int((part[:, place] > 0).sum()):,}"]
            rows.append(tuple(cells))
        stored = "colour" if self.form.kind == "colours" else "number"
        header = ("class", stored, "training pixels#", "in masks#", "validation pixels#")
        table = Table((*header, "in masks #"), rows)
        return Summary([*lines, *notes, *sizes_and_formats(self.train)], [table])


@dataclass(frozen=True)
class MaskFiles:
    """Images with masks, by parts, before they are looked at.

    Args:
        images, masks: of each part, one of each a sample.
        groups: likewise the group of each; None where none are held out.
        notes: lines for the user.
    """

    images: Mapping[str, Sequence[Any]]
    masks: Mapping[str, Sequence[Any]]
    groups: Mapping[str, Sequence[Hashable]] | None = None
    notes: Sequence[str] = ()


def split_of_masks(
    found: MaskFiles,
    used: tuple[str, str | None],
    legend: Legend | None,
    valid_pct: float,
    seed: int,
    *,
    skip_bad: bool,
) -> MaskSplit:
    """Look at all masks, and split them.

    Args:
        found: images and masks.
        used: the names of the training part and the validation part; None holds out some.
        legend: which value is which class.
        valid_pct, seed: of what is held out.
        skip_bad: leave out masks that cannot be used.

    Raises:
        VicinalError: some masks cannot, and ``skip_bad`` is not set; or the classes are not clear.
    """
    train, valid = used
    names = [name for name in used if name is not None]
    images = [image for name in names for image in found.images[name]]
    masks = [mask for name in names for mask in found.masks[name]]
    in_train = len(found.images[train])
    scanned = _scanned(images, masks)
    wrong = [each.wrong or "" for each in scanned]
    kept, notes = _without(wrong, [*range(len(masks))], "cannot be used", skip_bad)
    known = understand([scanned[index] for index in kept], legend)
    lacking = _named(known, [masks[index] for index in kept], kept)
    good, more = _without(lacking, kept, "hold what the legend lacks", skip_bad)
    good, pixels, none = _with_classes(known, kept, good)
    notes = [*found.notes, *known.notes, *notes, *more, *none]
    chosen = Samples([images[index] for index in good], [*range(len(good))])
    groups = None
    if valid is not None:
        rows = [row for row, index in enumerate(good) if index < in_train]
        held = [row for row, index in enumerate(good) if index >= in_train]
        notes.append(f"validation: the part {valid}, {images_of(len(held))}")
    else:
        if found.groups is not None:
            groups = [found.groups[train][index] for index in good]
        rows, held, note = _held_out(chosen, groups, valid_pct, seed)
        notes.append(note)
    alike = replace(chosen, labels=[0] * len(chosen))
    notes += notes_on_copies(alike, copies_of(chosen.images), {*held})
    made = MaskSplit(
        chosen.subset(rows),
        chosen.subset(held),
        known.vocab,
        notes,
        masks=[masks[index] for index in good],
        form=known.form,
        pixels=pixels,
    )
    notes += _unseen(pixels[rows], known.vocab, "training")
    notes += _unseen(pixels[held], known.vocab, "validation")
    return made


def _with_classes(
    known: Understood, kept: Sequence[int], rows: Sequence[int]
) -> tuple[list[int], Tensor, list[str]]:
    """The rows of masks in which a pixel has a class, their pixels, and a note on the others.

    A batch of these alone would have no loss.
    """
    counts = dict(zip(kept, known.pixels, strict=True))
    good = [row for row in rows if any(counts[row])]
    if not good:
        raise VicinalError("no pixel of any mask has a class: all are ignored")
    pixels = torch.tensor([counts[row] for row in good], dtype=torch.int64)
    empty = len(rows) - len(good)
    whose = "mask, of which all pixels are" if empty == 1 else "masks, of which all pixels are"
    return good, pixels, [f"left out: {empty:,} {whose} ignored"] if empty else []


def _scanned(images: Sequence[Any], masks: Sequence[Any]) -> Any:
    from vicinal.progress import progress_bar

    with progress_bar() as progress:
        task = progress.add_task("looking at masks", total=len(masks))
        return scan(images, masks, lambda: progress.advance(task))


def _named(known: Understood, masks: Sequence[Any], rows: Sequence[int]) -> list[str]:
    from vicinal.data.mask_scan import mask_name

    return [
        f"{mask_name(mask, row)} holds {odd}" if odd else ""
        for mask, row, odd in zip(masks, rows, known.lacking, strict=True)
    ]


def _without(
    wrong: Sequence[str], rows: Sequence[int], what: str, skip_bad: bool
) -> tuple[list[int], list[str]]:
    """The rows with nothing wrong, and a note on the others.

    Raises:
        VicinalError: there are others and they are not to be left out, or no row is good.
    """
    bad = [text for text in wrong if text]
    good = [row for row, text in zip(rows, wrong, strict=True) if not text]
    if not bad:
        return good, []
    count = f"{len(bad):,} of {len(wrong):,} masks {what}"
    if len(bad) == 1:
        count = count.replace("cannot", "cannot").replace("masks hold ", "masks holds ")
    first = f"{'the first: ' if len(bad) > 1 else ''}{bad[0]}"
    if skip_bad and good:
        return good, [f"left out: {count}, {first}"]
    raise VicinalError(f"{count}, {first}: correct them, {LEAVE_OUT}")


def _held_out(
    samples: Samples, groups: Sequence[Hashable] | None, valid_pct: float, seed: int
) -> tuple[list[int], list[int], str]:
    """The rows of training and of validation, and a note."""
    total = len(samples)
    if total < 2:
        raise VicinalError("there is only one image with a mask: training needs two or more")
    if groups is None:
        train, valid = hold_out([0] * total, valid_pct, seed, copies_of(samples.images))
        which = f"{images_of(len(valid))} held out at random"
    else:
        train, valid = hold_out_groups(groups, valid_pct, seed)
        held = len({groups[index] for index in valid})
        which = f"{images_of(len(valid))}, of {held:,} of {len(set(groups)):,} groups held out"
    return train, valid, f"validation: {which} ({len(valid) / total:.0%})"


def _unseen(pixels: Tensor, vocab: Sequence[str], part: str) -> list[str]:
    """A note if no mask of a part has a pixel of some classes."""
    missing = [vocab[index] for index in (pixels.sum(0) == 0).nonzero()[:, 0].tolist()]
    if not missing:
        return []
    count = f"{len(missing):,} of {len(vocab):,} classes in no {part} mask"
    return [f"{'unknown' if part == 'training' else 'untested'}: {count}: {listed(missing)}"]
