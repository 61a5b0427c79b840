"""The callbacks that every training has, and the one that mixes."""

import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from accelerate.utils import broadcast_object_list
from torch import Tensor

from vicinal.errors import Diverged, VicinalError
from vicinal.learner.events import Callback
from vicinal.metrics import RootMean, sum_and_count
from vicinal.mixing import Mixer
from vicinal.mixing.batch import first_tensor
from vicinal.mixing.schedule import begin_schedules
from vicinal.processes import this_process, total
from vicinal.progress import progress_bar

if TYPE_CHECKING:
    from vicinal.learner.learner import Learner


class MixBatches(Callback):
    """Mix every training batch; validation is never mixed.

    Args:
        mixer: an instance such as ``MixUp(0.4)``, or a class such as ``MixUp`` for its defaults.
    """

    order = 50  # after callbacks that change the samples one by one

    def __init__(self, mixer: Mixer | Callable[[], Mixer]) -> None:
        self.mixer = mixer if isinstance(mixer, Mixer) else mixer()

    def before_fit(self, learn: "Learner") -> None:
        if this_process().num_processes > 1:  # each draws by its rank from what one seed gives
            self.mixer.load_state_dict(broadcast_object_list([self.mixer.state_dict()])[0])
        self.steps, self.begun_at = learn.epochs * len(learn.dls.train), self.mixer.random.draws
        self._begin()

    def _begin(self) -> None:
        begin_schedules(self.mixer, self.steps, at=self.begun_at)

    def state_dict(self) -> dict[str, Any]:
        return {"mixer": self.mixer.state_dict(), "begun_at": self.begun_at}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.mixer.load_state_dict(state["mixer"])
        self.begun_at = state["begun_at"]
        self._begin()

    def before_batch(self, learn: "Learner") -> None:
        if learn.training:
            learn.x, learn.y = self.mixer(learn.x, learn.y, inplace=True)

    def after_batch(self, learn: "Learner") -> None:
        if learn.training and learn.pred is None:  # cancelled before the network was called
            self.mixer.release()

    def after_fit(self, learn: "Learner") -> None:
        self.mixer.release()

    @property
    def name(self) -> str:
        return f"MixBatches({self.mixer!r})"


class StepScheduler(Callback):
    """Step a scheduler of torch's after every step of the optimizer.

    Args:
        make: from (optimizer, number of steps) to the scheduler.
    """

    def __init__(self, make: Callable[[torch.optim.Optimizer, int], Any]) -> None:
        self.make = make

    def before_fit(self, learn: "Learner") -> None:
        # Set by AccumulateGradients, which lets nobody hear of the steps that it cancels.
        batches = max(getattr(cb, "batches_per_step", 1) for cb in learn.callbacks)
        steps = learn.epochs * math.ceil(len(learn.dls.train) / batches)
        self.scheduler = self.make(learn.optimizer, steps)

    def after_step(self, learn: "Learner") -> None:
        self.scheduler.step()

    def state_dict(self) -> dict[str, Any]:
        return dict(self.scheduler.state_dict())

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.scheduler.load_state_dict(state)


class Average:
    """The mean of what comes as a sum over each batch, and how many it is of."""

    def __init__(self) -> None:
        self.sum: Tensor | float = 0.0
        self.count: Tensor | float = 0.0

    def add(self, of_batch: Tensor, count: Tensor | int) -> None:
        # Both stay on the device: reading them would make the host wait.
        self.sum = self.sum + of_batch
        self.count = self.count + count

    def add_loss(self, loss: Tensor, y: Any) -> None:
        """Of a loss that is the mean over the samples of a batch with these targets."""
        count = len(first_tensor(y))
        self.add(loss.detach() * count, count)

    def mean(self) -> float:
        """Over the samples of all processes, each of which has to ask for it."""
        sum_of_all, count = total([float(self.sum), float(self.count)])
        return sum_of_all / count if count else math.nan


