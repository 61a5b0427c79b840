"""Metrics that read plain and mixed targets: each label counts by its weight.

Every metric here is a mean over samples, a 0-dimensional float tensor on the output's device, or a
:class:`RootMean`, the root of one. With an ``ignore_index`` it is a mean over the labels that
count. A mean over several batches is that of :func:`sum_and_count`.
"""

import functools
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from vicinal.mixing.batch import first_tensor
from vicinal.mixing.target import MixedTarget, over_rows


def accuracy(
    output: Tensor, target: Tensor | MixedTarget, *, ignore_index: int | None = None
) -> Tensor:
    """The share of right answers.

    Args:
        output: (B, C, ...) scores of C classes.
        target: (B, ...) class indices, or a :class:`MixedTarget` of them: an answer then counts
            by the shares of the labels that it matches.
        ignore_index: a label that does not count, such as that of a mask's unknown pixels. The
            share is nan where no label counts.

    Raises:
        ValueError: the target's shape does not go with the output's.

    >>> import torch
    >>> scores = torch.tensor([[0.9, 0.1], [0.2, 0.8]])
    >>> accuracy(scores, torch.tensor([0, 0]))
    tensor(0.5000)
    >>> y = MixedTarget(torch.tensor([0, 1]), torch.tensor([1, 0]), torch.tensor([0.75, 1.0]))
    >>> accuracy(scores, y)
    tensor(0.8750)
    """
    return top_k_accuracy(output, target, k=1, ignore_index=ignore_index)


def error_rate(
    output: Tensor, target: Tensor | MixedTarget, *, ignore_index: int | None = None
) -> Tensor:
    """The share of wrong answers, ``1 - accuracy``; arguments as for :func:`accuracy`.

    >>> import torch
    >>> error_rate(torch.tensor([[0.9, 0.1], [0.2, 0.8]]), torch.tensor([0, 0]))
    tensor(0.5000)
    """
    return 1 - accuracy(output, target, ignore_index=ignore_index)


def top_k_accuracy(
    output: Tensor, target: Tensor | MixedTarget, k: int = 5, *, ignore_index: int | None = None
) -> Tensor:
    """The share of samples whose label is among the ``k`` highest scores.

    Args:
        output, target, ignore_index: as for :func:`accuracy`.
        k: from 1 to C.

    Raises:
        ValueError: ``k`` is out of its range, or shapes do not match.

    >>> import torch
    >>> scores = torch.tensor([[0.5, 0.3, 0.2], [0.5, 0.3, 0.2]])
    >>> top_k_accuracy(scores, torch.tensor([1, 2]), k=2)
    tensor(0.5000)
    """
    if not 1 <= k <= output.shape[1]:
        raise ValueError(f"k must be between 1 and the {output.shape[1]} classes, not {k}")
    best = output.topk(k, dim=1).indices
    if not isinstance(target, MixedTarget):
        hits, counted = _hits(best, target), _counted(target, ignore_index)
        return (hits * counted).sum() / counted.sum()
    own, partner = _hits(best, target.own), _hits(best, target.partner)
    weight = over_rows(target.weight, own).to(own.dtype)
    counted_own = _counted(target.own, ignore_index) * weight
    counted_partner = _counted(target.partner, ignore_index) * (1 - weight)
    right = (own * counted_own + partner * counted_partner).sum()
    return right / (counted_own + counted_partner).sum()


def _counted(labels: Tensor, ignore_index: int | None) -> Tensor:
    """1 for each label that counts, and 0 for the others."""
    if ignore_index is None:
        return torch.ones_like(labels, dtype=torch.float32)
    return (labels != ignore_index).float()


