"""Result: what a run gave, and the file that holds it."""

import hashlib
import math
from dataclasses import dataclass, field
from numbers import Integral, Real
from pathlib import Path
from typing import Any

from torch import Tensor

from vicinal.errors import VicinalError
from vicinal.learner.state import load_tree, save_tree
from vicinal.study.calibration import Reliability
from vicinal.study.measure import UNBIASED
from vicinal.study.measures import MEASURES

ROUNDING = 1e-4  # the sums of float32 probabilities are not exactly 1
REMEDY = "remove it, and the run is done again"
TYPES: dict[str, Any] = {
    "arm": str, "seed": Integral, "failed": str, "history": list, "seconds": Real,
    "samples_per_second": Real, "values": dict, "settings": str, "validated": str, "chance": Real,
}  # fmt: skip


@dataclass(frozen=True)
class Result:
    """What a run gave: one arm, trained with one seed.

    Args:
        arm, seed: which run it was.
        failed: why the run has no measures, in a sentence; empty where it has.
        history: a row of losses and metrics for each epoch.
        seconds: of the training, without measuring.
        samples_per_second: training samples.
        values: for each measure (N,) float64, whose mean is the measure. Those of an earlier
            version may lack measures that were added since.
        reliability: of a classifier, the diagrams before and after temperature scaling.
        settings: a digest of the settings; a store refuses results of other settings.
        validated: a digest of the validation targets; runs of other ones cannot be compared.
        chance: the main measure of a prediction that ignores the samples: the most frequent
            class, or the mean value.
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

    @property
    def validations(self) -> list[int]:
        """For each epoch of its training that was validated, on how many batches; 0 for all."""
        rows = (row for row in self.history if any(name.startswith("valid_") for name in row))
        return [row.get("validated", 0) for row in rows]

    def mean(self, name: str) -> float:
        """A measure."""
        return self.values[name].mean().item()

    def save(self, file: Path) -> None:
        """Write it, whole or not at all."""
        tree = {**vars(self), "reliability": [vars(each) for each in self.reliability]}
        save_tree(file, tree)

    @classmethod
    def load(cls, file: Path) -> "Result":
        """Read what :meth:`save` wrote.

        The file holds a digest of its bytes (see :mod:`vicinal.learner.tensor_file`); those of
        early versions hold none, and their values are checked alone.

        Raises:
            FileNotFoundError: there is no such file.
            VicinalError: it is damaged, or of another version.
        """
        try:
            tree = load_tree(file)
        except VicinalError as error:
            raise VicinalError(f"{str(error).rpartition(': ')[0]}: {REMEDY}") from None
        try:
            reliability = [Reliability(**each) for each in tree.pop("reliability")]
            result = cls(**tree, reliability=reliability)
            result._check_types()
        except (AttributeError, KeyError, TypeError):
            raise VicinalError(f"{file} holds no result of this version: {REMEDY}") from None
        if wrong := result._impossible():
            raise VicinalError(f"{file} is damaged, as {wrong}: {REMEDY}")
        return result

    def _check_types(self) -> None:
        """Raise a TypeError where a field is not what it is declared as."""
        for name, kind in TYPES.items():
            if not isinstance(getattr(self, name), kind):
                raise TypeError(name)
        if not all(isinstance(row, dict) for row in self.history):
            raise TypeError("history")
        for value in self.values.values():
            if not (isinstance(value, Tensor) and value.is_floating_point() and value.ndim == 1):
                raise TypeError("values")

    def _impossible(self) -> str:
        """The first number that cannot be, in words; empty where there is none."""
        for name in ("seconds", "samples_per_second", "chance"):
            if not math.isfinite(getattr(self, name)):
                return f"its {name.replace('_', ' ')} is {getattr(self, name)}"
        for name, values in self.values.items():
            if not len(values) or not values.isfinite().all():
                return f"its {name} is not a finite number for each sample"
            if outside := _outside(name, self.mean(name)):
                return outside
        return ""


def _outside(name: str, mean: float) -> str:
    """What is wrong with a measure that is out of its range, or that is not known."""
    own = name.removesuffix(UNBIASED)
    if own not in MEASURES:  # of a later version
        return ""
    low, high = MEASURES[own].bounds
    if own != name:  # without the bias that keeps it above 0
        low = -high
    if low - ROUNDING <= mean <= high + ROUNDING:
        return ""
    return f"its {name} is {mean:.3g}, which is not from {low:g} to {high:g}"


def digest(value: Any) -> str:
    """A hash of a value's repr.

    >>> digest([1, "a"]) == digest([1, "a"]) != digest([1, "b"])
    True
    """
    return hashlib.blake2b(repr(value).encode(), digest_size=16).hexdigest()
