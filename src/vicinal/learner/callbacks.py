"""Mixing as a callback, and the averages of losses and metrics."""

import copy
import inspect
import math
from collections.abc import Callable, Sequence
from itertools import takewhile
from numbers import Real
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from vicinal.batches import BatchMixer
from vicinal.errors import VicinalError
from vicinal.learner.events import Callback
from vicinal.learner.misnamed import not_a
from vicinal.learner.one_number import Paired, are_of_one_number, fitted
from vicinal.learner.precision import autocast
from vicinal.metrics import RootMean, sum_and_count
from vicinal.mixing import Mixer, MixUp
from vicinal.mixing.looking import lend
from vicinal.processes import total
from vicinal.stopping import check

if TYPE_CHECKING:
    from vicinal.learner.learner import Learner


def as_callbacks(cbs: Any) -> list[Callback]:
    """Callbacks and mixers, as users give them, to a list of callbacks.

    Args:
        cbs: one or several (a list or tuple) of callbacks and mixers, instances or classes, which
            are called without arguments; or None.

    Raises:
        VicinalError: one of them is neither, or a class has arguments without defaults.

    >>> from vicinal import EMA, MixUp
    >>> [type(callback).__name__ for callback in as_callbacks([MixUp(0.4), EMA])]
    ['MixBatches', 'EMA']
    """
    made: list[Callback] = []
    for cb in as_list(cbs):
        kind = cb if isinstance(cb, type) else type(cb)
        if issubclass(kind, Mixer):
            made.append(MixBatches(cb))
        elif issubclass(kind, Callback):
            made.append(_called(cb) if isinstance(cb, type) else cb)
        else:
            raise VicinalError(not_a("callback or mixer", cb, "MixUp()"))
    return made


def _called(kind: type) -> Any:
    """An instance of a class that was given uncalled."""
    parameters = inspect.signature(kind).parameters.values()
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    needed = [p.name for p in parameters if p.default is p.empty and p.kind not in kinds]
    if needed:
        given = ", ".join(f"{name}=…" for name in needed)
        raise VicinalError(f"{kind.__name__} has no default: give {kind.__name__}({given})")
    return kind()


def as_list(one_or_several: Any) -> list[Any]:
    """None, one thing, or a list or tuple of things, to a list."""
    if one_or_several is None:
        return []
    return list(one_or_several) if isinstance(one_or_several, list | tuple) else [one_or_several]


class MixBatches(Callback):
    """Mix every training batch; validation is never mixed.

    It is a :class:`BatchMixer` that listens to a Learner. It does not write to tensors that another
    callback may hold: one of a lower ``order`` that keeps ``learn.x`` and ``learn.y`` keeps the
    plain batch.

    Args:
        mixer: an instance such as ``MixUp(0.4)``, or a class such as ``MixUp`` for its defaults.
    """

    order = 50  # after callbacks that change the samples one by one

    def __init__(self, mixer: Mixer | Callable[[], Mixer]) -> None:
        self.batch_mixer = BatchMixer(mixer if isinstance(mixer, Mixer) else mixer())
        self.batches: int | None = None  # in the training that is under way

    @property
    def mixer(self) -> Mixer:
        return self.batch_mixer.mixer

    def before_fit(self, learn: "Learner") -> None:
        self.batches = learn.epochs * len(learn.dls.train)
        lend(self.mixer, learn.model, lambda: autocast(learn.precision, learn.dls.device))
        self.batch_mixer.begin(self.batches)

    def before_batch(self, learn: "Learner") -> None:
        if learn.training:
            inplace = self._may_overwrite(learn)
            learn.loaded_x = None
            learn.x, learn.y = self.mixer(learn.x, learn.y, inplace=inplace)

    def _may_overwrite(self, learn: "Learner") -> bool:
        """Whether nothing else can hold the batch.

        That is so if the data set has made new tensors for it, and no other callback has seen it
        yet. Always mixing out of place would be simpler, but costs up to 3 % of a step of a small
        network on a CPU, as the system clears fresh memory page by page; and a buffer that is
        reused would overwrite the mixed batch of the previous step, which others may hold.
        """
        earlier = takewhile(lambda callback: callback is not self, learn.callbacks)
        is_seen = any(hasattr(callback, "before_batch") for callback in earlier)
        is_loaded = learn.x is learn.loaded_x
        are_new = getattr(learn.dls.train.dataset, "batches_are_new", False)
        return is_loaded and are_new and not is_seen

    def after_batch(self, learn: "Learner") -> None:
        if learn.training and learn.pred is None:  # cancelled before the network was called
            self.mixer.release()

    def after_fit(self, learn: "Learner") -> None:
        self.batches = None
        lend(self.mixer, None)
        self.batch_mixer.end()

    def state_dict(self) -> dict[str, Any]:
        return self.batch_mixer.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.batch_mixer.load_state_dict(state)
        if self.batches is not None:  # a Checkpoint restores when all others have begun
            self.batch_mixer.begin(self.batches)

    @property
    def name(self) -> str:
        return f"MixBatches({self.mixer!r})"


