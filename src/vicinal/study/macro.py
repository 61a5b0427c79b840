"""Measures in which each class counts the same, however few samples it has.

The mean is over the classes that have a validation sample, which are the same for all runs. Values
are linearised: a sample's value is the measure plus the sample's influence on it, so that their
mean is the measure, and their spread gives its standard error.
"""

import torch
from torch import Tensor

FEW = 10  # samples of a class; of fewer, its spread is badly known
UNBALANCED = 2  # times as many samples of the most frequent class as of the rarest


def is_unbalanced(targets: Tensor) -> bool:
    """Whether the most frequent class has twice as many samples as the rarest, or more.

    Args:
        targets: (N,) int64 class indices; classes without a sample do not count.

    >>> is_unbalanced(torch.tensor([0, 0, 2])), is_unbalanced(torch.tensor([0, 0, 2, 2, 2]))
    (True, False)
    """
    counts = targets.bincount()
    return int(counts.max()) >= UNBALANCED * int(counts[counts > 0].min())


def balanced_accuracy(probabilities: Tensor, targets: Tensor) -> Tensor:
    """The mean over the classes of the share of their samples that are classified correctly.

    Args:
        probabilities: (N, C) floats.
        targets: (N,) int64 class indices.

    Returns:
        (N,) float64; single values may lie outside [0, 1].

    Source: Brodersen et al., The balanced accuracy and its posterior distribution (2010). The
    spread of a class of few samples is badly known, and that of one sample not at all: all classes
    of fewer than 10 share theirs, which is then too large rather than too small, as that of
    collapsed strata (Cochran, Sampling techniques (1977), section 5A.12).

    >>> p = torch.tensor([[0.9, 0.1], [0.8, 0.2], [0.6, 0.4], [0.7, 0.3], [0.2, 0.8]])
    >>> round(balanced_accuracy(p, torch.tensor([0, 0, 0, 1, 1])).mean().item(), 4)  # 1 and 1/2
    0.75
    """
    correct = (probabilities.argmax(1) == targets).double()
    present, own = targets.unique(return_inverse=True)
    counts = own.bincount()
    recalls = _sums(correct, own, len(present)) / counts
    few = (counts < FEW)[own]
    around, pool = recalls[own], counts[own].double()
    if few.any():  # the mean of their recalls, around which their deviations sum to 0
        around[few], pool[few] = recalls[counts < FEW].mean(), few.sum().double()
    # As for a variance: of n deviations from their own mean, n - 1 are free.
    free = (pool / (pool - 1).clamp(min=1)).sqrt()
    share = len(targets) / (len(present) * counts[own])
    return recalls.mean() + share * free * (correct - around)


def macro_f1(probabilities: Tensor, targets: Tensor) -> Tensor:
    """The mean over the classes of the F1 score, 2 TP / (2 TP + FP + FN).

    Args:
        probabilities: (N, C) floats.
        targets: (N,) int64 class indices.

    Returns:
        (N,) float64; single values may lie outside [0, 1].

    Source: the delta method for ratios, as for F1 in Takahashi et al., Confidence interval for
    micro-averaged F1 and macro-averaged F1 scores (2022).

    >>> p = torch.tensor([[0.9, 0.1], [0.8, 0.2], [0.6, 0.4], [0.7, 0.3], [0.2, 0.8]])
    >>> round(macro_f1(p, torch.tensor([0, 0, 0, 1, 1])).mean().item(), 4)  # 6/7 and 2/3
    0.7619
    """
    samples, classes = probabilities.shape
    predicted = probabilities.argmax(1)
    correct = (predicted == targets).double()
    true, called = targets.bincount(minlength=classes), predicted.bincount(minlength=classes)
    both = true + called
    scores = 2 * _sums(correct, targets, classes) / both.clamp(min=1)
    present = true > 0
    # Half of a sample's influence is on the score of its own class, half on that of the predicted.
    share = torch.where(present, samples / both.clamp(min=1), 0.0).double() / present.sum()
    own, other = (share[k] * (correct - scores[k]) for k in (targets, predicted))
    return scores[present].mean() + own + other


def _sums(values: Tensor, groups: Tensor, count: int) -> Tensor:
    return torch.zeros(count, dtype=torch.float64).index_add_(0, groups, values)
