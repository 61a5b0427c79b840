"""The samples of a part one by one, and samples to predict as batches."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from vicinal.data.paths import ShortList
from vicinal.errors import VicinalError


class PartItems(Sequence[tuple[Any, Any]]):
    """A part as a sequence of (input, target), before any transform: ``dls.train_ds``.

    Args:
        items: what the samples were made from, such as files.
        read: from an index to the input and the target.
        vocab: the classes; None for values.

    >>> part = PartItems(["pug_7.jpg"], lambda i: ("an image", torch.tensor(0)), ["pug"])
    >>> part[0], part.items
    (('an image', tensor(0)), (#1) ['pug_7.jpg'])
    """

    def __init__(
        self,
        items: Sequence[Any],
        read: Callable[[int], tuple[Any, Any]],
        vocab: list[Any] | None,
    ) -> None:
        self.items: ShortList[Any] = ShortList(items)
        self._read, self.vocab = read, vocab

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, slice):
            return [self[i] for i in range(*place.indices(len(self)))]
        if not -len(self) <= place < len(self):
            raise IndexError(f"the part has {len(self):,} samples, so none at {place}")
        return self._read(range(len(self))[place])

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        return map(self._read, range(len(self)))

    def __repr__(self) -> str:
        first = f", the first {self.items[0]!r:.60}" if self.items else ""
        return f"{len(self):,} samples{first}"


class ItemsToPredict(Dataset[Any]):
    """Samples to predict.

    Args:
        x: they, such as files.
        stack: from a list of them to a batch, before any transform.
        targets: (N, ...), where they are known.
    """

    batches_are_new = True

    def __init__(
        self, x: Sequence[Any], stack: Callable[[Sequence[Any]], Any], targets: Tensor | None
    ) -> None:
        if not len(x):
            raise VicinalError("there is no sample to predict: give at least one")
        self.items, self.stack, self.targets = ShortList(x), stack, targets

    def __len__(self) -> int:
        return len(self.items)

    def __getitems__(self, indices: Sequence[int]) -> tuple[Any, Tensor | None]:
        x = self.stack([self.items[i] for i in indices])
        return x, None if self.targets is None else self.targets[torch.tensor(indices)]


def rows_of(frame: Any) -> Iterator[Any]:
    """The rows of a data frame; of mixed columns, whole numbers stay whole.

    ``iterrows`` alone makes one type of a row, and floats of ids beyond 2^53 are other ids.
    """
    for start in range(0, len(frame), 1000):  # not to hold a copy of all of them
        yield from (row for _, row in frame[start : start + 1000].astype(object).iterrows())
