"""The rows of a part of a TabularPandas, as numbers in data frames."""

import warnings
from collections.abc import Sequence
from operator import index
from typing import TYPE_CHECKING, Any

import pandas as pd

from vicinal.data.procs import Procs
from vicinal.data.showing import SampleTable
from vicinal.errors import VicinalError

if TYPE_CHECKING:
    from vicinal.data.tabular import TabularPandas


class TabularPart(list[int]):
    """The row numbers of a part, with its inputs and its targets: ``to.train.xs``.

    Args:
        to: the whole table.
        rows: the numbers of its rows.
    """

    def __init__(self, to: "TabularPandas", rows: Sequence[int]) -> None:
        super().__init__(rows)
        self.to = to

    @property
    def items(self) -> pd.DataFrame:
        """Inputs and targets beside each other, as numbers."""
        return pd.concat([self.xs, self.ys], axis=1)

    def show(self, max_n: int = 10) -> SampleTable:
        """Some rows in words, as a table.

        Args:
            max_n: how many, from the first on.
        """
        frame = self.to.frame.iloc[self[:max_n]]
        x = self.to.procs.transform(frame.drop(columns=self.to.y_names))
        targets = frame[self.to.y_names].astype(object).to_dict("records")
        shown = zip(self.to.procs.described(x), targets, strict=True)
        return SampleTable([row | {n: str(v) for n, v in ys.items()} for row, ys in shown], [])

    @property
    def xs(self) -> pd.DataFrame:
        """Inputs: of categories their numbers, from 1 on, and numbers as ``procs`` made them."""
        frame = self.to.frame.iloc[list(self)].drop(columns=self.to.y_names)
        x, table = self.to.procs.transform(frame), self.to.procs.table
        columns = {}
        for kind, names in (("categories", table.categories), ("numbers", table.mean)):
            for place, name in enumerate(names):
                columns[name] = x[kind][:, place].numpy()
        return self._named(pd.DataFrame(columns))

    @property
    def ys(self) -> pd.DataFrame:
        """Targets: of classes their indices, else values."""
        values = self.to.targets.values[list(self)]
        names = self.to.y_names
        if values.ndim > 1 and values.shape[1] != len(names):
            names = self.to.targets.names or []
        return self._named(pd.DataFrame(values.reshape(len(self), -1).numpy(), columns=names))

    @property
    def y(self) -> pd.Series:
        """The first column of the targets."""
        return self.ys.iloc[:, 0]

    def _named(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The frame with the index that the rows were given with."""
        return frame.set_index(self.to.index[list(self)])


def classes_of(procs: Procs) -> dict[str, list[str]]:
    """The categories of each column, of which the first stands for missing and unknown ones."""
    found = procs.table.categories
    return {name: ["#na#", *categories] for name, categories in found.items()}


def checked_parts(splits: Any, count: int) -> tuple[list[int], list[int]]:
    """The row numbers of both parts.

    Raises:
        VicinalError: these are not two lists of row numbers, of which each has some.
    """
    try:
        train, valid = ([index(row) for row in part] for part in splits)
    except (TypeError, ValueError):
        raise VicinalError(
            "splits are two lists of row numbers, for training and for validation, as "
            f"RandomSplitter()(range_of(df)) gives them, not {splits!r:.80}"
        ) from None
    for name, rows in (("training", train), ("validation", valid)):
        if not rows:
            raise VicinalError(f"the {name} part is empty: give it at least one row")
        outside = [row for row in rows if not 0 <= row < count]
        if outside:
            raise VicinalError(
                f"the {name} part holds row {outside[0]}, and there are {count:,}, from 0 on"
            )
    both = len(set(train) & set(valid))
    if both:
        warnings.warn(
            f"{both:,} rows are in the training and in the validation part, so that validation "
            "says nothing of new ones",
            stacklevel=3,
        )
    return train, valid
