"""What people expect of a trainer: gradients accumulated and clipped, weights averaged and kept."""

import math
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from vicinal.errors import VicinalError
from vicinal.learner.callbacks import ValidAverages
from vicinal.learner.events import Callback, CancelFit, CancelStep
from vicinal.mixing.arguments import number, one_of, whole

if TYPE_CHECKING:
    from vicinal.learner.learner import Learner


class AccumulateGradients(Callback):
    """Step the optimizer once in so many batches, by the mean of their gradients.

    It is as if the batches were one, for networks that look at each sample alone (batch norm looks
    at the batch). Where an epoch ends in the middle of a group, the optimizer steps by the mean
    over the batches that there are. ``learn.loss`` and the history are what they are without it.

    One-cycle and flat-cosine schedules are stretched over the steps that the optimizer really
    makes, and end at their final rates. Callbacks of order 0 and more hear ``before_step`` and
    ``after_step`` only where the optimizer steps.

    Args:
        batches: how many make a group, 1 or more.

    Raises:
        TypeError, ValueError: ``batches`` is no whole number from 1 on.
        VicinalError: the training has two of them.

    >>> from vicinal import DataLoaders, Learner
    >>> x, y = torch.randn(64, 2), torch.arange(64) % 2
    >>> def train(bs, cbs):
    ...     dls = DataLoaders.from_tensors(x, y, x, y, bs=bs, device="cpu")
    ...     learn = Learner(dls, torch.nn.Linear(2, 2), torch.nn.CrossEntropyLoss())
    ...     torch.nn.init.zeros_(learn.model.weight), torch.nn.init.zeros_(learn.model.bias)
    ...     learn.fit_one_cycle(2, 0.1, cbs=cbs)
    ...     return learn.model.weight
    >>> torch.allclose(train(16, []), train(8, AccumulateGradients(2)), atol=1e-5)
         epoch ...
    True
    """

    # Before all others: who comes later does not hear of a step that is cancelled.
    order = -10

    def __init__(self, batches: int) -> None:
        self.batches_per_step = whole("batches", batches)

    def before_fit(self, learn: "Learner") -> None:
        _only_one(self, learn)
        self.waiting = 0

    def before_train(self, learn: "Learner") -> None:
        if self.waiting:  # the epoch before was cancelled
            learn.optimizer.zero_grad()
        self.waiting, self.is_last = 0, False

    def before_step(self, learn: "Learner") -> None:
        if not self.is_last:
            self.waiting += 1
            if self.waiting < self.batches_per_step:
                raise CancelStep
        # The gradients are divided, not the losses: only now is it known by how many.
        for parameter in _trained(learn):
            if parameter.grad is not None:
                parameter.grad.div_(self.waiting)
        self.waiting = 0

    def after_train(self, learn: "Learner") -> None:
        if self.waiting:
            self.is_last = True
            learn._section("step", learn._step)


class ClipGradients(Callback):
    """Shorten the gradient to a length, where it is longer, before the optimizer steps.

    The length is the Euclidean norm over all parameters at once. Under fp16 it is that of the
    gradient without the scale; with :class:`AccumulateGradients`, that of the mean.

    Args:
        norm: the greatest length, above 0.

    Raises:
        TypeError, ValueError: ``norm`` is no number above 0.
        VicinalError: the training has two of them.

    Source: R. Pascanu, T. Mikolov, Y. Bengio, On the difficulty of training recurrent neural
    networks (2013), by torch's ``clip_grad_norm_``.

    >>> from vicinal import DataLoaders, Learner
    >>> x, y = torch.randn(64, 2), torch.arange(64) % 2
    >>> dls = DataLoaders.from_tensors(x, y, x, y, bs=64, device="cpu")
    >>> learn = Learner(dls, torch.nn.Linear(2, 2), opt_func=torch.optim.SGD)
    >>> before = learn.model.weight.detach().clone()
    >>> learn.fit(1, 1.0, cbs=ClipGradients(0.001))
         epoch ...
    >>> bool((learn.model.weight - before).norm() <= 0.0011)
    True
    """

    order = 70  # after callbacks that change gradients, or cancel the step

    def __init__(self, norm: float) -> None:
        self.norm = number("norm", norm)
        if not self.norm:
            raise ValueError(f"norm must be above 0, not {norm}")

    def before_fit(self, learn: "Learner") -> None:
        _only_one(self, learn)

    def before_step(self, learn: "Learner") -> None:
        learn.scaler.unscale_(learn.optimizer)  # does nothing where nothing is scaled
        torch.nn.utils.clip_grad_norm_(_trained(learn), self.norm)


