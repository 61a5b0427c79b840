"""One arm with one seed: train, and measure what came of it."""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor
from torch.utils.data import Subset

from vicinal.data.split_loader import Batches
from vicinal.errors import Diverged, VicinalError
from vicinal.learner.events import Callback
from vicinal.learner.learner import Learner
from vicinal.learner.state import load_tree, save_tree
from vicinal.study.measures import Reliability, class_measures, scaled, value_measures
from vicinal.study.robustness import robustness

Fit = Callable[[Learner], None]


@dataclass(frozen=True)
class Result:
    """What one run gave.

    Args:
        arm, seed: which run it was.
        failed: why there is nothing else, in a sentence; empty where there is.
        history: a row of losses and metrics for each epoch.
        seconds: of the training, without what was measured after it.
        samples_per_second: training samples.
        values: for each measure (N,) float64, whose mean is the measure.
        reliability: of classes, as it is and after temperature scaling.
        settings: tell apart runs of one name that were trained otherwise.
        validated: tells apart validation parts, by their targets.
        chance: the main measure of an answer that never looks at the sample: the commonest class,
            or the mean value.
    """

    arm: str
    seed: int
    failed: str = ""
    history: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0
    samples_per_second: float = 0.0
    values: dict[str, Tensor] = field(default_factory=dict)
    reliability: list[Reliability] = field(default_factory=list)
    settings: str = ""
    validated: str = ""
    chance: float = 0.0

    def mean(self, name: str) -> float:
        """A measure."""
        return self.values[name].mean().item()

    def means(self) -> dict[str, float]:
        """Every measure."""
        return {name: self.mean(name) for name in self.values}

    def save(self, file: Path) -> None:
        """Write it, whole or not at all."""
        tree = {**vars(self), "reliability": [vars(each) for each in self.reliability]}
        save_tree(file, tree)

    @classmethod
    def load(cls, file: Path) -> "Result":
        """Read what :meth:`save` wrote.

        Raises:
            VicinalError: it is damaged, or of another version.
        """
        tree = load_tree(file)
        try:
            reliability = [Reliability(**each) for each in tree.pop("reliability")]
            return cls(**tree, reliability=reliability)
        except (AttributeError, KeyError, TypeError):
            raise VicinalError(f"{file} holds no result of this version: remove it") from None


class TimeIsUp(VicinalError):
    """A run was stopped, for it would have ended too late."""


class Deadline(Callback):
    """Stop the training at a time of ``time.monotonic``; the epochs that are whole are kept."""

    order = 99

    def __init__(self, at: float) -> None:
        self.at = at

    def after_batch(self, learn: Learner) -> None:
        if time.monotonic() > self.at:
            raise TimeIsUp("the time is up")


def run(
    arm: str, seed: int, learn: Learner, fit: Fit, wrong: Tensor, extra: list[Callback]
) -> Result:
    """Train a learner, and measure it on the validation part.

    Args:
        arm, seed: what the run is called.
        learn: not trained yet.
        fit: trains it.
        wrong: (M,) int64, the training samples whose labels were made wrong.
        extra: callbacks.

    Returns:
        What was measured; where the training diverged, why.

    Raises:
        TimeIsUp: a :class:`Deadline` among the callbacks stopped it.
        VicinalError: there is only one validation sample, or the training failed otherwise.
    """
    learn.add_cbs(extra)
    try:
        fit(learn)
    except Diverged as error:
        return Result(arm, seed, failed=str(error), history=learn.history)
    seconds = sum(row["seconds"] for row in learn.history)
    trained = len(learn.history) * len(learn.dls.train) * learn.dls.bs
    outputs, targets = learn.get_preds()
    if len(targets) < 2:
        raise VicinalError("one validation sample can tell nothing: hold out more")
    values, reliability = measured(learn, outputs, targets, wrong)
    if not all(bool(value.isfinite().all()) for value in values.values()):
        return Result(arm, seed, failed="its outputs are not finite", history=learn.history)
    return Result(
        arm=arm,
        seed=seed,
        history=learn.history,
        seconds=seconds,
        samples_per_second=trained / seconds if seconds else 0.0,
        values=values,
        reliability=reliability,
        validated=digest(targets.tolist()),
        chance=_chance(targets),
    )


def _chance(targets: Tensor) -> float:
    if targets.is_floating_point():
        return targets.double().std(correction=0).item()
    return targets.bincount().max().item() / len(targets)


def digest(value: Any) -> str:
    """Tells apart values that are written otherwise."""
    return hashlib.blake2b(repr(value).encode(), digest_size=16).hexdigest()


def measured(
    learn: Learner, outputs: Tensor, targets: Tensor, wrong: Tensor
) -> tuple[dict[str, Tensor], list[Reliability]]:
    """All measures that go with the data, sample by sample, and the reliability diagrams.

    Args:
        learn: the trained learner.
        outputs, targets: of the validation part, as :meth:`Learner.get_preds` gives them.
        wrong: as for :func:`run`.
    """
    if learn.dls.vocab is None:
        return value_measures(outputs, targets), []
    calibrated = scaled(outputs, targets)
    values = class_measures(outputs, targets)
    after = class_measures(calibrated, targets)
    values["nll_scaled"], values["ece_scaled"] = after["nll"], after["ece"]
    values["ece_scaled_unbiased"] = after["ece_unbiased"]
    if learn.dls.normalize is not None:
        values |= robustness(learn)
    if len(wrong):
        values["memorised"] = memorised(learn, wrong)
    return values, [Reliability.of(p, targets) for p in (outputs, calibrated)]


def memorised(learn: Learner, wrong: Tensor) -> Tensor:
    """Whether the network gives back each of the wrong labels: (M,) float64."""
    batches = Batches(
        Subset(learn.dls.train.dataset, wrong.tolist()),
        2 * learn.dls.bs,
        transforms=learn.dls.valid.transforms,
        device=learn.dls.device,
    )
    outputs, targets = learn.get_preds(batches)
    return (outputs.argmax(1) == targets).double()
