"""Cross-entropy: along any axis, and of mixed targets in one pass over the log-probabilities."""

from typing import Any

import torch
from torch import Tensor, is_grad_enabled, nn

from vicinal.mixing import compiled
from vicinal.mixing.plain import are_plain_cpu_tensors
from vicinal.mixing.target import MixedTarget, over_rows


class OfClasses:
    """A loss of classes, which says what its outputs are, as fastai's do."""

    axis: int

    def activation(self, x: Tensor) -> Tensor:
        """Probabilities of logits: the softmax along the class axis."""
        return x.softmax(self.axis)

    def decodes(self, x: Tensor) -> Tensor:
        """The class with the largest of the logits or probabilities."""
        return x.argmax(self.axis)


class CrossEntropyLossFlat(nn.CrossEntropyLoss, OfClasses):
    """Cross-entropy with the classes along any axis, by default the last, as in fastai.

    ``loss.activation(output)`` gives probabilities, and ``loss.decodes(output)`` classes.

    Args:
        axis: the class axis of the output.
        **kwargs: of :class:`torch.nn.CrossEntropyLoss`.

    >>> loss = CrossEntropyLossFlat()
    >>> loss(torch.zeros(2, 5, 10), torch.zeros(2, 5, dtype=torch.long))  # log(10)
    tensor(2.3026)
    >>> output = torch.tensor([[2.0, 0.0]])
    >>> loss.activation(output), loss.decodes(output)
    (tensor([[0.8808, 0.1192]]), tensor([0]))
    """

    def __init__(self, *, axis: int = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = axis

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        if target.is_floating_point() and target.ndim == input.ndim:
            target = target.movedim(self.axis, 1)
        return super().forward(input.movedim(self.axis, 1), target)


class LabelSmoothingCrossEntropy(CrossEntropyLossFlat):
    """Cross-entropy with label smoothing, by fastai's name and with its default.

    Args:
        eps: the share of each label that is spread over all classes, from 0 to 1.
        weight: (C,) class weights, of the smoothed part, too, as in torch.
        reduction: "mean", "sum" or "none".
        axis: the class axis of the output.

    >>> LabelSmoothingCrossEntropy()(torch.tensor([[2.0, 0.0]]), torch.tensor([0]))
    tensor(0.2269)
    """

    def __init__(
        self,
        eps: float = 0.1,
        weight: Tensor | None = None,
        reduction: str = "mean",
        *,
        axis: int = -1,
    ) -> None:
        super().__init__(axis=axis, weight=weight, reduction=reduction, label_smoothing=eps)


LabelSmoothingCrossEntropyFlat = LabelSmoothingCrossEntropy


def mixed_nll_loss(
    log_probs: Tensor,
    target: MixedTarget,
    *,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
    axis: int = 1,
) -> Tensor:
    """:func:`torch.nn.functional.nll_loss` of both labels, each weighted by its share.

    Args:
        log_probs: (B, C), (B, C, ...) or, with another ``axis``, (B, ..., C) log-probabilities.
        target: (B, ...) labels that :func:`is_pair_of_labels` accepts.
        weight: (C,) class weights.
        ignore_index: the label that has no loss. Its share is not given to the other label.
        reduction: ``"mean"`` (weighted by share and class weight), ``"sum"`` or ``"none"``.
        label_smoothing: the fraction of each label's share that is spread over all classes, as in
            :func:`torch.nn.functional.cross_entropy`.
        axis: the class axis of the log-probabilities.

    Returns:
        The loss, a scalar; without reduction, (B, ...) losses.

    Raises:
        RuntimeError: a label is neither in [0, C) nor ``ignore_index``.

    >>> log_probs = torch.tensor([[0.5, 0.5], [0.2, 0.8]]).log()
    >>> own, partner, share = torch.tensor([0, 1]), torch.tensor([1, 0]), torch.tensor([0.7, 1.0])
    >>> mixed_nll_loss(log_probs, MixedTarget(own, partner, share), reduction="none")
    tensor([0.6931, 0.2231])
    """
    if label_smoothing == 0 and reduction != "none":
        loss = _compiled(log_probs, target, weight, ignore_index, reduction == "mean", axis)
        if loss is not None:
            return loss
    # Both labels are stacked along the class axis, so that one gather reads them. With few classes
    # the time is that of launching operations, so each one avoided counts.
    labels = torch.stack((target.own, target.partner), axis)
    valid = labels.ne(ignore_index)
    labels, shares = labels * valid, _shares(target, log_probs.dtype, axis) * valid
    label_weights = shares if weight is None else shares * weight[labels]
    total = label_weights.sum() if reduction == "mean" else 1

    losses = log_probs.gather(axis, labels)
    if label_smoothing > 0:  # as a third label, of all classes at once
        smoothed = shares.sum(axis, keepdim=True)
        losses = torch.cat((losses, _mean_over_classes(log_probs, weight, axis)), axis)
        label_weights = torch.cat(
            ((1 - label_smoothing) * label_weights, label_smoothing * smoothed), axis
        )
        shares = torch.cat((shares, smoothed), axis)
    # The loss of a label with share 0 may be infinite, and inf * 0 is nan.
    losses = losses.masked_fill(shares.eq(0), 0) * (label_weights / -total)
    loss = losses.sum(axis) if reduction == "none" else losses.sum()
    return loss.to(log_probs.dtype)


def is_pair_of_labels(
    log_probs: Tensor, target: MixedTarget, weight: Tensor | None = None, axis: int = 1
) -> bool:
    """Whether the labels are class indices that, with the class weights, fit the log-probabilities.

    >>> labels = torch.tensor([2, 7])
    >>> is_pair_of_labels(torch.rand(2, 10), MixedTarget(labels, labels, torch.rand(2)))
    True
    """
    own, shape = target.own, log_probs.shape
    return (
        own.dtype == target.partner.dtype == torch.int64
        and own.shape == shape[:axis] + shape[axis:][1:]
        and own.numel() > 0
        and (weight is None or (weight.dtype, *weight.shape) == (log_probs.dtype, shape[axis]))
    )


def _compiled(
    log_probs: Tensor,
    target: MixedTarget,
    weight: Tensor | None,
    ignore_index: int,
    is_mean: bool,
    axis: int,
) -> Tensor | None:
    """The loss by a compiled loop in place of a dozen small operations; None where it cannot."""
    own, partner, share = target.own.contiguous(), target.partner.contiguous(), target.weight
    read = [log_probs, own, partner, share] + ([] if weight is None else [weight])
    is_derived = share.requires_grad or (weight is not None and weight.requires_grad)
    if (
        log_probs.ndim != 2
        or axis not in (1, -1)
        or is_derived
        or not are_plain_cpu_tensors(read, grad_enabled=False)
    ):
        return None
    found = compiled.nll_of_pairs(log_probs, own, partner, share, weight, ignore_index, is_mean)
    return None if found is None else _CompiledLoss.apply(log_probs, own, partner, *found)


class _CompiledLoss(torch.autograd.Function):
    """A loss computed outside of autograd, which is linear in the log-probabilities."""

    @staticmethod
    def forward(
        ctx: Any, log_probs: Tensor, own: Tensor, partner: Tensor, loss: Tensor, slope: Tensor
    ) -> Any:
        ctx.save_for_backward(own, partner, slope)
        ctx.shape = log_probs.shape
        # Autograd forbids in-place changes (loss /= steps) of an input that is returned as it is.
        return loss.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        own, partner, slope = ctx.saved_tensors
        if are_plain_cpu_tensors([gradient]) and not is_grad_enabled():
            spread = compiled.spread_pairs(own, partner, slope, gradient, ctx.shape)
        else:  # double backward, or batched gradients: by operations that autograd can follow
            labels = torch.stack((own, partner), 1) * slope.ne(0)
            zeros = slope.new_zeros(ctx.shape)
            spread = zeros.scatter_add(1, labels, slope * gradient)
        return spread, None, None, None, None


def _shares(target: MixedTarget, dtype: torch.dtype, axis: int) -> Tensor:
    """The shares of both labels, stacked along the axis as the labels are."""
    share, dtype = target.weight, torch.promote_types(dtype, torch.float32)
    if share.dtype != dtype:
        share = share.to(dtype)
    if target.own.ndim > 1:
        share = over_rows(share, target.own)
    return torch.stack((share, 1 - share), axis)


def _mean_over_classes(log_probs: Tensor, weight: Tensor | None, axis: int) -> Tensor:
    if weight is not None:
        log_probs = (log_probs.movedim(axis, -1) * weight).movedim(-1, axis)
    return log_probs.mean(axis, keepdim=True)
