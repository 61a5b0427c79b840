"""MixLoss: any criterion on plain and on mixed targets."""

import functools
import inspect
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vicinal.cross_entropy import is_pair_of_labels, mixed_nll_loss
from vicinal.mixing.target import MixedTarget, fits_rows, over_rows

Criterion = Callable[..., Tensor]


class MixLoss(nn.Module):
    """Let a criterion read mixed targets, exactly.

    For a criterion L, each sample's loss is ``weight * L(output, own) + (1 - weight) *
    L(output, partner)``, before the reduction; ``weight`` is the papers' λ. Targets with a weight
    for each pixel are mixed per pixel in the same way.

    The reduction is the criterion's own. Where its mean over class indices skips ``ignore_index``
    and weights labels by class, so does the mean here, with each label also weighted by its share.
    A target with weight 1 therefore has exactly the loss of the plain target. A subclass of torch's
    cross-entropy or NLL loss is averaged as its base class is; for another mean, set its reduction
    to "none" and average the result.

    The criterion is called twice, except torch's cross-entropy on class indices, for which one pass
    over the output serves both labels.

    Args:
        criterion: a loss module or function of torch's (or any that has a ``reduction``), or any
            function of (output, target) that returns a loss for each sample, which is averaged.
            It is not copied: while it is called on mixed targets, its ``reduction`` is "none".

    Raises:
        TypeError: the criterion is not callable.

    >>> loss = MixLoss(nn.CrossEntropyLoss())
    >>> output = torch.tensor([[2.0, 0.0], [0.0, 1.0]])
    >>> loss(output, torch.tensor([0, 1]))
    tensor(0.2201)
    >>> own, partner, weight = torch.tensor([0, 1]), torch.tensor([1, 0]), torch.tensor([0.7, 1.0])
    >>> loss(output, MixedTarget(own, partner, weight))
    tensor(0.5201)
    """

    def __init__(self, criterion: Criterion) -> None:
        super().__init__()
        if isinstance(criterion, MixLoss):
            criterion = criterion.criterion
        if isinstance(criterion, type) or not callable(criterion):
            raise TypeError(
                f"the criterion must be a loss function or module, not {criterion!r}"
                + (f": call it, {criterion.__name__}()" if isinstance(criterion, type) else "")
            )
        self.criterion: Criterion = criterion
        self._per_sample = per_sample(criterion)
        # Reading a signature takes longer than computing a loss, so it is done once, here.
        self._defaults = _defaults(criterion)
        self._is_reduced = _has_reduction(criterion)
        # A function's settings are fixed; a module's attributes may change at any time.
        self._fixed = self._settings() if inspect.isfunction(criterion) else None
        inner = getattr(criterion, "_orig_mod", criterion)  # of a module that torch.compile wraps
        function = _function_of(inner)
        self._takes_log_probs = function in _NLL
        self._takes_label_pairs = self._takes_log_probs or function in _CROSS_ENTROPY
        self._has_axis = isinstance(inner, CrossEntropyLossFlat)
        # Whether the mean is over label weights. Also of subclasses with another forward.
        self._weights_labels = self._takes_label_pairs or isinstance(
            inner, nn.CrossEntropyLoss | nn.NLLLoss
        )

    def forward(self, output: Any, target: Any) -> Tensor:
        """The loss.

        Args:
            output: the criterion's input, (B, ...).
            target: a plain target, passed straight to the criterion, or a :class:`MixedTarget`.

        Returns:
            The reduced loss, a scalar; with ``reduction="none"``, losses of the criterion's shape.

        Raises:
            ValueError: for a mixed target, the criterion returns one number for the whole batch, or
                its ``reduction`` is not one of torch's.
        """
        if not isinstance(target, MixedTarget):
            loss = self.criterion(output, target)
            return loss if self._is_reduced else loss.mean()
        if self._takes_label_pairs and not target.own.is_floating_point():
            return self._loss_in_one_pass(output, target)
        return self._loss_by_two_calls(output, target)

    def _loss_in_one_pass(self, output: Tensor, target: MixedTarget) -> Tensor:
        criterion, settings = self.criterion, self._fixed or self._settings()
        axis = getattr(criterion, "axis", 1) if self._has_axis else 1
        log_probs = output if self._takes_log_probs else output.log_softmax(axis)
        if log_probs.itemsize < 4 and torch.is_autocast_enabled(log_probs.device.type):
            log_probs = log_probs.float()  # autocast does this to nll_loss, but not to gather
        if (
            settings["reduction"] in ("mean", "sum", "none")
            and settings["label_smoothing"] <= 1
            and is_pair_of_labels(log_probs, target, settings["weight"], axis)
        ):
            return mixed_nll_loss(log_probs, target, axis=axis, **settings)
        return self._loss_by_two_calls(output, target)  # invalid arguments: torch raises its error

    def _loss_by_two_calls(self, output: Any, target: MixedTarget) -> Tensor:
        own, partner = (self._per_sample(output, y) for y in (target.own, target.partner))
        if own.ndim == 0 or not fits_rows(target.weight, own.shape):
            each = "sample" if target.weight.ndim == 1 else "pixel"
            raise ValueError(
                f"{_name(self.criterion)} returned losses of shape {tuple(own.shape)} for "
                f"{len(target)} samples, which cannot be mixed exactly: let it return a loss for "
                f"each {each}, or take a reduction argument"
            )
        return self.reduce(weighted_sum(own, partner, target.weight), target)

    def reduce(self, loss: Tensor, target: MixedTarget) -> Tensor:
        """Reduce (B, ...) losses of a mixed target as the criterion does."""
        reduction = self._settings()["reduction"]
        if reduction == "none":
            return loss
        if reduction == "sum":
            return loss.sum()
        if reduction == "mean" and self._weights_labels and not target.own.is_floating_point():
            dtype = torch.promote_types(loss.dtype, torch.float32)
            own, partner = (self._label_weights(y, dtype) for y in (target.own, target.partner))
            total = weighted_sum(own, partner, target.weight).sum()
            return (loss.sum(dtype=dtype) / total).to(loss.dtype)
        if reduction == "mean":
            return loss.mean()
        if reduction == "batchmean" and not self._weights_labels:
            return loss.sum() / len(loss)
        raise ValueError(
            f"{_name(self.criterion)} has the reduction {reduction!r}, which is not defined for "
            "mixed targets: use 'mean', 'sum' or 'none'"
        )

    def _label_weights(self, labels: Tensor, dtype: torch.dtype) -> Tensor:
        """The weight of each label in the mean of torch's criteria on class indices."""
        settings = self._settings()
        valid = labels != settings["ignore_index"]
        if settings["weight"] is None:
            return valid.to(dtype)
        return settings["weight"].to(dtype)[labels.where(valid, 0).long()] * valid

    def _settings(self) -> dict[str, Any]:
        """The current attributes of a loss module, or the defaults of a function."""
        criterion, defaults = self.criterion, self._defaults
        return {
            name: getattr(criterion, name, defaults.get(name, default))
            for name, default in _SETTINGS.items()
        }