class EMA(Callback):
    """Validate with, and end with, an exponential moving average of the weights.

    The average begins with the weights after the first step, and moves by a share of
    ``1 - decay`` towards the new ones at every step that the optimizer makes. So it looks back
    about ``1 / (1 - decay)`` steps: take a lower decay for trainings that are not much longer.
    Floating buffers, such as the statistics of batch norms, are averaged like the weights; all
    others are copied.

    However the training ends (also by an error or Ctrl-C), the model then holds the average; with
    :class:`SaveBest`, the best average.

    Args:
        decay: what the average keeps of itself at a step, 0 or more and below 1.

    Raises:
        TypeError, ValueError: ``decay`` is no such number.
        VicinalError: the training has two of them.

    Source: B. T. Polyak, A. B. Juditsky, Acceleration of stochastic approximation by averaging
    (1992), in the exponential form of torch's ``AveragedModel``.

    >>> from vicinal import DataLoaders, Learner
    >>> x, y = torch.randn(64, 2), torch.arange(64) % 2
    >>> dls = DataLoaders.from_tensors(x, y, x, y, bs=16, device="cpu")
    >>> learn = Learner(dls, torch.nn.Linear(2, 2), cbs=EMA(0.9))
    >>> learn.fit(2, 0.1)
         epoch ...
    >>> bool(abs(learn.history[-1]["valid_loss"] - learn.validate()["valid_loss"]) < 1e-6)
    True
    """

    order = 75  # after those that change weights, before SaveBest loads the best ones

    def __init__(self, decay: float = 0.999) -> None:
        self.decay = number("decay", decay, upper=1.0)
        if self.decay == 1:
            raise ValueError(f"decay must be below 1, not {decay}: the average would never move")
        self.average: AveragedModel | None = None

    def before_fit(self, learn: "Learner") -> None:
        _only_one(self, learn)
        self.is_in = False
        average = get_ema_multi_avg_fn(self.decay)
        self.average = AveragedModel(learn.model, multi_avg_fn=average, use_buffers=True)

    @torch.no_grad()
    def after_step(self, learn: "Learner") -> None:
        assert self.average is not None
        self.average.update_parameters(learn.model)
        for own, other in self._pairs(learn):
            if not own.is_floating_point():  # torch would average them as well, and round
                own.copy_(other)

    def before_validate(self, learn: "Learner") -> None:
        self._exchange(learn)

    def after_validate(self, learn: "Learner") -> None:
        self._exchange(learn)

    def after_epoch(self, learn: "Learner") -> None:
        if self.is_in:  # the epoch was cancelled in the validation
            self._exchange(learn)

    def after_fit(self, learn: "Learner") -> None:
        if not self.is_in:  # else the training has ended in the validation
            self._exchange(learn)
        self.average = None

    @contextmanager
    def averaged(self, learn: "Learner") -> Iterator[None]:
        """The model holds the average for a while."""
        self._exchange(learn)
        try:
            yield
        finally:
            self._exchange(learn)

    @torch.no_grad()
    def _exchange(self, learn: "Learner") -> None:
        for own, other in self._pairs(learn):
            kept = own.clone()
            own.copy_(other)
            other.copy_(kept)
        self.is_in = not self.is_in

    def _pairs(self, learn: "Learner") -> Iterator[tuple[Tensor, Tensor]]:
        """Each weight and buffer of the average, with the model's."""
        assert self.average is not None
        yield from zip(self.average.module.parameters(), learn.model.parameters(), strict=True)
        yield from zip(self.average.module.buffers(), learn.model.buffers(), strict=True)

    def state_dict(self) -> dict[str, Any]:
        """The average; none outside of a training."""
        return {"average": None if self.average is None else dict(self.average.state_dict())}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on with the average of another training, which is of the same network.

        Raises:
            VicinalError: it is of another network.
        """
        if self.average is None or state["average"] is None:
            return
        try:
            self.average.load_state_dict(state["average"])
        except RuntimeError:
            raise VicinalError(
                "the averaged weights are of another network: go on with the network that they "
                "were made with"
            ) from None


class Monitor(Callback):
    """Watch a column of ``learn.history``, over the epochs of one training.

    Args:
        monitor: the column, such as ``valid_loss`` or ``valid_accuracy``.
        mode: "min" where lower is better, "max" where higher is; None goes by the name: lower for
            losses, errors and distances (loss, error_rate, rmse, mae, ...), else higher.

    Raises:
        ValueError: ``mode`` is neither.
        VicinalError: when a training begins, there is no such column.

    What was best is read from the history each time: a training that is taken up again goes on
    rightly, whenever its state was kept.
    """

    def __init__(self, monitor: str = "valid_loss", mode: str | None = None) -> None:
        self.monitor = monitor
        self.mode = better(str(monitor)) if mode is None else one_of("mode", mode, ("min", "max"))

    def before_fit(self, learn: "Learner") -> None:
        columns = ["train_loss", *ValidAverages(learn.metrics).averages]
        if self.monitor not in columns:
            raise VicinalError(
                f"{type(self).__name__} cannot monitor {self.monitor!r}, which is no column of the "
                f"history: take one of {', '.join(columns)}"
            )
        self.begin = len(learn.history)

    def scores(self, learn: "Learner") -> list[float]:
        """The column since the training began, its sign such that higher is better.

        NaN and infinities are minus infinity, which is never an improvement.
        """
        values = [row.get(self.monitor, math.nan) for row in learn.history[self.begin :]]
        sign = 1 if self.mode == "max" else -1
        return [sign * value if math.isfinite(value) else -math.inf for value in values]

    def state_dict(self) -> dict[str, Any]:
        """The row of the history with which the training began."""
        return {"begin": self.begin}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Watch from the row on with which the training began that is taken up again."""
        self.begin = state["begin"]


