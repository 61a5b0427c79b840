"""Blocks of targets that are not one class: several labels of a sample, and values."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vicinal.criteria import MSELossFlat
from vicinal.data.blocks import TargetBlock, Targets
from vicinal.data.image_blocks import item_name
from vicinal.data.samples import listed
from vicinal.data.vocab import plain, sorted_classes
from vicinal.errors import VicinalError


class MultiCategoryBlock(TargetBlock):
    """The target is any number of labels.

    Networks are trained by binary cross-entropy of each label; a label whose probability is above
    0.5 is predicted.

    Args:
        encoded: ``get_y`` gives a zero or a one for each label of ``vocab``, as columns of a table
            hold them, instead of the labels.
        vocab: the labels, in this order; None takes those that occur, sorted.

    Raises:
        VicinalError: ``encoded`` without ``vocab``.

    >>> targets = MultiCategoryBlock().encode([["sky", "sea"], [], ["sky"]], ["a", "b", "c"])
    >>> targets.vocab, targets.values.tolist()
    (['sea', 'sky'], [[1.0, 1.0], [0.0, 0.0], [0.0, 1.0]])
    """

    is_classes = False

    def __init__(self, encoded: bool = False, vocab: Iterable[Any] | None = None) -> None:
        self.encoded = encoded
        self.vocab = None if vocab is None else [plain(label) for label in vocab]
        if encoded and self.vocab is None:
            raise VicinalError("MultiCategoryBlock(encoded=True) needs vocab, the labels' names")

    @property
    def loss_func(self) -> Callable[..., Tensor]:  # type: ignore[override]
        return nn.BCEWithLogitsLoss()

    def encode(self, values: Sequence[Any], items: Sequence[Any]) -> Targets:
        """Zeros and ones, (N, C) float32.

        Raises:
            VicinalError: an item has no list of labels, or a label that ``vocab`` lacks.
        """
        if self.encoded:
            y, vocab = self._of_numbers(values, items)
        else:
            y, vocab = self._of_names(values, items)
        return Targets(y, vocab, len(vocab))

    def encode_more(
        self, values: Sequence[Any], items: Sequence[Any], vocab: list[str] | None
    ) -> Any:
        if not self.encoded and all(isinstance(labels, list | tuple | set) for labels in values):
            values = [[str(plain(label)) for label in labels] for labels in values]
        return super().encode_more(values, items, vocab)

    def decode(self, activations: Tensor, vocab: list[str] | None) -> Tensor:
        return activations > 0.5

    def text(self, target: Tensor, vocab: list[str] | None) -> str:
        pairs = zip(vocab or [], target.tolist(), strict=True)
        return ";".join(name for name, value in pairs if value > 0.5)

    def _of_names(self, raw: Sequence[Any], items: Sequence[Any]) -> tuple[Tensor, list[Any]]:
        for place, labels in enumerate(raw):
            if isinstance(labels, str | bytes) or not isinstance(labels, Iterable):
                raise VicinalError(
                    f"get_y gives {labels!r:.80} for {item_name(items[place], place)}, and "
                    "MultiCategoryBlock takes a list of labels: split it, as in "
                    "ColReader(name, label_delim=' ')"
                )
        each = [[plain(label) for label in labels] for labels in raw]
        found = {label for labels in each for label in labels}
        if self.vocab is None:
            if not found:
                raise VicinalError(f"get_y gives no label for any of {len(raw):,} items")
            classes = sorted_classes(list(found))
            if classes is None:
                kinds = sorted({type(label).__name__ for label in found})
                raise VicinalError(
                    f"get_y gives labels of different types ({', '.join(kinds)}): give texts alone"
                )
            vocab = classes
        else:
            vocab = self.vocab
        index = {label: column for column, label in enumerate(vocab)}
        y = torch.zeros(len(raw), len(vocab))
        for row, labels in enumerate(each):
            for label in labels:
                if label not in index:
                    raise VicinalError(
                        f"get_y gives the label {label!r} for {item_name(items[row], row)}, which "
                        f"vocab lacks ({listed([str(v) for v in vocab])}): add it there"
                    )
                y[row, index[label]] = 1
        return y, vocab

    def _of_numbers(self, raw: Sequence[Any], items: Sequence[Any]) -> tuple[Tensor, list[Any]]:
        assert self.vocab is not None
        y = _numbers(raw, items, "a zero or a one for each label")
        if y.shape[1] != len(self.vocab):
            raise VicinalError(
                f"get_y gives {y.shape[1]} numbers for each item, and vocab names "
                f"{len(self.vocab)} labels: give one for each"
            )
        wrong = ((y != 0) & (y != 1)).any(dim=1).nonzero()
        if len(wrong):
            row = int(wrong[0])
            raise VicinalError(
                f"get_y gives {y[row].tolist()} for {item_name(items[row], row)}: with "
                "encoded=True, give zeros and ones"
            )
        return y, self.vocab


class RegressionBlock(TargetBlock):
    """The target is a value, or several.

    Networks are trained by the mean squared error. Where ``get_y`` gives a plain number for each
    item, targets are (N,), as in fastai, and outputs (N, 1); where it gives lists, (N, n).

    Args:
        n_out: how many values; None takes as many as there are.

    >>> targets = RegressionBlock().encode([1.5, 2], ["a", "b"])
    >>> targets.n_out, targets.values.tolist()
    (1, [1.5, 2.0])
    """

    is_classes = False

    def __init__(self, n_out: int | None = None) -> None:
        self.n_out = n_out

    @property
    def loss_func(self) -> Callable[..., Tensor]:  # type: ignore[override]
        return MSELossFlat()

    def encode(self, values: Sequence[Any], items: Sequence[Any]) -> Targets:
        """Values, (N,) float32 of plain numbers, else (N, n).

        Raises:
            VicinalError: one is no finite number, or there are more or fewer than elsewhere.
        """
        y = _numbers(values, items, "a number, or several")
        if self.n_out not in (None, y.shape[1]):
            raise VicinalError(
                f"get_y gives {y.shape[1]} numbers for each item, and RegressionBlock was made for "
                f"{self.n_out}"
            )
        are_plain = all(np.ndim(value) == 0 for value in values)
        return Targets(y[:, 0] if are_plain else y, None, y.shape[1])


def _numbers(raw: Sequence[Any], items: Sequence[Any], what: str) -> Tensor:
    """Rows of numbers, (N, n) float32."""
    rows: list[Tensor] = []
    for place, values in enumerate(raw):
        try:
            if isinstance(values, str):
                raise TypeError
            row = torch.as_tensor(values, dtype=torch.float32).reshape(-1)
        except (TypeError, ValueError, RuntimeError):
            try:
                row = torch.tensor([float(value) for value in values], dtype=torch.float32)
            except (TypeError, ValueError):
                row = torch.tensor([float("nan")])
        if not row.isfinite().all():
            raise VicinalError(
                f"get_y gives {values!r:.80} for {item_name(items[place], place)}: give {what}"
            )
        if rows and len(row) != len(rows[0]):
            raise VicinalError(
                f"get_y gives {len(row)} numbers for {item_name(items[place], place)} and "
                f"{len(rows[0])} for those before: give as many for each"
            )
        rows.append(row)
    return torch.stack(rows)
