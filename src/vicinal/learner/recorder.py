"""The Recorder: what a training gave, epoch by epoch and batch by batch."""

import math
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from vicinal.errors import Diverged, VicinalError
from vicinal.learner.callbacks import Average, ValidAverages
from vicinal.learner.class_metrics import check_scores
from vicinal.learner.events import Callback

if TYPE_CHECKING:
    from vicinal.learner.learner import Learner

SMOOTHING = 0.98  # the weight of the previous smoothed loss, as in fastai
NO_LABEL = -(2.0**127)  # in the place of a loss over no label, which is nan
NO_COLUMNS = ("epoch", "seconds")  # of the history, which are no losses or metrics


class Recorder(Callback):
    """Average losses and metrics over each epoch, into a row of ``learn.history``.

    ``learn.recorder`` is that of the learner, and holds what its last training gave (of
    ``fine_tune``, the part with all layers; of a training that was resumed, what came after that).

    Attributes:
        values: for each epoch the list of its losses and metrics.
        metric_names: their names, with ``epoch`` before and ``seconds`` after them.
        losses: of each training batch the loss, exponentially smoothed.
        lrs: of each training batch the learning rate of the last parameter group.
        hps: the same rates as ``"lr"``, and the momentum (or Adam's first beta) as ``"mom"``.
        iters: how many batches had been trained on at the end of each epoch.

    Raises:
        Diverged: the training loss of an epoch is not finite.

    >>> from vicinal import DataLoaders, Learner
    >>> x, y = torch.randn(40, 2), torch.arange(40) % 2
    >>> learn = Learner(DataLoaders.from_tensors(x, y, x, y, bs=10), torch.nn.Linear(2, 2))
    >>> learn.fit_one_cycle(2, 0.1)
         epoch ...
    >>> learn.recorder.metric_names
    ['epoch', 'train_loss', 'valid_loss', 'seconds']
    >>> len(learn.recorder.values), len(learn.recorder.losses), learn.recorder.iters
    (2, 8, [4, 8])
    >>> learn.recorder.plot_loss().savefig("losses.png")  # doctest: +SKIP
    """

    order = 80

    def __init__(self) -> None:
        self._forget()

    def _forget(self) -> None:
        self.values: list[list[float]] = []
        self.metric_names: list[str] = []
        self.losses: list[float] = []
        self.hps: dict[str, list[float]] = {"lr": []}
        self.iters: list[int] = []
        self._is_checked = False  # that the metrics suit the outputs
        self._sum, self._count = 0.0, 0  # of the smoothed losses, which begin at 0
        self._new: list[Tensor] = []  # losses of this epoch, not yet read from the device

    @property
    def lrs(self) -> list[float]:
        return self.hps["lr"]

    # ---- events ---------------------------------------------------------------------------

    def before_fit(self, learn: "Learner") -> None:
        self._forget()

    def before_epoch(self, learn: "Learner") -> None:
        self.started = time.perf_counter()
        self.train_loss = Average()
        self.valid = ValidAverages(learn.metrics)

    def after_pred(self, learn: "Learner") -> None:
        if not self._is_checked:  # before an epoch of training is lost
            check_scores(learn.metrics, learn.loss_func, learn.pred, learn.y, learn.dls.vocab)
            self._is_checked = True
        # After a batch, a schedule may have set the rate of the next one.
        self._settings = settings_of(learn.optimizer) if learn.training else {}

    def after_batch(self, learn: "Learner") -> None:
        if learn.loss is None:  # the batch was cancelled
            return
        if learn.training:
            weight = learn.mean_weight(learn.y)
            self.train_loss.add_loss(learn.loss, weight)
            self._add_batch(learn.loss, weight)
        else:
            self.valid.add(learn.loss, learn.mean_weight(learn.y), learn.pred, learn.y)

    def after_train(self, learn: "Learner") -> None:
        self._read_losses()
        loss = self.train_loss.mean()
        if self.train_loss.count and not math.isfinite(loss):
            raise Diverged(
                f"the training loss became {loss} in epoch {learn.epoch + 1}: lower the "
                "learning rate, and look for NaN or huge values in the inputs and the targets"
            )

    def after_epoch(self, learn: "Learner") -> None:
        self._read_losses()  # also of batches that callbacks trained on in between
        row = {"train_loss": self.train_loss.mean(), **self.valid.means()}
        seconds = time.perf_counter() - self.started
        learn.history.append({"epoch": len(learn.history) + 1, **row, "seconds": seconds})
        self.metric_names = list(learn.history[-1])
        self.values.append(list(row.values()))
        self.iters.append(len(self.losses))

    # ---- the batches ----------------------------------------------------------------------

    def _add_batch(self, loss: Tensor, weight: Tensor | int) -> None:
        loss = loss.detach().reshape(()).float()
        if isinstance(weight, Tensor):  # of 0, the mean is nan: no label of the batch counts
            loss = loss.where(weight > 0, NO_LABEL)
        self._new.append(loss)
        for name, value in self._settings.items():
            self.hps.setdefault(name, []).append(value)

    def _read_losses(self) -> None:
        """Read the new losses from the device, all at once, and smooth them."""
        losses = torch.stack(self._new).tolist() if self._new else []
        self._new = []
        for loss in losses:
            if loss == NO_LABEL:  # the curve goes on as it was
                self.losses.append(self.losses[-1] if self.losses else math.nan)
                continue
            self._sum = SMOOTHING * self._sum + (1 - SMOOTHING) * loss
            self._count += 1
            self.losses.append(self._sum / (1 - SMOOTHING**self._count))

    # ---- pictures -------------------------------------------------------------------------

    def plot_loss(
        self,
        skip_start: int = 5,
        with_valid: bool = True,
        log: bool = False,
        show_epochs: bool = False,
        ax: Any = None,
    ) -> Any:
        """A matplotlib figure of the losses over the batches of the last training.

        Args:
            skip_start: leave out that many batches at the start.
            with_valid: draw the validation loss at the end of each epoch, too.
            log: make the axis of the losses logarithmic.
            show_epochs: draw a vertical line at the end of each epoch.
            ax: matplotlib axes to draw into and return, instead of a figure of its own.

        Raises:
            VicinalError: no training has been recorded.
        """
        from vicinal import plots

        self._check_recorded()
        place = self.metric_names.index("valid_loss") - 1 if self.values else 0
        figure = plots.loss_curves(
            self.losses,
            self.iters,
            [row[place] for row in self.values],
            skip_start=skip_start,
            with_valid=with_valid,
            log=log,
            show_epochs=show_epochs,
            ax=ax,
        )
        return plots.shown(figure) if ax is None else ax

    def plot_sched(
        self, keys: str | Sequence[str] | None = None, figsize: tuple[float, float] | None = None
    ) -> Any:
        """A matplotlib figure of the learning rate and the momentum over the batches.

        Args:
            keys: one or several of ``"lr"`` and ``"mom"``; None takes all that there are.
            figsize: width and height in inches.

        Raises:
            VicinalError: no training has been recorded, or it has no such setting.
        """
        from vicinal import plots

        self._check_recorded()
        chosen = [keys] if isinstance(keys, str) else list(keys or self.hps)
        for key in chosen:
            if key not in self.hps:
                raise VicinalError(f"{key!r} was not recorded: use {' or '.join(self.hps)}")
        return plots.shown(plots.schedules({key: self.hps[key] for key in chosen}, figsize))

    def _check_recorded(self) -> None:
        if not self.losses:
            raise VicinalError("there is no training to plot: call fit() before")


def settings_of(optimizer: Any) -> dict[str, float]:
    """The learning rate of the last parameter group, and its momentum if it has one.

    >>> settings_of(torch.optim.AdamW([torch.zeros(1)], lr=0.5, betas=(0.9, 0.99)))
    {'lr': 0.5, 'mom': 0.9}
    """
    group = optimizer.param_groups[-1]
    momentum = group["betas"][0] if "betas" in group else group.get("momentum")
    found = {"lr": float(group["lr"])}
    return found if momentum is None else {**found, "mom": float(momentum)}
