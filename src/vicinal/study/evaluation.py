"""Evaluation: a trained network with its outputs, from which measures are computed."""

from dataclasses import dataclass, field
from functools import cached_property

from torch import Tensor

from vicinal.data.augment import Normalize
from vicinal.learner.learner import Learner
from vicinal.study.calibration import temperature_scaled
from vicinal.study.macro import is_unbalanced
from vicinal.study.training_set import no_noise
from vicinal.study.unknown import confidences
from vicinal.study.unknown_samples import outputs_on_noise


@dataclass
class Evaluation:
    """A trained network and its outputs, from which measures are computed.

    Args:
        outputs: of the validation samples: (N, C) probabilities of classes, or (N, ...) values, or
            (N, L) probabilities of several labels.
        targets: (N,) int64 class indices, or values of the outputs' shape, or zeros and ones.
        is_classifier: whether the outputs are probabilities of classes.
        learn: the trained learner; None where there are only outputs.
        noisy: (M,) int64, the indices of the training samples with injected label noise.
        ood: (M, C) probabilities of samples of other data; None where there are none.
        has_labels: whether the outputs are probabilities of several labels.
        has_masks: whether outputs and targets are those of
            :func:`~vicinal.study.mask_scores.overlaps`.
    """

    outputs: Tensor
    targets: Tensor
    is_classifier: bool = True
    learn: Learner | None = None
    noisy: Tensor = field(default_factory=no_noise)
    ood: Tensor | None = None
    has_labels: bool = False
    has_masks: bool = False

    @cached_property
    def probabilities(self) -> Tensor:
        """(N, C) float64."""
        return self.outputs.double()

    @cached_property
    def scaled(self) -> Tensor:
        """The probabilities after temperature scaling, (N, C) float64."""
        return temperature_scaled(self.outputs, self.targets)

    @cached_property
    def inside(self) -> Tensor:
        """The confidences of the validation samples, (N,) float64."""
        return confidences(self.outputs)

    @cached_property
    def on_noise(self) -> Tensor:
        """The confidences of noise images, (M,) float64."""
        assert self.learn is not None
        return confidences(outputs_on_noise(self.learn))

    @cached_property
    def outside(self) -> Tensor:
        """The confidences of samples of other data, (M,) float64."""
        assert self.ood is not None
        return confidences(self.ood)

    @property
    def normalize(self) -> Normalize | None:
        """How the network's images are normalised; None where its samples are not images alone."""
        if self.learn is None or getattr(self.learn.dls, "has_columns", False):
            return None
        return self.learn.dls.normalize


# ---- when a measure applies ---------------------------------------------------------------------


def classes(evaluation: Evaluation) -> bool:
    return evaluation.is_classifier


def values(evaluation: Evaluation) -> bool:
    others = evaluation.is_classifier or evaluation.has_labels or evaluation.has_masks
    return not others


def labels(evaluation: Evaluation) -> bool:
    return evaluation.has_labels


def masks(evaluation: Evaluation) -> bool:
    return evaluation.has_masks


def images_of_classes(evaluation: Evaluation) -> bool:
    return evaluation.is_classifier and evaluation.normalize is not None


def unbalanced_classes(evaluation: Evaluation) -> bool:
    return evaluation.is_classifier and is_unbalanced(evaluation.targets)


def other_data(evaluation: Evaluation) -> bool:
    return evaluation.is_classifier and evaluation.ood is not None


def label_noise(evaluation: Evaluation) -> bool:
    return evaluation.is_classifier and evaluation.learn is not None and len(evaluation.noisy) > 0
