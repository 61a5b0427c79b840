"""Metrics for plain and mixed targets: each of the two labels counts by its weight.

Every metric here is a mean over samples, a 0-dimensional float tensor on the output's device, or a
:class:`RootMean`, the root of one. With an ``ignore_index`` it is a mean over the valid labels. For
the mean over several batches, add up what :func:`sum_and_count` returns.
"""

import functools
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from vicinal.cross_entropy import CrossEntropyLossFlat
from vicinal.known_losses import KnownLoss, in_shape_of, weighted_sum
from vicinal.mixing.batch import first_tensor
from vicinal.mixing.target import MixedTarget, over_rows


def accuracy(
    output: Tensor,
    target: Tensor | MixedTarget,
    *,
    ignore_index: int | None = None,
    axis: int = 1,
) -> Tensor:
    """The fraction of correct predictions.

    Args:
        output: (B, C, ...) scores of C classes, or with another ``axis``, such as (B, ..., C).
        target: (B, ...) class indices, or a :class:`MixedTarget` of them: a prediction then scores
            the share of each label that it matches.
        ignore_index: a label that is skipped, such as that of a mask's unlabelled pixels. The
            accuracy is nan if all labels are.
        axis: the class axis of the output. A loss with the classes last, such as
            ``CrossEntropyLossFlat()``, needs ``partial(accuracy, axis=-1)`` beside it.

    Raises:
        ValueError: the target's shape does not match the output's.

    >>> import torch
    >>> scores = torch.tensor([[0.9, 0.1], [0.2, 0.8]])
    >>> accuracy(scores, torch.tensor([0, 0]))
    tensor(0.5000)
    >>> y = MixedTarget(torch.tensor([0, 1]), torch.tensor([1, 0]), torch.tensor([0.75, 1.0]))
    >>> accuracy(scores, y)
    tensor(0.8750)
    """
    return top_k_accuracy(output, target, k=1, ignore_index=ignore_index, axis=axis)


def error_rate(
    output: Tensor,
    target: Tensor | MixedTarget,
    *,
    ignore_index: int | None = None,
    axis: int = 1,
) -> Tensor:
    """The fraction of wrong predictions, ``1 - accuracy``; arguments as for :func:`accuracy`.

    >>> import torch
    >>> error_rate(torch.tensor([[0.9, 0.1], [0.2, 0.8]]), torch.tensor([0, 0]))
    tensor(0.5000)
    """
    return 1 - accuracy(output, target, ignore_index=ignore_index, axis=axis)


def top_k_accuracy(
    output: Tensor,
    target: Tensor | MixedTarget,
    k: int = 5,
    *,
    ignore_index: int | None = None,
    axis: int = 1,
) -> Tensor:
    """The fraction of samples whose label is among the ``k`` highest scores.

    Args:
        output, target, ignore_index, axis: as for :func:`accuracy`.
        k: between 1 and C.

    Raises:
        ValueError: ``k`` is out of its range, or shapes do not match.

    >>> import torch
    >>> scores = torch.tensor([[0.5, 0.3, 0.2], [0.5, 0.3, 0.2]])
    >>> top_k_accuracy(scores, torch.tensor([1, 2]), k=2)
    tensor(0.5000)
    """
    output = output.movedim(axis, 1)
    if output.shape[1] == 1:
        raise ValueError(
            "the output has one score for each sample, by which class 0 is always predicted: give "
            "a score for each class, or take accuracy_multi for one logit of two classes"
        )
    if not 1 <= k <= output.shape[1]:
        raise ValueError(f"k must be between 1 and the {output.shape[1]} classes, not {k}")
    top_k = output.topk(k, dim=1).indices
    if not isinstance(target, MixedTarget):
        hits, valid = _hits(top_k, target), _valid(target, ignore_index)
        return (hits * valid).sum() / valid.sum()
    own, partner = _hits(top_k, target.own), _hits(top_k, target.partner)
    weight = over_rows(target.weight, own).to(own.dtype)
    own_weight = _valid(target.own, ignore_index) * weight
    partner_weight = _valid(target.partner, ignore_index) * (1 - weight)
    correct = (own * own_weight + partner * partner_weight).sum()
    return correct / (own_weight + partner_weight).sum()


