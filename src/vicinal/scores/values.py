"""Metrics of predicted values, by scikit-learn and SciPy, over the whole validation part."""

from typing import Any

from vicinal.scores.accumulated import AccumMetric


class R2Score(AccumMetric):
    """The coefficient of determination: 1 minus squared errors over those of the mean.

    Args:
        sample_weight: a weight for each value.

    >>> import torch
    >>> R2Score()(torch.tensor([[1.0], [2.0], [4.0]]), torch.tensor([[1.0], [2.0], [3.0]]))
    0.5
    """

    def __init__(self, sample_weight: Any = None) -> None:
        super().__init__("r2_score", to_np=True, invert_arg=True, sample_weight=sample_weight)


class ExplainedVariance(AccumMetric):
    """The explained share of the variance: :class:`R2Score` without a constant error.

    Args:
        sample_weight: a weight for each value.

    >>> import torch
    >>> ExplainedVariance()(torch.tensor([[2.0], [3.0]]), torch.tensor([[1.0], [2.0]]))
    1.0
    """

    def __init__(self, sample_weight: Any = None) -> None:
        super().__init__(
            "explained_variance_score", to_np=True, invert_arg=True, sample_weight=sample_weight
        )


class PearsonCorrCoef(AccumMetric):
    """Pearson's correlation of predictions and targets, from -1 to 1.

    >>> import torch
    >>> values = torch.tensor([[1.0], [2.0], [3.0]])
    >>> round(PearsonCorrCoef()(values, 2 * values), 6)
    1.0
    """

    def __init__(self) -> None:
        super().__init__(_pearson, to_np=True, invert_arg=True, name="pearsonr")


class SpearmanCorrCoef(AccumMetric):
    """Spearman's correlation of the ranks of predictions and targets, from -1 to 1.

    >>> import torch
    >>> values = torch.tensor([[1.0], [2.0], [9.0]])
    >>> round(SpearmanCorrCoef()(values, torch.tensor([[2.0], [4.0], [6.0]])), 6)
    1.0
    """

    def __init__(self) -> None:
        super().__init__(_spearman, to_np=True, invert_arg=True, name="spearmanr")


def _pearson(target: Any, predicted: Any) -> Any:
    from scipy.stats import pearsonr

    return pearsonr(predicted, target)


def _spearman(target: Any, predicted: Any) -> Any:
    from scipy.stats import spearmanr

    return spearmanr(predicted, target)
