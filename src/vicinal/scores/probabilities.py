"""Metrics of the probabilities of classes, by scikit-learn, over the whole validation part."""

import math
import warnings
from typing import Any

from torch import Tensor

from vicinal.errors import VicinalError
from vicinal.scores.accumulated import AccumMetric


class RocAuc(AccumMetric):
    """The area under the ROC curve, for any number of classes.

    Args:
        axis: the class axis of the outputs.
        average: over the classes, "macro" or "weighted".
        sample_weight, max_fpr: see :func:`sklearn.metrics.roc_auc_score`.
        multi_class: "ovr" compares each class with the rest, "ovo" each pair of classes.

    It is NaN, with a warning, if a class has no sample.

    >>> import torch
    >>> scores = torch.tensor([[2.0, 1.0], [0.0, 1.0], [0.0, 3.0], [0.0, 2.0]])
    >>> RocAuc()(scores, torch.tensor([0, 1, 0, 1]))
    0.5
    """

    def __init__(
        self,
        axis: int = -1,
        average: str = "macro",
        sample_weight: Any = None,
        max_fpr: float | None = None,
        multi_class: str = "ovr",
    ) -> None:
        if multi_class not in ("ovr", "ovo"):
            raise VicinalError(f"multi_class must be 'ovr' or 'ovo', not {multi_class!r}")
        kwargs = {"sample_weight": sample_weight, "max_fpr": max_fpr, "multi_class": multi_class}
        super().__init__(
            "roc_auc_score", axis, "softmax", None, True, True, False, average=average, **kwargs
        )

    def _of(self, predicted: Tensor, target: Tensor) -> float:
        classes = predicted.shape[1]
        if len(target.unique()) < classes:
            return undefined(self.__name__, "a class has no sample in this part")
        return super()._of(predicted[:, 1] if classes == 2 else predicted, target)


class RocAucBinary(AccumMetric):
    """The area under the ROC curve of two classes, by the probability of the second.

    Args:
        axis: the class axis of the outputs.
        average, sample_weight, max_fpr, multi_class: see :func:`sklearn.metrics.roc_auc_score`.

    It is NaN, with a warning, if a class has no sample.

    >>> import torch
    >>> scores = torch.tensor([[2.0, 1.0], [0.0, 1.0], [0.0, 3.0], [0.0, 2.0]])
    >>> RocAucBinary()(scores, torch.tensor([0, 1, 0, 1]))
    0.5
    """

    def __init__(
        self,
        axis: int = -1,
        average: str = "macro",
        sample_weight: Any = None,
        max_fpr: float | None = None,
        multi_class: str = "raise",
    ) -> None:
        kwargs = {"sample_weight": sample_weight, "max_fpr": max_fpr, "multi_class": multi_class}
        super().__init__(
            "roc_auc_score", axis, "binarysoftmax", None, True, True, average=average, **kwargs
        )

    def check_classes(self, number: int) -> None:
        """Raise a VicinalError if there are not two classes."""
        _check_two(self, number, "RocAuc()")

    def _of(self, predicted: Tensor, target: Tensor) -> float:
        if len(target.unique()) < 2:
            return undefined(self.__name__, "a class has no sample in this part")
        return super()._of(predicted, target)


class APScoreBinary(AccumMetric):
    """Average precision of two classes, by the probability of the second.

    Args:
        axis: the class axis of the outputs.
        average, pos_label, sample_weight: see :func:`sklearn.metrics.average_precision_score`.

    >>> import torch
    >>> scores = torch.tensor([[2.0, 1.0], [0.0, 1.0], [0.0, 3.0], [0.0, 2.0]])
    >>> APScoreBinary()(scores, torch.tensor([0, 1, 0, 1]))  # doctest: +ELLIPSIS
    0.583...
    """

    def __init__(
        self,
        axis: int = -1,
        average: str = "macro",
        pos_label: int = 1,
        sample_weight: Any = None,
    ) -> None:
        kwargs = {"average": average, "pos_label": pos_label, "sample_weight": sample_weight}
        super().__init__(
            "average_precision_score", axis, "binarysoftmax", None, True, True, **kwargs
        )

    def check_classes(self, number: int) -> None:
        """Raise a VicinalError if there are not two classes."""
        _check_two(self, number, "RocAuc()")


def _check_two(metric: AccumMetric, number: int, other: str) -> None:
    if number != 2:
        raise VicinalError(
            f"{type(metric).__name__}() is for two classes, and there are {number}: use {other}"
        )


def undefined(name: str, reason: str) -> float:
    """NaN, with a warning that says why."""
    warnings.warn(f"{name} is undefined, as {reason}", stacklevel=2)
    return math.nan
