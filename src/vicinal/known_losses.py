"""Losses whose reduction is known, torch's above all, on mixed targets."""

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vicinal.cross_entropy import CrossEntropyLossFlat, is_pair_of_labels, mixed_nll_loss
from vicinal.errors import VicinalError
from vicinal.mixing.target import MixedTarget, fits_rows, over_rows

Criterion = Callable[..., Tensor]
Function = TypeVar("Function", bound=Callable[..., Any])


class KnownLoss:
    """One of torch's losses or ours, or a module or partial of one, of (output, target).

    The loss is called once for each of the two targets, except cross-entropy on class indices, for
    which one pass over the output serves both labels.

    Args:
        criterion: for which :func:`is_known` is true.
        settings: the arguments of a partial function, if the caller knows them.
    """

    def __init__(self, criterion: Criterion, settings: dict[str, Any] | None = None) -> None:
        self.criterion = criterion
        # Reading a signature takes longer than computing a loss, so it is done once, here.
        self._defaults = _defaults(criterion) if settings is None else settings
        self._per_sample = (
            per_sample(criterion)
            if settings is None
            else functools.partial(criterion, reduction="none")
        )
        # A function's settings are fixed; a module's attributes may change at any time.
        self._fixed = self._settings() if inspect.isfunction(criterion) else None
        inner = getattr(criterion, "_orig_mod", criterion)  # of a module that torch.compile wraps
        function = _function_of(inner)
        self.function = _FORWARDS.get(function, function)
        self._has_axis = isinstance(inner, CrossEntropyLossFlat)
        is_of_values = self.function in ELEMENTWISE or isinstance(inner, _OF_VALUES)
        self.is_elementwise = is_of_values and not hasattr(inner, "takes_any_shape")
        self._takes_labels = self.function in (F.cross_entropy, F.nll_loss)

    def __call__(self, output: Any, target: MixedTarget) -> Tensor:
        if self._takes_labels and not target.own.is_floating_point():
            return self._in_one_pass(output, target)
        return self._by_two_calls(output, target)

    def _in_one_pass(self, output: Tensor, target: MixedTarget) -> Tensor:
        settings = self._fixed or self._settings()
        axis = getattr(self.criterion, "axis", 1) if self._has_axis else 1
        log_probs = output if self.function is F.nll_loss else output.log_softmax(axis)
        if log_probs.itemsize < 4 and torch.is_autocast_enabled(log_probs.device.type):
            log_probs = log_probs.float()  # autocast does this to nll_loss, but not to gather
        if (
            not getattr(self.criterion, "_forward_hooks", None)
            and settings["reduction"] in ("mean", "sum", "none")
            and settings["label_smoothing"] <= 1
            and is_pair_of_labels(log_probs, target, settings["weight"], axis)
        ):
            return mixed_nll_loss(log_probs, target, axis=axis, **settings)
        # Hooks, which see each loss; or invalid arguments, for which torch raises its error.
        return self._by_two_calls(output, target)

    def check(self, output: Any, target: Tensor) -> None:
        """Refuse values that torch would compare with outputs of other samples.

        Raises:
            ValueError: as :func:`check_same_shape`.
        """
        if self.is_elementwise:
            check_same_shape(output, target)

    def _by_two_calls(self, output: Any, target: MixedTarget) -> Tensor:
        self.check(output, target.own)
        own, partner = (self._per_sample(output, y) for y in (target.own, target.partner))
        if own.ndim == 0 or not fits_rows(target.weight, own.shape):
            raise ValueError(no_loss_of_each(self.criterion, own.shape, target))
        return self.reduce(weighted_sum(own, partner, target.weight), target)

    def reduce(self, loss: Tensor, target: MixedTarget) -> Tensor:
        """Reduce (B, ...) losses of a mixed target as the criterion does."""
        settings = self._settings()
        reduction, weight = settings["reduction"], settings["weight"]
        if reduction == "none":
            return loss
        if reduction == "sum":
            return loss.sum()
        total = self.divisor(target, torch.promote_types(loss.dtype, torch.float32))
        if total is not None:
            return (loss.sum(dtype=total.dtype) / total).to(loss.dtype)
        if reduction == "mean" and weight is not None and self.function in DIVIDED_BY_WEIGHTS:
            return loss.sum() / weight.sum()
        if reduction == "mean":
            return loss.mean()
        if reduction == "batchmean" and self.function is F.kl_div:
            return loss.sum() / len(loss)
        raise ValueError(
            f"{name_of(self.criterion)} has the reduction {reduction!r}, which is not defined for "
            "mixed targets: use 'mean', 'sum' or 'none'"
        )

    def divisor(self, target: Any, dtype: torch.dtype = torch.float32) -> Tensor | None:
        """What the mean of the losses of class indices is divided by: the weights of the labels.

        Args:
            target: plain or mixed.
            dtype: of the sum.

        Returns:
            A number; None for other losses, targets and reductions.
        """
        labels = target.own if isinstance(target, MixedTarget) else target
        if not self._takes_labels or labels.is_floating_point():
            return None
        if self._settings()["reduction"] != "mean":
            return None
        weights = self._label_weights(labels, dtype)
        if isinstance(target, MixedTarget):
            partner = self._label_weights(target.partner, dtype)
            weights = partner.lerp(weights, over_rows(target.weight, weights).to(dtype))
        return weights.sum()

    def _label_weights(self, labels: Tensor, dtype: torch.dtype) -> Tensor:
        """The weight of each label in the mean of torch's criteria on class indices."""
        settings = self._settings()
        valid = labels.long() != settings["ignore_index"]  # -100 would be 156 in uint8
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