def _valid(labels: Tensor, ignore_index: int | None) -> Tensor:
    """1.0 for each valid label, 0.0 for those to ignore."""
    if ignore_index is None:
        return torch.ones_like(labels, dtype=torch.float32)
    return (labels != ignore_index).float()


def sum_and_count(metric: Any, output: Tensor, target: Any) -> tuple[Tensor, Tensor | int]:
    """A metric of one batch as a sum and a count, to average over several batches.

    Args:
        metric: a function of (output, target) that is a mean over samples; a :class:`RootMean`,
            of which ``metric.metric`` is summed; or ``functools.partial`` of :func:`accuracy`,
            :func:`error_rate` or :func:`top_k_accuracy` with an ``ignore_index``; or
            :func:`foreground_acc` or a :class:`Perplexity`.
        output, target: of one batch, as the metric takes them.

    Returns:
        The sum, detached, and the number of samples; with an ``ignore_index``, the total weight of
        the valid labels. Both are 0 if no label is valid.

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
    ignore_index = _ignored_by(metric)
    if ignore_index is None:
        count = len(first_tensor(target))
        return mean * count if count else torch.zeros_like(mean), count  # whose mean is nan
    if isinstance(target, MixedTarget):
        own, partner = (_valid(y, ignore_index) for y in (target.own, target.partner))
        valid = partner.lerp(own, over_rows(target.weight, own).to(own.dtype)).sum()
    else:
        valid = _valid(target, ignore_index).sum()
    return (mean * valid).where(valid > 0, 0.0), valid  # the mean over no label is nan


def _ignored_by(metric: Any) -> int | None:
    """The label that a metric skips; None if it skips none."""
    function, keywords = metric, {}
    if isinstance(metric, functools.partial):
        function, keywords = metric.func, metric.keywords
    if function is foreground_acc:
        return int(keywords.get("bkg_idx", 0))
    may_ignore = function in (accuracy, error_rate, top_k_accuracy, _cross_entropy)
    return keywords.get("ignore_index") if may_ignore else None


def accuracy_multi(
    output: Tensor, target: Tensor | MixedTarget, thresh: float = 0.5, sigmoid: bool = True
) -> Tensor:
    """The fraction of correct labels in multi-label classification, as in fastai.

    Args:
        output: (B, ...) one score for each label of each sample.
        target: as many labels, above 0.5 for a positive one, or a :class:`MixedTarget`.
        thresh: probabilities above it predict a positive label.
        sigmoid: the output has logits; False where it has probabilities.

    Raises:
        ValueError: the target has more or fewer labels than the output.

    >>> import torch
    >>> logits = torch.tensor([[2.0, -1.0], [-3.0, 0.5]])
    >>> accuracy_multi(logits, torch.tensor([[1.0, 0.0], [1.0, 1.0]]))
    tensor(0.7500)
    """
    predicted = (output.sigmoid() if sigmoid else output) > thresh
    return _mean(lambda labels: (predicted == (labels > 0.5)).float(), output, target)


def foreground_acc(
    output: Tensor, target: Tensor | MixedTarget, bkg_idx: int = 0, axis: int = 1
) -> Tensor:
    """The accuracy of the pixels that are not background.

    Args:
        output, target, axis: as for :func:`accuracy`.
        bkg_idx: the class index of the background.

    >>> import torch
    >>> scores = torch.tensor([[[2.0, 0.0, 0.0], [1.0, 1.0, 1.0]]])  # of 2 classes, 3 pixels
    >>> foreground_acc(scores, torch.tensor([[0, 1, 0]]))
    tensor(1.)
    """
    return accuracy(output, target, ignore_index=bkg_idx, axis=axis)


def mae(output: Tensor, target: Tensor | MixedTarget) -> Tensor:
    """The mean absolute error.

    Args:
        output: (B, ...) values.
        target: as many values for each sample, such as (B,) for outputs (B, 1), or a
            :class:`MixedTarget`: the errors to both values are weighted.

    Raises:
        ValueError: the target has more or fewer values than the output.

    >>> import torch
    >>> mae(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 5.0]))
    tensor(1.5000)
    """
    return _mean(lambda value: _wide((output - value).abs()), output, target)


def mse(output: Tensor, target: Tensor | MixedTarget) -> Tensor:
    """The mean squared error; arguments as for :func:`mae`.

    >>> import torch
    >>> mse(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 5.0]))
    tensor(4.5000)
    """
    return _mean(lambda value: _wide((output - value).abs()).square(), output, target)


def msle(output: Tensor, target: Tensor | MixedTarget) -> Tensor:
    """The mean squared error of the logarithms of 1 + value; arguments as for :func:`mae`.

    >>> import torch
    >>> msle(torch.tensor([0.0, 1.0]), torch.tensor([0.0, 3.0]))  # log(2)² / 2
    tensor(0.2402)
    """
    return _mean(
        lambda value: (_wide(output).log1p() - _wide(value).log1p()).square(), output, target
    )


def _squared_percentage(output: Tensor, target: Tensor | MixedTarget) -> Tensor:
    """Of exponentials: the mean squared error, relative to the targets."""
    return _mean(
        lambda value: ((value.exp() - output.exp()) / value.exp()).square(), output, target
    )


class RootMean:
    """The square root of a mean over samples, such as :data:`rmse`.

    The mean of the roots of batches would be another number. So a Learner averages ``metric`` over
    all samples and calls :meth:`finish` on the mean.

    Args:
        metric: a function of (output, target) that is a non-negative mean over samples, an error.
        name: its name in tables.

    >>> import torch
    >>> rmse(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 5.0]))  # the root of mse
    tensor(2.1213)
    """

    higher_is_better = False

    def __init__(self, metric: Callable[..., Tensor], name: str) -> None:
        self.metric = metric
        self.__name__ = name

    def __call__(self, output: Tensor, target: Tensor | MixedTarget) -> Tensor:
        return self.metric(output, target).sqrt()

    def finish(self, mean: float) -> float:
        """The root metric of all samples, from the mean of ``metric`` over them."""
        return math.sqrt(mean)


class Perplexity(RootMean):
    """The exponential of the mean cross-entropy, with the classes along the last axis.

    Args:
        ignore_index: a label that is skipped, such as that of padding.

    >>> import torch
    >>> perplexity(torch.zeros(2, 5, 10), torch.zeros(2, 5, dtype=torch.long))
    tensor(10.0000)
    """

    def __init__(self, ignore_index: int = -100) -> None:
        metric = functools.partial(_cross_entropy, ignore_index=ignore_index)
        super().__init__(metric, "perplexity")

    def __call__(self, output: Tensor, target: Tensor | MixedTarget) -> Tensor:
        return self.metric(output, target).exp()

    def finish(self, mean: float) -> float:
        """The perplexity of all samples, from their mean cross-entropy; inf where it overflows."""
        return torch.tensor(mean, dtype=torch.float64).exp().item()


def _cross_entropy(
    output: Tensor, target: Tensor | MixedTarget, *, ignore_index: int = -100
) -> Tensor:
    criterion = CrossEntropyLossFlat(axis=-1, ignore_index=ignore_index)
    if isinstance(target, MixedTarget):
        return KnownLoss(criterion)(output, target)
    return criterion(output.flatten(0, -2), target.flatten())


perplexity = Perplexity()
rmse = RootMean(mse, "rmse")
exp_rmspe = RootMean(_squared_percentage, "exp_rmspe")  # for values that are logarithms


def _wide(difference: Tensor) -> Tensor:
    """Float32, or float64 where the values are: their squares may be beyond float32."""
    return difference if difference.dtype == torch.float64 else difference.float()


def _mean(
    score: Callable[[Tensor], Tensor], output: Tensor, target: Tensor | MixedTarget
) -> Tensor:
    """The mean of an elementwise score of targets; of mixed ones, weighted over both."""
    if not isinstance(target, MixedTarget):
        return score(in_shape_of(output, target)).mean()
    own, partner = (score(in_shape_of(output, y)) for y in (target.own, target.partner))
    return weighted_sum(own, partner, target.weight).mean()


def _hits(top_k: Tensor, labels: Tensor) -> Tensor:
    """1.0 for each label that is among the predicted classes (B, k, ...)."""
    if top_k[:, 0].shape != labels.shape:
        several = labels.is_floating_point() and labels.ndim > top_k[:, 0].ndim
        raise ValueError(
            f"the labels have shape {tuple(labels.shape)}, but this output needs "
            f"{tuple(top_k[:, 0].shape)}"
            + (": several labels for each sample are for accuracy_multi" if several else "")
        )
    return (top_k == labels.unsqueeze(1)).any(dim=1).float()
