"""MixLoss: any criterion, on plain and on mixed targets."""

import copy
import functools
import inspect
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vicinal.mixing.target import MixedTarget, over_rows

Criterion = Callable[..., Tensor]


class MixLoss(nn.Module):
    """Make a criterion read mixed targets, exactly.

    For a criterion L, each sample's loss is ``weight * L(output, own) + (1 - weight) *
    L(output, partner)``, before the reduction. The reduction is the criterion's own: where its
    mean over class indices leaves out ``ignore_index`` and counts a label by its class weight,
    so does the mean here, each label counted by its share. A target of which nothing is mixed
    (weight 1) therefore gives just what the plain target gives.

    Args:
        criterion: a loss module or function of torch's (or any that has a ``reduction``), or any
            function of (output, target) that gives a loss for each sample; that one is averaged.
            It is called as it is, and never changed.

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
        # In a tuple, so that the module is registered once, as the criterion.
        self._unreduced = (per_sample(criterion),)

    def forward(self, output: Any, target: Any) -> Tensor:
        """The loss.

        Args:
            output: what the criterion takes, B rows first.
            target: a plain target, passed straight to the criterion, or a :class:`MixedTarget`.

        Returns:
            The reduced loss; with the criterion's ``reduction="none"``, one of its shape.

        Raises:
            ValueError: for a mixed target, the criterion gives one number for the whole batch.
        """
        if not isinstance(target, MixedTarget):
            loss = self.criterion(output, target)
            return loss if _has_reduction(self.criterion) else loss.mean()
        (losses,) = self._unreduced
        own, partner = losses(output, target.own), losses(output, target.partner)
        if own.ndim == 0 or len(own) != len(target):
            raise ValueError(
                f"{_name(self.criterion)} gave losses of shape {tuple(own.shape)} for "
                f"{len(target)} samples, which cannot be mixed exactly: let it return a loss for "
                "each sample, or take a reduction argument"
            )
        weight = over_rows(target.weight, own).to(own.dtype)
        # A partner without any share must not bring in its infinite loss: inf * 0 is nan.
        loss = torch.lerp(torch.where(weight < 1, partner, own), own, weight)
        return self._reduce(loss, target)

    def _reduce(self, loss: Tensor, target: MixedTarget) -> Tensor:
        reduction = _setting(self.criterion, "reduction", "mean")
        if reduction == "none":
            return loss
        if reduction == "sum":
            return loss.sum()
        if reduction == "batchmean":
            return loss.sum() / len(loss)
        counts = _label_counts(self.criterion)
        if counts is None or target.own.is_floating_point():
            return loss.mean()
        own, partner = counts(target.own), counts(target.partner)
        weight = over_rows(target.weight, own).to(own.dtype)
        return loss.sum() / torch.lerp(partner, own, weight).sum().to(loss.dtype)


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
    """The same criterion, not reduced; the given one is not touched.

    >>> per_sample(nn.MSELoss())(torch.zeros(3), torch.ones(3))
    tensor([1., 1., 1.])
    """
    if hasattr(criterion, "reduction"):
        # A shallow copy shares the parameters and buffers, also when they move later.
        unreduced = copy.copy(criterion)
        setattr(unreduced, "reduction", "none")  # noqa: B010
        return unreduced
    if _has_reduction(criterion):
        return functools.partial(criterion, reduction="none")
    return criterion


def _has_reduction(criterion: Criterion) -> bool:
    return hasattr(criterion, "reduction") or "reduction" in _defaults(criterion)


def _setting(criterion: Criterion, name: str, default: Any) -> Any:
    """An attribute of a loss module, or the default of a function's argument."""
    return getattr(criterion, name, _defaults(criterion).get(name, default))


def _defaults(criterion: Criterion) -> dict[str, Any]:
    if isinstance(criterion, nn.Module):
        return {}
    try:
        parameters = inspect.signature(criterion).parameters.values()
    except (TypeError, ValueError):  # a callable written in C tells nothing
        return {}
    return {p.name: p.default for p in parameters}


def _label_counts(criterion: Criterion) -> Callable[[Tensor], Tensor] | None:
    """How much each label counts in the mean of torch's criteria on class indices."""
    function = criterion
    while isinstance(function, functools.partial):
        function = function.func
    if not (
        isinstance(function, (nn.CrossEntropyLoss, nn.NLLLoss))  # torch 2.6 compiles no union
        or function in (F.cross_entropy, F.nll_loss)
    ):
        return None
    class_weight = _setting(criterion, "weight", None)
    ignore_index = _setting(criterion, "ignore_index", -100)

    def counts(labels: Tensor) -> Tensor:
        kept = labels != ignore_index
        if class_weight is None:
            return kept.float()
        return class_weight[labels.where(kept, 0)] * kept

    return counts


def _name(criterion: Criterion) -> str:
    return getattr(criterion, "__name__", type(criterion).__name__)
