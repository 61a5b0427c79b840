"""Splitters: from the items to the indices of the training and of the validation part."""

import os
from collections.abc import Callable, Collection, Hashable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from vicinal.data.groups import check_share, hold_out_groups
from vicinal.data.hold_out import hold_out, random_halves
from vicinal.errors import VicinalError

Indices = tuple[list[int], list[int]]

# From the items, or the data frame, to the indices of each part.
Splitter = Callable[[Any], Any]


class SplitItems(list[Any]):
    """Items that a splitter gets, with what else a random split needs to know.

    Args:
        items: a list.
        labels: the class of each.
        copies: the indices of those that are the same.
    """

    def __init__(
        self, items: Sequence[Any], labels: Sequence[int], copies: Sequence[Sequence[int]]
    ) -> None:
        super().__init__(items)
        self.labels, self.copies = labels, copies


@dataclass(frozen=True)
class RandomSplitter:
    """Hold out a random fraction.

    In a DataBlock, image files with the same bytes are on one side, and each class has an image in
    training.

    Args:
        valid_pct: the fraction, between 0 and 1.
        seed: the same one gives the same split; None is 0.

    >>> train, valid = RandomSplitter(0.25, seed=42)(["a", "b", "c", "d"])
    >>> len(train), len(valid)
    (3, 1)
    """

    valid_pct: float = 0.2
    seed: int | None = None

    def __call__(self, items: Sequence[Any]) -> Indices:
        if isinstance(items, SplitItems):
            return hold_out(items.labels, self.valid_pct, self.seed or 0, items.copies)
        return random_halves(len(items), self.valid_pct, self.seed or 0)


@dataclass(frozen=True)
class GroupSplitter:
    """Hold out a random fraction by groups, each of which is whole on one side.

    Args:
        group: from an item to its group, such as the patient of whom it is.
        valid_pct: about the fraction of the samples, between 0 and 1.
        seed: the same one gives the same split.
    """

    group: Callable[[Any], Hashable]
    valid_pct: float = 0.2
    seed: int | None = None

    def __call__(self, items: Sequence[Any]) -> Indices:
        groups = [self.group(item) for item in items]
        labels = getattr(items, "labels", None)
        return hold_out_groups(groups, self.valid_pct, self.seed or 0, labels)


@dataclass(frozen=True)
class GrandparentSplitter:
    """Split files by the folder above that of their class, such as ``train/pug/7.jpg``.

    Args:
        train_name, valid_name: names of the folders of each part, one or several. Files in other
            folders are left out.

    >>> GrandparentSplitter()([Path("train/pug/1.jpg"), Path("valid/pug/2.jpg")])
    ([0], [1])
    """

    train_name: str | Sequence[str] = "train"
    valid_name: str | Sequence[str] = "valid"

    def __call__(self, items: Sequence[Any]) -> Indices:
        folders = [Path(item).parent.parent.name for item in items]
        train, valid = (
            [i for i, folder in enumerate(folders) if folder in _several(names)]
            for names in (self.train_name, self.valid_name)
        )
        for part, names in ((train, self.train_name), (valid, self.valid_name)):
            if not part:
                found = ", ".join(sorted(set(folders))[:4]) or "none"
                wanted = " or ".join(_several(names))
                raise VicinalError(
                    f"no item is in a folder {wanted} above that of its class (such folders are: "
                    f"{found}): name them in GrandparentSplitter(train_name=, valid_name=)"
                )
        return train, valid


@dataclass(frozen=True)
class IndexSplitter:
    """Hold out the items at these indices.

    >>> IndexSplitter([0, 2])("abcd")
    ([1, 3], [0, 2])
    """

    valid_idx: Iterable[int]

    def __call__(self, items: Sequence[Any]) -> Indices:
        valid = [int(index) for index in self.valid_idx]
        held = set(valid)
        return [i for i in range(len(items)) if i not in held], valid


@dataclass(frozen=True)
class FuncSplitter:
    """Hold out the items for which a function is true.

    >>> FuncSplitter(str.isupper)("aBcD")
    ([0, 2], [1, 3])
    """

    func: Callable[[Any], Any]

    def __call__(self, items: Sequence[Any]) -> Indices:
        return _by_mask([bool(self.func(item)) for item in items])


