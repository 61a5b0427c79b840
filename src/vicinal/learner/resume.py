"""Checkpoint: a training that was killed resumes as if nothing had happened."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from accelerate.utils import gather_object

from vicinal.errors import VicinalError
from vicinal.learner.checkpoint import misfit
from vicinal.learner.events import Callback, CancelFit
from vicinal.learner.optimizer_state import optimizer_state, restore_optimizer
from vicinal.learner.random_states import random_states, set_random_states
from vicinal.learner.state import check_tree, load_tree, save_tree
from vicinal.processes import this_process
from vicinal.stored import first_line

if TYPE_CHECKING:
    from vicinal.learner.learner import Learner


class Checkpoint(Callback):
    """Save, after every epoch, everything that is needed to resume from there.

    That is the weights, the optimizer, the schedule, the gradient scaler, the order of the data,
    the random states of the mixers, torch, NumPy and Python, the history, and the ``state_dict()``
    of other callbacks, which may hold tensors, arrays and plain values. A training that is killed
    at any moment and started again, by the same program with ``resume=True``, ends on the CPU with
    bit-identical weights; what it did since the last complete epoch is repeated.

    Args:
        file: the checkpoint; it is replaced atomically, so that there is always a good one.
        resume: resume from the checkpoint, if it exists. If a program trains several times, as
            ``fine_tune`` does, trainings that were completed are skipped, with a message.

    Raises:
        VicinalError: the checkpoint cannot be written or read, is damaged, or belongs to another
            training; or a part of the training has a state that no file can hold: this is said
            before the first step, or for what an optimizer makes in it, after that.

    >>> import tempfile
    >>> import torch
    >>> from vicinal import DataLoaders, Learner
    >>> folder = tempfile.TemporaryDirectory()
    >>> x, y = torch.randn(64, 2), torch.arange(64) % 2
    >>> def train(epochs, resume):
    ...     dls = DataLoaders.from_tensors(x, y, x, y, bs=16, device="cpu")
    ...     learn = Learner(dls, torch.nn.Linear(2, 2))
    ...     learn.fit(epochs, cbs=Checkpoint(Path(folder.name, "checkpoint"), resume=resume))
    ...     return len(learn.history)
    >>> train(3, resume=False), train(3, resume=True)  # doctest: +ELLIPSIS
         epoch ...
    (3, 3)
    >>> folder.cleanup()
    """

    order = 97  # last: all others have begun before it restores, and ended before it saves

    def __init__(self, file: str | Path, *, resume: bool = False) -> None:
        self.file, self.resume = Path(file), resume
        self.found: dict[str, Any] | None = None
        self._read()

    def _read(self) -> None:
        if self.resume:
            with suppress(FileNotFoundError):  # killed during the first epoch
                self.found = load_tree(self.file)
                _check_parts(self.file, self.found)

    def before_fit(self, learn: "Learner") -> None:
        self._read()  # again: this callback may be that of the training that was interrupted
        self.may_lack = True  # the optimizer's state, which its first step makes
        _check_saveable(learn)
        if this_process().is_main_process:
            with self._writing():
                self.file.parent.mkdir(parents=True, exist_ok=True)
        if self.found is None or len(learn.ended) > len(self.found["ended"]):
            return
        ended = self.found["ended"][len(learn.ended) :]
        _check_training(learn, self.found, ended[0] if ended else self.found["epochs"])
        if not ended:
            try:
                restore(learn, self.found)
            except VicinalError:
                raise
            except Exception as error:  # parts of another version, or of another training
                raise VicinalError(
                    f"{self.file} does not fit this training ({first_line(error)}): it is of "
                    "another version or another training, so begin anew without it"
                ) from error
            return
        # Restored here too, as no other training may follow in this program.
        learn.model.load_state_dict(self.found["model"])
        learn.history[:] = self.found["history"]
        if learn.is_logging:
            number = len(learn.ended) + 1
            this_process().print(f"training {number} is already complete in {self.file}: skipped")
        raise CancelFit

    def after_step(self, learn: "Learner") -> None:
        if self.may_lack:
            _check_saveable(learn)
        self.may_lack = False

    def after_epoch(self, learn: "Learner") -> None:
        state = state_of(learn)  # by every process, as it gathers from all of them
        if not this_process().is_main_process:
            return
        with self._writing():
            save_tree(self.file, state)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            remains = ": the previous one remains" if self.file.exists() else ""
            raise VicinalError(
                f"{self.file} cannot be written ({error.strerror}){remains}"
            ) from None


PARTS = {
    **dict.fromkeys(("ended", "data", "callbacks", "history", "random"), list),
    **dict.fromkeys(("model", "optimizer", "scaler"), dict),
    **dict.fromkeys(("epoch", "epochs"), int),
    "stepped_by": str,
}


def _check_parts(file: Path, found: Any) -> None:
    """Raise a VicinalError where a file is no checkpoint of a training."""
    parts = found if isinstance(found, dict) else {}
    for name, kind in PARTS.items():
        is_right = isinstance(parts.get(name), kind)
        if is_right and name == "history":
            is_right = all(isinstance(row, dict) for row in parts[name])
        if not is_right:
            raise VicinalError(
                f"{file} holds no checkpoint of this version, as {name} is missing in it or is "
                "something else: begin anew without it"
            )


def _check_saveable(learn: "Learner") -> None:
    """Raise a VicinalError if a part of the training has a state that a file cannot hold."""
    parts = [
        ("the network", learn.model.state_dict),
        (
            f"the optimizer {type(learn.optimizer).__name__}",
            lambda: optimizer_state(learn.optimizer),
        ),
        *((f"the callback {type(cb).__name__}", cb.state_dict) for cb in _with_state(learn)),
    ]
    for name, state in parts:
        try:
            check_tree(state())
        except AttributeError:
            pass  # a callback may have its state only later
        except TypeError as error:
            raise VicinalError(
                f"Checkpoint cannot save {name}, as {error}: change that, or train without "
                "Checkpoint"
            ) from None


def state_of(learn: "Learner") -> dict[str, Any]:
    """The complete state of a training at the end of an epoch."""
    return {
        "ended": learn.ended,
        "epoch": learn.epoch + 1,
        "epochs": learn.epochs,
        "model": learn.model.state_dict(),
        "optimizer": optimizer_state(learn.optimizer),
        "stepped_by": type(learn.optimizer).__name__,
        "scaler": learn.scaler.state_dict(),
        "data": [part.sampler.state_dict() for part in (learn.dls.train, learn.dls.valid)],
        "callbacks": [[type(cb).__name__, cb.state_dict()] for cb in _with_state(learn)],
        "history": learn.history,
        # One for each process.
        "random": gather_object([random_states()]),
    }


def restore(learn: "Learner", state: dict[str, Any]) -> None:
    """Bring a training that has just begun to the saved state."""
    _check_setup(learn, state)
    learn.model.load_state_dict(state["model"])
    restore_optimizer(learn.optimizer, state["optimizer"])
    learn.scaler.load_state_dict(state["scaler"])
    for part, saved in zip((learn.dls.train, learn.dls.valid), state["data"], strict=True):
        part.sampler.load_state_dict(saved)
    for callback, (_, saved) in zip(_with_state(learn), state["callbacks"], strict=True):
        callback.load_state_dict(saved)
    learn.history[:] = state["history"]
    set_random_states(state["random"][this_process().process_index], learn.dls.device)
    learn.first_epoch = state["epoch"]


def _with_state(learn: "Learner") -> list[Any]:
    """The callbacks that have a state; others may come and go between runs."""
    return [callback for callback in learn.callbacks if hasattr(callback, "state_dict")]


def _check_training(learn: "Learner", state: dict[str, Any], epochs: int) -> None:
    """Check that the checkpoint belongs to this training, before anything is changed.

    Args:
        epochs: of the training in the checkpoint that corresponds to this one.
    """
    if epochs != learn.epochs:
        raise VicinalError(
            f"the checkpoint is of a training of {epochs} epochs, not of {learn.epochs}: give the "
            "same number, or another file"
        )
    if misfit(learn.model, state["model"]) is not None:
        raise VicinalError("the checkpoint is of another network: give the same one")


def _check_setup(learn: "Learner", state: dict[str, Any]) -> None:
    """Check that the training resumes with the processes, optimizer and callbacks it had."""
    found, own = len(state["random"]), this_process().num_processes
    if found != own:
        raise VicinalError(
            f"the checkpoint is of a training on {found} processes, not on {own}: start as many"
        )
    optimizer = type(learn.optimizer).__name__
    if state["stepped_by"] != optimizer:
        raise VicinalError(
            f"the checkpoint is of a training by {state['stepped_by']}, not by {optimizer}: give "
            "the same optimizer"
        )
    names = [type(callback).__name__ for callback in _with_state(learn)]
    found_names = [name for name, _ in state["callbacks"]]
    if found_names != names:
        raise VicinalError(
            f"the checkpoint was made with the callbacks {', '.join(found_names) or 'none'}, not "
            f"with {', '.join(names) or 'none'}: give the same ones"
        )
