"""What is measured of a network on samples that it has not seen, each as a mean over samples.

Every measure is a tensor of one value for each sample whose mean is the measure, so that one rule
gives the intervals of all.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from scipy.optimize import minimize_scalar
from torch import Tensor

BINS = 15  # of the calibration error, as in its source
TEMPERATURES = (0.05, 20.0)
MANY = 5000  # samples


@dataclass(frozen=True)
class Measure:
    """What a measure is called and how it is read.

    Args:
        name: in tables and files.
        title: for people.
        better: which way is better.
        percent: whether it is a share, to be shown in percent.
        meaning: a sentence for those who have not met it.
        compared_by: the values whose means are compared; None for its own.
        shared: whether all seeds are measured on the same samples.
    """

    name: str
    title: str
    better: Literal["higher", "lower"]
    percent: bool
    meaning: str
    compared_by: str | None = None
    shared: bool = True

    def text(self, value: float) -> str:
        """The value as it is shown.

        >>> MEASURES["accuracy"].text(0.9123), MEASURES["nll"].text(0.4567)
        ('91.2 %', '0.457')
        """
        return f"{abs(100 * value):.1f} %" if self.percent else f"{value:.3g}"

    def gain(self, difference: float) -> float:
        """A difference so that above 0 is better."""
        return difference if self.better == "higher" else -difference


def _listed(*measures: Measure) -> dict[str, Measure]:
    return {measure.name: measure for measure in measures}


MEASURES = _listed(
    Measure("accuracy", "accuracy", "higher", True, "The share of right answers."),
    Measure(
        "rmse",
        "root mean square error",
        "lower",
        False,
        "How far predicted values are from the true ones, in the unit of the values.",
    ),
    Measure(
        "nll",
        "negative log-likelihood",
        "lower",
        False,
        "How surprising the true classes are to the network; sure and wrong costs most.",
    ),
    Measure(
        "brier",
        "Brier score",
        "lower",
        False,
        "The squared error of the probabilities, from 0 to 2.",
    ),
    Measure(
        "ece",
        "calibration error",
        "lower",
        True,
        "How far the network's confidence is from its share of right answers, in 15 bins. Chance "
        "alone makes some of it; differences are taken without that part.",
        "ece_unbiased",
    ),
    Measure(
        "ece_scaled",
        "calibration error, scaled",
        "lower",
        True,
        "The same after temperature scaling, the usual repair: one number divides all scores.",
        "ece_scaled_unbiased",
    ),
    Measure(
        "nll_scaled",
        "negative log-likelihood, scaled",
        "lower",
        False,
        "The negative log-likelihood after temperature scaling.",
    ),
    Measure("noise", "accuracy, noisy images", "higher", True, "With noise of 0.1 of the range."),
    Measure("blur", "accuracy, blurred images", "higher", True, "Blurred by 1/32 of the side."),
    Measure("contrast", "accuracy, pale images", "higher", True, "With 0.3 of the contrast."),
    Measure(
        "fgsm",
        "accuracy, attacked images",
        "higher",
        True,
        "Each pixel changed by 2/255, the way that raises the network's loss.",
    ),
    Measure(
        "memorised",
        "wrong labels learnt",
        "lower",
        True,
        "The share of the training labels that were made wrong which the network gives back.",
        shared=False,
    ),
)


def class_measures(probabilities: Tensor, targets: Tensor) -> dict[str, Tensor]:
    """The measures of a classifier, sample by sample.

    Args:
        probabilities: (N, C) floats, the rows of which sum to 1.
        targets: (N,) int64 class indices.

    Returns:
        For each measure (N,) float64, whose mean is the measure.

    >>> p = torch.tensor([[0.9, 0.1], [0.6, 0.4]])
    >>> measured = class_measures(p, torch.tensor([0, 1]))
    >>> {name: round(values.mean().item(), 3) for name, values in measured.items()}
    {'accuracy': 0.5, 'nll': 0.511, 'brier': 0.37, 'ece': 0.35, 'ece_unbiased': 0.0}
    """
    probabilities = probabilities.double()
    own = probabilities.gather(1, targets[:, None]).squeeze(1)
    return {
        "accuracy": (probabilities.argmax(1) == targets).double(),
        "nll": -_log(own),
        # (p_own - 1)² and the others' squares.
        "brier": probabilities.square().sum(1) - 2 * own + 1,
        "ece": calibration_gaps(probabilities, targets),
        "ece_unbiased": unbiased_gaps(probabilities, targets),
    }


def calibration_gaps(probabilities: Tensor, targets: Tensor) -> Tensor:
    """The expected calibration error, sample by sample: (N,) float64.

    Of the samples of a bin, it is the confidence less the answer (1 where right) or the other way
    round, whichever way their mean is not negative.

    Source: Guo et al., On calibration of modern neural networks (2017), equation 3.
    """
    gaps, bins = _gaps(probabilities, targets)
    return gaps * _sums(gaps, bins).sign()[bins]


def unbiased_gaps(probabilities: Tensor, targets: Tensor) -> Tensor:
    """The same without what chance makes of it: (N,) float64, whose mean may be negative.

    The calibration error of few samples is above 0 also where the network is calibrated, the more
    so the more its confidence is spread. Here each half of the samples has the signs of the other
    half's bins, which know nothing of its chance.
    """
    gaps, bins = _gaps(probabilities, targets)
    result = torch.empty_like(gaps)
    for half, other in _halves(len(gaps)):
        result[half] = gaps[half] * _sums(gaps[other], bins[other]).sign()[bins[half]]
    return result


def _gaps(probabilities: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """For each sample, how much better its answer is than its confidence; and its bin."""
    confidence, answer = probabilities.double().max(1)
    return (answer == targets).double() - confidence, _bin(confidence)


def _halves(count: int) -> list[tuple[Tensor, Tensor]]:
    """Each half of the samples, with the other one."""
    even = torch.arange(count) % 2 == 0
    return [(even, ~even), (~even, even)]


def _bin(confidence: Tensor) -> Tensor:
    """Which bin each confidence is in; a bin has its upper end."""
    return (confidence * BINS).ceil().long().clamp(1, BINS) - 1


def _sums(values: Tensor, bins: Tensor) -> Tensor:
    return torch.zeros(BINS, dtype=torch.float64).index_add_(0, bins, values.double())


@dataclass(frozen=True)
class Reliability:
    """A reliability diagram: for each bin, how many samples, their confidence and accuracy."""

    counts: list[int]
    confidence: list[float]
    accuracy: list[float]

    @classmethod
    def of(cls, probabilities: Tensor, targets: Tensor) -> "Reliability":
        """Of (N, C) probabilities and (N,) targets; means of empty bins are 0."""
        confidence, answer = probabilities.double().max(1)
        bins = _bin(confidence)
        counts = _sums(torch.ones(len(bins)), bins)
        sums = (_sums(confidence, bins), _sums((answer == targets).double(), bins))
        means = [(each / counts.clamp(min=1)).tolist() for each in sums]
        return cls(counts.long().tolist(), *means)


def scaled(probabilities: Tensor, targets: Tensor) -> Tensor:
    """Probabilities after temperature scaling, (N, C) float64.

    The temperature of each part of the samples is found on all others, so that no sample is judged
    by a temperature that it helped to find.

    Source: Guo et al., On calibration of modern neural networks (2017), section 4.2.
    """
    scores = _log(probabilities.double())
    result = torch.empty_like(scores)
    # Few samples are best used by many parts; of many samples, half are enough.
    parts = torch.arange(len(scores)) % (10 if len(scores) < MANY else 2)
    for part in parts.unique():
        found = temperature(scores[parts != part], targets[parts != part])
        result[parts == part] = (scores[parts == part] / found).softmax(1)
    return result


def temperature(scores: Tensor, targets: Tensor) -> float:
    """The temperature that makes the targets likeliest; 1 without samples.

    Args:
        scores: (N, C) logits, or logarithms of probabilities.
        targets: (N,) int64.

    Returns:
        From 0.05 to 20; above 1 where the network is too sure.
    """
    if not len(targets):
        return 1.0

    def loss(log_temperature: float) -> float:
        return torch.nn.functional.cross_entropy(
            scores / torch.tensor(log_temperature).exp(), targets
        ).item()

    limits = torch.tensor(TEMPERATURES).log().tolist()
    return float(torch.tensor(minimize_scalar(loss, bounds=limits, method="bounded").x).exp())


def value_measures(values: Tensor, targets: Tensor) -> dict[str, Tensor]:
    """The measure of a regression, sample by sample, linearised at its value.

    Args:
        values, targets: (N, ...) floats of the same shape.

    >>> value_measures(torch.tensor([[1.0], [2.0]]), torch.tensor([[1.0], [5.0]]))["rmse"].mean()
    tensor(2.1213, dtype=torch.float64)
    """
    squares = (values.double() - targets.double()).square().flatten(1).mean(1)
    root = squares.mean().sqrt()
    return {"rmse": squares / (2 * root) + root / 2 if root > 0 else squares}


def _log(probabilities: Tensor) -> Tensor:
    return probabilities.clamp(min=torch.finfo(torch.float32).tiny).log()
