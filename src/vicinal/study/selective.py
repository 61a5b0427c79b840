"""Selective classification: how well the confidence says which predictions to trust."""

import torch
from torch import Tensor


def risk_coverage_area(probabilities: Tensor, targets: Tensor) -> Tensor:
    """The area under the risk-coverage curve (AURC), linearised, sample by sample.

    Whoever accepts only predictions that are at least as confident as some threshold covers a share
    of the samples, and errs in a share of these, which is the risk. The area is the mean of that
    risk where the confidence of each sample is the threshold once. Equal confidences are accepted
    together, as no threshold separates them.

    A sample's value is the area plus the sample's influence on it, the derivative by the sample's
    share of all. So the mean of the values is the area, and their spread gives its standard error.

    Args:
        probabilities: (N, C) floats; the confidence is the largest one.
        targets: (N,) int64 class indices.

    Returns:
        (N,) float64; single values may lie outside [0, 1].

    Source: Geifman and El-Yaniv, Selective classification for deep neural networks (2017); the area
    as in Geifman, Uziel and El-Yaniv, Bias-reduced uncertainty estimation for deep neural
    classifiers (2019), section 3.

    >>> p = torch.tensor([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7]])
    >>> round(risk_coverage_area(p, torch.tensor([0, 1, 1])).mean().item(), 4)  # 0, 1/2 and 1/3
    0.2778
    """
    confidence, predicted = probabilities.double().max(1)
    errors = (predicted != targets).double()
    levels, level = confidence.unique(return_inverse=True)  # ascending
    counts, wrong = (
        torch.zeros(len(levels), dtype=torch.float64).index_add_(0, level, each)
        for each in (torch.ones_like(errors), errors)
    )
    accepted = _from_above(counts)
    risk = _from_above(wrong) / accepted
    # Each sample counts in the risk at every threshold up to its own confidence.
    weight, expected = (counts / accepted).cumsum(0), (counts * risk / accepted).cumsum(0)
    return risk[level] + errors * weight[level] - expected[level]


def _from_above(values: Tensor) -> Tensor:
    """For each level, the sum over itself and all higher ones."""
    return values.flip(0).cumsum(0).flip(0)
