"""MixLoss: any criterion, on plain and on mixed targets."""

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
    """Make a criterion read mixed targets, exactly.

    For a criterion L, each sample's loss is ``weight * L(output, own) + (1 - weight) *
    L(output, partner)``, before the reduction; where the target has a weight for each pixel, each
    pixel's loss is. The reduction is the criterion's own: where its mean over class indices leaves
    out ``ignore_index`` and counts a label by its class weight, so does the mean here, each label
    counted by its share. A target of which nothing is mixed (weight 1) therefore gives just what
    the plain target gives; a subclass of torch's cross-entropy or NLL loss is averaged as its base
    is, whatever it does itself (let its reduction be "none", and average, for another mean). Any
    criterion is called twice, but torch's cross-entropy on class indices reads the output once for
    both labels.

    Args:
        criterion: a loss module or function of torch's (or any that has a ``reduction``), or any
            function of (output, target) that gives a loss for each sample; that one is averaged.
            It is called as it is; for mixed targets its ``reduction`` is "none" meanwhile.

    Raises:
        TypeError: the criterion cannot be called.

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
        self._losses = per_sample(criterion)
        # Reading a signature takes longer than a loss: all of it is read here.
        self._defaults = _defaults(criterion)
        self._is_reduced = _has_reduction(criterion)
        # A function's are fixed; a module's attributes may change.
        self._fixed = self._settings() if inspect.isfunction(criterion) else None
        inner = getattr(criterion, "_orig_mod", criterion)  # what torch.compile was given
        self._takes_log_probs = _runs(inner) in _NLL
        self._takes_pairs = self._takes_log_probs or _runs(inner) in _CROSS_ENTROPY
        self._has_axis = isinstance(inner, CrossEntropyLossFlat)
        # A subclass that computes something else from labels counts them as its base does.
        self._counts_labels = self._takes_pairs or isinstance(
            inner, nn.CrossEntropyLoss | nn.NLLLoss
        )

    def forward(self, output: Any, target: Any) -> Tensor:
        """The loss.

        Args:
            output: what the criterion takes, B rows first.
            target: a plain target, passed straight to the criterion, or a :class:`MixedTarget`.

        Returns:
            The reduced loss; with the criterion's ``reduction="none"``, one of its shape.

        Raises:
            ValueError: for a mixed target, the criterion gives one number for the whole batch, or
                its ``reduction`` is none of torch's.
        """
        if not isinstance(target, MixedTarget):
            loss = self.criterion(output, target)
            return loss if self._is_reduced else loss.mean()
        if self._takes_pairs and not target.own.is_floating_point():
            return self._loss_of_pair(output, target)
        return self._two_losses(output, target)

    def _loss_of_pair(self, output: Tensor, target: MixedTarget) -> Tensor:
        criterion, settings = self.criterion, self._fixed or self._settings()
        axis = getattr(criterion, "axis", 1) if self._has_axis else 1
        log_probs = output if self._takes_log_probs else output.log_softmax(axis)
        if log_probs.itemsize < 4 and torch.is_autocast_enabled(log_probs.device.type):
            log_probs = log_probs.float()  # as autocast does for nll_loss
        if (
            settings["reduction"] in ("mean", "sum", "none")
            and settings["label_smoothing"] <= 1
            and is_pair_of_labels(log_probs, target, settings["weight"], axis)
        ):
            return mixed_nll_loss(log_probs, target, axis=axis, **settings)
        return self._two_losses(output, target)  # where torch says what is wrong

    def _two_losses(self, output: Any, target: MixedTarget) -> Tensor:
        own, partner = (self._losses(output, y) for y in (target.own, target.partner))
        if own.ndim == 0 or not fits_rows(target.weight, own.shape):
            each = "sample" if target.weight.ndim == 1 else "pixel"
            raise ValueError(
                f"{_name(self.criterion)} gave losses of shape {tuple(own.shape)} for "
                f"{len(target)} samples, which cannot be mixed exactly: let it return a loss for "
                f"each {each}, or take a reduction argument"
            )
        return self.reduce(shared(own, partner, target.weight), target)

    def reduce(self, loss: Tensor, target: MixedTarget) -> Tensor:
        """The losses of a mixed target, (B, ...), reduced as the criterion does."""
        reduction = self._settings()["reduction"]
        if reduction == "none":
            return loss
        if reduction == "sum":
            return loss.sum()
        if reduction == "mean" and self._counts_labels and not target.own.is_floating_point():
            dtype = torch.promote_types(loss.dtype, torch.float32)
            own, partner = self._counts(target.own, dtype), self._counts(target.partner, dtype)
            total = shared(own, partner, target.weight).sum()
            return (loss.sum(dtype=dtype) / total).to(loss.dtype)
        if reduction == "mean":
            return loss.mean()
        if reduction == "batchmean" and not self._counts_labels:
            return loss.sum() / len(loss)
        raise ValueError(
            f"{_name(self.criterion)} has the reduction {reduction!r}, which says nothing about "
            "mixed targets: let it be 'mean', 'sum' or 'none'"
        )

    def _counts(self, labels: Tensor, dtype: torch.dtype) -> Tensor:
        """How much each label counts in the mean of torch's criteria on class indices."""
        settings = self._settings()
        kept = labels != settings["ignore_index"]
        if settings["weight"] is None:
            return kept.to(dtype)
        return settings["weight"].to(dtype)[labels.where(kept, 0).long()] * kept

    def _settings(self) -> dict[str, Any]:
        """A loss module's attributes, as they are now, or the defaults of a function."""
        criterion, defaults = self.criterion, self._defaults
        return {
            name: getattr(criterion, name, defaults.get(name, default))
            for name, default in _SETTINGS.items()
        }


