"""Metrics of classes need a score for each class, and not every network gives one."""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from torch import Tensor

from vicinal.errors import VicinalError
from vicinal.formatting import pluralize
from vicinal.learner.callbacks import metric_name
from vicinal.metrics import accuracy, error_rate, top_k_accuracy
from vicinal.mixing.target import MixedTarget
from vicinal.scores.accumulated import AccumMetric


def check_scores(metrics: Iterable[Any], pred: Any, y: Any, vocab: Sequence[Any] | None) -> None:
    """Refuse metrics that would take the outputs of an ordinal network for scores of classes.

    So they would those of a network with one output for two classes.

    Args:
        metrics: of a Learner.
        pred: outputs of a batch; of others than (B, n) nothing is known.
        y: its targets, plain or mixed.
        vocab: the classes, if there are any.

    Raises:
        VicinalError: there are fewer outputs than classes.
    """
    labels = y.own if isinstance(y, MixedTarget) else y
    if vocab is None or not (isinstance(pred, Tensor) and isinstance(labels, Tensor)):
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
    return metric in (accuracy, error_rate, top_k_accuracy)
