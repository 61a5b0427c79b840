"""Callbacks that watch a column of the history: stop early, save the best weights."""

import difflib
import math
import re
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any

from torch import Tensor

from vicinal.errors import VicinalError
from vicinal.formatting import format_number
from vicinal.learner.callbacks import valid_columns
from vicinal.learner.ema import EMA
from vicinal.learner.events import Callback, CancelFit, check_only_one
from vicinal.mixing.arguments import flag, number, one_of, whole
from vicinal.processes import this_process

if TYPE_CHECKING:
    from vicinal.learner.learner import Learner


class Monitor(Callback):
    """Watch a column of ``learn.history`` over the epochs of one training.

    Args:
        monitor: the column, such as ``valid_loss`` or ``valid_accuracy``, or the metric alone, as
            ``accuracy``.
        mode: "min" if lower is better, "max" if higher is better; None asks the metric
            (``higher_is_better``, as torchmetrics has it) or else decides by the name: lower for
            losses, errors and distances (loss, error_rate, rmse, mae, ...), else higher.
        min_delta: a value that is better by no more than this is not an improvement, 0 or more.
        reset_on_fit: each training has a best of its own; False compares with those before, too.

    Raises:
        TypeError, ValueError: an argument is of the wrong kind or out of its range.
        VicinalError: there is no such column when a training begins.

    The best value is looked up in the history each time, not remembered: so a resumed training
    continues correctly, at whatever moment its state was saved.
    """

    def __init__(
        self,
        monitor: str = "valid_loss",
        mode: str | None = None,
        min_delta: float = 0.0,
        reset_on_fit: bool = True,
    ) -> None:
        self.monitor = monitor
        self.given_mode = None if mode is None else one_of("mode", mode, ("min", "max"))
        self.mode = self.given_mode or better(str(monitor))
        self.min_delta = number("min_delta", min_delta)
        self.reset_on_fit = flag("reset_on_fit", reset_on_fit)
        self.begin: int | None = None  # the row of the history from which it looks for the best
        self.training_begin = 0

    def before_fit(self, learn: "Learner") -> None:
        columns = ["train_loss", *valid_columns(learn.metrics)]
        self.column = self.monitor
        if self.monitor not in columns and f"valid_{self.monitor}" in columns:
            self.column = f"valid_{self.monitor}"
        if self.column not in columns:
            near = difflib.get_close_matches(str(self.monitor), columns, n=1)
            raise VicinalError(
                f"{type(self).__name__} cannot monitor {self.monitor!r}, which is not a column of "
                "the history: "
                + (f"did you mean {near[0]}, of " if near else "use one of ")
                + f"{', '.join(columns)}"
                + ("?" if near else "")
            )
        metrics = dict(zip(columns[2:], learn.metrics, strict=True))
        self.mode = self.given_mode or better(self.column, metrics.get(self.column))
        self.training_begin = len(learn.history)
        is_cleared = self.begin is not None and self.begin > self.training_begin
        if self.reset_on_fit or self.begin is None or is_cleared:
            self.begin = self.training_begin

    def improvements(self, learn: "Learner") -> list[bool]:
        """Whether each epoch of this training is better than all before it.

        NaN and infinities are never an improvement.
        """
        sign = 1 if self.mode == "max" else -1
        best, improved = -math.inf, []
        for row in learn.history[self.begin :]:
            score = sign * row.get(self.column, math.nan)
            improved.append(math.isfinite(score) and score > best + self.min_delta)
            best = score if improved[-1] else best
        assert self.begin is not None
        return improved[self.training_begin - self.begin :]

    def say(self, learn: "Learner", text: str) -> None:
        """Print a line above the progress bar, unless the training shows nothing."""
        if learn.is_logging:
            this_process().print(text)

    def state_dict(self) -> dict[str, Any]:
        """The rows of the history at which the training and the search for the best began."""
        return {"begin": self.begin, "training_begin": self.training_begin}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Watch the history from the row at which the resumed training began."""
        self.begin = state["begin"]
        self.training_begin = state.get("training_begin", state["begin"])


class EarlyStopping(Monitor):
    """End the training when a column of the history has not improved for some epochs.

    Args:
        monitor: the column; see :class:`Monitor`.
        patience: the number of epochs in a row without improvement, 1 or more.
        min_delta: a value that is better by no more than this is not an improvement, 0 or more.
        mode, reset_on_fit: see :class:`Monitor`.

    NaN is not an improvement. The weights stay those of the last epoch; :class:`SaveBest` restores
    the best ones.

    Raises:
        TypeError, ValueError: an argument is of the wrong kind or out of its range.
        VicinalError: there is no such column when a training begins.

    >>> import torch
    >>> from vicinal import DataLoaders, Learner
    >>> x, y = torch.randn(64, 2), torch.arange(64) % 2
    >>> dls = DataLoaders.from_tensors(x, y, x, y, bs=16, device="cpu")
    >>> learn = Learner(dls, torch.nn.Linear(2, 2))
    >>> learn.fit(100, 0.0, cbs=EarlyStopping(patience=2))  # a rate of 0 learns nothing
         epoch ...
    >>> len(learn.history)
    3
    """

    # It cancels the next epoch before any other callback hears of it, rather than the last one at
    # its end: so all receive the last epoch's events, and a training that was stopped stops again
    # when it is resumed.
    order = -20

    def __init__(
        self,
        monitor: str = "valid_loss",
        patience: int = 3,
        min_delta: float = 0.0,
        *,
        mode: str | None = None,
        reset_on_fit: bool = True,
    ) -> None:
        super().__init__(monitor, mode, min_delta, reset_on_fit)
        self.patience = whole("patience", patience)

    def before_epoch(self, learn: "Learner") -> None:
        improvements = self.improvements(learn)
        if len(improvements) >= self.patience and not any(improvements[-self.patience :]):
            epochs = "1 epoch" if self.patience == 1 else f"{self.patience} epochs"
            self.say(learn, f"stopped, as {self.column} has not improved for {epochs}")
            raise CancelFit


class SaveBest(Monitor):
    """Save the weights whenever a column of the history is the best so far, and end with them.

    They are saved by ``learn.save(name)``. However the training ends (also by an error or Ctrl-C),
    the best weights are loaded into the model. With :class:`EMA`, the averaged weights are saved
    and loaded, as it is those that were validated.

    Args:
        name: of the file, ``path/model_dir/NAME.safetensors``; an existing file is replaced.
        monitor: the column; see :class:`Monitor`.
        mode, min_delta, reset_on_fit: see :class:`Monitor`.

    NaN is never the best; if no epoch had a number, nothing is saved or loaded.

    Raises:
        ValueError: ``mode`` is neither.
        VicinalError: when a training begins, there is no such column, or it has two of these
            callbacks.

    >>> import tempfile, torch
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

    order = 85  # after the Recorder; before a checkpoint, which includes the best weights

    def __init__(
        self,
        name: str = "best",
        monitor: str = "valid_loss",
        mode: str | None = None,
        *,
        min_delta: float = 0.0,
        reset_on_fit: bool = True,
    ) -> None:
        super().__init__(monitor, mode, min_delta, reset_on_fit)
        self.file_name = name
        self.weights: dict[str, Tensor] = {}

    def before_fit(self, learn: "Learner") -> None:
        check_only_one(self, learn)
        super().before_fit(learn)
        if self.reset_on_fit:
            self.weights = {}

    def after_epoch(self, learn: "Learner") -> None:
        if not self.improvements(learn)[-1]:
            return
        with self.weights_to_save(learn):
            learn.save(self.file_name)
            weights = learn.model.state_dict()
            self.weights = {name: value.to("cpu", copy=True) for name, value in weights.items()}

    def weights_to_save(self, learn: "Learner") -> AbstractContextManager[None]:
        """Within this context the network holds the weights that were validated."""
        averages = [callback for callback in learn.callbacks if isinstance(callback, EMA)]
        return averages[0].averaged(learn) if averages else nullcontext()

    def after_fit(self, learn: "Learner") -> None:
        if self.weights:
            learn.model.load_state_dict(self.weights)
            rows = zip(learn.history[self.training_begin :], self.improvements(learn), strict=True)
            best = [row for row, is_best in rows if is_best]
            if best:
                value = format_number(best[-1][self.column])
                said = f"the weights are those of epoch {best[-1]['epoch']}, the best by"
                self.say(learn, f"{said} {self.column}: {value}")
        if self.reset_on_fit:
            self.weights = {}

    def state_dict(self) -> dict[str, Any]:
        """The rows at which it began, and the best weights so far.

        The weights themselves, as a later training may have replaced their file.
        """
        return {**super().state_dict(), "weights": self.weights}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue with the best weights of the resumed training."""
        super().load_state_dict(state)
        self.weights = state["weights"]


# What names of measures hold of which less is better; some only where a word begins or ends, or as
# a whole word, as others hold them, too.
LOWER_PARTS = ("error", "distance", "divergence", "deviance", "perplexity")
LOWER_WORDS = (
    *("mae", "mse", "rmse", "msle", "rmsle", "mape", "rmspe", "smape", "wmape", "medae", "mase"),
    *("nll", "brier", "ece", "crps", "bpc", "bpb", "wer", "cer", "eer", "fid"),
)


def better(column: str, metric: Any = None) -> str:
    """Whether lower ("min") or higher ("max") values of a column are better.

    Args:
        column: of the history, whose name tells where the metric does not.
        metric: of the column, or a partial of it; it may have ``higher_is_better``.

    >>> better("valid_error_rate"), better("valid_rmse"), better("valid_top_k_accuracy")
    ('min', 'min', 'max')
    """
    while isinstance(metric, partial):
        metric = metric.func
    higher = getattr(metric, "higher_is_better", None)
    if isinstance(higher, bool):
        return "max" if higher else "min"
    words = [word.lower() for word in re.findall("[A-Z]*[a-z]*", column)]
    has_part = any(part in column.lower() for part in LOWER_PARTS)
    has_loss = any(word.startswith("loss") or word.endswith(("loss", "losses")) for word in words)
    return "min" if has_part or has_loss or set(words) & set(LOWER_WORDS) else "max"
