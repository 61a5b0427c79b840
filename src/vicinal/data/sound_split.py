"""SoundSplit: sounds with their classes, decoded."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np
import torch

from vicinal.data.column import Column
from vicinal.data.samples import Samples, Split, emptied, listed
from vicinal.data.sound_columns import HeldSound
from vicinal.data.sound_files import BadSound, as_sounds, rate_of
from vicinal.data.summary import QUANTILES, Summary, summary_of
from vicinal.data.waves import Decoded, Waves, decode_sounds
from vicinal.errors import VicinalError
from vicinal.formatting import pluralize

LOOKED_AT = 64  # files whose headers show the rate
HIGHEST = 32_000  # samples per second; what lies above 16 kHz is hardly heard
SHOWN = 3  # files that are named


@dataclass
class SoundSplit(Split):
    """Sounds: a training part, a validation part, and the classes.

    Args:
        train, valid: the sounds; their images are :class:`~vicinal.data.waves.Waves`.
        rate: samples per second of the waves.
    """

    kind: ClassVar[str] = "sounds"

    rate: int = 0

    def preview(self) -> None:  # type: ignore[override]
        return None

    def summary(self) -> Summary:
        found = summary_of(self, {"training": self.train.labels, "validation": self.valid.labels})
        seconds = np.concatenate([waves_of(part).lengths for part in (self.train, self.valid)])
        quantiles = [
            f"{name} {np.percentile(seconds / self.rate, at):.2f} s"
            for name, at in QUANTILES.items()
        ]
        return found + Summary([("lengths", ", ".join(quantiles))])


def waves_of(part: Samples) -> Waves:
    """The waves of a part of a :class:`SoundSplit`."""
    waves: Any = part.images
    assert isinstance(waves, Waves)
    return waves


def split_of_sounds(found: Split, *, skip_bad: bool) -> SoundSplit:
    """Decode the sounds of a split, and look at them.

    Args:
        found: their files and labels; the files are its images.
        skip_bad: leave out what cannot be decoded or is silent.

    Raises:
        VicinalError: a sound cannot be used, and ``skip_bad`` is not set; or none is left.
    """
    from vicinal.progress import progress_bar

    files = [file for part in (found.train, found.valid) for file in _files(part)]
    rate = usual_rate(files)
    with progress_bar() as progress:
        task = progress.add_task("decoding sounds", total=len(files))
        waves = decode_sounds(files, rate, lambda: progress.advance(task))
    good, notes = _usable(waves, skip_bad)
    count = len(found.train)
    parts = [
        Samples(cast(Any, waves.subset(rows)), [part.labels[row - first] for row in rows])
        for part, first, rows in (
            (found.train, 0, [row for row in good if row < count]),
            (found.valid, count, [row for row in good if row >= count]),
        )
    ]
    for name, part in zip(("training", "validation"), parts, strict=True):
        if not len(part):
            raise VicinalError(f"no sound of the {name} part can be used: repair the files")
    if not found.several:
        lost = emptied(found.train.labels, parts[0].labels, found.vocab)
        notes += [as_sounds(note) for note in lost]
    kept = [waves.decoded[row] for row in good]
    notes += _on_rates(kept, rate)
    notes += _on_channels(kept)
    train, valid = parts
    notes = [*(as_sounds(note) for note in found.notes), *notes]
    return SoundSplit(train, valid, found.vocab, notes, several=found.several, rate=rate)


def _files(part: Samples) -> list[Any]:
    """The files of a part, or what is read as one: a row of a column."""
    if isinstance(part.images, Column):
        return [HeldSound(part.images, row) for row in range(len(part))]
    return [Path(file) for file in part.images]


def usual_rate(files: Sequence[Path]) -> int:
    """The most frequent rate of some of the files, and at most 32,000 samples per second.

    Raises:
        VicinalError: none of them can be read.
    """
    rates: Counter[int] = Counter()
    problem = ""
    # Sounds in a table are told apart by their texts.
    ordered = sorted(
        files, key=lambda file: Path(str(file))
    )  # so that it is the same whichever of them are held out
    for index in np.linspace(0, len(files) - 1, min(LOOKED_AT, len(files))).round().astype(int):
        try:
            rates[rate_of(ordered[index])] += 1
        except BadSound as error:
            problem = problem or f"{ordered[index]}: {error}"
    if not rates:
        raise VicinalError(f"none of the sounds that were looked at can be used, first {problem}")
    return min(max(rates, key=lambda rate: (rates[rate], rate)), HIGHEST)


def _usable(waves: Waves, skip_bad: bool) -> tuple[list[int], list[str]]:
    """The sounds that are used, and notes about the others."""
    bad = [row for row, each in enumerate(waves.decoded) if each.problem]
    silent = [row for row, each in enumerate(waves.decoded) if each.is_silent and not each.problem]
    if bad:
        which = listed([f"{waves[r]} ({waves.decoded[r].problem})" for r in bad], SHOWN)
        what = f"{len(bad):,} of {pluralize(len(waves), 'sound')} cannot be used: {which}"
        if not skip_bad:
            raise VicinalError(f"{what}; repair them, or leave them out with skip_bad (--skip-bad)")
    notes = [f"left out: {what}"] if bad else []
    if silent:
        first = f"{pluralize(len(silent), 'sound')}, first {waves[silent[0]]}"
        notes.append(
            f"left out: {first}, with nothing to hear"
            if skip_bad
            else f"silent: {first}: --skip-bad leaves them out"
        )
    left_out = {*bad, *(silent if skip_bad else ())}
    return [row for row in range(len(waves)) if row not in left_out], notes


def _on_channels(kept: Sequence[Decoded]) -> list[str]:
    """A note about sounds of several channels."""
    channels = [each for each in kept if each.channels > 1]
    if not channels:
        return []
    most = max(each.channels for each in channels)
    shown = f"{pluralize(len(channels), 'sound')} of {len(kept):,} with up to {most} channels"
    note = f"channels: {shown}, whose mean is taken"
    cancelled = sum(each.is_cancelled for each in channels)
    if cancelled:
        note += f"; in {cancelled:,} they cancel out, so that the loudest is taken"
    return [note]


def _on_rates(kept: Sequence[Decoded], rate: int) -> list[str]:
    """A note about sounds of other rates."""
    others = Counter(each.rate for each in kept if each.rate != rate)
    if not others:
        return []
    counts = ", ".join(f"{count:,} of {own:,} Hz" for own, count in sorted(others.items()))
    note = f"resampled: {others.total():,} of {len(kept):,} sounds to {rate:,} Hz ({counts})"
    lower = [own for own in others if own < rate]
    if lower and len(kept) > sum(others[own] for own in lower):
        note += (
            f"; those of {min(lower):,} Hz have nothing above {min(lower) // 2:,} Hz, by which a "
            "network can tell them from others"
        )
    return [note]


def usual_length(lengths: Any, rate: int, most: float) -> tuple[int, float]:
    """The length that nine of ten sounds fit in, in samples, and the share that fits.

    Args:
        lengths: (N,) of the training sounds, in samples.
        rate: samples per second.
        most: seconds that it may have.
    """
    ordered = torch.as_tensor(lengths).sort().values
    wanted = int(ordered[int(0.9 * (len(ordered) - 1))])
    longest = int(ordered[-1])
    if longest <= 1.25 * wanted:  # to cut these would save little
        wanted = longest
    length = max(1, min(wanted, round(most * rate)))
    return length, float((ordered <= length).float().mean())
