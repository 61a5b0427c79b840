"""Criteria that torch lacks: focal, for multi-label and ordinal classes, and for any shape."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vicinal.cross_entropy import OfClasses
from vicinal.errors import VicinalError
from vicinal.known_losses import averages_plainly, in_shape_of


class AsymmetricLoss(nn.Module):
    """Binary cross-entropy that down-weights easy negatives, for multi-label classification.

    With p the predicted probability of a label, its loss is ``-(1 - p)**gamma_pos * log(p)`` if it
    is positive, and ``-q**gamma_neg * log(1 - q)`` with ``q = max(p - margin, 0)`` if it is
    negative. A target t between 0 and 1 weights the two by t and 1 - t, so that :class:`MixLoss`
    and the blended target give the same loss.

    Args:
        gamma_pos, gamma_neg: the focusing parameters of positives and negatives, 0 or more; the
            larger, the less easy ones count.
        margin: negatives with a probability up to this have no loss, in [0, 1).
        reduction: "mean" (over samples and labels), "sum" or "none".

    Raises:
        VicinalError: an argument is out of its range; output and target differ in shape.

    With all three at 0 it is :class:`torch.nn.BCEWithLogitsLoss`.

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
        self.reduction = checked_reduction(reduction)

    @averages_plainly
    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        """The loss.

        Args:
            output: (B, ...) logits, one for each label.
            target: of the same shape, 1 for positive labels and 0 for negative ones.

        Returns:
            The reduced loss, float32 or wider; with ``reduction="none"``, of the output's shape.
        """
        if output.shape != target.shape:
            raise VicinalError(
                f"the output has shape {tuple(output.shape)}, but the target "
                f"{tuple(target.shape)}: give one number for each label of each sample"
            )
        output = _at_least_float32(output)
        target = target.to(output.dtype)
        # In logarithms, for precision where a probability is almost 0 or 1.
        positive = (self.gamma_pos * F.logsigmoid(-output)).exp() * F.logsigmoid(output)
        if self.margin:
            q = (output.sigmoid() - self.margin).clamp(min=0)
            negative = q**self.gamma_neg * torch.log1p(-q)
        else:
            negative = (self.gamma_neg * F.logsigmoid(output)).exp() * F.logsigmoid(-output)
        return reduced(-torch.lerp(negative, positive, target), self.reduction)

    def extra_repr(self) -> str:
        return (
            f"gamma_pos={self.gamma_pos}, gamma_neg={self.gamma_neg}, margin={self.margin}, "
            f"reduction={self.reduction!r}"
        )


