"""Track: log each epoch's row of the history to an experiment tracker."""

import difflib
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from accelerate.tracking import (
    LOGGER_TYPE_TO_CLASS,
    GeneralTracker,
    TensorBoardTracker,
    get_available_trackers,
)
from accelerate.utils import LoggerType

from vicinal.errors import VicinalError
from vicinal.learner.callbacks import MixBatches
from vicinal.learner.events import Callback
from vicinal.learner.recorder import Recorder
from vicinal.processes import this_process

if TYPE_CHECKING:
    from vicinal.learner.learner import Learner

# The arguments with which a tracker class of accelerate's continues the run of an earlier tracker.
# Trackers that store a run in a folder need none.
SAME_RUN: dict[str, Callable[[Any], dict[str, Any]]] = {
    "aim": lambda tracker: {"run_hash": tracker.writer.hash},
    "clearml": lambda tracker: {
        "reuse_last_task_id": tracker.task.id,
        "continue_last_task": 0,  # is added to the steps
    },
    "comet_ml": lambda tracker: {"experiment_key": tracker.writer.get_key()},
    "mlflow": lambda tracker: {"run_id": tracker.active_run.info.run_id},
    "swanlab": lambda tracker: {"id": tracker.run.id, "resume": "allow"},
    "trackio": lambda tracker: {"name": tracker.run.name, "resume": "allow"},
    "wandb": lambda tracker: {"id": tracker.run.id, "resume": "allow"},
}


