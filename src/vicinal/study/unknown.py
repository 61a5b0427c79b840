"""Unknown samples: whether a network is less confident about what is none of its classes.

The confidence is the maximum softmax probability. Two samples are compared: the validation part
("inside") and others ("outside"), such as noise images or another data set. Of each measure there
are N + M values, first those of the N samples inside, then those of the M outside. They are
linearised: a sample's value is the measure plus its influence on it, scaled so that the mean of all
values is the measure, and their variance over N + M is the sum of what the two samples contribute,
which are independent.

Source: Hendrycks and Gimpel, A baseline for detecting misclassified and out-of-distribution
examples in neural networks (2017).
"""

import math

import torch
from torch import Tensor

ACCEPTED = 0.95  # of the samples inside, at the threshold whose false positives are counted


def confidences(outputs: Tensor) -> Tensor:
    """The largest probability of each sample, (N,) float64, from (N, C).

    Networks may overflow on what is unlike their data. No number counts as full confidence, which
    is what nobody wants of an unknown sample.
    """
    return outputs.double().nan_to_num(nan=1.0).max(1).values.clamp(0, 1)


def auroc(inside: Tensor, outside: Tensor) -> Tensor:
    """The area under the ROC curve: how often a sample inside is the more confident of a pair.

    Equal confidences count half.

    Args:
        inside: (N,) float64 confidences of validation samples; N is 2 or more.
        outside: (M,) of unknown samples; M is 2 or more.

    Returns:
        (N + M,) float64, whose mean is the area, and whose variance over N + M is that of the
        source; single values may lie outside [0, 1].

    Source: DeLong, DeLong and Clarke-Pearson, Comparing the areas under two or more correlated
    receiver operating characteristic curves (1988).

    >>> values = auroc(torch.tensor([0.9, 0.8, 0.4]), torch.tensor([0.5, 0.3]))
    >>> round(values.mean().item(), 4)  # 5 of 6 pairs
    0.8333
    """
    placed_inside, placed_outside = _below(inside, outside), 1 - _below(outside, inside)
    return _joined(placed_inside.mean(), placed_inside, placed_outside)


def false_positives(inside: Tensor, outside: Tensor) -> Tensor:
    """The false positive rate at 95 % true positives (FPR95).

    That is the share of the samples outside whose confidence reaches the threshold that 95 % of
    those inside reach; the highest such threshold.

    Args:
        inside, outside: as for :func:`auroc`.

    Returns:
        (N + M,) float64, whose mean is the rate; single values may lie outside [0, 1].

    Source: the influence of a sample inside is that of a quantile: the slope of the ROC curve there
    times the sample's deviation from 95 %; the slope is taken between two shares, whose distance is
    that of Hall and Sheather, On the distribution of a studentized quantile (1988).

    >>> values = false_positives(torch.linspace(0.5, 1, 20), torch.tensor([0.9, 0.5, 0.4]))
    >>> round(values.mean().item(), 4)
    0.3333
    """
    threshold = _reached(inside, ACCEPTED)
    accepted = (outside >= threshold).double()
    step = _bandwidth(len(inside))
    low, high = (
        (outside >= _reached(inside, ACCEPTED + sign * step)).double().mean() for sign in (-1, 1)
    )
    slope = (high - low) / (2 * step)
    # A low sample lowers the threshold, so that more are accepted outside.
    return _joined(accepted.mean(), slope * (inside < threshold).double(), accepted)


def _reached(confidence: Tensor, share: float) -> Tensor:
    """The highest threshold that at least this share reaches."""
    count = math.ceil(share * len(confidence) - 1e-9)
    return confidence.sort(descending=True).values[max(count, 1) - 1]


def _bandwidth(count: int) -> float:
    """How far to either side of 95 % the slope is taken, for so many samples."""
    normal = torch.distributions.Normal(0.0, 1.0)
    quantile, wanted = normal.icdf(torch.tensor([ACCEPTED, 0.975])).tolist()
    density = math.exp(-(quantile**2) / 2) / math.sqrt(2 * math.pi)
    shape = 1.5 * density**2 / (2 * quantile**2 + 1)
    found = (wanted**2 * shape / count) ** (1 / 3)
    return float(min(found, 0.8 * (1 - ACCEPTED)))


def _below(scores: Tensor, others: Tensor) -> Tensor:
    """For each score, the share of the others that are below it; equal ones count half."""
    ordered = others.sort().values
    less, up_to = (torch.searchsorted(ordered, scores, right=right) for right in (False, True))
    return (less + up_to).double() / (2 * len(others))


def _joined(mean: Tensor, inside: Tensor, outside: Tensor) -> Tensor:
    """Values of two samples, from the influence of each sample up to a constant."""
    total = len(inside) + len(outside)
    parts = []
    for part in (inside, outside):
        count = len(part)
        # The variance of a part's mean divides by n - 1, that of all values by N + M - 1.
        free = math.sqrt(count / max(count - 1, 1) * (total - 1) / total)
        parts.append(mean + total / count * free * (part - part.mean()))
    return torch.cat(parts)