def sum_and_count(metric: Any, output: Tensor, target: Any) -> tuple[Tensor, Tensor | int]:
    """The sum that a metric is the mean of, and over how many, for means over several batches.

    Args:
        metric: a function of (output, target) that is a mean over samples, or a :class:`RootMean`,
            whose own ``metric`` is taken; or ``functools.partial`` of :func:`accuracy`,
            :func:`error_rate` or :func:`top_k_accuracy` with an ``ignore_index``.
        output, target: of one batch, as the metric takes them.

    Returns:
        The sum, without a gradient, and how many samples there are, or how much of the labels
        counts with ``ignore_index``; both are 0 where no label does.

    >>> import torch
    >>> scores = torch.tensor([[0.9, 0.1], [0.2, 0.8]])
    >>> known = functools.partial(accuracy, ignore_index=255)
    >>> sum_and_count(accuracy, scores, torch.tensor([0, 255]))
    (tensor(1.), 2)
    >>> sum_and_count(known, scores, torch.tensor([0, 255]))
    (tensor(1.), tensor(1.))
    >>> sum_and_count(known, scores, torch.tensor([255, 255]))
    (tensor(0.), tensor(0.))
    """
    metric = metric.metric if isinstance(metric, RootMean) else metric
    mean = torch.as_tensor(metric(output, target)).detach()
    is_of_labels = isinstance(metric, functools.partial) and metric.func in _OF_LABELS
    ignore_index = metric.keywords.get("ignore_index") if is_of_labels else None
    if ignore_index is None:
        count = len(first_tensor(target))
        return mean * count, count
    if isinstance(target, MixedTarget):
        own, partner = (_counted(y, ignore_index) for y in (target.own, target.partner))
        counted = partner.lerp(own, over_rows(target.weight, own).to(own.dtype)).sum()
    else:
        counted = _counted(target, ignore_index).sum()
    return (mean * counted).where(counted > 0, 0.0), counted


_OF_LABELS = (accuracy, error_rate, top_k_accuracy)


def accuracy_multi(output: Tensor, target: Tensor | MixedTarget, threshold: float = 0.0) -> Tensor:
    """The share of labels that are right, where a sample may have several; fastai's name for it.

    Args:
        output: (B, ...) one number for each label of each sample.
        target: of the same shape, above 0.5 where the label is there, or a :class:`MixedTarget`.
        threshold: above it, the output says that the label is there; 0 for logits.

    Raises:
        ValueError: the target's shape is not the output's.

    >>> import torch
    >>> logits = torch.tensor([[2.0, -1.0], [-3.0, 0.5]])
    >>> accuracy_multi(logits, torch.tensor([[1.0, 0.0], [1.0, 1.0]]))
    tensor(0.7500)
    """
    return _mean(lambda there: ((output > threshold) == (there > 0.5)).float(), output, target)


def mae(output: Tensor, target: Tensor | MixedTarget) -> Tensor:
    """The mean absolute error.

    Args:
        output: (B, ...) values.
        target: of the same shape, or a :class:`MixedTarget`, of which both values count.

    Raises:
        ValueError: the target's shape is not the output's.

    >>> import torch
    >>> mae(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 5.0]))
    tensor(1.5000)
    """
    return _mean(lambda value: (output - value).abs().float(), output, target)


def mse(output: Tensor, target: Tensor | MixedTarget) -> Tensor:
    """The mean squared error; arguments as for :func:`mae`.

    >>> import torch
    >>> mse(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 5.0]))
    tensor(4.5000)
    """
    return _mean(lambda value: (output - value).float().square(), output, target)


class RootMean:
    """The root of a metric's mean over samples, which is not the mean of the roots of batches.

    A Learner averages the values of ``metric`` over the samples, and takes the root of that.

    Args:
        metric: a function of (output, target) that is a mean over samples, never negative.
        name: what it is called in tables.

    >>> import torch
    >>> rmse(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 5.0]))  # the root of mse
    tensor(2.1213)
    """

    def __init__(self, metric: Callable[..., Tensor], name: str) -> None:
        self.metric = metric
        self.__name__ = name

    def __call__(self, output: Tensor, target: Tensor | MixedTarget) -> Tensor:
        return self.metric(output, target).sqrt()

    def finish(self, mean: float) -> float:
        """The metric of all samples, from the mean of ``metric`` over them."""
        return math.sqrt(mean)


rmse = RootMean(mse, "rmse")


def _mean(of: Callable[[Tensor], Tensor], output: Tensor, target: Tensor | MixedTarget) -> Tensor:
    """The mean of a function of the target; of a mixed one, both count by their shares."""
    shape = target.own.shape if isinstance(target, MixedTarget) else target.shape
    if shape != output.shape:  # which would be made to fit, and compared with others' targets
        raise ValueError(
            f"the output has shape {tuple(output.shape)}, but the target {tuple(shape)}: both must "
            "be the same"
        )
    if not isinstance(target, MixedTarget):
        return of(target).mean()
    own, partner = of(target.own), of(target.partner)
    return partner.lerp(own, over_rows(target.weight, own).to(own.dtype)).mean()


def _hits(best: Tensor, labels: Tensor) -> Tensor:
    if best[:, 0].shape != labels.shape:
        raise ValueError(
            f"the labels have shape {tuple(labels.shape)}, but this output needs "
            f"{tuple(best[:, 0].shape)}"
        )
    return (best == labels.unsqueeze(1)).any(dim=1).float()
