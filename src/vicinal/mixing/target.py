"""MixedTarget: the target of a mixed batch, as a pair of targets and their shares.

It stays a pair until a loss or a metric reads it. So no number of classes is needed, nothing is
one-hot encoded, and any kind of target can be mixed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from vicinal.mixing.as_pytree import tensors_as_leaves


def over_rows(weight: Tensor, rows: Tensor) -> Tensor:
    """Reshape (B,) or (B, H, W) weights to broadcast over (B, ..., H, W) rows."""
    between = rows.ndim - weight.ndim
    return weight.reshape(*weight.shape[:1], *[1] * between, *weight.shape[1:])


def fits_rows(weight: Tensor, shape: torch.Size) -> bool:
    """Whether :func:`over_rows` can broadcast these weights over rows of this shape.

    >>> fits_rows(torch.rand(2, 4, 5), torch.Size([2, 3, 4, 5]))
    True
    """
    if weight.ndim == 0:  # of a single sample, such as inside of vmap
        return True
    start = len(shape) - weight.ndim + 1  # of the last dimensions, which those of pixels must equal
    return start >= 1 and weight.shape[:1] == shape[:1] and weight.shape[1:] == shape[start:]


@tensors_as_leaves("own", "partner", "weight")
@dataclass(eq=False)
class MixedTarget:
    """Own target, partner's target, and the share of the own target.

    Args:
        own: (B, ...) targets of the samples themselves: class indices (int64), values, one-hot or
            multi-hot rows, masks.
        partner: the targets of the partners, of the same shape and dtype.
        weight: (B,) floats in [0, 1], the share of ``own``, which is the papers' λ (``lam``);
            ``partner`` has the share ``1 - weight``. If each pixel of (B, ..., H, W) targets has a
            share of its own, (B, H, W).

    Raises:
        ValueError: the three do not have the same number of rows, or own and partner differ in
            shape.

    A mixed target is a pytree and behaves like a tensor with B rows: it has a length and a device,
    can be indexed by rows (an integer index returns a mixed target of one row), moved with ``to``,
    pinned, mapped over with ``tree_map``, and passed through ``torch.compile``. To gather it from
    several processes, use ``tree_map(accelerator.gather, target)``.

    30 % church (class 2) and 70 % gas station (class 7), out of ten classes:

    >>> target = MixedTarget(torch.tensor([2]), torch.tensor([7]), torch.tensor([0.3]))
    >>> target.dense(10)
    tensor([[0.0000, 0.0000, 0.3000, 0.0000, 0.0000, 0.0000, 0.0000, 0.7000, 0.0000, 0.0000]])
    >>> target[0].own
    tensor([2])
    """

    own: Tensor
    partner: Tensor
    weight: Tensor

    def __post_init__(self) -> None:
        shape = self.own.shape
        check_same_shape(self.own, self.partner)
        if not fits_rows(self.weight, shape):
            found = tuple(self.weight.shape) if self.weight.ndim > 1 else len(self.weight)
            raise ValueError(
                f"there are {found} weights for targets of shape {tuple(shape)}: give one weight "
                "for each row, or for each pixel"
            )

    def dense(self, num_classes: int | None = None) -> Tensor:
        """The targets as one float tensor, such as the shares of all classes.

        Args:
            num_classes: the number of classes C, for class indices only. They become (B, C) rows,
                or (B, C, ...) for (B, ...) masks.

        Returns:
            For class indices, the share of each class, of the weight's dtype; every row sums to 1.
            For floats, ``weight * own + (1 - weight) * partner``, of their own shape and dtype.

        Raises:
            ValueError: the targets are class indices and ``num_classes`` is missing, or they are
                rows of another number of classes.
            RuntimeError: a label is not in [0, C), such as one to ignore. (On a GPU, torch reports
                it later.)
        """
        if self.own.is_floating_point() or self.own.is_complex():
            if num_classes is not None and self.own.shape[1:2] != (num_classes,):
                raise ValueError(
                    f"the targets are floats of shape {tuple(self.own.shape)}, neither class "
                    f"indices nor rows of {num_classes} classes: call dense() without num_classes"
                )
            weight = over_rows(self.weight, self.own).to(self.own.dtype)
            blended = torch.lerp(self.partner, self.own, weight)
            # A target without a share leaves no trace: 0 * nan, of a missing value, is nan.
            blended = blended.where(weight != 1, self.own)
            return blended.where(weight != 0, self.partner)
        if num_classes is None:
            raise ValueError("the targets are class indices: call dense(num_classes)")
        own = one_hot(self.own, num_classes, self.weight.dtype)
        partner = one_hot(self.partner, num_classes, self.weight.dtype)
        return torch.lerp(partner, own, over_rows(self.weight, own))

    def to(self, device: torch.device | str | int, *, non_blocking: bool = False) -> "MixedTarget":
        """Move to a device.

        >>> y = MixedTarget(torch.tensor([2]), torch.tensor([7]), torch.tensor([0.3]))
        >>> y.to("cpu").own
        tensor([2])
        """
        return self._map(lambda t: t.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> "MixedTarget":
        """A copy in page-locked memory, for fast moves to a GPU."""
        return self._map(Tensor.pin_memory)

    def __getitem__(self, rows: Any) -> "MixedTarget":
        if isinstance(rows, Integral) or (isinstance(rows, Tensor) and not rows.ndim):
            row = range(len(self))[rows]  # for negative indices, and the IndexError that ends loops
            # A slice keeps the first dimension: without it, the next one would be taken for rows.
            rows = slice(row, row + 1)
        return self._map(lambda t: t[rows])

    def __len__(self) -> int:
        return len(self.weight)

    @property
    def device(self) -> torch.device:
        return self.weight.device

    def _map(self, function: Callable[[Tensor], Tensor]) -> "MixedTarget":
        return MixedTarget(function(self.own), function(self.partner), function(self.weight))


ALREADY_MIXED = "the targets are mixed already: mix a batch once, by one mixer"


def is_mixed_target(leaf: Any) -> bool:
    """Whether a leaf is a :class:`MixedTarget`, or a tensor that stands for one."""
    if type(leaf) is Tensor:  # the usual case
        return False
    # MixedTensor is in a package above this one.
    return isinstance(leaf, MixedTarget) or (isinstance(leaf, Tensor) and hasattr(leaf, "partner"))


def one_hot(labels: Tensor, num_classes: int, dtype: torch.dtype) -> Tensor:
    """One-hot encode (B, ...) class indices as (B, C, ...)."""
    try:
        rows = F.one_hot(labels.long(), num_classes)
    except RuntimeError as error:
        wrong = labels[(labels < 0) | (labels >= num_classes)]
        if not wrong.numel():
            raise
        raise RuntimeError(
            f"the label {wrong.flatten()[0].item()} is none of {num_classes} classes: labels to "
            "ignore have no place in a dense target, so leave it a pair and use MixLoss"
        ) from error
    return rows.movedim(-1, 1 if labels.ndim else -1).to(dtype)


def check_same_shape(own: Tensor, partner: Tensor) -> None:
    """Raise a ValueError where the targets of samples and those of their partners differ."""
    if own.shape != partner.shape:
        raise ValueError(
            f"own targets have shape {tuple(own.shape)}, but the partners' have "
            f"{tuple(partner.shape)}: give both the same shape"
        )
