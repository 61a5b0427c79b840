"""Callbacks that track a column of the history, by fastai's names and with its arguments."""

import math
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from vicinal.errors import VicinalError
from vicinal.learner.events import Callback, CancelFit
from vicinal.learner.monitors import EarlyStopping, Monitor, SaveBest
from vicinal.mixing.arguments import flag, number, whole
from vicinal.processes import this_process, total

if TYPE_CHECKING:
    from vicinal.learner.learner import Learner

Comparison = Callable[[float, float], Any] | None


class EarlyStoppingCallback(EarlyStopping):
    """:class:`EarlyStopping` with fastai's arguments, and its patience of one epoch.

    Args:
        monitor: ``valid_loss``, ``train_loss`` or a metric, such as ``accuracy``.
        comp: ``np.less`` or ``np.greater``; None decides by the name, see :class:`EarlyStopping`.
        min_delta, patience, reset_on_fit: as there.

    >>> EarlyStoppingCallback("accuracy", patience=3).mode
    'max'
    """

    def __init__(
        self,
        monitor: str = "valid_loss",
        comp: Comparison = None,
        min_delta: float = 0.0,
        patience: int = 1,
        reset_on_fit: bool = True,
    ) -> None:
        mode = mode_of(comp)
        super().__init__(monitor, patience, min_delta, mode=mode, reset_on_fit=reset_on_fit)


class SaveModelCallback(SaveBest):
    """:class:`SaveBest` with fastai's arguments: save the best weights, and end with them.

    Args:
        monitor: ``valid_loss``, ``train_loss`` or a metric, such as ``accuracy``.
        comp: ``np.less`` or ``np.greater``; None decides by the name, see :class:`SaveBest`.
        min_delta, reset_on_fit: as there.
        fname: of the file, ``path/model_dir/FNAME.safetensors``.
        every_epoch: save ``FNAME_0``, ``FNAME_1``, … instead, after every epoch, or with a number
            after every so many; the training then ends with the last weights.
        at_end: save the last weights as ``FNAME``, and end with them.
        with_opt: not available: :class:`Checkpoint` saves the optimizer, too.

    Raises:
        VicinalError: ``with_opt`` is set, or both ``every_epoch`` and ``at_end``.

    >>> SaveModelCallback("f1_score", fname="best_f1").file_name
    'best_f1'
    """

    def __init__(
        self,
        monitor: str = "valid_loss",
        comp: Comparison = None,
        min_delta: float = 0.0,
        fname: str = "model",
        every_epoch: bool | int = False,
        at_end: bool = False,
        with_opt: bool = False,
        reset_on_fit: bool = True,
    ) -> None:
        if with_opt:
            raise VicinalError(
                "SaveModelCallback saves weights alone: without with_opt, give Checkpoint(file), "
                "which saves the optimizer, too"
            )
        if every_epoch and at_end:
            raise VicinalError("SaveModelCallback takes one of every_epoch and at_end, not both")
        mode = mode_of(comp)
        super().__init__(fname, monitor, mode, min_delta=min_delta, reset_on_fit=reset_on_fit)
        self.every = whole("every_epoch", int(every_epoch)) if every_epoch else 0
        self.at_end = flag("at_end", at_end)

    def after_epoch(self, learn: "Learner") -> None:
        if not self.every:
            super().after_epoch(learn)
        elif learn.epoch % self.every == 0:
            with self.weights_to_save(learn):
                learn.save(f"{self.file_name}_{learn.epoch}")

    def after_fit(self, learn: "Learner") -> None:
        if self.at_end:
            self.weights = {}
            learn.save(self.file_name)
        super().after_fit(learn)


