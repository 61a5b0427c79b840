"""Metrics of the predicted classes, by scikit-learn, over the whole validation part."""

from collections.abc import Sequence
from typing import Any

from vicinal.errors import VicinalError
from vicinal.scores.accumulated import AccumMetric


class ClassMetric(AccumMetric):
    """A metric of scikit-learn of the predicted classes, the ones with the highest output.

    Args:
        func: its name.
        axis: the class axis of the outputs.
        **kwargs: of that function, as ``average``: "binary" is of the class ``pos_label`` alone,
            of two; "macro" is the mean over the classes, "weighted" by their sizes, and "micro" is
            of all samples alike.
    """

    def __init__(self, func: str, axis: int = -1, **kwargs: Any) -> None:
        if kwargs.get("average", "macro") is None:
            raise VicinalError(
                f'{func} with average=None has a value for each class: give average="macro", '
                '"weighted" or "micro"'
            )
        super().__init__(func, axis, to_np=True, invert_arg=True, **kwargs)

    def check_classes(self, number: int) -> None:
        """Raise a VicinalError if the metric is of two classes, and there are more."""
        if self.kwargs.get("average") == "binary" and number != 2:
            raise VicinalError(
                f"{type(self).__name__}() is for two classes, and there are {number}: give "
                f'{type(self).__name__}(average="macro"), the mean over them, "weighted" or "micro"'
            )


class _Averaged(ClassMetric):
    """A metric of each class, averaged.

    Args:
        axis: the class axis of the outputs.
        labels: the classes to average over; None for all.
        pos_label: the class that ``average="binary"`` is of: the second, by default.
        average, sample_weight: of scikit-learn's function.
    """

    function: str

    def __init__(
        self,
        axis: int = -1,
        labels: Sequence[int] | None = None,
        pos_label: int = 1,
        average: str | None = "binary",
        sample_weight: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            self.function,
            axis,
            labels=labels,
            pos_label=pos_label,
            average=average,
            sample_weight=sample_weight,
            **kwargs,
        )


class F1Score(_Averaged):
    """The F1 score: the harmonic mean of precision and recall, over the whole validation part.

    Args:
        axis, labels, pos_label, average, sample_weight: see :func:`sklearn.metrics.f1_score`. The
            default is for two classes, and of the second; for more, give ``average="macro"``.

    >>> import torch
    >>> scores = torch.tensor([[2.0, 1.0], [0.0, 1.0], [0.0, 3.0]])
    >>> F1Score()(scores, torch.tensor([0, 1, 0]))  # doctest: +ELLIPSIS
    0.666...
    """

    function = "f1_score"


class Precision(_Averaged):
    """The share of true positives among the predicted ones; arguments as for :class:`F1Score`.

    >>> import torch
    >>> scores = torch.tensor([[2.0, 1.0], [0.0, 1.0], [0.0, 3.0]])
    >>> Precision()(scores, torch.tensor([0, 1, 0]))
    0.5
    """

    function = "precision_score"


class Recall(_Averaged):
    """The share of positives that are predicted; arguments as for :class:`F1Score`.

    >>> import torch
    >>> scores = torch.tensor([[2.0, 1.0], [0.0, 1.0], [0.0, 3.0]])
    >>> Recall()(scores, torch.tensor([0, 1, 0]))
    1.0
    """

    function = "recall_score"


class Jaccard(_Averaged):
    """Intersection over union of predicted and true members; arguments as for :class:`F1Score`.

    >>> import torch
    >>> scores = torch.tensor([[2.0, 1.0], [0.0, 1.0], [0.0, 3.0]])
    >>> Jaccard()(scores, torch.tensor([0, 1, 0]))
    0.5
    """

    function = "jaccard_score"


class FBeta(_Averaged):
    """The F score in which recall counts ``beta`` times as much as precision.

    Args:
        beta: above 0.
        axis, labels, pos_label, average, sample_weight: as for :class:`F1Score`.

    >>> import torch
    >>> scores = torch.tensor([[2.0, 1.0], [0.0, 1.0], [0.0, 3.0]])
    >>> FBeta(2)(scores, torch.tensor([0, 1, 0]))  # doctest: +ELLIPSIS
    0.833...
    """

    function = "fbeta_score"

    def __init__(self, beta: float, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs, beta=beta)


class BalancedAccuracy(ClassMetric):
    """The mean over the classes of their recall.

    Args:
        axis: the class axis of the outputs.
        sample_weight, adjusted: see :func:`sklearn.metrics.balanced_accuracy_score`.

    >>> import torch
    >>> scores = torch.tensor([[2.0, 1.0], [0.0, 1.0], [0.0, 3.0]])
    >>> BalancedAccuracy()(scores, torch.tensor([0, 1, 0]))
    0.75
    """

    def __init__(self, axis: int = -1, sample_weight: Any = None, adjusted: bool = False) -> None:
        weight = {"sample_weight": sample_weight, "adjusted": adjusted}
        super().__init__("balanced_accuracy_score", axis, **weight)


class CohenKappa(ClassMetric):
    """Cohen's kappa: how much more predictions agree with the labels than by chance.

    Args:
        axis: the class axis of the outputs.
        labels, weights, sample_weight: see :func:`sklearn.metrics.cohen_kappa_score`; with
            ``weights="quadratic"`` for ordered classes.

    >>> import torch
    >>> scores = torch.tensor([[2.0, 1.0], [0.0, 1.0], [0.0, 3.0], [0.0, 1.0]])
    >>> CohenKappa()(scores, torch.tensor([0, 1, 0, 1]))
    0.5
    """

    def __init__(
        self,
        axis: int = -1,
        labels: Sequence[int] | None = None,
        weights: str | None = None,
        sample_weight: Any = None,
    ) -> None:
        kwargs = {"labels": labels, "weights": weights, "sample_weight": sample_weight}
        super().__init__("cohen_kappa_score", axis, **kwargs)


class HammingLoss(ClassMetric):
    """The share of wrong classes.

    Args:
        axis: the class axis of the outputs.
        sample_weight: a weight for each sample.

    >>> import torch
    >>> HammingLoss()(torch.tensor([[2.0, 1.0], [0.0, 1.0]]), torch.tensor([0, 0]))
    0.5
    """

    def __init__(self, axis: int = -1, sample_weight: Any = None) -> None:
        super().__init__("hamming_loss", axis, sample_weight=sample_weight)


class MatthewsCorrCoef(ClassMetric):
    """Matthews' correlation of predicted and true classes, from -1 to 1.

    Args:
        sample_weight: a weight for each sample.
        axis: the class axis of the outputs.

    >>> import torch
    >>> scores = torch.tensor([[2.0, 1.0], [0.0, 1.0], [0.0, 3.0]])
    >>> MatthewsCorrCoef()(scores, torch.tensor([0, 1, 0]))
    0.5
    """

    def __init__(self, sample_weight: Any = None, axis: int = -1) -> None:
        super().__init__("matthews_corrcoef", axis, sample_weight=sample_weight)
