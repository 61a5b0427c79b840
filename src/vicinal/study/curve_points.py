"""Validate as often as a learning curve needs, as it can take longer than the training itself."""

import math
from typing import Any

from vicinal.data.split_loader import SplitLoader
from vicinal.learner.events import Callback, CancelBatch, CancelValidate
from vicinal.learner.learner import Learner
from vicinal.learner.monitors import Monitor

POINTS = 20  # of a learning curve
SAMPLES = 1000  # of the validation part that are enough for one of them, or up to twice as many


def points(epochs: int) -> set[int]:
    """The epochs, from 0, after which a training is validated: at most 20, the last among them.

    >>> sorted(points(3)), len(points(150)), max(points(150))
    ([0, 1, 2], 20, 149)
    """
    count = min(epochs, POINTS)
    return {math.ceil(epochs * number / count) - 1 for number in range(1, count + 1)}


def stride(valid: SplitLoader, samples: int) -> int:
    """Of how many validation batches one is taken, for so many samples or up to twice as many.

    They are taken evenly, as the samples may be sorted by their class.
    """
    return max(1, len(valid) * valid.batch_size // samples)


class CurvePoints(Callback):
    """Validate after some of the epochs only, and on some of the batches.

    The rows of the other epochs lack these columns; where batches were left out, ``validated`` is
    how many were not. Training is the same, as validation draws no random numbers. Where a
    callback may need every validation, as those do that stop early, and any that is not vicinal's
    own, nothing is left out.
    """

    order = 85  # of a row that is written, and not saved yet

    def before_fit(self, learn: Learner) -> None:
        needed = any(_may_need_all(callback) for callback in learn.callbacks)
        self.validated = set(range(learn.epochs)) if needed else points(learn.epochs)
        self.stride = 1 if needed else stride(learn.dls.valid, SAMPLES)

    def before_validate(self, learn: Learner) -> None:
        if learn.epoch not in self.validated:
            raise CancelValidate
        self.batch = -1

    def before_batch(self, learn: Learner) -> None:
        if not learn.training:
            self.batch += 1
            if self.batch % self.stride:
                raise CancelBatch

    def after_epoch(self, learn: Learner) -> None:
        row = learn.history[-1]
        if learn.epoch in self.validated:
            if self.stride > 1:
                row["validated"] = self.batch // self.stride + 1
        else:
            learn.history[-1] = {
                name: value for name, value in row.items() if not name.startswith("valid_")
            }


def _may_need_all(callback: Callback) -> bool:
    return isinstance(callback, Monitor) or not is_own(type(callback))


def is_own(thing: Any) -> bool:
    """Whether a function or a class is vicinal's own."""
    return (getattr(thing, "__module__", None) or "").partition(".")[0] == "vicinal"
