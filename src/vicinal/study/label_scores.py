"""Measures of several labels for each sample.

Labels that no validation sample has are left out of means over the labels; the others are the same
for all runs. Values are linearised, as in :mod:`vicinal.study.macro`: a sample's value is the
measure plus the sample's influence on it, so that their mean is the measure, and their spread gives
its standard error. The mean average precision needs no resampling so. F1 scores are those at the
threshold with the highest micro F1 score of the run, where their derivative by the threshold is 0.
"""

import torch
from torch import Tensor

from vicinal.scores.label_ranking import best_threshold, precisions


def mean_average_precision(probabilities: Tensor, targets: Tensor) -> Tensor:
    """The mean over the labels of their average precision.

    Args:
        probabilities: (N, L) floats.
        targets: (N, L), above 0.5 where a sample has the label.

    Returns:
        (N,) float64; single values may lie outside [0, 1].

    Source: the influence is the derivative of the average precision, as
    :func:`~vicinal.scores.label_ranking.average_precisions` has it, by the weight of a sample,
    which changes the precision at the score of each sample with the label that ranks no higher.

    >>> p = torch.tensor([[0.9], [0.7], [0.2]])
    >>> round(mean_average_precision(p, torch.tensor([[1.0], [0.0], [1.0]])).mean().item(), 4)
    0.8333
    """
    has = (targets > 0.5).double()
    has, probabilities = has[:, has.any(0)], probabilities[:, has.any(0)].double()
    precision, count = precisions(probabilities, has)
    average, share = (has * precision).sum(0) / has.sum(0), has.mean(0)
    # For each sample, sums over those with the label that rank no higher, itself included.
    order = probabilities.argsort(dim=0)
    ascending = probabilities.gather(0, order).T.contiguous()
    last = torch.searchsorted(ascending, probabilities.T.contiguous(), right=True).T - 1
    shares, hits = (
        (part / count).gather(0, order).cumsum(0).gather(0, last) for part in (has, has * precision)
    )
    influence = (has * (precision - average) + has * shares - hits) / share
    return (average + influence).mean(1)


def micro_f1(probabilities: Tensor, targets: Tensor) -> Tensor:
    """The F1 score of all labels together; arguments and result as above.

    >>> p = torch.tensor([[0.9, 0.2], [0.4, 0.1]])
    >>> round(micro_f1(p, torch.tensor([[1.0, 0.0], [0.0, 1.0]])).mean().item(), 4)
    0.6667
    """
    predicted, has = _predicted(probabilities, targets)
    both, all_of = 2 * (predicted * has).sum(1), (predicted + has).sum(1)
    score = both.sum() / all_of.sum()
    return score + (both - score * all_of) / all_of.mean()


def macro_f1(probabilities: Tensor, targets: Tensor) -> Tensor:
    """The mean over the labels of their F1 scores; arguments and result as above.

    >>> p = torch.tensor([[0.9, 0.2], [0.4, 0.1]])
    >>> macro_f1(p, torch.tensor([[1.0, 0.0], [0.0, 1.0]])).mean().item()
    0.5
    """
    predicted, has = _predicted(probabilities, targets)
    present = has.any(0)
    predicted, has = predicted[:, present], has[:, present]
    both, all_of = 2 * predicted * has, predicted + has
    scores = both.sum(0) / all_of.sum(0)
    return (scores + (both - scores * all_of) / all_of.mean(0)).mean(1)


def _predicted(probabilities: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """What is predicted and what is true, (N, L) float64 zeros and ones."""
    threshold = best_threshold(probabilities, targets)
    return (probabilities.double() > threshold).double(), (targets > 0.5).double()


def surprise(probabilities: Tensor, targets: Tensor) -> Tensor:
    """The binary cross-entropy, a mean over the labels: (N,) float64.

    >>> round(surprise(torch.tensor([[0.5, 0.9]]), torch.tensor([[0.0, 1.0]])).item(), 4)
    0.3993
    """
    # Not below what float32 tells from 0 and 1, or one sample would be infinite.
    tiny = torch.finfo(torch.float32).eps
    p = probabilities.double().clamp(tiny, 1 - tiny)
    return torch.nn.functional.binary_cross_entropy(p, targets.double(), reduction="none").mean(1)


def shares_of_labels(targets: Tensor) -> float:
    """The mean average precision where all samples have the same probabilities."""
    shares = (targets > 0.5).double().mean(0)
    return float(shares[shares > 0].mean())