class CrossEntropyLossFlat(nn.CrossEntropyLoss):
    """Cross-entropy with the classes along any axis, by default the last, as in fastai.

    Args:
        axis: the class axis of the output.
        **kwargs: of :class:`torch.nn.CrossEntropyLoss`.

    >>> loss = CrossEntropyLossFlat()
    >>> loss(torch.zeros(2, 5, 10), torch.zeros(2, 5, dtype=torch.long))  # log(10)
    tensor(2.3026)
    """

    def __init__(self, *, axis: int = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = axis

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        if target.is_floating_point() and target.ndim == input.ndim:
            target = target.movedim(self.axis, 1)
        return super().forward(input.movedim(self.axis, 1), target)


def per_sample(criterion: Criterion) -> Criterion:
    """The criterion without its reduction; the given one is unchanged after each call.

    >>> per_sample(nn.MSELoss())(torch.zeros(3), torch.ones(3))
    tensor([1., 1., 1.])
    """
    if hasattr(criterion, "reduction"):
        return functools.partial(_unreduced, criterion)
    if _has_reduction(criterion):
        return functools.partial(criterion, reduction="none")
    return criterion


def _unreduced(criterion: Any, output: Any, target: Any) -> Tensor:
    # Not a copy: it would miss later changes of attributes, and hooks and call counts would miss
    # it; and where reduction is a property that sets the one of an inner, compiled criterion, the
    # copy would change that one for good.
    reduction = criterion.reduction
    criterion.reduction = "none"
    try:
        losses: Tensor = criterion(output, target)
        return losses
    finally:
        criterion.reduction = reduction


def _has_reduction(criterion: Criterion) -> bool:
    return hasattr(criterion, "reduction") or "reduction" in _defaults(criterion)


def _defaults(criterion: Criterion) -> dict[str, Any]:
    if isinstance(criterion, nn.Module):
        return {}
    try:
        parameters = inspect.signature(criterion).parameters.values()
    except (TypeError, ValueError):  # a callable written in C has no signature
        return {}
    return {p.name: p.default for p in parameters}


_SETTINGS = {"weight": None, "ignore_index": -100, "reduction": "mean", "label_smoothing": 0.0}
# The functions behind torch's criteria on class indices; both labels can share one pass of them.
_CROSS_ENTROPY = (F.cross_entropy, nn.CrossEntropyLoss.forward, CrossEntropyLossFlat.forward)
_NLL = (F.nll_loss, nn.NLLLoss.forward)


def _function_of(criterion: Criterion) -> Any:
    """The function that computes the criterion; None where its settings cannot be read off."""
    if isinstance(criterion, nn.Module):
        return getattr(criterion.forward, "__func__", None)
    if isinstance(criterion, functools.partial):
        deprecated = {"size_average", "reduce"}  # they override the reduction
        return None if criterion.args or deprecated & set(criterion.keywords) else criterion.func
    return criterion


def weighted_sum(own: Tensor, partner: Tensor, weight: Tensor) -> Tensor:
    """``weight * own + (1 - weight) * partner``, where 0 times infinity is 0."""
    weight = over_rows(weight, own).to(own.dtype)
    own, partner = own.masked_fill(weight == 0, 0), partner.masked_fill(weight == 1, 0)
    return weight * own + (1 - weight) * partner


def _name(criterion: Criterion) -> str:
    return getattr(criterion, "__name__", type(criterion).__name__)
