"""Learning rate schedules: one cycle, and flat with a cosine at the end."""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch

from vicinal.errors import VicinalError
from vicinal.learner.events import Callback

if TYPE_CHECKING:
    from vicinal.learner.learner import Learner

MakeScheduler = Callable[[torch.optim.Optimizer, int], Any]


class StepScheduler(Callback):
    """Step one of torch's schedulers after every step of the optimizer.

    Args:
        make: from the optimizer and the number of its steps to the scheduler.
    """

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


def one_cycle(pct_start: float, div: float, div_final: float) -> MakeScheduler:
    """The one-cycle schedule up from ``lr / div``, and down to ``lr / div_final``.

    Args:
        pct_start: the fraction of the steps that warm up, in (0, 1).
        div, div_final: what the highest rate of each group is divided by at the start and end.
    """

    def make(optimizer: torch.optim.Optimizer, steps: int) -> Any:
        # OneCycleLR divides by zero if the warm-up has no step; and it counts one step more than
        # the optimizer takes.
        warm_up = max(1, round(pct_start * steps))
        return torch.optim.lr_scheduler.OneCycleLR(
            optimizer,
            max_lr=[group["lr"] for group in optimizer.param_groups],
            total_steps=steps + 1,
            pct_start=(warm_up + 1) / (steps + 1),
            div_factor=div,
            final_div_factor=div_final / div,
            cycle_momentum=_has_momentum(optimizer),
        )

    return make


def flat_cos(pct_start: float, div_final: float) -> MakeScheduler:
    """A constant rate, then a cosine down to ``lr / div_final``.

    Args:
        pct_start: the fraction of the steps before it anneals, 0 or more and below 1.
        div_final: what each group's rate is divided by at the end; above 0.

    Raises:
        VicinalError: an argument is out of its range.
    """
    if not 0 <= pct_start < 1:
        raise VicinalError(f"pct_start must be 0 or more and below 1, not {pct_start}")
    if not 0 < div_final < math.inf:
        raise VicinalError(f"div_final must be a number above 0, not {div_final}")

    def make(optimizer: torch.optim.Optimizer, steps: int) -> Any:
        def factor(step: int) -> float:
            annealed = max(0.0, step / steps - pct_start) / (1 - pct_start)
            height = (1 + math.cos(math.pi * annealed)) / 2
            return height + (1 - height) / div_final

        return torch.optim.lr_scheduler.LambdaLR(optimizer, factor)

    return make


def _has_momentum(optimizer: torch.optim.Optimizer) -> bool:
    betas = optimizer.defaults.get("betas")
    # A first beta of 0 is no momentum, and stays so.
    return bool(betas[0] if betas else optimizer.defaults.get("momentum"))