class ValidAverages:
    """Loss and metrics of the validation part, over its batches."""

    def __init__(self, metrics: list[Any]) -> None:
        self.metrics = {f"valid_{metric_name(metric)}": metric for metric in metrics}
        self.averages = {name: Average() for name in ("valid_loss", *self.metrics)}

    def add(self, loss: Tensor, pred: Any, y: Any) -> None:
        self.averages["valid_loss"].add_loss(loss, y)
        for name, metric in self.metrics.items():
            self.averages[name].add(*sum_and_count(metric, pred, y))

    def means(self) -> dict[str, float]:
        means = {name: average.mean() for name, average in self.averages.items()}
        for name, metric in self.metrics.items():
            if isinstance(metric, RootMean):
                means[name] = metric.finish(means[name])
        return means


class Recorder(Callback):
    """Averages losses and metrics over each epoch into ``learn.history``.

    Raises:
        Diverged: the training loss of an epoch is not finite.
    """

    order = 80

    def before_epoch(self, learn: "Learner") -> None:
        self.started = time.perf_counter()
        self.train_loss = Average()
        self.valid = ValidAverages(learn.metrics)

    def after_batch(self, learn: "Learner") -> None:
        if learn.loss is None:  # the batch was cancelled
            return
        if learn.training:
            self.train_loss.add_loss(learn.loss, learn.y)
        else:
            self.valid.add(learn.loss, learn.pred, learn.y)

    def after_train(self, learn: "Learner") -> None:
        loss = self.train_loss.mean()
        if self.train_loss.count and not math.isfinite(loss):
            raise Diverged(
                f"the training loss became {loss} in epoch {learn.epoch + 1}: lower the "
                "learning rate, and look for NaN or huge values in the inputs"
            )

    def after_epoch(self, learn: "Learner") -> None:
        row = {"train_loss": self.train_loss.mean(), **self.valid.means()}
        seconds = time.perf_counter() - self.started
        learn.history.append({"epoch": len(learn.history) + 1, **row, "seconds": seconds})


class ProgressTable(Callback):
    """A progress bar while an epoch runs, and a line of the table when it has ended."""

    order = 90

    def before_fit(self, learn: "Learner") -> None:
        from rich.progress import TextColumn

        self.bar = progress_bar(TextColumn("{task.fields[loss]}"))
        self.header_shown = False
        self.batches = len(learn.dls.train) + len(learn.dls.valid)
        self.task = self.bar.add_task("", total=learn.epochs * self.batches, loss="")
        self.bar.start()
        self.looked_at = time.perf_counter()

    def before_train(self, learn: "Learner") -> None:
        epoch = f"epoch {learn.epoch + 1}/{learn.epochs}"
        self.bar.update(self.task, description=epoch, completed=learn.epoch * self.batches)

    def after_batch(self, learn: "Learner") -> None:
        self.bar.advance(self.task)
        # Reading the loss makes the host wait for the device: once a second is enough.
        if learn.training and learn.loss is not None and time.perf_counter() > self.looked_at + 1:
            self.bar.update(self.task, loss=f"loss {learn.loss.item():.3f}")
            self.looked_at = time.perf_counter()

    def after_epoch(self, learn: "Learner") -> None:
        row = learn.history[-1]
        if not self.header_shown:
            self._print(" ".join(f"{name:>{max(len(name), 10)}}" for name in row))
            self.header_shown = True
        self._print(" ".join(f"{_cell(name, v):>{max(len(name), 10)}}" for name, v in row.items()))

    def after_fit(self, learn: "Learner") -> None:
        self.bar.stop()

    def _print(self, line: str) -> None:
        self.bar.console.print(line, highlight=False, markup=False, soft_wrap=True)


def _cell(name: str, value: float) -> str:
    if name == "epoch":
        return f"{value:d}"
    return f"{value:.1f}" if name == "seconds" else f"{value:.4f}"


def check_names(metrics: list[Any]) -> None:
    """Raise a VicinalError where two metrics would share a column."""
    names = ["loss", *map(metric_name, metrics)]
    for name in names:
        if names.count(name) > 1:
            raise VicinalError(
                f"two metrics are called {name}: give each a name of its own by its __name__"
            )


def metric_name(metric: Any) -> str:
    """What a metric is called in tables and files: its function's name.

    >>> from functools import partial
    >>> from vicinal import top_k_accuracy
    >>> metric_name(partial(top_k_accuracy, k=3))
    'top_k_accuracy'
    """
    while hasattr(metric, "func") and not hasattr(metric, "__name__"):
        metric = metric.func
    return getattr(metric, "__name__", type(metric).__name__)
