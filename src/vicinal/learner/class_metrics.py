"""Metrics of classes need a score for each class, and not every network gives one."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from vicinal.activations import activation_of, class_axis
from vicinal.criteria import ordinal_probabilities
from vicinal.errors import VicinalError
from vicinal.formatting import pluralize
from vicinal.learner.callbacks import metric_name
from vicinal.metrics import accuracy, error_rate, foreground_acc, top_k_accuracy
from vicinal.mixing.target import MixedTarget
from vicinal.scores.accumulated import AccumMetric
from vicinal.scores.masks import Overlap

OF_CLASSES = (accuracy, error_rate, top_k_accuracy, foreground_acc)
OBJECTS = (AccumMetric, Overlap)
NO_SCORES = (torch.sigmoid, ordinal_probabilities)  # activations of outputs that are none


def check_scores(
    metrics: Iterable[Any],
    loss_func: Callable[..., Tensor],
    pred: Any,
    y: Any,
    vocab: Sequence[Any] | None,
) -> None:
    """Refuse metrics that would take other numbers for scores of classes than the loss does.

    So would those of an ordinal network, or of one with one logit for two classes; and those that
    look for the classes along another axis.

    Args:
        metrics: of a Learner.
        loss_func: of the Learner, which says what outputs are.
        pred: outputs of a batch.
        y: its targets, plain or mixed.
        vocab: the classes, if there are any.

    Raises:
        VicinalError: there are fewer outputs than classes, or the classes lie along another axis.
    """
    labels = y.own if isinstance(y, MixedTarget) else y
    of_classes = [metric for metric in metrics if _axis_of(metric) is not None]
    if of_classes and not isinstance(pred, Tensor):
        raise VicinalError(
            f"{metric_name(of_classes[0])} needs a tensor of scores, and the network returns a "
            f"{type(pred).__name__}: give a function of your own, of (output, target), that picks "
            "the scores"
        )
    if not (isinstance(pred, Tensor) and isinstance(labels, Tensor)):
        return
    if labels.is_floating_point():
        return
    if pred.ndim > 2:
        for metric in of_classes:
            _check_axis(metric, class_axis(loss_func), pred)
    is_short = vocab is not None and pred.ndim == 2 and pred.shape[1] < len(vocab)
    if of_classes and is_short and activation_of(loss_func, classes=False) in NO_SCORES:
        assert vocab is not None
        raise VicinalError(
            f"{metric_name(of_classes[0])} needs a score for each of the {len(vocab)} classes, and "
            f"the network has {pluralize(pred.shape[1], 'output')}: give it {len(vocab)}, or give "
            "a function of your own that finds the classes, such as by ordinal_class"
        )


def _check_axis(metric: Any, axis: int | None, pred: Tensor) -> None:
    """Outputs with as many positions as classes would be scored along either axis, in silence."""
    own = _axis_of(metric)
    if axis is None or own is None or own % pred.ndim == axis % pred.ndim:
        return
    name = metric_name(metric)
    hint = "" if isinstance(metric, OBJECTS) else f", as in partial({name}, axis={axis})"
    raise VicinalError(
        f"{name} takes the classes from axis {own} of outputs {tuple(pred.shape)}, and the loss "
        f"from axis {axis}: give both the same axis{hint}"
    )


def _axis_of(metric: Any) -> int | None:
    """The axis along which a metric takes the scores of classes; None if it takes none."""
    if isinstance(metric, AccumMetric):
        return metric.dim_argmax
    if isinstance(metric, Overlap):
        return metric.axis
    axis = 1
    while isinstance(metric, partial):
        axis, metric = metric.keywords.get("axis", axis), metric.func
    # Not by "in": metrics of torchmetrics that are compared are another metric, which is true.
    return axis if any(metric is each for each in OF_CLASSES) else None
