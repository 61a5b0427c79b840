"""Calibration of a classifier: errors, temperature scaling, reliability diagrams."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

BINS = 15  # of the calibration error, as in its source
TEMPERATURES = (0.05, 20.0)
MANY = 5000  # samples


def calibration_gaps(probabilities: Tensor, targets: Tensor) -> Tensor:
    """The expected calibration error, sample by sample.

    A sample's gap is its correctness (1 or 0) minus its confidence, times the sign of the sum of
    these over its bin. So the mean over the samples is the expected calibration error.

    Args:
        probabilities: (N, C) floats, whose rows sum to 1.
        targets: (N,) int64 class indices.

    Returns:
        (N,) float64.

    Source: Guo et al., On calibration of modern neural networks (2017), equation 3.
    """
    gaps, bins = _gaps(probabilities, targets)
    return gaps * _sums(gaps, bins).sign()[bins]


def unbiased_gaps(probabilities: Tensor, targets: Tensor) -> Tensor:
    """The same without the bias of few samples: (N,) float64, whose mean may be negative.

    Of few samples, the calibration error is above 0 even where the network is calibrated, the more
    so the more its confidences vary: by chance a bin's sum of gaps S has the variance V, that of
    correctness at such confidences, and |S| is above 0. In its place there is S h - √V h', where
    h = 2 Φ(S / √V) - 1 is a sign that is uncertain where S is small. Its mean is 0 for a calibrated
    bin, by Stein's lemma, and about |S| where the error is larger than chance; in between it is too
    small. It is what the sum of one half of the samples times the sign of that of the other half
    gives, on average over the ways to halve them. A network that is less confident than it is right
    leaves less to chance than its confidences say: V is multiplied by the mean squared gap over the
    one that is expected of a calibrated network, where that is below 1.

    The values are linearised: their spread gives the standard error, which is up to half too large
    where the network is calibrated, and right elsewhere.
    """
    confidence, _ = probabilities.double().max(1)
    gaps, bins = _gaps(probabilities, targets)
    return _unbiased(*(each[:, None] for each in (gaps, confidence * (1 - confidence), bins)))


def adaptive_gaps(probabilities: Tensor, targets: Tensor) -> Tensor:
    """The adaptive calibration error, sample by sample.

    As the calibration error, but of the probabilities of all classes, not only the largest, and the
    bins of each class hold equal numbers of samples. The error is the mean over the classes. Equal
    probabilities are in one bin, which may therefore be larger than others.

    Args:
        probabilities: (N, C) floats, whose rows sum to 1.
        targets: (N,) int64 class indices.

    Returns:
        (N,) float64, whose mean is the error.

    Source: Nixon et al., Measuring calibration in deep learning (2019), section 4.
    """
    gaps, bins = _class_gaps(probabilities, targets)
    return (gaps * _column_sums(gaps, bins).sign().gather(0, bins)).mean(1)


def unbiased_adaptive_gaps(probabilities: Tensor, targets: Tensor) -> Tensor:
    """The same without the bias of few samples, as :func:`unbiased_gaps`: (N,) float64."""
    probabilities = probabilities.double()
    gaps, bins = _class_gaps(probabilities, targets)
    return _unbiased(gaps, probabilities * (1 - probabilities), bins)


def _unbiased(gaps: Tensor, variances: Tensor, bins: Tensor) -> Tensor:
    """The mean over columns of errors without bias, as a linearised value for each sample.

    Args:
        gaps, variances, bins: (N, C), of each sample in each column. The variances are those of a
            calibrated network.

    Returns:
        (N,) float64.
    """
    sums = _column_sums(gaps, bins)
    seen = gaps.square().sum() / variances.sum().clamp(min=1e-30)
    chance = _column_sums(variances, bins) * seen.clamp(max=1)
    chance = chance.clamp(min=1e-30).sqrt()  # of probabilities of 0 or 1
    sizes = sums / chance
    signs = torch.erf(sizes / 2**0.5)
    slopes = 2 * (-(sizes.square()) / 2).exp() / (2 * math.pi) ** 0.5  # of the signs, by the sizes
    errors = sums * signs - chance * slopes
    weights = signs + 2 * sizes * slopes  # the derivative of the errors by the sums
    rest = (errors - weights * sums).sum() / len(gaps)
    return ((gaps * weights.gather(0, bins)).sum(1) + rest) / gaps.shape[1]


def _class_gaps(probabilities: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """(N, C): for each sample and class, whether it is of it minus the probability; and the bin."""
    own = torch.nn.functional.one_hot(targets, probabilities.shape[1])
    columns = probabilities.double().T.contiguous()
    ordered = columns.sort(1).values
    below, up_to = (torch.searchsorted(ordered, columns, right=right) for right in (False, True))
    # The middle of the ranks of equal probabilities, of 2 N.
    bins = (below + up_to) * BINS // (2 * len(targets))
    return own - columns.T, bins.T


def _column_sums(gaps: Tensor, bins: Tensor) -> Tensor:
    """The sum over each bin of each class: (BINS, C)."""
    sums = torch.zeros(BINS, gaps.shape[1], dtype=torch.float64)
    return sums.scatter_add_(0, bins, gaps)


def _gaps(probabilities: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """For each sample, its correctness minus its confidence; and its bin."""
    confidence, predicted = probabilities.double().max(1)
    return (predicted == targets).double() - confidence, _bin(confidence)


def _bin(confidence: Tensor) -> Tensor:
    """The bin of each confidence; a bin includes its upper end, as in the source."""
    return (confidence * BINS).ceil().long().clamp(1, BINS) - 1


def _sums(values: Tensor, bins: Tensor) -> Tensor:
    return torch.zeros(BINS, dtype=torch.float64).index_add_(0, bins, values.double())


@dataclass(frozen=True)
class Reliability:
    """A reliability diagram: for each bin, the number of samples, their confidence and accuracy."""

    counts: list[int]
    confidence: list[float]
    accuracy: list[float]

    @classmethod
    def of(cls, probabilities: Tensor, targets: Tensor) -> "Reliability":
        """Of (N, C) probabilities and (N,) targets; the means of empty bins are 0."""
        confidence, predicted = probabilities.double().max(1)
        bins = _bin(confidence)
        counts = _sums(torch.ones(len(bins)), bins)
        sums = (_sums(confidence, bins), _sums((predicted == targets).double(), bins))
        means = [(each / counts.clamp(min=1)).tolist() for each in sums]
        return cls(counts.long().tolist(), *means)


def temperature_scaled(probabilities: Tensor, targets: Tensor) -> Tensor:
    """Probabilities after temperature scaling, (N, C) float64.

    The samples are split into folds, and the temperature of each is fitted on all others, so that
    no sample is measured with a temperature that was fitted on it.

    Source: Guo et al., On calibration of modern neural networks (2017), section 4.2.
    """
    scores = log_probabilities(probabilities.double())
    result = torch.empty_like(scores)
    # Few samples are best used by many folds; of many samples, half are enough.
    folds = torch.arange(len(scores)) % (10 if len(scores) < MANY else 2)
    for fold in folds.unique():
        fitted = fit_temperature(scores[folds != fold], targets[folds != fold])
        result[folds == fold] = (scores[folds == fold] / fitted).softmax(1)
    return result


def fit_temperature(scores: Tensor, targets: Tensor) -> float:
    """The temperature that maximises the likelihood of the targets; 1 without samples.

    Args:
        scores: (N, C) logits, or logarithms of probabilities.
        targets: (N,) int64.

    Returns:
        From 0.05 to 20; above 1 where the network is overconfident.
    """
    if not len(targets):
        return 1.0

    from scipy.optimize import minimize_scalar

    def loss(log_temperature: float) -> float:
        return torch.nn.functional.cross_entropy(
            scores / torch.tensor(log_temperature).exp(), targets
        ).item()

    limits = torch.tensor(TEMPERATURES).log().tolist()
    return float(torch.tensor(minimize_scalar(loss, bounds=limits, method="bounded").x).exp())


def log_probabilities(probabilities: Tensor) -> Tensor:
    """Their logarithms, which are finite also where a probability is 0."""
    return probabilities.clamp(min=torch.finfo(torch.float32).tiny).log()