def mixer_or_mixup(
    name: str, mixer: Mixer | Callable[[], Mixer] | None, alpha: float | None, default: float
) -> Mixer | Callable[[], Mixer]:
    """The mixer that a callback of this name was given; where it was none, a MixUp.

    Raises:
        TypeError, ValueError: a number is given as the mixer, or ``alpha`` beside one.
    """
    if mixer is None:
        return MixUp(default if alpha is None else alpha)
    if alpha is not None:
        raise ValueError(
            f"alpha={alpha} is of the MixUp that mixes where no mixer is given: give it to the "
            "mixer"
        )
    if isinstance(mixer, int | float):
        raise TypeError(f"{name}({mixer}) names no mixer: write {name}(alpha={mixer})")
    return mixer


class StopWhenAsked(Callback):
    """End the training after a signal whose error was swallowed, as Python does in finalizers."""

    order = 99

    def after_batch(self, learn: "Learner") -> None:
        check()


class Average:
    """A running mean, from the sum and the count of each batch."""

    def __init__(self) -> None:
        self.sum: Tensor | float = 0.0
        self.count: Tensor | float = 0.0

    def add(self, batch_sum: Tensor, count: Tensor | int) -> None:
        # Both stay on the device: reading them would make the host wait for it at every batch.
        self.sum = self.sum + batch_sum
        self.count = self.count + count

    def add_loss(self, loss: Tensor, weight: Tensor | int) -> None:
        """Add the mean loss of a batch, with what it weighs: see :meth:`MixLoss.mean_weight`."""
        batch_sum = loss.detach() * weight
        if isinstance(weight, Tensor):  # of 0, the mean is nan: no label of the batch counts
            batch_sum = batch_sum.where(weight > 0, 0.0)
        self.add(batch_sum, weight)

    def mean(self) -> float:
        """The mean over the samples of all processes; every process must call this."""
        sum_of_all, count = self.totals()
        return sum_of_all / count if count else math.nan

    def totals(self) -> tuple[float, float]:
        """The sum and the count of all processes; every process must call this."""
        sum_of_all, count = total([float(self.sum), float(self.count)])
        return sum_of_all, count


