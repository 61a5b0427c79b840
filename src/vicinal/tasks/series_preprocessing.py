"""How new series become input of a network, and where they are read from."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import torch
from torch import Tensor, nn

from vicinal.data.samples import listed
from vicinal.data.series_values import Array, fault, filled, resampled
from vicinal.data.table_files import is_table
from vicinal.data.ts_file import is_ts, read_ts
from vicinal.errors import VicinalError
from vicinal.formatting import pluralize
from vicinal.models.rescale import Rescale
from vicinal.models.series import create_series_model
from vicinal.stored import check_dataclass, check_fields
from vicinal.tasks.predictor import Preprocessing, check_reading

LONGEST = 1_000_000  # steps that a stored network may have been made for


@dataclass(frozen=True)
class SeriesPreprocessing(Preprocessing):
    """How series become input of a network.

    Args:
        model, vocab: as in :class:`Preprocessing`.
        channels: their names.
        steps: to so many all series are resampled.
        mean, std: of each channel's values in the training part.
        layout: how tables and arrays are read, of which the training data came.
    """

    channels: list[str]
    steps: int
    mean: list[float]
    std: list[float]
    layout: dict[str, Any] = field(default_factory=dict)

    sample_name = "series"
    argument = "SERIES"
    numbered = True

    @classmethod
    def load(cls, stored: dict[str, Any], folder: Path) -> tuple[nn.Module, Self]:
        check_dataclass(stored, cls, "predict.how")
        made = cls(**stored)
        # The mean and deviation of values come with the weights.
        return made.network(None if made.vocab else (0.0, 1.0)), made

    def check(self) -> None:
        super().check()
        if not len(self.channels) == len(self.mean) == len(self.std) > 0:
            raise VicinalError("channels, mean and std must be as many")
        if not all(deviation > 0 for deviation in self.std):
            raise VicinalError("std must be above 0")
        check_layout(self.layout)
        if len(self.layout.get("columns", ())) % len(self.channels):
            raise VicinalError("layout.columns must be as many for each channel")
        if not 1 <= self.steps <= LONGEST:
            raise VicinalError(f"steps must be from 1 to {LONGEST}, not {self.steps}")

    def to_json(self) -> dict[str, Any]:
        fields = asdict(self)
        del fields["threshold"]
        return {**fields, **self._threshold()}

    def network(self, rescale: tuple[float, float] | None) -> nn.Module:
        """The network with random weights; of values, with their mean and deviation."""
        network = create_series_model(self.model, len(self.channels), self.n_out)
        if rescale is not None:
            network.add_module("rescale", Rescale(*rescale, dtype=torch.float64))
        return network

    def samples(self, arguments: Iterable[str]) -> Iterator[tuple[str, Any]]:
        """The series in files, numbered from 0 on, or by their ids."""
        files = list(arguments)
        for file in files:
            for name, values in self._read(Path(file)):
                reason = fault(values, self.channels)
                item: Any = values
                if isinstance(values, str):
                    item = VicinalError(f"{file}: series {name} {reason}")
                elif reason is not None:
                    item = VicinalError(f"{file}: series {name} {reason}: {self._wanted()}")
                yield (f"{file}:{name}" if len(files) > 1 else name), item

    def _read(self, file: Path) -> Iterator[tuple[str, Array | str]]:
        """The name and the values of each series, or what is wrong with it."""
        if is_ts(file):
            yield from _numbered(read_ts(file).series)
        elif file.suffix.lower() == ".npz" and file.is_file():
            from vicinal.data.series_arrays import only_series

            yield from _numbered(only_series(file).series)
        elif is_table(file) and self.layout.get("kind") in ("wide", "long"):
            yield from self._in_table(file)
        elif not file.exists():
            raise VicinalError(f"{file} does not exist: give a file of series")
        else:
            raise VicinalError(f"{file} holds no series such as this network was trained on")

    def _in_table(self, file: Path) -> Iterator[tuple[str, Array | str]]:
        from vicinal.data.frames import read_frame
        from vicinal.data.series_columns import continued
        from vicinal.data.series_long import long_series
        from vicinal.data.series_tables import wide_series

        layout = self.layout
        columns: list[str] = layout["columns"]
        frame = read_frame(file, reading=layout["reading"])
        roles = [layout[name] for name in ("id", "time") if layout.get(name) is not None]
        missing = [name for name in (*roles, *columns) if name not in frame]
        if missing:
            raise VicinalError(
                f"{file} lacks {listed(missing)}, from which the network learned: name its columns "
                "as in the training data"
            )
        if layout["kind"] == "wide":
            if layout.get("longer"):
                columns = continued([*map(str, frame)], columns, len(self.channels))
            found = wide_series(frame, columns, len(self.channels), frame[[]])
            yield from _numbered(found.series)
            return
        day_first = layout.get("day_first")
        try:
            found, notes = long_series(
                frame, layout["id"], layout["time"], columns, day_first=day_first
            )
        except VicinalError as error:
            raise VicinalError(f"{file}: {error}") from None
        for note in notes:
            print(f"note: {note}", file=sys.stderr)  # stdout may be JSON
        yield from zip(map(str, found.frame.index), found.series, strict=True)

    @staticmethod
    def takes(file: Path) -> bool:
        return is_ts(file) or is_table(file) or file.suffix.lower() == ".npz"

    def batch(self, items: list[Any]) -> Tensor:
        """Series, (channels, time) arrays or tensors, to the network's input, (B, C, steps)."""
        return self.stacked([self._checked(item) for item in items])

    def _checked(self, item: Any) -> Array:
        try:
            values = np.asarray(item, dtype=np.float64)
        except (TypeError, ValueError):
            raise VicinalError(f"{item!r:.80} is no series: give arrays of numbers") from None
        if values.ndim == 1:
            values = values[None]
        if values.ndim != 2 or not values.size:
            raise VicinalError(
                f"a series has the shape (channels, time), and not {values.shape}: give it so"
            )
        reason = fault(values, self.channels)
        if reason is not None:
            raise VicinalError(f"a series {reason}: {self._wanted()}")
        return filled(values)

    def _wanted(self) -> str:
        learned = pluralize(len(self.channels), "channel")
        return f"give what the network was trained on, series of {learned}"

    def stacked(self, series: Iterable[Array]) -> Tensor:
        """Series without gaps, standardised and resampled: (B, channels, steps) float32."""
        mean, std = (np.asarray(each)[:, None] for each in (self.mean, self.std))
        rows = [resampled((values - mean) / std, self.steps) for values in series]
        return torch.from_numpy(np.stack(rows).astype(np.float32))


def _numbered(series: Sequence[Array | str]) -> Iterator[tuple[str, Array | str]]:
    return zip(map(str, range(len(series))), series, strict=True)


def check_layout(layout: dict[str, Any]) -> None:
    """Refuse what does not say how tables of series are read.

    Raises:
        VicinalError: it does not; the message is a clause.
    """
    where = "predict.how.layout"
    kind = layout.get("kind")
    kinds: dict[str, Any] = {"kind": Literal["arrays", "wide", "long"]}
    if kind in ("wide", "long"):
        kinds |= {"columns": list[str], "reading": dict[str, Any] | None}
    if kind == "long":
        kinds |= {"id": str, "time": str | None}
    needed = tuple(kinds)
    if kind in ("wide", "long"):
        kinds |= {"longer": bool} if kind == "wide" else {"day_first": bool | None}
    if layout:
        check_fields(layout, kinds, where, needed)
        check_reading(layout.get("reading"))
