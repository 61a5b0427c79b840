"""Criteria that torch lacks: for several labels, and for classes in an order."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vicinal.errors import VicinalError


class AsymmetricLoss(nn.Module):
    """Binary cross-entropy that looks away from easy negatives: for several labels a sample.

    With p the probability that the output gives a label, the loss of that label is
    ``-(1 - p)**gamma_pos * log(p)`` where it is there, and ``-q**gamma_neg * log(1 - q)`` with
    ``q = max(p - margin, 0)`` where it is not. A target between 0 and 1 counts both by its shares,
    so that :class:`MixLoss` and the blended target give the same.

    Args:
        gamma_pos, gamma_neg: how much less an easy positive or negative counts, 0 or more.
        margin: negatives with a probability up to it do not count, in [0, 1).
        reduction: "mean" (over samples and labels), "sum" or "none".

    Raises:
        VicinalError: an argument is out of its range; output and target differ in shape.

    All three at 0 make it :class:`torch.nn.BCEWithLogitsLoss`.

    Source: T. Ridnik, E. Ben-Baruch, N. Zamir, A. Noy, I. Friedman, M. Protter, L. Zelnik-Manor,
    Asymmetric Loss For Multi-Label Classification, ICCV 2021, equation (7), with its defaults.

    >>> output = torch.tensor([[2.0, -4.0, 0.0]])
    >>> AsymmetricLoss(reduction="none")(output, torch.tensor([[1.0, 0.0, 0.0]]))
    tensor([[0.1269, 0.0000, 0.0245]])
    """

    def __init__(
        self,
        gamma_pos: float = 0.0,
        gamma_neg: float = 4.0,
        margin: float = 0.05,
        reduction: str = "mean",
    ) -> None:
        super().__init__()
        for name, value, upper in (
            ("gamma_pos", gamma_pos, float("inf")),
            ("gamma_neg", gamma_neg, float("inf")),
            ("margin", margin, 1.0),
        ):
            if not 0 <= value < upper:
                limits = "between 0 and below 1" if upper == 1 else "0 or more, and finite"
                raise VicinalError(f"{name} must be {limits}, not {value}")
        self.gamma_pos, self.gamma_neg, self.margin = gamma_pos, gamma_neg, margin
        self.reduction = _known(reduction)

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        """The loss.

        Args:
            output: (B, ...) logits, one for each label.
            target: of the same shape, 1 where the label is there and 0 where it is not.

        Returns:
            The reduced loss, of 32 bits or more; with ``reduction="none"``, of the output's shape.
        """
        if output.shape != target.shape:
            raise VicinalError(
                f"the output has shape {tuple(output.shape)}, but the target "
                f"{tuple(target.shape)}: give one number for each label of each sample"
            )
        output = _precise(output)
        target = target.to(output.dtype)
        # In logarithms, so that nothing is lost where a probability is almost 0 or 1.
        there = (self.gamma_pos * F.logsigmoid(-output)).exp() * F.logsigmoid(output)
        if self.margin:
            q = (output.sigmoid() - self.margin).clamp(min=0)
            absent = q**self.gamma_neg * torch.log1p(-q)
        else:
            absent = (self.gamma_neg * F.logsigmoid(output)).exp() * F.logsigmoid(-output)
        return _reduced(-torch.lerp(absent, there, target), self.reduction)

    def extra_repr(self) -> str:
        return (
            f"gamma_pos={self.gamma_pos}, gamma_neg={self.gamma_neg}, margin={self.margin}, "
            f"reduction={self.reduction!r}"
        )


class OrdinalLoss(nn.Module):
    """Cross-entropy for classes in an order: is the class above each of the thresholds?

    K classes have K - 1 thresholds between them. The network has an output for each, the logit of
    the class being above it, and the loss of a sample is the sum of their binary cross-entropies.
    To miss by two classes costs more than to miss by one. :func:`ordinal_class` tells the class.

    Args:
        num_classes: K, 2 or more.
        reduction: "mean" (over samples), "sum" or "none".

    Raises:
        VicinalError: an argument is out of its range; the output has another number of thresholds,
            or a label is not in [0, K).

    Source: E. Frank, M. Hall, A Simple Approach to Ordinal Classification, ECML 2001; with one
    network, Z. Niu, M. Zhou, L. Wang, X. Gao, G. Hua, Ordinal Regression with Multiple Output CNN
    for Age Estimation, CVPR 2016. Where the last layer has the same weights for all thresholds and
    a bias for each, it is the loss of W. Cao, V. Mirjalili, S. Raschka, Rank Consistent Ordinal
    Regression for Neural Networks, Pattern Recognition Letters 140 (2020).

    >>> output = torch.tensor([[3.0, 1.0, -2.0]])  # above the first and the second of 3 thresholds
    >>> OrdinalLoss(4)(output, torch.tensor([2]))
    tensor(0.4888)
    """

    def __init__(self, num_classes: int, reduction: str = "mean") -> None:
        super().__init__()
        if num_classes < 2:
            raise VicinalError(f"num_classes must be 2 or more, not {num_classes}")
        self.num_classes = num_classes
        self.reduction = _known(reduction)
        # Row k: 1 for each threshold that class k is above.
        above = torch.ones(num_classes, num_classes - 1).tril(-1)
        self.register_buffer("above", above, persistent=False)

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        """The loss.

        Args:
            output: (B, K - 1) logits, one for each threshold.
            target: (B,) class indices.

        Returns:
            The reduced loss, of 32 bits or more; with ``reduction="none"``, (B,) losses.
        """
        if output.shape != (*target.shape, self.num_classes - 1) or target.ndim != 1:
            raise VicinalError(
                f"{self.num_classes} classes in an order need an output of shape (B, "
                f"{self.num_classes - 1}) and labels (B,), not {tuple(output.shape)} and "
                f"{tuple(target.shape)}"
            )
        above: Any = self.above
        try:
            above = above.to(output.device).index_select(0, target.long())
        except IndexError:
            raise VicinalError(
                f"a label is none of the {self.num_classes} classes: they count from 0"
            ) from None
        output = _precise(output)
        losses = F.binary_cross_entropy_with_logits(output, above.to(output), reduction="none")
        return _reduced(losses.sum(1), self.reduction)

    def extra_repr(self) -> str:
        return f"{self.num_classes}, reduction={self.reduction!r}"


def ordinal_class(output: Tensor) -> Tensor:
    """The class that the logits of thresholds tell: how many of them it is above.

    Args:
        output: (B, K - 1) logits, as :class:`OrdinalLoss` takes them.

    Returns:
        (B,) int64 class indices in [0, K).

    >>> ordinal_class(torch.tensor([[3.0, 1.0, -2.0], [-1.0, -2.0, -3.0]]))
    tensor([2, 0])
    """
    return (output > 0).sum(1)


def ordinal_probabilities(output: Tensor) -> Tensor:
    """The probabilities of the classes that the logits of thresholds tell.

    A class has what lies between its two thresholds. As nothing keeps the thresholds in order, one
    counts for no more than those below it.

    Args:
        output: (B, K - 1) logits, as :class:`OrdinalLoss` takes them.

    Returns:
        (B, K) floats that sum to 1 in each row.

    >>> ordinal_probabilities(torch.tensor([[0.0, -3.0]]))
    tensor([[0.5000, 0.4526, 0.0474]])
    """
    above = output.sigmoid().cummin(1).values
    ends = above.new_ones(len(above), 1), above.new_zeros(len(above), 1)
    return -torch.cat([ends[0], above, ends[1]], dim=1).diff(dim=1)


def _known(reduction: str) -> str:
    if reduction not in ("mean", "sum", "none"):
        raise VicinalError(f"reduction must be 'mean', 'sum' or 'none', not {reduction!r}")
    return reduction


def _precise(output: Tensor) -> Tensor:
    """In 32 bits at least."""
    return output.to(torch.promote_types(output.dtype, torch.float32))


def _reduced(losses: Tensor, reduction: str) -> Tensor:
    if reduction == "none":
        return losses
    return losses.sum() if reduction == "sum" else losses.mean()
