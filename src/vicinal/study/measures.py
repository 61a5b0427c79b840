"""The registry of measures: what is measured of a trained network on the validation samples.

Everything about a measure is in its entry of :data:`MEASURES`: what it needs, how it is computed,
named and formatted, and whether higher or lower is better. The answer, the tables, the report and
its figures, and the budget all follow from it. To add a measure, add an entry, and a row to the
table of ``docs/compare.md``, which a test compares with the registry.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor
from torch.utils.data import Subset

from vicinal.data.augment import Normalize
from vicinal.data.split_loader import Batches
from vicinal.formatting import format_percent, format_points, format_short, with_sign
from vicinal.learner.learner import Learner
from vicinal.study import robustness
from vicinal.study.calibration import (
    calibration_gaps,
    log_probabilities,
    temperature_scaled,
    unbiased_gaps,
)
from vicinal.study.training_set import no_noise

UNBIASED = "_unbiased"  # ends the name of values whose means are compared in place of the measure


@dataclass
class Evaluation:
    """A trained network and its outputs, from which measures are computed.

    Args:
        outputs: of the validation samples: (N, C) probabilities of classes, or (N, ...) values.
        targets: (N,) int64 class indices, or values of the outputs' shape.
        is_classifier: whether the outputs are probabilities.
        learn: the trained learner; None where there are only outputs.
        noisy: (M,) int64, the indices of the training samples with injected label noise.
    """

    outputs: Tensor
    targets: Tensor
    is_classifier: bool = True
    learn: Learner | None = None
    noisy: Tensor = field(default_factory=no_noise)

    @cached_property
    def probabilities(self) -> Tensor:
        """(N, C) float64."""
        return self.outputs.double()

    @cached_property
    def scaled(self) -> Tensor:
        """The probabilities after temperature scaling, (N, C) float64."""
        return temperature_scaled(self.outputs, self.targets)

    @property
    def normalize(self) -> Normalize | None:
        """How the network's images are normalised; None where its samples are not images."""
        return None if self.learn is None else self.learn.dls.normalize


@dataclass(frozen=True)
class Measure:
    """All there is to a measure.

    Exactly one of ``compute`` and ``on_batch`` is given.

    Args:
        name: in tables and files.
        title: in text.
        better: which direction is better.
        description: a sentence for readers who do not know it.
        applies: whether it can be computed.
        compute: its values, (N,) float64, one for each validation sample, whose mean is the
            measure, so that one rule gives the intervals of all measures.
        on_batch: the same for measures that run the network again: from the learner and a
            validation batch to its values (B,). All such measures share one pass over the data.
        passes: how many forward passes over the validation part it takes, for the budget.
        unbiased: the same as ``compute``, without a bias that all arms have; differences between
            arms are taken of these values, and stored as ``NAME_unbiased``.
        chance: of a main measure, from the targets to its value for a prediction that ignores the
            samples.
        percent: whether it is a share, shown in percent and its differences in points.
        limits: the least and the greatest value it can have; None: 0 to 1 for a share, 0 or more.
        in_answer: whether the answer mentions significant differences.
        paired: whether its values are of the same samples for every seed. If not, only their
            means can be compared.
    """

    name: str
    title: str
    better: Literal["higher", "lower"]
    description: str
    applies: Callable[[Evaluation], bool]
    compute: Callable[[Evaluation], Tensor] | None = None
    on_batch: Callable[[Learner, Tensor, Tensor], Tensor] | None = None
    passes: int = 0
    unbiased: Callable[[Evaluation], Tensor] | None = None
    chance: Callable[[Tensor], float] | None = None
    percent: bool = False
    limits: tuple[float, float] | None = None
    in_answer: bool = False
    paired: bool = True

    @property
    def compared(self) -> str:
        """The name of the values whose means are compared."""
        return self.name if self.unbiased is None else f"{self.name}{UNBIASED}"

    @property
    def bounds(self) -> tuple[float, float]:
        """The least and the greatest value that the measure can have."""
        return self.limits or (0.0, 1.0 if self.percent else math.inf)

    def text(self, value: float) -> str:
        """The value as text.

        >>> MEASURES["accuracy"].text(0.9123), MEASURES["nll"].text(0.4567)
        ('91.2 %', '0.457')
        """
        return f"{format_percent(value)} %" if self.percent else format_short(value)

    def signed(self, difference: float) -> str:
        """A difference as text, without its unit.

        >>> MEASURES["accuracy"].signed(0.0123), MEASURES["nll"].signed(-0.4567)
        ('+1.2', '-0.457')
        """
        return format_points(difference) if self.percent else with_sign(format_short(difference))

    def gain(self, difference: float) -> float:
        """The difference with its sign changed where lower is better, so that above 0 is better."""
        return difference if self.better == "higher" else -difference