def is_known(criterion: Criterion) -> bool:
    """Whether a criterion averages exactly as one of torch's functions does, or plainly.

    A subclass with a ``forward`` of its own may average otherwise.

    >>> is_known(nn.MSELoss()), is_known(lambda output, target: output - target)
    (True, False)
    """
    function = _function_of(getattr(criterion, "_orig_mod", criterion))
    try:
        is_torch = function in _FORWARDS or function in _FORWARDS.values()
    except TypeError:  # a callable that cannot be hashed
        return False
    return is_torch or hasattr(function, "averages_plainly")


def averages_plainly(forward: Function) -> Function:
    """Mark the ``forward`` of a criterion: its reductions are the plain mean and sum.

    It must return a loss for each sample with ``reduction="none"``. A subclass with a ``forward``
    of its own has to say so again.
    """
    forward.averages_plainly = True  # type: ignore[attr-defined]
    return forward


def per_sample(criterion: Criterion) -> Criterion:
    """The criterion without its reduction; the given one is unchanged after each call.

    >>> per_sample(nn.MSELoss())(torch.zeros(3), torch.ones(3))
    tensor([1., 1., 1.])
    """
    if hasattr(criterion, "reduction"):
        return functools.partial(_unreduced, criterion)
    if has_reduction(criterion):
        return functools.partial(criterion, reduction="none")
    return criterion


def _unreduced(criterion: Any, output: Any, target: Any) -> Tensor:
    # Not a copy: it would miss later changes of attributes, and hooks and call counts would miss
    # it; and where reduction is a property that sets the one of an inner, compiled criterion, the
    # copy would change that one for good.
    reduction = criterion.reduction
    if reduction == "none":  # it may be fixed
        found: Tensor = criterion(output, target)
        return found
    criterion.reduction = "none"
    try:
        losses: Tensor = criterion(output, target)
        return losses
    finally:
        criterion.reduction = reduction


def may_be_unreduced(criterion: Criterion) -> bool:
    """Whether a criterion lets its ``reduction`` be set; those that TorchScript made do not."""
    try:
        if hasattr(criterion, "reduction"):
            criterion.reduction = criterion.reduction
    except (AttributeError, RuntimeError):
        return False
    return True


def has_reduction(criterion: Criterion) -> bool:
    return hasattr(criterion, "reduction") or "reduction" in _defaults(criterion)


def reduction_of(criterion: Criterion) -> Any:
    """The criterion's ``reduction``; None where it has none."""
    return getattr(criterion, "reduction", _defaults(criterion).get("reduction"))


def _defaults(criterion: Criterion) -> dict[str, Any]:
    if isinstance(criterion, nn.Module):
        return {}
    try:
        parameters = inspect.signature(criterion).parameters.values()
    except (TypeError, ValueError):  # a callable written in C has no signature
        return {}
    return {p.name: p.default for p in parameters}


def check_same_shape(output: Any, target: Tensor) -> None:
    """Refuse what torch would broadcast, such as outputs (B, 1) with values (B,) to (B, B).

    Raises:
        ValueError: the two differ in their number of axes, or are both stretched to a third shape.
    """
    if not isinstance(output, Tensor) or output.shape == target.shape or output.ndim == 0:
        return
    sizes = zip(output.shape, target.shape, strict=False)
    largest = tuple(max(pair) for pair in sizes)
    if output.ndim != target.ndim or largest not in (output.shape, target.shape):
        raise ValueError(
            f"the output has shape {tuple(output.shape)}, but the target {tuple(target.shape)}, so "
            "torch would compare outputs with targets of other samples: give both the same shape"
        )