class Track(Callback):
    """Log a training to an experiment tracker, by accelerate.

    After each epoch its row of ``learn.history`` is logged under the names of its columns, with
    ``learning_rate``, the rate of the last parameter group at the end of the epoch. The step is the
    number of the epoch, counted over all trainings of the learner; a resumed training continues
    counting. Once, before the first epoch, the hyper-parameters are logged: ``epochs`` (of the
    first training), ``batch_size``, ``precision``, ``model``, ``mixer``, ``optimizer``, and
    ``parameters``.

    However a training ends (also by an error or Ctrl-C), the tracker is closed; the learner's next
    training opens the same run again. Only the main process logs. A tracker that cannot be started
    ends the training before its first epoch; one that fails later is dropped with a warning, and
    the training continues.

    Args:
        tracker: a name that accelerate knows (tensorboard, wandb, mlflow, comet_ml, aim, clearml,
            dvclive, swanlab, trackio), or an instance of accelerate's ``GeneralTracker``, whose
            ``start()`` and ``finish()`` are called around each training.
        project: the project name, for trackers that collect runs of many programs.
        folder: where trackers that write files put them; to continue a TensorBoard run, give its
            folder again. None takes the learner's path; for TensorBoard, a new folder in ``runs``
            below it.
        parameters: more hyper-parameters, strings and numbers by name; they override those above.

    Raises:
        VicinalError: accelerate knows no such tracker, its package is not installed, it cannot be
            started, or it has logged another learner.

    >>> import tempfile, torch
    >>> from vicinal import DataLoaders, Learner
    >>> folder = tempfile.TemporaryDirectory()
    >>> x, y = torch.randn(64, 2), torch.arange(64) % 2
    >>> dls = DataLoaders.from_tensors(x, y, x, y, bs=16, device="cpu")
    >>> learn = Learner(dls, torch.nn.Linear(2, 2), cbs=Track("tensorboard", folder=folder.name))
    >>> learn.fit(2)
         epoch ...
    >>> len(list(Path(folder.name).glob("events.out.tfevents.*")))  # for `tensorboard --logdir`
    1
    >>> folder.cleanup()
    """

    # After the Recorder, whose row it logs.
    order = 82

    def __init__(
        self,
        tracker: str | GeneralTracker,
        *,
        project: str = "vicinal",
        folder: str | Path | None = None,
        parameters: Mapping[str, str | float] | None = None,
    ) -> None:
        if not isinstance(tracker, GeneralTracker):
            _check_name(tracker)
        self.requested, self.project, self.folder = tracker, project, folder
        self.parameters = dict(parameters or {})
        self.tracker: GeneralTracker | None = None  # while it is open
        self.same_run: dict[str, Any] = {}
        self.step = 0  # the last epoch that was logged
        self.has_begun = self.has_failed = False

    def before_epoch(self, learn: "Learner") -> None:
        # Not in before_fit: only now has a checkpoint restored the history.
        if self.tracker is not None or self.has_failed or not this_process().is_main_process:
            return
        if len(learn.history) < self.step:
            raise VicinalError(
                f"the callback Track({self.tracker_name}) has logged {self.step} epochs of "
                "another learner: make one for each"
            )
        if self.has_begun:
            with self._dropped_on_failure():
                self._open(learn)
        else:
            self._begin(learn)
        for callback in learn.callbacks:
            if isinstance(callback, Recorder):
                callback.before_epoch(learn)  # restarts its clock: opening is not training time

    def after_epoch(self, learn: "Learner") -> None:
        if self.tracker is None or self.has_failed:
            return
        row = dict(learn.history[-1])
        self.step = row.pop("epoch")
        row["learning_rate"] = float(learn.optimizer.param_groups[-1]["lr"])
        with self._dropped_on_failure():
            self.tracker.log(row, step=self.step)

    def after_fit(self, learn: "Learner") -> None:
        tracker, self.tracker = self.tracker, None
        if tracker is not None:
            with self._dropped_on_failure():
                tracker.finish()

    def _begin(self, learn: "Learner") -> None:
        try:
            self._open(learn)
            self._store({**hyperparameters(learn), **self.parameters})
        except Exception as error:
            raise VicinalError(
                f"the tracker {self.tracker_name} cannot be started: {_reason(error)}"
            ) from error
        self.has_begun = True

    def _open(self, learn: "Learner") -> None:
        by_name = isinstance(self.requested, str)
        tracker = self._make(self.requested, learn) if by_name else self.requested
        if hasattr(tracker, "start"):  # older releases of accelerate start it in its constructor
            tracker.start()
        self.tracker = tracker
        if by_name and self.requested in SAME_RUN:
            self.same_run = SAME_RUN[self.requested](tracker)

    def _make(self, name: str, learn: "Learner") -> GeneralTracker:
        kind = LOGGER_TYPE_TO_CLASS[name]
        if kind is TensorBoardTracker:
            new = Path("runs", f"{datetime.now():%Y-%m-%d_%H-%M-%S-%f}")
            self.folder = self.folder or learn.path / new
            # An epoch that was logged before the program was killed, but is not in the checkpoint,
            # is logged again.
            return kind("", self.folder, purge_step=len(learn.history) + 1)
        if name == "dvclive":  # without resume it clears its folder
            return kind(resume=bool(learn.history))
        folder = [self.folder or learn.path] if kind.requires_logging_directory else []
        return kind(self.project, *folder, **self.same_run)

    def _store(self, parameters: dict[str, Any]) -> None:
        assert self.tracker is not None
        if isinstance(self.tracker, TensorBoardTracker):
            from torch.utils.tensorboard.summary import hparams

            # accelerate would put them into a run of their own, without the metrics.
            _, begin, _ = hparams(parameters, {})
            self.tracker.writer.file_writer.add_summary(begin)
        else:
            self.tracker.store_init_configuration(parameters)

    @contextmanager
    def _dropped_on_failure(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            if self.has_failed:
                return
            self.has_failed = True
            warnings.warn(
                f"the tracker {self.tracker_name} failed after epoch {self.step} "
                f"({_reason(error)}): the training continues without it",
                stacklevel=1,
            )

    @property
    def tracker_name(self) -> str:
        return self.requested if isinstance(self.requested, str) else self.requested.name


def hyperparameters(learn: "Learner") -> dict[str, str | int]:
    """The hyper-parameters of a training, each a string or a number.

    ``model`` is timm's name of the architecture if it has one, else the name of the class.
    """
    mixing = [cb for cb in learn.callbacks if isinstance(cb, MixBatches)]
    mixers = [repr(cb.mixer if type(cb) is MixBatches else cb) for cb in mixing]
    config: Mapping[str, Any] = getattr(learn.model, "pretrained_cfg", None) or {}
    return {
        "epochs": learn.epochs,
        "batch_size": learn.dls.train.batch_size,
        "precision": learn.precision,
        "model": config.get("architecture") or type(learn.model).__name__,
        "mixer": ", ".join(mixers) or "none",
        "optimizer": type(learn.optimizer).__name__,
    }


def _check_name(name: Any) -> None:
    """Raise a VicinalError if there is no such tracker, or its package is missing."""
    if not isinstance(name, str):
        raise VicinalError(
            f"a tracker is a name such as 'tensorboard' or an instance of accelerate's "
            f"GeneralTracker, not {name!r}"
        )
    if name not in LOGGER_TYPE_TO_CLASS:
        near = difflib.get_close_matches(name.lower(), LOGGER_TYPE_TO_CLASS, n=1)
        known = ", ".join(sorted(LOGGER_TYPE_TO_CLASS))
        hint = f"did you mean {near[0]}?" if near else f"use one of {known}"
        raise VicinalError(f"there is no tracker named {name}: {hint}")
    # Trackers that users have registered are not in this list, and are always available.
    if name in LoggerType.list() and name not in map(str, get_available_trackers()):
        raise VicinalError(f"the tracker {name} is not installed: pip install {name}")


def _reason(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
