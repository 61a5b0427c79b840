"""Measures that are plain means over samples, and what a prediction by chance reaches."""

from torch import Tensor
from torch.utils.data import Subset

from vicinal.data.split_loader import Batches
from vicinal.learner.learner import Learner
from vicinal.study.calibration import log_probabilities
from vicinal.study.evaluation import Evaluation


def accuracy(e: Evaluation) -> Tensor:
    """Whether each sample is classified correctly: (N,) float64, 1 or 0."""
    return (e.probabilities.argmax(1) == e.targets).double()


def _own(probabilities: Tensor, targets: Tensor) -> Tensor:
    """The probability of each sample's own class."""
    return probabilities.gather(1, targets[:, None]).squeeze(1)


def surprise(probabilities: Tensor, targets: Tensor) -> Tensor:
    """The negative logarithm of the probability of each sample's own class: (N,) float64."""
    return -log_probabilities(_own(probabilities, targets))


def brier(e: Evaluation) -> Tensor:
    """The squared distance of the probabilities from the one-hot target: (N,) float64."""
    # (p_own - 1)² and the squares of the others.
    return e.probabilities.square().sum(1) - 2 * _own(e.probabilities, e.targets) + 1


def rmse(e: Evaluation) -> Tensor:
    """The root mean square error, linearised at its value, so that it is a mean over samples."""
    squares = (e.outputs.double() - e.targets.double()).square().flatten(1).mean(1)
    root = squares.mean().sqrt()
    return squares / (2 * root) + root / 2 if root > 0 else squares


def memorised(learn: Learner, noisy: Tensor) -> Tensor:
    """Whether the network predicts the injected label, for each of these training samples.

    Args:
        learn: has the network and the training part.
        noisy: (M,) int64, the indices of samples with injected label noise.

    Returns:
        (M,) float64, 1 or 0.
    """
    batches = Batches(
        Subset(learn.dls.train.dataset, noisy.tolist()),
        2 * learn.dls.bs,
        transforms=learn.dls.valid.transforms,
        device=learn.dls.device,
    )
    outputs, targets = learn.get_preds(dl=batches, act=learn.activation)
    return (outputs.argmax(1) == targets).double()


def most_frequent(targets: Tensor) -> float:
    """The accuracy of always predicting the most frequent class."""
    return targets.bincount().max().item() / len(targets)


def deviation(targets: Tensor) -> float:
    """The root mean square error of always predicting the mean."""
    return targets.double().std(correction=0).item()
