"""Class indices among the targets, for what goes by classes."""

from typing import Any

from torch import Tensor


def class_indices(name: str, y: Any, hint: str = "") -> Tensor:
    """(B,) integers; a TypeError if the targets are no classes.

    Args:
        name: of what needs them, for the message.
        y: the targets of a batch.
        hint: what to do for other targets.

    >>> import torch
    >>> class_indices("BalancedMixUp", torch.rand(4, 3))
    Traceback (most recent call last):
    TypeError: BalancedMixUp needs class indices of shape (B,) as targets, not torch.float32 of ...
    """
    if isinstance(y, Tensor) and not y.is_floating_point() and not y.is_complex() and y.ndim == 1:
        return without_subclass(y)
    kind = f"{y.dtype} of shape {tuple(y.shape)}" if isinstance(y, Tensor) else str(type(y))
    kind = "several targets" if isinstance(y, dict | tuple | list) else kind
    kind = "none" if y is None else kind
    raise TypeError(f"{name} needs class indices of shape (B,) as targets, not {kind}{hint}")


def without_subclass(tensor: Tensor) -> Tensor:
    """The tensor as torch's own class, if it is another library's, such as fastai's."""
    return tensor if type(tensor) is Tensor else tensor.as_subclass(Tensor)
