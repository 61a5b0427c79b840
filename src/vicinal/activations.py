"""From a network's outputs to probabilities, as its loss function reads them."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vicinal.criteria import AsymmetricLoss, FocalLoss, OrdinalLoss, ordinal_probabilities
from vicinal.cross_entropy import CrossEntropyLossFlat
from vicinal.losses import MixLoss


def activation_of(loss_func: Callable[..., Tensor], *, classes: bool) -> Callable[[Tensor], Tensor]:
    """The activation that turns raw outputs into what the loss function compares with targets.

    Args:
        loss_func: a criterion, also in a partial or a :class:`MixLoss`.
        classes: whether the targets are classes. Outputs for a loss function that is not torch's or
            ours are then taken for logits; otherwise they are values, and stay as they are.

    Returns:
        A function of (B, ...) outputs that gives a tensor of the same shape; for
        :class:`OrdinalLoss`, one more column.

    >>> activation_of(nn.BCEWithLogitsLoss(), classes=False)(torch.zeros(1, 2))
    tensor([[0.5000, 0.5000]])
    >>> activation_of(nn.MSELoss(), classes=False)(torch.ones(1, 2))
    tensor([[1., 1.]])
    """
    criterion: Any = MixLoss(loss_func).criterion
    called = criterion.func if isinstance(criterion, partial) else criterion
    multi_label = isinstance(called, nn.BCEWithLogitsLoss | AsymmetricLoss)
    if multi_label or called is F.binary_cross_entropy_with_logits:
        return torch.sigmoid
    if isinstance(called, OrdinalLoss):
        return ordinal_probabilities
    if isinstance(called, nn.NLLLoss) or called is F.nll_loss:
        return torch.exp
    is_of_classes = isinstance(called, nn.CrossEntropyLoss | FocalLoss)
    if classes or is_of_classes or called is F.cross_entropy:
        axis = called.axis if isinstance(called, CrossEntropyLossFlat | FocalLoss) else 1
        return partial(torch.softmax, dim=axis)
    return _identity


def _identity(output: Tensor) -> Tensor:
    return output