class ValidAverages:
    """Loss and metrics of the validation part, over its batches.

    Metrics with ``update`` and ``compute``, such as :class:`F1Score` and those of torchmetrics, see
    all samples together; they are copies, as a callback may validate within a validation.
    """

    def __init__(self, metrics: list[Any]) -> None:
        self.metrics = dict(zip(valid_columns(metrics)[1:], metrics, strict=True))
        self.averages = {"valid_loss": Average()}
        self.paired = {n: Paired(metric, "metric") for n, metric in self.metrics.items()}
        self.of_all: dict[str, Any] = {}
        for name, metric in self.metrics.items():
            if sees_all(metric):
                self.of_all[name] = copy.deepcopy(metric)
                self.of_all[name].reset()
            else:
                self.averages[name] = Average()

    def add(self, loss: Tensor, weight: Tensor | int, pred: Any, y: Any) -> None:
        """Add a batch: its mean loss and what that weighs, outputs and targets."""
        self.averages["valid_loss"].add_loss(loss, weight)
        for name, metric in self.metrics.items():
            if name in self.averages:
                paired = self.paired[name].target(pred, y)
                self.averages[name].add(*sum_and_count(metric, pred, paired))
                continue
            metric = self.of_all[name]
            if isinstance(metric, nn.Module):
                metric.to(pred.device)
            fits = isinstance(metric, nn.Module) and are_of_one_number(pred, y)
            metric.update(pred, fitted(pred, y) if fits else y)

    def means(self) -> dict[str, float]:
        means = {"valid_loss": self.averages["valid_loss"].mean()}
        for name, metric in self.metrics.items():
            if name in self.of_all:
                means[name] = _one_number(metric_name(metric), self.of_all[name].compute())
                continue
            means[name] = self.averages[name].mean()
            if isinstance(metric, RootMean):
                means[name] = metric.finish(means[name])
        return means


def valid_columns(metrics: list[Any]) -> list[str]:
    """The columns of the history that the validation writes."""
    return ["valid_loss", *(f"valid_{metric_name(metric)}" for metric in metrics)]


def _one_number(name: str, value: Any) -> float:
    if isinstance(value, Tensor) and value.numel() == 1:
        return float(value.item())
    if isinstance(value, Real):  # also NumPy's numbers
        return float(value)
    raise VicinalError(
        f"the metric {name} gives {type(value).__name__} and not one number: average over the "
        'classes (average="macro"), or give each metric by itself'
    )


def as_metrics(metrics: Any, vocab: Sequence[str] | None) -> list[Any]:
    """Metrics, as users give them, to a list of those that :class:`ValidAverages` takes.

    Args:
        metrics: one or several (a list or tuple) of functions of (output, target), and objects
            with ``update(output, target)``, ``compute()`` and ``reset()``, or their classes, which
            are called without arguments; or None.
        vocab: the classes, for metrics that are for two.

    Raises:
        VicinalError: one is no metric, or not for these classes, or two have one name.
    """
    made = []
    for metric in as_list(metrics):
        if isinstance(metric, type) and (sees_all(metric) or issubclass(metric, RootMean)):
            metric = _called(metric)
        module = getattr(metric, "__module__", None) or ""
        if isinstance(metric, str | type) or hasattr(metric, "accumulate"):
            raise VicinalError(not_a("metric", metric, "accuracy"))
        if not callable(metric) and not sees_all(metric):
            raise VicinalError(not_a("metric", metric, "accuracy"))
        if module.startswith("sklearn."):
            name = metric.__name__
            raise VicinalError(
                f"scikit-learn's {name} takes labels, not outputs, and the labels first: give "
                f"skm_to_fastai({name})"
            )
        if vocab and hasattr(metric, "check_classes"):
            metric.check_classes(len(vocab))
        made.append(metric)
    names = ["loss", *map(metric_name, made)]
    for name in names:
        if names.count(name) > 1:
            raise VicinalError(
                f"two metrics are called {name}: give each a name of its own by its __name__"
            )
    return made


def sees_all(metric: Any) -> bool:
    """Whether a metric is of all samples together, and no mean over them.

    >>> from vicinal import F1Score, accuracy
    >>> sees_all(F1Score()), sees_all(accuracy)
    (True, False)
    """
    return all(hasattr(metric, name) for name in ("update", "compute", "reset"))


def metric_name(metric: Any) -> str:
    """The name of a metric in tables and files: that of its function.

    >>> from functools import partial
    >>> from vicinal import top_k_accuracy
    >>> metric_name(partial(top_k_accuracy, k=3))
    'top_k_accuracy'
    """
    while hasattr(metric, "func") and not hasattr(metric, "__name__"):
        metric = metric.func
    return getattr(metric, "__name__", type(metric).__name__)
