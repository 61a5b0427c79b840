"""Class indices, or shares of classes, among the targets, for what goes by classes."""

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


def are_shares(name: str, y: Any, classes: int) -> bool:
    """Whether targets are rows of shares (B, C); False for class indices (B,).

    Args:
        name: of what needs one of both, for the message.
        y: the targets of a batch.
        classes: how many the network has outputs for.

    Raises:
        TypeError: they are neither, or the network has one output.
    """
    if isinstance(y, Tensor) and y.is_floating_point() and y.shape[1:] == (classes,):
        return True
    is_index = isinstance(y, Tensor) and not (y.is_floating_point() or y.is_complex())
    if is_index and y.ndim == 1 and classes >= 2:
        return False
    kind = f"{y.dtype} {tuple(y.shape)}" if isinstance(y, Tensor) else type(y).__name__
    raise TypeError(
        f"{name} needs class indices (B,) or rows of shares (B, {classes}) as targets, for a "
        f"network with an output for each of several classes, not {kind} for {classes}"
    )


def without_subclass(tensor: Tensor) -> Tensor:
    """The tensor as torch's own class, if it is another library's, such as fastai's."""
    return tensor if type(tensor) is Tensor else tensor.as_subclass(Tensor)