def in_shape_of(output: Tensor, target: Tensor) -> Tensor:
    """A target in the shape of the output, such as (B,) in (B, 1), if it has as many numbers.

    Raises:
        VicinalError: it has not, or its axes come in another order.

    >>> in_shape_of(torch.zeros(2, 1), torch.ones(2))
    tensor([[1.],
            [1.]])
    """
    if target.shape == output.shape:
        return target
    sizes, others = ([n for n in each.shape if n != 1] for each in (output, target))
    is_turned = sizes != others and sorted(sizes) == sorted(others)
    if is_turned or target.numel() != output.numel() or target.shape[:1] != output.shape[:1]:
        raise VicinalError(
            f"the output has shape {tuple(output.shape)}, but the target {tuple(target.shape)}: "
            "give one number for each target of each sample, in the same order"
        )
    return target.reshape(output.shape)


def weighted_sum(own: Tensor, partner: Tensor, weight: Tensor) -> Tensor:
    """``weight * own + (1 - weight) * partner``, where 0 times infinity is 0."""
    weight = over_rows(weight, own).to(own.dtype)
    own, partner = own.masked_fill(weight == 0, 0), partner.masked_fill(weight == 1, 0)
    return weight * own + (1 - weight) * partner


def no_loss_of_each(criterion: Criterion, shape: torch.Size, target: MixedTarget) -> str:
    """The sentence for losses that are not one for each sample."""
    each = "sample" if target.weight.ndim == 1 else "pixel"
    return (
        f"{name_of(criterion)} returned losses of shape {tuple(shape)} for {len(target)} samples, "
        f"which cannot be mixed exactly: let it return a loss for each {each}, or reduce them "
        "itself"
    )


def name_of(criterion: Criterion) -> str:
    return getattr(criterion, "__name__", type(criterion).__name__)


def _function_of(criterion: Criterion) -> Any:
    """The function that computes the criterion; None where its settings cannot be read off."""
    if isinstance(criterion, nn.Module):
        return getattr(criterion.forward, "__func__", None)
    if isinstance(criterion, functools.partial):
        deprecated = {"size_average", "reduce"}  # they override the reduction
        return None if criterion.args or deprecated & set(criterion.keywords) else criterion.func
    return criterion


_SETTINGS = {"weight": None, "ignore_index": -100, "reduction": "mean", "label_smoothing": 0.0}
_FORWARDS = {
    nn.CrossEntropyLoss.forward: F.cross_entropy,
    CrossEntropyLossFlat.forward: F.cross_entropy,
    nn.NLLLoss.forward: F.nll_loss,
    nn.MSELoss.forward: F.mse_loss,
    nn.L1Loss.forward: F.l1_loss,
    nn.SmoothL1Loss.forward: F.smooth_l1_loss,
    nn.HuberLoss.forward: F.huber_loss,
    nn.BCELoss.forward: F.binary_cross_entropy,
    nn.BCEWithLogitsLoss.forward: F.binary_cross_entropy_with_logits,
    nn.KLDivLoss.forward: F.kl_div,
    nn.PoissonNLLLoss.forward: F.poisson_nll_loss,
    nn.GaussianNLLLoss.forward: F.gaussian_nll_loss,
    nn.SoftMarginLoss.forward: F.soft_margin_loss,
    nn.HingeEmbeddingLoss.forward: F.hinge_embedding_loss,
    nn.MultiMarginLoss.forward: F.multi_margin_loss,
    nn.MultiLabelMarginLoss.forward: F.multilabel_margin_loss,
    nn.MultiLabelSoftMarginLoss.forward: F.multilabel_soft_margin_loss,
}
# They reduce (B, C) outputs to (B,) losses; all others but those of labels are elementwise.
ROW_LOSSES = (F.multi_margin_loss, F.multilabel_margin_loss, F.multilabel_soft_margin_loss)
ELEMENTWISE = set(_FORWARDS.values()) - {F.cross_entropy, F.nll_loss, *ROW_LOSSES}
_OF_VALUES = (nn.MSELoss, nn.L1Loss, nn.SmoothL1Loss, nn.HuberLoss)
DIVIDED_BY_WEIGHTS = (F.mse_loss, F.l1_loss)
