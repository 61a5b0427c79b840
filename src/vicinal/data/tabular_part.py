"""The rows of a part of a TabularPandas, as numbers in data frames."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

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
        """The rows as they were given."""
        return self._named(self.to.frame.iloc[list(self)])

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