def main_measure(evaluation: Evaluation) -> Measure:
    """The measure that decides which arm is better: the first one that applies."""
    return next(measure for measure in MEASURES.values() if measure.applies(evaluation))


def compute_measures(evaluation: Evaluation) -> dict[str, Tensor]:
    """The values of all measures that apply.

    Returns:
        For each measure, and for those without bias, (N,) float64.

    >>> p = torch.tensor([[0.9, 0.1], [0.6, 0.4]])
    >>> values = compute_measures(Evaluation(p, torch.tensor([0, 1])))
    >>> values["accuracy"].tolist(), round(values["nll"].mean().item(), 3)
    ([1.0, 0.0], 0.511)
    """
    measures = [measure for measure in MEASURES.values() if measure.applies(evaluation)]
    on_batches = _on_batches(evaluation, [m for m in measures if m.on_batch is not None])
    values = {}
    for measure in measures:
        found = on_batches.get(measure.name)
        if measure.compute is not None:
            found = measure.compute(evaluation)
        assert found is not None
        values[measure.name] = found
        if measure.unbiased is not None:
            values[measure.compared] = measure.unbiased(evaluation)
        _check_shape(measure, values[measure.name], len(evaluation.targets))
    return values


def _check_shape(measure: Measure, values: Tensor, samples: int) -> None:
    """Intervals are computed from the samples: a mean alone would count as one sample."""
    if values.ndim != 1 or (measure.paired and len(values) != samples):
        raise ValueError(
            f"the measure {measure.name!r} has the shape {tuple(values.shape)}, but there are "
            f"{samples} validation samples: let it return one number for each"
        )


def _on_batches(evaluation: Evaluation, measures: list[Measure]) -> dict[str, Tensor]:
    """The values of those that run the network again, in one pass over the validation part."""
    learn = evaluation.learn
    if learn is None or not measures:
        return {}
    parts: dict[str, list[Tensor]] = {measure.name: [] for measure in measures}
    with learn.evaluating():
        for x, y in learn.dls.valid:
            for measure in measures:
                assert measure.on_batch is not None
                parts[measure.name].append(measure.on_batch(learn, x, y).cpu())
    return {name: torch.cat(part).double() for name, part in parts.items()}


# ---- when a measure applies ---------------------------------------------------------------------


def _classes(evaluation: Evaluation) -> bool:
    return evaluation.is_classifier


def _values(evaluation: Evaluation) -> bool:
    return not evaluation.is_classifier


def _images_of_classes(evaluation: Evaluation) -> bool:
    return evaluation.is_classifier and evaluation.normalize is not None


def _label_noise(evaluation: Evaluation) -> bool:
    return evaluation.is_classifier and evaluation.learn is not None and len(evaluation.noisy) > 0


# ---- how it is computed -------------------------------------------------------------------------


def _accuracy(e: Evaluation) -> Tensor:
    return (e.probabilities.argmax(1) == e.targets).double()


def _own(probabilities: Tensor, targets: Tensor) -> Tensor:
    """The probability of each sample's own class."""
    return probabilities.gather(1, targets[:, None]).squeeze(1)


def _brier(e: Evaluation) -> Tensor:
    # (p_own - 1)² and the squares of the others.
    return e.probabilities.square().sum(1) - 2 * _own(e.probabilities, e.targets) + 1


def _rmse(e: Evaluation) -> Tensor:
    """The root mean square error, linearised at its value, so that it is a mean over samples."""
    squares = (e.outputs.double() - e.targets.double()).square().flatten(1).mean(1)
    root = squares.mean().sqrt()
    return squares / (2 * root) + root / 2 if root > 0 else squares


