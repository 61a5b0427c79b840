"""Metrics of classes need a score for each class, and not every network gives one."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from vicinal.activations import activation_of
from vicinal.criteria import ordinal_probabilities
from vicinal.errors import VicinalError
from vicinal.formatting import pluralize
from vicinal.learner.callbacks import metric_name
from vicinal.metrics import accuracy, error_rate, top_k_accuracy
from vicinal.mixing.target import MixedTarget
from vicinal.scores.accumulated import AccumMetric

NO_SCORES = (torch.sigmoid, ordinal_probabilities)  # activations of outputs that are none


def check_scores(
    metrics: Iterable[Any],
    loss_func: Callable[..., Tensor],
    pred: Any,
    y: Any,
    vocab: Sequence[Any] | None,
) -> None:
    """Refuse metrics that would take the logits of an ordinal network for scores of classes.

    The same holds for a network with one logit for two classes.

    Args:
        metrics: of a Learner.
        loss_func: of the Learner, which says what outputs are.
        pred: outputs of a batch; other shapes than (B, n) are not checked.
        y: its targets, plain or mixed.
        vocab: the classes, if there are any.

    Raises:
        VicinalError: there are fewer outputs than classes.
    """
    labels = y.own if isinstance(y, MixedTarget) else y
    if vocab is None or activation_of(loss_func, classes=False) not in NO_SCORES:
        return
    if not (isinstance(pred, Tensor) and isinstance(labels, Tensor)):
        return
    if pred.ndim != 2 or labels.is_floating_point() or pred.shape[1] >= len(vocab):
        return
    for metric in metrics:
        if _scores_classes(metric):
            raise VicinalError(
                f"{metric_name(metric)} needs a score for each of the {len(vocab)} classes, and "
                f"the network has {pluralize(pred.shape[1], 'output')}: give it {len(vocab)}, or "
                "give a function of your own that finds the classes, such as by ordinal_class"
            )


def _scores_classes(metric: Any) -> bool:
    if isinstance(metric, AccumMetric):
        return metric.dim_argmax is not None
    while isinstance(metric, partial):
        metric = metric.func
    # Not by "in": metrics of torchmetrics that are compared are another metric, which is true.
    return any(metric is each for each in (accuracy, error_rate, top_k_accuracy))
