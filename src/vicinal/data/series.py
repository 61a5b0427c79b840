"""Splits of series: several values at each of some steps of time."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from torch import Tensor

from vicinal.data.labelled import labelled_table
from vicinal.data.labelled_parts import labelled_parts
from vicinal.data.labels import Targets
from vicinal.data.parts import part_names
from vicinal.data.request import DataRequest
from vicinal.data.samples import listed
from vicinal.data.series_values import Array, FoundSeries, gap_notes, most_channels, usable
from vicinal.data.several_targets import SeveralTargets
from vicinal.data.split import DataSplit
from vicinal.data.summary import Summary, Table, summary_of
from vicinal.formatting import pluralize

PLACE = "\N{ZERO WIDTH SPACE}place"  # a column that no user has
Layout = dict[str, Any]  # how new files are read; JSON values


@dataclass(frozen=True)
class SeriesPart:
    """One part of the data.

    Args:
        series: of each sample its values, (channels, time) float64, finite; lengths may differ.
        y: (N,) int64 class indices, (N, 1) float64 values, or (N, L) float32 zeros and ones.
    """

    series: Sequence[Array]
    y: Tensor

    def __len__(self) -> int:
        return len(self.y)

    @property
    def lengths(self) -> list[int]:
        """How many steps each series has."""
        return [values.shape[1] for values in self.series]


@dataclass(frozen=True)
class SeriesSplit(DataSplit):
    """Series: a training part, a validation part, and what their channels are called.

    Args:
        train, valid: the two parts.
        channels: the names of the channels.
        vocab: the names of the classes; None for values.
        scale: mean and standard deviation of the training part's values; None for classes.
        layout: how new files of such series are read; of files that say it themselves, nothing.
        notes: what was found and chosen on the way, each a line for the user.
        several: whether each series has any number of labels.
    """

    kind: ClassVar[str] = "series"

    train: SeriesPart
    valid: SeriesPart
    channels: list[str]
    vocab: list[str] | None
    scale: tuple[float, float] | None
    layout: Layout = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    several: bool = False

    @property
    def targets(self) -> Tensor:
        return self.train.y

    def subset(self, rows: Tensor) -> Self:
        picked = [self.train.series[row] for row in rows.tolist()]
        return replace(self, train=SeriesPart(picked, self.train.y[rows]))

    def relabelled(self, targets: Tensor) -> Self:
        return replace(self, train=replace(self.train, y=targets))

    def summary(self) -> Summary:
        found = summary_of(self, {"training": self.train.y, "validation": self.valid.y})
        return found + Summary([], [channel_table(self.channels, self.train.series)])


def channel_table(channels: Sequence[str], series: Sequence[Array]) -> Table:
    """Each channel of a training part: the range of its values, their mean and deviation.

    >>> channel_table(["x"], [np.array([[0.0, 1.0]]), np.array([[5.0]])]).rows
    [('x', '0', '5', '2', '2.16')]
    """
    rows = []
    for place, name in enumerate(channels):
        values = np.concatenate([each[place] for each in series])
        measured = values.min(), values.max(), values.mean(), values.std()
        rows.append((name, *(f"{number:.3g}" for number in measured)))
    return Table(("channel", "lowest#", "highest#", "mean#", "deviation#"), rows)


def split_of_series(
    parts: dict[str, FoundSeries],
    request: DataRequest,
    *,
    channels: list[str] | None = None,
    layout: Layout | None = None,
    notes: Sequence[str] = (),
) -> SeriesSplit:
    """Check the series of each part, and find their label and the validation part.

    Args:
        parts: the series as they were found, by the name of the part.
        request: the user's options for columns.
        channels: their names; None numbers them.
        layout: how new files are read.
        notes: lines for the user about how they were found.

    Raises:
        VicinalError: one sentence that says what is missing and what to do.
    """
    if channels is None:
        count = most_channels(parts[part_names(parts)[0]])
        channels = [str(number) for number in range(1, count + 1)]
    values: list[Array] = []
    frames, checked, more = {}, [], [*notes]
    for name, part in parts.items():
        found, left_out = usable(part, channels, skip_bad=request.skip_bad)
        more += left_out
        checked.append((part, found))
        places = range(len(values), len(values) + len(found.values))
        frames[name] = part.frame.iloc[found.rows].assign(**{PLACE: places})
        values += found.values
    train, valid, targets, said, several = _labelled(frames, request)
    halves = [
        SeriesPart([values[place] for place in frame[PLACE]], y)
        for frame, y in ((train, targets.train), (valid, targets.valid))
    ]
    shape = _shape_note(channels, halves[0].lengths)
    said += _note_on_copies(*halves)
    more = [*targets.notes, shape, *more, *gap_notes(checked), *said]
    return SeriesSplit(
        halves[0],
        halves[1],
        channels,
        targets.vocab,
        targets.scale,
        layout or {},
        more,
        several,
    )


def _labelled(
    frames: dict[str, pd.DataFrame], request: DataRequest
) -> tuple[pd.DataFrame, pd.DataFrame, Targets | SeveralTargets, list[str], bool]:
    """The rows of both parts, their targets, notes, and whether each has several labels."""
    table = labelled_table(frames, request, "series")
    train, valid, targets, held = labelled_parts(table, request)
    return train, valid, targets, [*table.notes, held], table.sets is not None


def _note_on_copies(train: SeriesPart, valid: SeriesPart) -> list[str]:
    """A line about series of the validation part that are in the training part, too."""
    known = {(values.shape, values.tobytes()) for values in train.series}
    count = sum((values.shape, values.tobytes()) in known for values in valid.series)
    if not count:
        return []
    those = (
        f"{pluralize(count, 'series')} of the validation part with the same values as a training"
    )
    return [f"duplicates: {those} series: results on {'it' if count == 1 else 'them'} are too good"]


def _shape_note(channels: Sequence[str], lengths: Sequence[int]) -> str:
    low, high = min(lengths), max(lengths)
    steps = pluralize(high, "step") if low == high else f"{low:,} to {high:,} steps"
    names = "" if channels[0] == "1" or len(channels) == 1 else f" ({listed(channels)})"
    return f"series: {pluralize(len(channels), 'channel')}{names}, {steps} of time"