class ReduceLROnPlateau(Monitor):
    """Lower the learning rate when a column of the history has not improved for some epochs.

    It is for :meth:`Learner.fit`: a schedule sets the rate anew at each step, and there is a
    warning then.

    Args:
        monitor: ``valid_loss``, ``train_loss`` or a metric, such as ``accuracy``.
        comp: ``np.less`` or ``np.greater``; None decides by the name, see :class:`EarlyStopping`.
        min_delta, reset_on_fit: as there.
        patience: the number of epochs in a row without improvement, 1 or more.
        factor: what the rate of each parameter group is divided by, above 1.
        min_lr: no rate becomes lower than this.

    Raises:
        TypeError, ValueError: an argument is of the wrong kind or out of its range.
        VicinalError: there is no such column when a training begins.

    Source: fastai's callback of that name.

    >>> import torch
    >>> from vicinal import DataLoaders, Learner
    >>> x, y = torch.randn(64, 2), torch.arange(64) % 2
    >>> dls = DataLoaders.from_tensors(x, y, x, y, bs=16, device="cpu")
    >>> learn = Learner(dls, torch.nn.Linear(2, 2))
    >>> learn.fit(3, 0.1, cbs=ReduceLROnPlateau(min_delta=9))  # the first epoch stays the best
         epoch ...
    >>> [group["lr"] for group in learn.optimizer.param_groups]
    [0.001, 0.001]
    """

    order = 85  # after the Recorder; before a checkpoint, which includes the rates

    def __init__(
        self,
        monitor: str = "valid_loss",
        comp: Comparison = None,
        min_delta: float = 0.0,
        patience: int = 1,
        factor: float = 10.0,
        min_lr: float = 0.0,
        reset_on_fit: bool = True,
    ) -> None:
        super().__init__(monitor, mode_of(comp), min_delta, reset_on_fit)
        self.patience, self.min_lr = whole("patience", patience), number("min_lr", min_lr)
        self.factor = number("factor", factor)
        if self.factor <= 1:
            raise ValueError(f"factor must be above 1, not {factor}: it divides the rate")
        self.waited, self.reduced = 0, False

    def before_fit(self, learn: "Learner") -> None:
        super().before_fit(learn)
        self.waited, self.reduced = 0, False

    def after_train(self, learn: "Learner") -> None:
        if self.reduced and [group["lr"] for group in learn.optimizer.param_groups] != self.rates:
            warnings.warn(
                "ReduceLROnPlateau has no effect, as a schedule sets the learning rate at each "
                "step: use it with fit()",
                stacklevel=2,
            )
        self.reduced = False

    def after_epoch(self, learn: "Learner") -> None:
        self.waited = 0 if self.improvements(learn)[-1] else self.waited + 1
        if self.waited < self.patience:
            return
        self.waited, self.reduced = 0, True
        groups = learn.optimizer.param_groups
        before = groups[-1]["lr"]
        for group in groups:
            group["lr"] = min(group["lr"], max(group["lr"] / self.factor, self.min_lr))
        self.rates = [group["lr"] for group in groups]
        if groups[-1]["lr"] < before:
            self.say(
                learn,
                f"learning rate lowered to {groups[-1]['lr']:g}, as {self.column} has not improved",
            )

    def state_dict(self) -> dict[str, Any]:
        """Where the training began, and the epochs without improvement."""
        return {**super().state_dict(), "waited": self.waited}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue to wait."""
        super().load_state_dict(state)
        self.waited = state["waited"]


class TerminateOnNaNCallback(Callback):
    """End the training at the first batch whose loss is NaN or infinite, before its step.

    The weights are those before that batch. Without it, an epoch with such a loss is completed, and
    then raises an error. Each batch waits for the device.

    >>> import torch
    >>> from vicinal import DataLoaders, Learner
    >>> x, y = torch.full((64, 2), float("1e30")), torch.arange(64) % 2
    >>> dls = DataLoaders.from_tensors(x, y, x, y, bs=16, device="cpu")
    >>> learn = Learner(dls, torch.nn.Linear(2, 2), lambda output, y: (output**2).mean())
    >>> learn.fit(1, cbs=TerminateOnNaNCallback())
    stopped, as the loss became inf
    >>> bool(learn.model.weight.isfinite().all())
    True
    """

    order = 90  # after callbacks that change the loss

    def after_loss(self, learn: "Learner") -> None:
        if not learn.training or learn.loss is None:
            return
        weight = learn.mean_weight(learn.y)
        loss = learn.loss.item() if weight > 0 else 0.0  # the mean over no label is nan
        if total([float(not math.isfinite(loss))])[0]:  # all processes end at the same batch
            if learn.is_logging:
                this_process().print(f"stopped, as the loss became {loss}")
            raise CancelFit


def mode_of(comp: Comparison) -> str | None:
    """What a comparison such as ``np.less`` says is better: "min", "max", or None for neither.

    Raises:
        VicinalError: it compares otherwise.

    >>> import operator
    >>> mode_of(operator.lt), mode_of(operator.gt), mode_of(None)
    ('min', 'max', None)
    """
    if comp is None:
        return None
    if callable(comp):
        lower, higher = bool(comp(0.0, 1.0)), bool(comp(1.0, 0.0))
        if lower != higher:
            return "min" if lower else "max"
    raise VicinalError(f"comp must be np.less or np.greater, not {comp!r}")