class CrossEntropyLossFlat(nn.CrossEntropyLoss):
    """Cross-entropy with the classes along any axis, by default the last; fastai's name for it.

    Args:
        axis: the axis of the classes in the output.
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
    """The same criterion, not reduced; after each call the given one is what it was.

    >>> per_sample(nn.MSELoss())(torch.zeros(3), torch.ones(3))
    tensor([1., 1., 1.])
    """
    if hasattr(criterion, "reduction"):
        return functools.partial(_unreduced, criterion)
    if _has_reduction(criterion):
        return functools.partial(criterion, reduction="none")
    return criterion


def _unreduced(criterion: Any, output: Any, target: Any) -> Tensor:
    # No copy: that would not see what is changed later, nor count its calls, and where the
    # criterion hands its reduction on, to one that was compiled, it would change that for good.
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
    except (TypeError, ValueError):  # a callable written in C tells nothing
        return {}
    return {p.name: p.default for p in parameters}


_SETTINGS = {"weight": None, "ignore_index": -100, "reduction": "mean", "label_smoothing": 0.0}
# What a call of torch's criteria on class indices runs.
_CROSS_ENTROPY = (F.cross_entropy, nn.CrossEntropyLoss.forward, CrossEntropyLossFlat.forward)
_NLL = (F.nll_loss, nn.NLLLoss.forward)


def _runs(criterion: Criterion) -> Any:
    """The function that a call of the criterion runs, with its settings in their places."""
    if isinstance(criterion, nn.Module):
        return getattr(criterion.forward, "__func__", None)
    if isinstance(criterion, functools.partial):
        deprecated = {"size_average", "reduce"}  # they override the reduction
        return None if criterion.args or deprecated & set(criterion.keywords) else criterion.func
    return criterion


def shared(own: Tensor, partner: Tensor, weight: Tensor) -> Tensor:
    """``weight * own + (1 - weight) * partner``, where nothing of infinity is nothing."""
    weight = over_rows(weight, own).to(own.dtype)
    own, partner = own.masked_fill(weight == 0, 0), partner.masked_fill(weight == 1, 0)
    return weight * own + (1 - weight) * partner


def _name(criterion: Criterion) -> str:
    return getattr(criterion, "__name__", type(criterion).__name__)
