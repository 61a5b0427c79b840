"""Result: what a run gave, and the file that holds it."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from vicinal.errors import VicinalError
from vicinal.learner.state import load_tree, save_tree
from vicinal.study.calibration import Reliability


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
    def validations(self) -> int:
        """How many epochs of its training were validated."""
        return sum(any(name.startswith("valid_") for name in row) for row in self.history)

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

        Raises:
            VicinalError: it is damaged, or of another version.
        """
        tree = load_tree(file)
        try:
            reliability = [Reliability(**each) for each in tree.pop("reliability")]
            return cls(**tree, reliability=reliability)
        except (AttributeError, KeyError, TypeError):
            raise VicinalError(f"{file} holds no result of this version: remove it") from None


def digest(value: Any) -> str:
    """A hash of a value's repr.

    >>> digest([1, "a"]) == digest([1, "a"]) != digest([1, "b"])
    True
    """
    return hashlib.blake2b(repr(value).encode(), digest_size=16).hexdigest()