class EarlyStopping(Monitor):
    """End the training when a column of the history has not improved for some epochs.

    Args:
        monitor: the column; see :class:`Monitor`.
        patience: after how many epochs in a row without improvement, 1 or more.
        min_delta: what is better by no more than this is no improvement, 0 or more.
        mode: "min" or "max"; None goes by the column's name, see :class:`Monitor`.

    NaN is no improvement. The weights are left as they are: :class:`SaveBest` brings the best back.

    Raises:
        TypeError, ValueError: an argument is of the wrong kind or out of its range.
        VicinalError: when a training begins, there is no such column.

    >>> from vicinal import DataLoaders, Learner
    >>> x, y = torch.randn(64, 2), torch.arange(64) % 2
    >>> dls = DataLoaders.from_tensors(x, y, x, y, bs=16, device="cpu")
    >>> learn = Learner(dls, torch.nn.Linear(2, 2))
    >>> learn.fit(100, 0.0, cbs=EarlyStopping(patience=2))  # nothing is learnt with a rate of 0
         epoch ...
    >>> len(learn.history)
    3
    """

    # It ends the next epoch before anybody hears of it, so that all hear the end of the last one;
    # and a training that was stopped and is taken up again stops again.
    order = -20

    def __init__(
        self,
        monitor: str = "valid_loss",
        patience: int = 3,
        min_delta: float = 0.0,
        *,
        mode: str | None = None,
    ) -> None:
        super().__init__(monitor, mode)
        self.patience = whole("patience", patience)
        self.min_delta = number("min_delta", min_delta)

    def before_epoch(self, learn: "Learner") -> None:
        best, epochs = -math.inf, 0  # without improvement
        for score in self.scores(learn):
            if score > best + self.min_delta:
                best, epochs = score, 0
            else:
                epochs += 1
        if epochs >= self.patience:
            raise CancelFit


