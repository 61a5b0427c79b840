"""Batch: what :meth:`Mixer.complete` may look at, after the random part of a mix was drawn."""

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from vicinal.mixing.batch import check_second_tensor, halves, map_leaves, tensors_to_mix
from vicinal.mixing.mix import Mix
from vicinal.mixing.nested import Integers
from vicinal.mixing.target import ALREADY_MIXED, check_same_shape, is_mixed_target


@dataclass(frozen=True, eq=False)
class Batch:
    """The samples and targets for which :meth:`Mixer.complete` finishes a mix.

    Args:
        x: (B, ...) samples, a tensor or a nested batch.
        y: (B, ...) their targets, of any kind; None if the caller gave none.
        other: ``(x, y)``, the partners row by row, if they come from a second batch or, with the
            option ``half``, from the second half of this one; None if they are the samples
            ``mix.partner`` of this batch.
        fields, integers, maximum: options of the outermost mixer; see :class:`Mixer`.

    Raises:
        TypeError: the targets are mixed already.
        ValueError: a second batch has other shapes or dtypes than the first.

    >>> import torch
    >>> batch = Batch(torch.tensor([0.0, 10.0, 20.0]), torch.tensor([5, 6, 7]))
    >>> batch.partners(Mix(torch.tensor([2, 0, 1]), torch.ones(3)))
    (tensor([20.,  0., 10.]), tensor([7, 5, 6]))
    """

    x: Any
    y: Any = None
    other: tuple[Any, Any] | None = None
    fields: tuple[str | int, ...] | None = None
    integers: Integers = "raise"
    maximum: tuple[str | int, ...] | None = None
    is_half: bool = False

    def __post_init__(self) -> None:
        if is_mixed_target(self.y):
            raise TypeError(ALREADY_MIXED)
        if self.other is not None and not self.is_half:
            self._check_second(*self.other)

    def _check_second(self, x: Any, y: Any) -> None:
        """Refuse a second batch that is not like the first, before a method compares them."""
        tensors = tensors_to_mix(x, self.fields, self.integers, self.maximum)
        for own, other in zip(self.mixed(), tensors, strict=False):
            check_second_tensor(own, other)
        if isinstance(self.y, Tensor) and isinstance(y, Tensor):
            check_same_shape(self.y, y)

    def mixed(self) -> list[Tensor]:
        """The tensors of ``x`` that are mixed, without those named in ``maximum``."""
        return tensors_to_mix(self.x, self.fields, self.integers, self.maximum)

    def partners(self, mix: Mix) -> tuple[Any, Any]:
        """The samples and targets of the partners, row by row."""
        if self.other is not None:
            return self.other
        return rows(self.x, mix.partner), rows(self.y, mix.partner)

    def halved(self) -> "Batch":
        """The first half of this batch, with the second half as ``other``."""
        (x, other_x), (y, other_y) = halves(self.x), (None, None)
        if self.y is not None:
            y, other_y = halves(self.y)
        other = other_x, other_y
        return Batch(x, y, other, self.fields, self.integers, self.maximum, is_half=True)


def rows(batch: Any, index: Tensor) -> Any:
    """Index the rows of every tensor in a nested batch; other leaves are unchanged."""

    def select(_: Any, leaf: Any) -> Any:
        is_batch = isinstance(leaf, Tensor) and leaf.ndim > 0
        return leaf.index_select(0, index.to(leaf.device)) if is_batch else leaf

    return map_leaves(select, batch)
