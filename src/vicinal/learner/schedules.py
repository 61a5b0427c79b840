"""Schedules of rates and momenta: one cycle, and flat with a cosine at the end."""

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch

from vicinal.errors import VicinalError
from vicinal.learner.events import Callback

if TYPE_CHECKING:
    from vicinal.learner.learner import Learner

MakeScheduler = Callable[[torch.optim.Optimizer, int], Any]


class StepScheduler(Callback):
    """Step a scheduler, one of torch's or :class:`Cosines`, after every step of the optimizer.

    A step that a callback of order -5 or higher cancels counts, too: the schedule goes on.

    Args:
        make: from the optimizer and the number of its steps to the scheduler.
    """

    order = -5  # after AccumulateGradients, before what cancels single steps

    def __init__(self, make: MakeScheduler) -> None:
        self.make = make

    def before_fit(self, learn: "Learner") -> None:
        # AccumulateGradients has this attribute: no after_step is sent for the steps it cancels.
        if not isinstance(learn.optimizer, torch.optim.Optimizer):
            raise VicinalError(
                f"torch's schedules take no {type(learn.optimizer).__name__}, which is no "
                "torch.optim.Optimizer: train by fit(), with a constant rate"
            )
        batches = max(getattr(cb, "batches_per_step", 1) for cb in learn.callbacks)
        steps = learn.epochs * math.ceil(len(learn.dls.train) / batches)
        self.scheduler = self.make(learn.optimizer, steps)

    def after_step(self, learn: "Learner") -> None:
        self.scheduler.step()

    def state_dict(self) -> dict[str, Any]:
        return dict(self.scheduler.state_dict())

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.scheduler.load_state_dict(state)


class Cosines:
    """Rates, and momenta where there are, that go from start to middle to end, by two cosines.

    It can be stepped, saved and restored as torch's schedulers can. Step ``i`` of ``n`` stands at
    the fraction ``i / n``, counted from 0: the last step comes close to the end, as in fastai.

    Args:
        optimizer: its rates are the highest.
        steps: how many steps it will take.
        pct_start: the fraction of the steps before the middle, 0 or more and below 1.
        rates: what the highest rates are multiplied by at the start, in the middle and at the end.
        momenta: momenta at the start, in the middle and at the end; None leaves them as they are.

    Raises:
        VicinalError: it is stepped more often than the optimizer was to step.
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        steps: int,
        pct_start: float,
        rates: Sequence[float],
        momenta: Sequence[float] | None = None,
    ) -> None:
        self.optimizer, self.steps, self.pct_start = optimizer, steps, pct_start
        self.rates, self.momenta = rates, momenta
        self.highest = [group["lr"] for group in optimizer.param_groups]
        self.number = 0
        self._set()

    def step(self) -> None:
        if self.number >= self.steps:
            raise VicinalError(
                f"the schedule was made for {self.steps} steps, and the training takes more: call "
                "train_on() in trainings by fit(), with a constant rate"
            )
        self.number += 1
        self._set()

    def _set(self) -> None:
        factor = self._at(self.rates)
        # Read anew, as an optimizer that loads a state makes other groups.
        for group, highest in zip(self.optimizer.param_groups, self.highest, strict=True):
            group["lr"] = highest * factor
            if self.momenta is None:
                continue
            if "betas" in group:
                group["betas"] = (self._at(self.momenta), *group["betas"][1:])
            elif "momentum" in group:
                group["momentum"] = self._at(self.momenta)

    def _at(self, values: Sequence[float]) -> float:
        start, middle, end = values
        done = self.number / self.steps
        if done < self.pct_start:
            return _cosine(start, middle, done / self.pct_start)
        return _cosine(middle, end, (done - self.pct_start) / (1 - self.pct_start))

    def state_dict(self) -> dict[str, int]:
        return {"last_epoch": self.number}  # torch's name, also in checkpoints of earlier versions

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.number = state["last_epoch"]
        self._set()


def one_cycle(
    pct_start: float, div: float, div_final: float, momenta: Sequence[float]
) -> MakeScheduler:
    """The one-cycle schedule up from ``lr / div``, and down to ``lr / div_final``.

    Args:
        pct_start: the fraction of the steps that warm up, 0 or more and below 1.
        div, div_final: what the highest rate of each group is divided by at the start and end.
        momenta: the momentum at the start, at the highest rate and at the end, each in [0, 1). An
            optimizer without momentum stays so.

    Raises:
        VicinalError: an argument is out of its range.
    """
    _check(pct_start, div=div, div_final=div_final)
    if len(momenta) != 3 or not all(0 <= momentum < 1 for momentum in momenta):
        raise VicinalError(f"moms must be three numbers, each 0 or more and below 1, not {momenta}")

    def make(optimizer: torch.optim.Optimizer, steps: int) -> Cosines:
        cycled = momenta if _has_momentum(optimizer) else None
        return Cosines(optimizer, steps, pct_start, (1 / div, 1.0, 1 / div_final), cycled)

    return make


def flat_cos(pct_start: float, div_final: float) -> MakeScheduler:
    """A constant rate, then a cosine down to ``lr / div_final``.

    Args:
        pct_start: the fraction of the steps before it anneals, 0 or more and below 1.
        div_final: what each group's rate is divided by at the end; above 0.

    Raises:
        VicinalError: an argument is out of its range.
    """
    _check(pct_start, div_final=div_final)

    def make(optimizer: torch.optim.Optimizer, steps: int) -> Cosines:
        return Cosines(optimizer, steps, pct_start, (1.0, 1.0, 1 / div_final))

    return make


def _cosine(start: float, end: float, done: float) -> float:
    return start + (end - start) * (1 - math.cos(math.pi * done)) / 2


def _check(pct_start: float, **divisors: float) -> None:
    if not 0 <= pct_start < 1:
        raise VicinalError(f"pct_start must be 0 or more and below 1, not {pct_start}")
    for name, value in divisors.items():
        if not 0 < value < math.inf:
            raise VicinalError(f"{name} must be a number above 0, not {value}")


def _has_momentum(optimizer: torch.optim.Optimizer) -> bool:
    betas = optimizer.defaults.get("betas")
    # A first beta of 0 is no momentum, and stays so.
    return bool(betas[0] if betas else optimizer.defaults.get("momentum"))
