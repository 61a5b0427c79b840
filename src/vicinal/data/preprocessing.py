"""TablePreprocessing: from rows of a table to tensors."""

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from vicinal.data.columns import ColumnKinds, as_numbers, as_texts, refuse, with_names
from vicinal.data.samples import listed
from vicinal.errors import VicinalError
from vicinal.formatting import pluralize


@dataclass(frozen=True)
class TablePreprocessing:
    """How rows become tensors, as learned from a training part.

    Missing numbers become their column's median, and all are standardised. A category becomes its
    index in the sorted list of the training part's, from 1 on; missing and unknown ones are 0. All
    fields are JSON values.

    Args:
        median, mean, std: of each numeric column; mean and standard deviation after missing
            numbers are replaced.
        categories: of each categorical column.

    >>> from vicinal.data.columns import column_kinds
    >>> frame = pd.DataFrame({"age": [20, None, 40, 50], "work": ["b", "a", None, "b"]})
    >>> preprocessing = TablePreprocessing.fit(frame, column_kinds(frame))
    >>> preprocessing.transform(frame)
    {'numbers': tensor([[-1.6059],
            [ 0.2294],
            [ 0.2294],
            [ 1.1471]]), 'categories': tensor([[2],
            [1],
            [0],
            [2]])}
    """

    median: dict[str, float]
    mean: dict[str, float]
    std: dict[str, float]
    categories: dict[str, list[str]]

    @classmethod
    def fit(cls, frame: pd.DataFrame, kinds: ColumnKinds) -> "TablePreprocessing":
        """Learn medians, means, deviations and categories from a training part.

        Args:
            frame: the training part.
            kinds: of its columns, by :func:`~vicinal.data.columns.column_kinds`; columns of
                text are ignored.

        Raises:
            VicinalError: there is no column to learn from, or a number is infinite or too large.
        """
        frame = with_names(frame)
        if not (kinds.numeric or kinds.categorical):
            why = "; ".join(kinds.notes()[1:]) or "there is none beside the label"
            raise VicinalError(
                f"there is no column to learn from ({why}): name one with --text or --categorical, "
                "or give a table with others"
            )
        median, mean, std = {}, {}, {}
        for name in kinds.numeric:
            numbers = as_numbers(frame[name])
            median[name] = float(numbers.median())
            filled = numbers.fillna(median[name])
            with np.errstate(over="ignore"):
                mean[name], std[name] = float(filled.mean()), float(filled.std(ddof=0))
            if not 0 < std[name] < np.inf:
                raise VicinalError(
                    f"the numbers in column {name}, from {filled.min():g} to {filled.max():g}, "
                    "cannot be standardised: leave the column out or rescale it"
                )
        categories = {
            name: sorted(as_texts(frame[name]).dropna().unique()) for name in kinds.categorical
        }
        return cls(median, mean, std, categories)

    @property
    def columns(self) -> list[str]:
        """The columns that a table must have."""
        return [*self.mean, *self.categories]

    @property
    def cardinalities(self) -> list[int]:
        """How many indices each categorical column has, with 0 for unknown."""
        return [1 + len(names) for names in self.categories.values()]

    def transform(self, frame: pd.DataFrame) -> dict[str, Tensor]:
        """The rows of a table as tensors.

        Args:
            frame: N rows; columns that the training part did not have are ignored.

        Returns:
            ``"numbers"``, (N, n) float32, and ``"categories"``, (N, m) int64, without the one that
            has no columns.

        Raises:
            VicinalError: columns are missing, or a numeric one holds something else; the row is
                named.
        """
        frame = with_names(frame)
        missing = [name for name in self.columns if name not in frame]
        if missing:
            raise VicinalError(
                f"this table lacks {', '.join(missing)}, from which the network learned: name its "
                "columns as in the training data"
            )
        x = {}
        if self.mean:
            numbers = np.stack([self._standardised(frame[name]) for name in self.mean], axis=1)
            x["numbers"] = torch.from_numpy(numbers)
        if self.categories:
            indices = np.stack([self._indices(frame[name]) for name in self.categories], axis=1)
            x["categories"] = torch.from_numpy(indices)
        return x

    def _standardised(self, values: pd.Series) -> Any:
        name = str(values.name)
        numbers = as_numbers(values).fillna(self.median[name])
        with np.errstate(over="ignore"):
            scaled = ((numbers - self.mean[name]) / self.std[name]).astype(np.float32)
        refuse(values, ~np.isfinite(scaled), "which is too large")
        return scaled.to_numpy()

    def _indices(self, values: pd.Series) -> Any:
        names = pd.Index(self.categories[str(values.name)], dtype=object)
        return names.get_indexer(as_texts(values)).astype(np.int64) + 1  # -1 where not found

    def unknown(self, frame: pd.DataFrame) -> list[str]:
        """Categories that the training part did not have, as lines for the user.

        >>> preprocessing = TablePreprocessing({}, {}, {}, {"work": ["self", "state"]})
        >>> preprocessing.unknown(pd.DataFrame({"work": ["self", "gig", "gig", None]}))
        ['work: 2 values that the training data do not have (gig) count as unknown']
        """
        lines, frame = [], with_names(frame)
        for name in self.categories:
            texts = as_texts(frame[name]).dropna()
            new = texts[~texts.isin(self.categories[name])]
            if len(new):
                lines.append(
                    f"{name}: {pluralize(len(new), 'value')} that the training data do not have "
                    f"({listed(new.unique().tolist(), 3)}) count as unknown"
                )
        return lines

    def to_json(self) -> dict[str, Any]:
        """All fields as JSON values."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, state: dict[str, Any]) -> "TablePreprocessing":
        """From what :meth:`to_json` returned; the tensors are bit-identical.

        Raises:
            TypeError: it does not have these fields.
        """
        return cls(**state)