@dataclass(frozen=True)
class MaskSplitter:
    """Hold out the items that are marked by a list of booleans.

    >>> MaskSplitter([False, True])("ab")
    ([0], [1])
    """

    mask: Sequence[Any]

    def __call__(self, items: Sequence[Any]) -> Indices:
        if len(self.mask) != len(items):
            raise VicinalError(
                f"the mask has {len(self.mask):,} values for {len(items):,} items: give one each"
            )
        return _by_mask([bool(value) for value in self.mask])


@dataclass(frozen=True)
class EndSplitter:
    """Hold out the last items, or the first ones: for data in order of time.

    >>> EndSplitter(0.25)("abcd"), EndSplitter(0.25, valid_last=False)("abcd")
    (([0, 1, 2], [3]), ([1, 2, 3], [0]))
    """

    valid_pct: float = 0.2
    valid_last: bool = True

    def __call__(self, items: Sequence[Any]) -> Indices:
        check_share(self.valid_pct)
        rows = list(range(len(items)))
        held = max(1, int(self.valid_pct * len(rows)))
        return (rows[:-held], rows[-held:]) if self.valid_last else (rows[held:], rows[:held])


@dataclass(frozen=True)
class FileSplitter:
    """Hold out the files whose names are the lines of a text file."""

    fname: str | os.PathLike[str]

    def __call__(self, items: Sequence[Any]) -> Indices:
        held = {line.strip() for line in Path(self.fname).read_text().splitlines()}
        return _by_mask([Path(item).name in held for item in items])


@dataclass(frozen=True)
class ColSplitter:
    """Hold out the rows of a data frame that a column marks.

    Args:
        col: the column's name or number.
        on: the value, or the values, of rows for validation; None for those that are true.
    """

    col: str | int = "is_valid"
    on: Any = None

    def __call__(self, items: Any) -> Indices:
        if not hasattr(items, "iloc"):
            raise VicinalError(
                f"ColSplitter splits a data frame, not a {type(items).__name__}: give the frame "
                "itself as the source"
            )
        if isinstance(self.col, str) and self.col not in items:
            names = ", ".join(map(str, items.columns))
            raise VicinalError(f"there is no column {self.col!r} to split by, but {names}")
        column = items.iloc[:, self.col] if isinstance(self.col, int) else items[self.col]
        if self.on is not None:
            return _by_mask(column.isin(_several(self.on)).tolist())
        if not set(column.dropna().unique()) <= {0, 1}:
            first = column.dropna().unique()[:3].tolist()
            raise VicinalError(
                f"the column {self.col!r} marks rows for validation by true or false, not by "
                f"{', '.join(map(repr, first))}: say which value does, by on="
            )
        return _by_mask([bool(value) for value in column.fillna(0)])


@dataclass(frozen=True)
class TrainTestSplitter:
    """scikit-learn's ``train_test_split``, whose arguments these are."""

    test_size: float | int = 0.2
    random_state: int | None = None
    stratify: Any = None
    train_size: float | int | None = None
    shuffle: bool = True

    def __call__(self, items: Sequence[Any]) -> Indices:
        from sklearn.model_selection import train_test_split

        train, valid = train_test_split(range(len(items)), **vars(self))
        return list(train), list(valid)


@dataclass(frozen=True)
class RandomSubsetSplitter:
    """Take random fractions of the items for training and for validation, and leave out the rest.

    >>> train, valid = RandomSubsetSplitter(0.5, 0.25, seed=0)("abcdefgh")
    >>> len(train), len(valid)
    (4, 2)
    """

    train_sz: float
    valid_sz: float
    seed: int | None = None

    def __call__(self, items: Sequence[Any]) -> Indices:
        if not (0 < self.train_sz < 1 and 0 < self.valid_sz < 1) or (
            self.train_sz + self.valid_sz > 1
        ):
            raise VicinalError(
                "train_sz and valid_sz must be between 0 and 1, and together at most 1, not "
                f"{self.train_sz} and {self.valid_sz}"
            )
        generator = torch.Generator().manual_seed(self.seed or 0)
        order = torch.randperm(len(items), generator=generator).tolist()
        train, valid = int(self.train_sz * len(items)), int(self.valid_sz * len(items))
        return order[:train], order[train : train + valid]


def _by_mask(mask: Sequence[bool]) -> Indices:
    rows = range(len(mask))
    return [i for i in rows if not mask[i]], [i for i in rows if mask[i]]


def _several(names: Any) -> list[Any]:
    is_one = isinstance(names, str) or not isinstance(names, Collection)
    return [names] if is_one else list(names)
