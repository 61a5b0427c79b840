"""Validate as often as a learning curve needs, as it can take longer than the training itself."""

import math
from typing import Any

from vicinal.learner.events import Callback, CancelValidate
from vicinal.learner.learner import Learner
from vicinal.learner.monitors import Monitor

POINTS = 20  # of a learning curve


def points(epochs: int) -> set[int]:
    """The epochs, from 0, after which a training is validated: at most 20, the last among them.

    >>> sorted(points(3)), len(points(150)), max(points(150))
    ([0, 1, 2], 20, 149)
    """
    count = min(epochs, POINTS)
    return {math.ceil(epochs * number / count) - 1 for number in range(1, count + 1)}


class CurvePoints(Callback):
    """Validate after some of the epochs only; the rows of the others lack these columns.

    Training is the same, as validation draws no random numbers. Where a callback may need every
    validation, as those do that stop early, and any that is not vicinal's own, nothing is left out.
    """

    order = 85  # of a row that is written, and not saved yet

    def before_fit(self, learn: Learner) -> None:
        needed = any(_may_need_all(callback) for callback in learn.callbacks)
        self.validated = set(range(learn.epochs)) if needed else points(learn.epochs)

    def before_validate(self, learn: Learner) -> None:
        if learn.epoch not in self.validated:
            raise CancelValidate

    def after_epoch(self, learn: Learner) -> None:
        if learn.epoch not in self.validated:
            row = learn.history[-1]
            learn.history[-1] = {
                name: value for name, value in row.items() if not name.startswith("valid_")
            }


def _may_need_all(callback: Callback) -> bool:
    return isinstance(callback, Monitor) or not is_own(type(callback))


def is_own(thing: Any) -> bool:
    """Whether a function or a class is vicinal's own."""
    return (getattr(thing, "__module__", None) or "").partition(".")[0] == "vicinal"