class OrdinalLoss(nn.Module):
    """Cross-entropy for ordered classes: is the class above each of the thresholds?

    K classes have K - 1 thresholds between them. The network has one output for each, the logit
    that the class is above it; a sample's loss is the sum of their binary cross-entropies. Missing
    by two classes costs more than missing by one. :func:`ordinal_class` decodes the output.

    Args:
        num_classes: K, 2 or more.
        reduction: "mean" (over samples), "sum" or "none".

    Raises:
        VicinalError: an argument is out of its range; the output has another number of thresholds,
            or a label is not in [0, K).

    Source: E. Frank, M. Hall, A Simple Approach to Ordinal Classification, ECML 2001; with one
    network, Z. Niu, M. Zhou, L. Wang, X. Gao, G. Hua, Ordinal Regression with Multiple Output CNN
    for Age Estimation, CVPR 2016. If the last layer shares its weights between all thresholds and
    has a bias for each, it is the loss of W. Cao, V. Mirjalili, S. Raschka, Rank Consistent Ordinal
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
        self.reduction = checked_reduction(reduction)
        # Row k has a 1 for each threshold that class k is above.
        above = torch.ones(num_classes, num_classes - 1).tril(-1)
        self.register_buffer("above", above, persistent=False)

    @averages_plainly
    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        """The loss.

        Args:
            output: (B, K - 1) logits, one for each threshold.
            target: (B,) class indices.

        Returns:
            The reduced loss, float32 or wider; with ``reduction="none"``, (B,) losses.
        """
        if output.shape != (*target.shape, self.num_classes - 1) or target.ndim != 1:
            raise VicinalError(
                f"{self.num_classes} ordered classes need an output of shape (B, "
                f"{self.num_classes - 1}) and labels of shape (B,), not {tuple(output.shape)} and "
                f"{tuple(target.shape)}"
            )
        above: Any = self.above
        try:
            above = above.to(output.device).index_select(0, target.long())
        except IndexError:
            raise VicinalError(
                f"a label is not in [0, {self.num_classes}): number the {self.num_classes} classes "
                "from 0"
            ) from None
        output = _at_least_float32(output)
        losses = F.binary_cross_entropy_with_logits(output, above.to(output), reduction="none")
        return reduced(losses.sum(1), self.reduction)

    def extra_repr(self) -> str:
        return f"{self.num_classes}, reduction={self.reduction!r}"


class FocalLoss(nn.Module):
    """Cross-entropy that down-weights easy samples: ``-(1 - p)**gamma * log(p)``.

    p is the predicted probability of the label; with class weights it is the exponential of the
    weighted logarithm, as in fastai.

    Args:
        gamma: the focusing parameter, 0 or more; the larger, the less easy samples count.
        weight: (C,) class weights.
        reduction: "mean" (over samples), "sum" or "none".
        axis: the class axis of the output.

    Raises:
        VicinalError: an argument is out of its range.

    Source: T.-Y. Lin, P. Goyal, R. Girshick, K. He, P. Dollár, Focal Loss for Dense Object
    Detection, ICCV 2017, equation (4), for any number of classes.

    >>> FocalLoss()(torch.tensor([[2.0, 0.0]]), torch.tensor([0]))
    tensor(0.0018)
    """

    def __init__(
        self,
        gamma: float = 2.0,
        weight: Tensor | None = None,
        reduction: str = "mean",
        *,
        axis: int = 1,
    ) -> None:
        super().__init__()
        if not 0 <= gamma < float("inf"):
            raise VicinalError(f"gamma must be 0 or more, and finite, not {gamma}")
        self.gamma, self.reduction, self.axis = gamma, checked_reduction(reduction), axis
        self.register_buffer("weight", weight, persistent=False)

    @averages_plainly
    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        """The loss.

        Args:
            output: (B, C, ...) logits.
            target: (B, ...) class indices.
        """
        weight: Any = self.weight
        losses = F.cross_entropy(output.movedim(self.axis, 1), target, weight, reduction="none")
        focus = (1 - (-losses).exp()).clamp(min=1e-8) ** self.gamma  # at 0, a root has no slope
        return reduced(focus * losses, self.reduction)

    def extra_repr(self) -> str:
        return f"gamma={self.gamma}, reduction={self.reduction!r}"


class FocalLossFlat(FocalLoss, OfClasses):
    """:class:`FocalLoss` with the classes along the last axis, by default, as in fastai.

    Args:
        gamma, axis, weight, reduction: as there.

    >>> FocalLossFlat()(torch.zeros(1, 5, 2), torch.zeros(1, 5, dtype=torch.long))  # log(2) / 4
    tensor(0.1733)
    """

    def __init__(
        self,
        *,
        gamma: float = 2.0,
        axis: int = -1,
        weight: Tensor | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(gamma, weight, reduction, axis=axis)


class _AnyShape(nn.Module):
    """A loss of as many targets as outputs, whatever the shape of the targets."""

    takes_any_shape = True

    @averages_plainly
    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        target = in_shape_of(input, target)
        target = target if target.is_floating_point() else target.to(input.dtype)
        loss: Tensor = super().forward(input, target)
        return loss

    def activation(self, x: Tensor) -> Tensor:
        """Outputs as they are compared with targets; here, as they are."""
        return x

    def decodes(self, x: Tensor) -> Tensor:
        """What is predicted by activated outputs; here, these values."""
        return x


class MSELossFlat(_AnyShape, nn.MSELoss):
    """Mean squared error of as many values, whatever their shape, as in fastai.

    Outputs (B, 1) and targets (B,) are compared one by one; torch's would compare each with each.

    Args:
        reduction: "mean", "sum" or "none".
        axis: not used, as all values count alike.

    >>> MSELossFlat()(torch.tensor([[1.0], [2.0]]), torch.tensor([1.0, 4.0]))
    tensor(2.)
    """

    def __init__(self, *, axis: int = -1, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)


class L1LossFlat(_AnyShape, nn.L1Loss):
    """Mean absolute error of as many values; arguments as for :class:`MSELossFlat`.

    >>> L1LossFlat()(torch.tensor([[1.0], [2.0]]), torch.tensor([1.0, 4.0]))
    tensor(1.)
    """

    def __init__(self, *, axis: int = -1, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)


class BCEWithLogitsLossFlat(_AnyShape, nn.BCEWithLogitsLoss):
    """Binary cross-entropy of logits, for targets of any number format, as in fastai.

    Args:
        weight, reduction, pos_weight: see :class:`torch.nn.BCEWithLogitsLoss`.
        axis: not used, as all labels count alike.
        thresh: a label is predicted where its probability is above this.

    >>> BCEWithLogitsLossFlat()(torch.tensor([[0.0, 0.0]]), torch.tensor([[1, 0]]))
    tensor(0.6931)
    """

    def __init__(
        self,
        *,
        axis: int = -1,
        thresh: float = 0.5,
        weight: Tensor | None = None,
        reduction: str = "mean",
        pos_weight: Tensor | None = None,
    ) -> None:
        super().__init__(weight=weight, reduction=reduction, pos_weight=pos_weight)
        self.thresh = thresh

    def activation(self, x: Tensor) -> Tensor:
        """Probabilities of logits."""
        return x.sigmoid()

    def decodes(self, x: Tensor) -> Tensor:
        """Bool, whether each label is predicted, by the probabilities."""
        return x > self.thresh


class BCELossFlat(_AnyShape, nn.BCELoss):
    """Binary cross-entropy of probabilities, for targets of any number format, as in fastai.

    Args:
        weight, reduction: see :class:`torch.nn.BCELoss`.
        axis: not used, as all labels count alike.

    >>> BCELossFlat()(torch.tensor([[0.5, 0.5]]), torch.tensor([[1, 0]]))
    tensor(0.6931)
    """

    def __init__(
        self, *, axis: int = -1, weight: Tensor | None = None, reduction: str = "mean"
    ) -> None:
        super().__init__(weight=weight, reduction=reduction)


def ordinal_class(output: Tensor) -> Tensor:
    """Decode threshold logits: the predicted class is the number of thresholds it is above.

    Args:
        output: (B, K - 1) logits, as :class:`OrdinalLoss` takes them.

    Returns:
        (B,) int64 class indices in [0, K).

    >>> ordinal_class(torch.tensor([[3.0, 1.0, -2.0], [-1.0, -2.0, -3.0]]))
    tensor([2, 0])
    """
    return (output > 0).sum(1)


def ordinal_probabilities(output: Tensor) -> Tensor:
    """Decode threshold logits into class probabilities.

    A class's probability is the difference between those of being above its two thresholds. As a
    network may predict a higher one for a higher threshold, each is limited to those below it.

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


def checked_reduction(reduction: str) -> str:
    if reduction not in ("mean", "sum", "none"):
        raise VicinalError(f"reduction must be 'mean', 'sum' or 'none', not {reduction!r}")
    return reduction


def _at_least_float32(output: Tensor) -> Tensor:
    return output.to(torch.promote_types(output.dtype, torch.float32))


def reduced(losses: Tensor, reduction: str) -> Tensor:
    if reduction == "none":
        return losses
    return losses.sum() if reduction == "sum" else losses.mean()
