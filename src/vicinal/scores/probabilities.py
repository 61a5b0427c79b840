"""Metrics of the probabilities of classes, by scikit-learn, over the whole validation part."""

import math
import warnings
from typing import Any

from torch import Tensor

from vicinal.errors import VicinalError
from vicinal.scores.accumulated import OF_SKLEARN, AccumMetric


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
        super().__init__("roc_auc_score", axis, "softmax", average=average, **OF_SKLEARN, **kwargs)

    def _of(self, predicted: Tensor, target: Tensor) -> float:
        classes = predicted.shape[1]
        if len(target.unique()) < classes:
            return undefined(self.__name__, "a class has no sample in this part")
        return super()._of(predicted[:, 1] if classes == 2 else predicted, target)


class RocAucBinary(RocAuc):
    """:class:`RocAuc` for two classes alone; the arguments are the same.

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
        # Two classes have no averaging that "raise" could refuse.
        super().__init__(axis, average, sample_weight, max_fpr)

    def check_classes(self, number: int) -> None:
        """Raise a VicinalError if there are not two classes."""
        _check_two(self, number, "RocAuc()")


class _OfOneProbability(AccumMetric):
    """A metric of two classes, by the probability of one of them, the positive one."""

    other: str

    def __init__(self, function: str, axis: int, pos_label: int | None, **kwargs: Any) -> None:
        if pos_label not in (None, 0, 1):
            raise VicinalError(f"pos_label is 0 or 1, the index of a class, not {pos_label!r}")
        self.axis = axis
        super().__init__(function, axis, "softmax", pos_label=pos_label, **OF_SKLEARN, **kwargs)

    def check_classes(self, number: int) -> None:
        """Raise a VicinalError if there are not two classes."""
        _check_two(self, number, self.other)

    def _of(self, predicted: Tensor, target: Tensor) -> float:
        positive = self.kwargs["pos_label"]
        chosen = predicted.select(self.axis, 1 if positive is None else positive)
        return super()._of(chosen.flatten(), target.flatten())


class APScoreBinary(_OfOneProbability):
    """Average precision of two classes, by the probability of one of them.

    Args:
        axis: the class axis of the outputs.
        pos_label: the index of this class, 0 or 1.
        average, sample_weight: see :func:`sklearn.metrics.average_precision_score`.

    Raises:
        VicinalError: ``pos_label`` is neither.

    >>> import torch
    >>> scores = torch.tensor([[2.0, 1.0], [0.0, 1.0], [0.0, 3.0], [0.0, 2.0]])
    >>> APScoreBinary()(scores, torch.tensor([0, 1, 0, 1]))  # doctest: +ELLIPSIS
    0.583...
    """

    other = "RocAuc()"

    def __init__(
        self,
        axis: int = -1,
        average: str = "macro",
        pos_label: int = 1,
        sample_weight: Any = None,
    ) -> None:
        kwargs = {"average": average, "sample_weight": sample_weight}
        super().__init__("average_precision_score", axis, pos_label, **kwargs)


class BrierScore(_OfOneProbability):
    """The Brier score of two classes: the mean squared error of the probability of one of them.

    Args:
        axis: the class axis of the outputs.
        sample_weight: see :func:`sklearn.metrics.brier_score_loss`.
        pos_label: the index of this class, 0 or 1, which makes no difference; None: 1.

    Raises:
        VicinalError: ``pos_label`` is none of these.

    >>> import torch
    >>> scores = torch.tensor([[2.0, 2.0], [9.0, -9.0]])
    >>> round(BrierScore()(scores, torch.tensor([0, 0])), 3)  # of probabilities 1/2 and 0
    0.125
    """

    other = "accuracy"

    def __init__(
        self, axis: int = -1, sample_weight: Any = None, pos_label: int | None = None
    ) -> None:
        super().__init__("brier_score_loss", axis, pos_label, sample_weight=sample_weight)


def _check_two(metric: AccumMetric, number: int, other: str) -> None:
    if number != 2:
        raise VicinalError(
            f"{type(metric).__name__}() is for two classes, and there are {number}: use {other}"
        )


def undefined(name: str, reason: str) -> float:
    """NaN, with a warning that says why."""
    warnings.warn(f"{name} is undefined, as {reason}", stacklevel=2)
    return math.nan
