"""Metrics of several labels for each sample, by scikit-learn, over the whole validation part."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from vicinal.errors import VicinalError
from vicinal.scores.accumulated import OF_SKLEARN, AccumMetric
from vicinal.scores.probabilities import undefined


class _OfLabels(AccumMetric):
    """A metric of each label, averaged over the labels.

    Args:
        thresh: a label is predicted from this activation on.
        sigmoid: activate the outputs by the sigmoid; False for outputs that are probabilities.
        labels, pos_label, average, sample_weight: of scikit-learn's function.
    """

    function: str

    def __init__(
        self,
        thresh: float = 0.5,
        sigmoid: bool = True,
        labels: Sequence[int] | None = None,
        pos_label: int = 1,
        average: str | None = "macro",
        sample_weight: Any = None,
        **kwargs: Any,
    ) -> None:
        if average is None:
            raise VicinalError(
                f"{self.function} with average=None has a value for each label: give "
                'average="macro", "weighted", "micro" or "samples"'
            )
        activation = "sigmoid" if sigmoid else "no"
        kwargs |= {"labels": labels, "pos_label": pos_label, "average": average}
        super().__init__(
            self.function,
            activation=activation,
            thresh=thresh,
            **OF_SKLEARN,
            sample_weight=sample_weight,
            **kwargs,
        )


class F1ScoreMulti(_OfLabels):
    """The F1 score of each label, averaged, for several labels of each sample.

    Args:
        thresh: a label is predicted from this activation on.
        sigmoid: activate the outputs by the sigmoid; False for outputs that are probabilities.
        labels, pos_label, average, sample_weight: see :func:`sklearn.metrics.f1_score`.

    >>> import torch
    >>> F1ScoreMulti()(torch.tensor([[2.0, 1.0], [-1.0, 1.0]]), torch.tensor([[1, 1], [0, 1]]))
    1.0
    """

    function = "f1_score"


class PrecisionMulti(_OfLabels):
    """The precision of each label, averaged; arguments as for :class:`F1ScoreMulti`."""

    function = "precision_score"


class RecallMulti(_OfLabels):
    """The recall of each label, averaged; arguments as for :class:`F1ScoreMulti`."""

    function = "recall_score"


class JaccardMulti(_OfLabels):
    """Intersection over union of each label, averaged; arguments as for :class:`F1ScoreMulti`."""

    function = "jaccard_score"


class FBetaMulti(_OfLabels):
    """The F score of each label, averaged, in which recall counts ``beta`` times as much.

    Args:
        beta: above 0.
        *args: as for :class:`F1ScoreMulti`.
        **kwargs: as for :class:`F1ScoreMulti`.
    """

    function = "fbeta_score"

    def __init__(self, beta: float, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs, beta=beta)


class HammingLossMulti(AccumMetric):
    """The share of wrong labels.

    Args:
        thresh, sigmoid: as for :class:`F1ScoreMulti`.
        labels: not available: all labels count.
        sample_weight: a weight for each sample.

    Raises:
        VicinalError: ``labels`` are given.

    >>> import torch
    >>> metric = HammingLossMulti()
    >>> metric(torch.tensor([[2.0, 1.0], [-1.0, 1.0]]), torch.tensor([[1, 0], [0, 1]]))
    0.25
    """

    def __init__(
        self,
        thresh: float = 0.5,
        sigmoid: bool = True,
        labels: Sequence[int] | None = None,
        sample_weight: Any = None,
    ) -> None:
        if labels is not None:
            raise VicinalError("HammingLossMulti counts all labels: leave labels out")
        activation = "sigmoid" if sigmoid else "no"
        super().__init__(
            "hamming_loss",
            activation=activation,
            thresh=thresh,
            **OF_SKLEARN,
            sample_weight=sample_weight,
        )


class RocAucMulti(AccumMetric):
    """The area under the ROC curve of each label, averaged.

    Args:
        sigmoid: activate the outputs by the sigmoid.
        average: over the labels, "macro", "weighted", "micro" or "samples".
        sample_weight, max_fpr: see :func:`sklearn.metrics.roc_auc_score`.

    It is NaN, with a warning, if a label is present in all samples, or in none.

    >>> import torch
    >>> metric = RocAucMulti()
    >>> metric(torch.tensor([[2.0, 1.0], [-1.0, 3.0]]), torch.tensor([[1, 0], [0, 1]]))
    1.0
    """

    def __init__(
        self,
        sigmoid: bool = True,
        average: str = "macro",
        sample_weight: Any = None,
        max_fpr: float | None = None,
    ) -> None:
        activation = "sigmoid" if sigmoid else "no"
        kwargs = {"average": average, "sample_weight": sample_weight, "max_fpr": max_fpr}
        super().__init__("roc_auc_score", activation=activation, **OF_SKLEARN, **kwargs)

    def _of(self, predicted: Tensor, target: Tensor) -> float:
        if (target.amin(0) == target.amax(0)).any():
            return undefined(self.__name__, "a label is in all samples of this part, or in none")
        return super()._of(predicted, target)


class APScoreMulti(AccumMetric):
    """The average precision of each label, averaged.

    Args:
        sigmoid: activate the outputs by the sigmoid.
        average, pos_label, sample_weight: see :func:`sklearn.metrics.average_precision_score`.

    >>> import torch
    >>> metric = APScoreMulti()
    >>> metric(torch.tensor([[2.0, 1.0], [-1.0, 3.0]]), torch.tensor([[1, 0], [0, 1]]))
    1.0
    """

    def __init__(
        self,
        sigmoid: bool = True,
        average: str = "macro",
        pos_label: int = 1,
        sample_weight: Any = None,
    ) -> None:
        activation = "sigmoid" if sigmoid else "no"
        kwargs = {"average": average, "pos_label": pos_label, "sample_weight": sample_weight}
        super().__init__("average_precision_score", activation=activation, **OF_SKLEARN, **kwargs)
