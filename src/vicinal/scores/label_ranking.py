"""Scores of several labels for each sample: average precision, F1, and the best threshold."""

import torch
from torch import Tensor

from vicinal.scores.accumulated import AccumMetric


def precisions(scores: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """For each sample, how precise a threshold at its own score is, label by label.

    Args:
        scores: (N, L) floats, such as probabilities.
        targets: (N, L), above 0.5 where a sample has the label.

    Returns:
        The precision, (N, L) float64: of the samples whose score is this one or higher, the share
        that has the label. And how many these are, (N, L) int64. Equal scores count together.

    >>> precisions(torch.tensor([[0.9], [0.7], [0.2]]), torch.tensor([[1.0], [0.0], [1.0]]))[0].T
    tensor([[1.0000, 0.5000, 0.6667]], dtype=torch.float64)
    """
    scores, has = scores.double(), (targets > 0.5).double()
    ascending = scores.sort(dim=0).values.T.contiguous()
    below = torch.searchsorted(ascending, scores.T.contiguous()).T
    count = len(scores) - below
    order = scores.argsort(dim=0, descending=True)
    found = has.gather(0, order).cumsum(0)
    return found.gather(0, count - 1) / count, count


def average_precisions(scores: Tensor, targets: Tensor) -> Tensor:
    """The average precision of each label, (L,) float64; nan of labels that no sample has.

    Arguments as for :func:`precisions`. It is the mean over the samples with the label of the
    precision at their score, as ``sklearn.metrics.average_precision_score`` computes it.

    >>> scores = torch.tensor([[0.9, 0.1], [0.7, 0.1], [0.2, 0.1]])
    >>> average_precisions(scores, torch.tensor([[1.0, 0.0], [0.0, 0.0], [1.0, 0.0]]))
    tensor([0.8333,    nan], dtype=torch.float64)
    """
    has = (targets > 0.5).double()
    precision, _ = precisions(scores, targets)
    return (has * precision).sum(0) / has.sum(0)


def mean_average_precision(scores: Tensor, targets: Tensor) -> float:
    """The mean of :func:`average_precisions` over the labels that a sample has; nan without any."""
    return float(average_precisions(scores, targets).nanmean())


def f1_scores(predicted: Tensor, targets: Tensor) -> tuple[float, float]:
    """The F1 score of all labels together (micro), and its mean over the labels (macro).

    Args:
        predicted: (N, L) bool.
        targets: (N, L), above 0.5 where a sample has the label. Labels that no sample has are left
            out of the macro score.

    >>> f1_scores(torch.tensor([[True, False], [True, True]]), torch.tensor([[1, 0], [0, 1]]))
    (0.8, 0.8333333333333333)
    """
    has = targets > 0.5
    both = 2 * (predicted & has).sum(0).double()
    all_of = predicted.sum(0).double() + has.sum(0)
    present = has.any(0)
    micro = float(both.sum() / all_of.sum()) if all_of.sum() else 0.0
    macro = (both / all_of)[present].mean() if present.any() else torch.zeros(())
    return micro, float(macro)


def best_threshold(probabilities: Tensor, targets: Tensor) -> float:
    """The threshold above which labels are predicted with the highest micro F1 score.

    One threshold for all labels, which many samples decide, and not one for each: a rare label has
    too few.

    Args:
        probabilities: (N, L) floats in [0, 1].
        targets: (N, L), above 0.5 where a sample has the label.

    Returns:
        A number in [0, 1): halfway between two probabilities; 0.5 where no sample has a label.

    >>> best_threshold(torch.tensor([[0.9, 0.2], [0.4, 0.1]]), torch.tensor([[1, 0], [1, 0]]))
    0.3
    """
    flat, has = probabilities.double().flatten(), (targets > 0.5).double().flatten()
    if not has.any():
        return 0.5
    flat, order = flat.sort(descending=True)
    found = has[order].cumsum(0)
    taken = torch.arange(1, len(flat) + 1, dtype=torch.float64)
    f1 = 2 * found / (taken + has.sum())
    is_last = torch.cat([flat[1:] < flat[:-1], torch.ones(1, dtype=torch.bool)])
    # Equal probabilities are taken together, and no threshold takes those of exactly 0.
    place = int(f1.where(is_last & (flat > 0), -1.0).argmax())
    above = float(flat[place])
    below = float(flat[place + 1]) if place + 1 < len(flat) else 0.0
    return round_between(below, above)


def round_between(low: float, high: float) -> float:
    """A short number that is at least ``low`` and below ``high``, near their middle.

    >>> round_between(0.2, 0.4), round_between(0.33331, 0.33339)
    (0.3, 0.33335)
    """
    middle = (low + high) / 2
    for digits in range(2, 12):
        short = round(middle, digits)
        if low <= short < high:
            return short
    return middle if low <= middle < high else low


class MeanAveragePrecision(AccumMetric):
    """The mean over the labels of their average precision; labels that no sample has are left out.

    >>> metric = MeanAveragePrecision()
    >>> metric(torch.tensor([[2.0, 1.0], [-1.0, 3.0]]), torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
    1.0
    """

    def __init__(self) -> None:
        super().__init__(mean_average_precision, activation="sigmoid", flatten=False, name="map")


class BestF1(AccumMetric):
    """The micro F1 score at the threshold where it is highest.

    >>> BestF1()(torch.tensor([[2.0, -3.0], [-1.0, -3.0]]), torch.tensor([[1.0, 0.0], [1.0, 0.0]]))
    1.0
    """

    def __init__(self) -> None:
        super().__init__(_best_f1, activation="sigmoid", flatten=False, name="f1")


def _best_f1(probabilities: Tensor, targets: Tensor) -> float:
    threshold = best_threshold(probabilities, targets)
    return f1_scores(probabilities.double() > threshold, targets)[0]