class SaveBest(Monitor):
    """Save the weights whenever a column of the history is the best so far, and end with them.

    They are saved by ``learn.save(name)``. However the training ends (also by an error or Ctrl-C),
    the best weights are loaded into the model. With :class:`EMA` it is the averaged weights that
    are saved and loaded, as it is they that were validated.

    Args:
        name: of the file, ``path/models/NAME.safetensors``; what was there is replaced.
        monitor: the column; see :class:`Monitor`.
        mode: "min" or "max"; None goes by the column's name, see :class:`Monitor`.

    Each training has a best of its own. NaN is never the best; where no epoch had a number, nothing
    is saved or loaded.

    Raises:
        ValueError: ``mode`` is neither.
        VicinalError: when a training begins, there is no such column, or it has two of them.

    >>> import tempfile
    >>> from vicinal import DataLoaders, Learner
    >>> folder = tempfile.TemporaryDirectory()
    >>> x, y = torch.randn(64, 2), torch.arange(64) % 2
    >>> dls = DataLoaders.from_tensors(x, y, x, y, bs=16, device="cpu")
    >>> learn = Learner(dls, torch.nn.Linear(2, 2), path=folder.name)
    >>> learn.fit(5, 1.0, cbs=SaveBest())
         epoch ...
    >>> best = min(row["valid_loss"] for row in learn.history)
    >>> bool(abs(learn.validate()["valid_loss"] - best) < 1e-6)
    True
    >>> folder.cleanup()
    """

    order = 85  # after the Recorder; before a checkpoint, which keeps the best weights, too

    def __init__(
        self, name: str = "best", monitor: str = "valid_loss", mode: str | None = None
    ) -> None:
        super().__init__(monitor, mode)
        self.file_name = name
        self.weights: dict[str, Tensor] = {}

    def before_fit(self, learn: "Learner") -> None:
        _only_one(self, learn)
        super().before_fit(learn)
        self.weights = {}

    def after_epoch(self, learn: "Learner") -> None:
        *before, last = self.scores(learn)
        if last <= max(before, default=-math.inf):
            return
        averages = [callback for callback in learn.callbacks if isinstance(callback, EMA)]
        with averages[0].averaged(learn) if averages else nullcontext():
            learn.save(self.file_name)
            weights = learn.model.state_dict()
            self.weights = {name: value.to("cpu", copy=True) for name, value in weights.items()}

    def after_fit(self, learn: "Learner") -> None:
        if self.weights:
            learn.model.load_state_dict(self.weights)
        self.weights = {}

    def state_dict(self) -> dict[str, Any]:
        """Where the training began, and the best weights: the file may be a later one's by now."""
        return {**super().state_dict(), "weights": self.weights}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on with the weights that were the best then."""
        super().load_state_dict(state)
        self.weights = state["weights"]


LOWER_IS_BETTER = ("loss", "error", "distance", "divergence", "perplexity")
# As words of their own, for they may be parts of others.
SHORT_LOWER_IS_BETTER = ("mae", "mse", "rmse", "msle", "rmsle", "mape", "nll", "brier", "ece")


def better(column: str) -> str:
    """Whether a column's lower ("min") or higher values ("max") are better, by its name.

    >>> better("valid_error_rate"), better("valid_rmse"), better("valid_top_k_accuracy")
    ('min', 'min', 'max')
    """
    name = column.lower()
    named = any(part in name for part in LOWER_IS_BETTER)
    return "min" if named or set(name.split("_")) & set(SHORT_LOWER_IS_BETTER) else "max"


def _trained(learn: "Learner") -> list[Tensor]:
    """The parameters that the optimizer steps."""
    return [parameter for group in learn.optimizer.param_groups for parameter in group["params"]]


def _only_one(callback: Callback, learn: "Learner") -> None:
    """Refuse a second one of callbacks that would undo each other's work."""
    kind = type(callback)
    count = sum(type(other) is kind for other in learn.callbacks)
    if count > 1:
        raise VicinalError(
            f"the training has {count} callbacks {kind.__name__}, which would disturb each other: "
            "give one"
        )