def _memorised(e: Evaluation) -> Tensor:
    """Whether the network predicts the injected label: (M,), one for each noisy sample."""
    learn = e.learn
    assert learn is not None
    batches = Batches(
        Subset(learn.dls.train.dataset, e.noisy.tolist()),
        2 * learn.dls.bs,
        transforms=learn.dls.valid.transforms,
        device=learn.dls.device,
    )
    outputs, targets = learn.get_preds(batches)
    return (outputs.argmax(1) == targets).double()


def _most_frequent(targets: Tensor) -> float:
    return targets.bincount().max().item() / len(targets)


def _deviation(targets: Tensor) -> float:
    return targets.double().std(correction=0).item()


# ---- the registry -------------------------------------------------------------------------------


def _by_name(*measures: Measure) -> dict[str, Measure]:
    return {measure.name: measure for measure in measures}


#: The first one that applies is the main measure.
MEASURES = _by_name(
    Measure(
        "accuracy",
        "accuracy",
        "higher",
        "The share of correct predictions.",
        applies=_classes,
        compute=_accuracy,
        chance=_most_frequent,
        percent=True,
    ),
    Measure(
        "rmse",
        "root mean square error",
        "lower",
        "How far predicted values are from the true ones, in the unit of the values.",
        applies=_values,
        compute=_rmse,
        chance=_deviation,
    ),
    Measure(
        "nll",
        "negative log-likelihood",
        "lower",
        "How little probability the network gives the true classes; confident errors cost most.",
        applies=_classes,
        compute=lambda e: -log_probabilities(_own(e.probabilities, e.targets)),
        in_answer=True,
    ),
    Measure(
        "brier",
        "Brier score",
        "lower",
        "The squared error of the probabilities, from 0 to 2.",
        applies=_classes,
        compute=_brier,
        limits=(0.0, 2.0),
    ),
    Measure(
        "ece",
        "calibration error",
        "lower",
        "How far the network's confidence is from its accuracy, in 15 bins. Few samples make it "
        "larger by chance; differences are taken without that bias.",
        applies=_classes,
        compute=lambda e: calibration_gaps(e.outputs, e.targets),
        unbiased=lambda e: unbiased_gaps(e.outputs, e.targets),
        percent=True,
        in_answer=True,
    ),
    Measure(
        "ece_scaled",
        "calibration error, scaled",
        "lower",
        "The same after temperature scaling, the usual remedy: one number divides all logits.",
        applies=_classes,
        compute=lambda e: calibration_gaps(e.scaled, e.targets),
        unbiased=lambda e: unbiased_gaps(e.scaled, e.targets),
        percent=True,
    ),
    Measure(
        "nll_scaled",
        "negative log-likelihood, scaled",
        "lower",
        "The negative log-likelihood after temperature scaling.",
        applies=_classes,
        compute=lambda e: -log_probabilities(_own(e.scaled, e.targets)),
    ),
    Measure(
        "noise",
        "accuracy, noisy images",
        "higher",
        "With Gaussian noise of 0.1 of the range of pixels.",
        applies=_images_of_classes,
        on_batch=robustness.accuracy_under(robustness.noise),
        passes=1,
        percent=True,
        in_answer=True,
    ),
    Measure(
        "blur",
        "accuracy, blurred images",
        "higher",
        "With a Gaussian blur of 1/32 of the side.",
        applies=_images_of_classes,
        on_batch=robustness.accuracy_under(robustness.blur),
        passes=1,
        percent=True,
        in_answer=True,
    ),
    Measure(
        "contrast",
        "accuracy, low-contrast images",
        "higher",
        "With 0.3 of the contrast.",
        applies=_images_of_classes,
        on_batch=robustness.accuracy_under(robustness.contrast),
        passes=1,
        percent=True,
        in_answer=True,
    ),
    Measure(
        "fgsm",
        "accuracy, attacked images",
        "higher",
        "Under the fast gradient sign method: each pixel changed by 2/255, in the direction that "
        "raises the loss.",
        applies=_images_of_classes,
        on_batch=robustness.accuracy_under_attack,
        passes=3,  # forward, backward, and forward again
        percent=True,
        in_answer=True,
    ),
    Measure(
        "memorised",
        "noisy labels memorised",
        "lower",
        "The share of the training samples with injected label noise for which the network "
        "predicts the injected label.",
        applies=_label_noise,
        compute=_memorised,
        percent=True,
        in_answer=True,
        paired=False,  # other training samples are noisy for each seed
    ),
)
