"""Columns in smaller training parts: of those of one value, nothing can be learned."""

from collections.abc import Iterable
from typing import Any

from torch import Tensor

from vicinal.data.samples import listed
from vicinal.data.split import DataSplit
from vicinal.errors import VicinalError
from vicinal.study.arms import size_text


def check_columns(split: DataSplit, subsets: Iterable[tuple[float, int, Tensor]]) -> None:
    """Refuse smaller training parts in which no column has two values, before any run.

    Args:
        split: the data; those without columns pass.
        subsets: of each smaller part its size, as the user gave it, its seed, and (M,) int64, the
            indices of its training samples.

    Raises:
        VicinalError: all columns of one part hold a single value.
    """
    kinds: Any = getattr(split, "kinds", None)
    names = [*kinds.numeric, *kinds.categorical] if kinds else []
    if not names:
        return
    known: Any = split
    frame = (known.rows[0] if hasattr(known, "rows") else known.train.frame)[names]
    for size, seed, rows in subsets:
        part = frame.iloc[rows.tolist()]
        if all(part[name].nunique() < 2 for name in names):
            raise VicinalError(
                f"with {size_text(size)} and seed {seed}, each column that is learned from "
                f"({listed(names)}) has a single value: take more by --train-size, or other columns"
            )
