"""Tables: defaults for their rows, and how new ones are predicted."""

import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import pandas as pd
import torch
from torch import Tensor, nn

from vicinal.data.frames import read_frame
from vicinal.data.part_items import rows_of
from vicinal.data.preprocessing import TablePreprocessing
from vicinal.data.rows import Rows
from vicinal.data.split_loader import TensorData
from vicinal.data.table_files import is_table
from vicinal.errors import VicinalError
from vicinal.methods import MethodEntry
from vicinal.models.rescale import Rescale
from vicinal.models.tabular import TableNet
from vicinal.stored import check_dataclass, check_fields
from vicinal.tasks.importance import importance
from vicinal.tasks.predictor import OF_TABLES, Preprocessing, check_reading
from vicinal.tasks.rows import RowTask
from vicinal.tasks.task import Default

MODEL = "table_net"
STEPS = 1600  # of training on a small table


@dataclass(frozen=True)
class RowPreprocessing(Preprocessing):
    """How rows of a table become input of a network.

    Args:
        model, vocab: as in :class:`Preprocessing`.
        table: from rows to tensors.
        reading: how the training file's numbers are written, by which new files are read.
    """

    table: TablePreprocessing
    reading: dict[str, Any] | None = None

    sample_name = "row"
    argument = "TABLE"
    numbered = True

    @classmethod
    def load(cls, stored: dict[str, Any], folder: Path) -> tuple[nn.Module, Self]:
        kinds = {"model": str, "vocab": list[str] | None, "table": dict[str, Any], **OF_TABLES}
        check_fields(stored, kinds, "predict.how", needed=("model", "vocab", "table"))
        check_dataclass(stored["table"], TablePreprocessing, "predict.how.table")
        table = TablePreprocessing.from_json(stored["table"])
        more = {name: stored.get(name) for name in OF_TABLES}
        made = cls(stored["model"], stored["vocab"], table, **more)
        # The mean and deviation of values come with the weights.
        return made.network(None if made.vocab else (0.0, 1.0)), made

    def check(self) -> None:
        super().check()
        check_table(self.table)
        check_reading(self.reading)

    def to_json(self) -> dict[str, Any]:
        fields: dict[str, Any] = {"model": self.model, "vocab": self.vocab, "reading": self.reading}
        return {**fields, **self._threshold(), "table": self.table.to_json()}

    def network(self, rescale: tuple[float, float] | None) -> nn.Module:
        numeric, cardinalities = len(self.table.mean), self.table.cardinalities
        layer = Rescale(*rescale, dtype=torch.float64) if rescale else None
        return TableNet(numeric, cardinalities, self.n_out, rescale=layer)

    def samples(self, arguments: Iterable[str]) -> Iterator[tuple[str, Any]]:
        """The rows of tables, numbered from 0 on."""
        files = list(arguments)
        for file in files:
            strings = [] if self.reading else list(self.table.categories)
            frame = read_frame(file, strings, reading=self.reading)
            try:  # before any row is predicted
                self.table.transform(frame)
            except VicinalError as error:
                raise VicinalError(f"{file}: {error}") from None
            for line in (*frame.attrs["notes"], *self.table.unknown(frame)):
                print(f"note: {line}", file=sys.stderr)  # stdout may be JSON
            for number, row in enumerate(rows_of(frame)):
                yield (f"{file}:{number}" if len(files) > 1 else str(number)), row

    @staticmethod
    def takes(file: Path) -> bool:
        return is_table(file)

    def batch(self, items: list[Any]) -> dict[str, Tensor]:
        """Rows, as data frames' or as dicts, to the network's numbers and categories."""
        for item in items:
            if not isinstance(item, Mapping | pd.Series):
                raise VicinalError(f"{item!r} is no row: give a data frame, or dicts")
            if not set(self.table.columns) <= set(item.keys()):
                self.table.transform(pd.DataFrame([item]))  # raises, and names what is missing
        return self.table.transform(pd.DataFrame(items))


def check_table(table: TablePreprocessing) -> None:
    """Refuse fields that contradict each other; those of a run may have been edited.

    Raises:
        VicinalError: they do; the message is a clause.
    """
    if not table.mean.keys() == table.median.keys() == table.std.keys():
        raise VicinalError("median, mean and std must be of the same columns")
    if not all(deviation > 0 for deviation in table.std.values()):
        raise VicinalError("std must be above 0")
    if any(len(set(names)) < len(names) for names in table.categories.values()):
        raise VicinalError("categories must name each once")


class TableTask(RowTask):
    """Train a network on the rows of a table."""

    kind = "rows"
    preprocessing_type = RowPreprocessing
    preparation: RowPreprocessing

    @classmethod
    def takes_model(cls, name: str) -> bool:
        return name == MODEL

    def _choose_network(self) -> None:
        split = self.split
        self.model = self._choose("model", (MODEL, "for tables"))
        if self.model != MODEL:
            raise VicinalError(f"--model {self.model} does not take tables: leave it out")
        table = TablePreprocessing.fit(split.train.frame, split.kinds)
        self.preparation = RowPreprocessing(self.model, split.vocab, table, split.reading)

    def _epochs(self) -> Default:
        count = len(self.split.train)
        steps = max(1, count // (self.options.batch_size or self._batch_size(count)[0]))
        return max(10, STEPS // steps), f"about {STEPS:,} steps, and 10 epochs or more"

    def _batch_size(self, count: int) -> Default:
        return max(2, min(256, count // 32)), f"{count:,} training rows"

    def _learning_rate(self) -> Default:
        return 3e-3, "for tables"

    def _precision(self) -> Default:
        if self.options.precision == "auto":
            return "fp32", "numbers of a table may need more than 8 bits"
        return super()._precision()

    def _choose_loading(self) -> None:
        for line in self.preparation.table.unknown(self.split.valid.frame):
            self.reasons.append(("validation", line))

    def _parts(self) -> tuple[TensorData, TensorData]:
        return self._data(self.split.train), self._data(self.split.valid)

    def _data(self, part: Rows) -> TensorData:
        return TensorData(self.preparation.table.transform(part.frame), self._part_targets(part))

    def _network(self) -> nn.Module:
        return self.preparation.network(self.split.scale)

    def _learned(self, method: MethodEntry) -> dict[str, Any]:
        if method.learned != "importance":
            return super()._learned(method)
        return {"importance": self._importance}

    @cached_property
    def _importance(self) -> Tensor:
        x = self.preparation.table.transform(self.split.train.frame)
        return importance(x, self._targets(), values=self.split.targets_are == "values")
