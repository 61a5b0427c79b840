"""Columns as they are written in a file, where their values say less."""

from collections import UserDict
from typing import Any

import pandas as pd


class Spellings(UserDict[str, pd.Series]):
    """Cells as strings, by column.

    A column of words with many rows has few distinct ones, mostly. As categories they take a
    fraction of the memory, and nearly none of these columns is asked for.

    >>> spellings = Spellings()
    >>> spellings["alley"] = pd.Series(["None", "Gravel"] * 500, dtype="category")
    >>> spellings["alley"].head(2).tolist(), spellings["alley"].dtype == "category"
    (['None', 'Gravel'], False)
    """

    def __setitem__(self, name: str, cells: pd.Series) -> None:
        cells.name = name
        self.data[name] = cells

    def __getitem__(self, name: str) -> Any:
        cells = self.data[name]
        if isinstance(cells.dtype, pd.CategoricalDtype):
            return cells.astype(cells.cat.categories.dtype)
        return cells
