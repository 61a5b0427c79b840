"""The events of a training, and the callbacks that listen to them."""

import inspect
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from vicinal.errors import VicinalError

if TYPE_CHECKING:
    from vicinal.learner.learner import Learner

# The sections of a training, from the outermost to the innermost. Each has an event before it and
# one after it.
SECTIONS = (
    "fit",
    "epoch",
    "train",
    "validate",
    "batch",
    "pred",
    "loss",
    "backward",
    "step",
)
EVENTS = tuple(f"{when}_{section}" for section in SECTIONS for when in ("before", "after"))


class Cancel(Exception):
    """Leave a section early: raised by a callback, caught where that section ends.

    The section's ``after_`` event is still sent, to the callbacks that received the one before it.
    """

    section: str


class CancelFit(Cancel):
    """End the training."""

    section = "fit"


class CancelEpoch(Cancel):
    """Skip the rest of the epoch, its validation included."""

    section = "epoch"


class CancelTrain(Cancel):
    """Skip the rest of this epoch's training batches, and validate."""

    section = "train"


class CancelValidate(Cancel):
    """Skip the rest of this epoch's validation."""

    section = "validate"


class CancelBatch(Cancel):
    """Skip the rest of the batch; a gradient that it has computed counts in the next step."""

    section = "batch"


class CancelBackward(Cancel):
    """Skip the backward pass, because the callback has computed the gradients itself."""

    section = "backward"


class CancelStep(Cancel):
    """Skip the optimizer's step; gradients accumulate until it steps."""

    section = "step"


def check_cancelled(error: BaseException) -> None:
    """Refuse to leave a section that is not under way, as by CancelStep in ``before_batch``.

    Raises:
        VicinalError: the error is a :class:`Cancel` that no section has caught.
    """
    if isinstance(error, Cancel):
        raise VicinalError(
            f"a callback raised {type(error).__name__} where no {error.section} is under way: "
            f"raise it from before_{error.section} on, and before after_{error.section}"
        ) from error


# fastai's names
CancelFitException = CancelFit
CancelEpochException = CancelEpoch
CancelTrainException = CancelTrain
CancelValidException = CancelValidate
CancelBatchException = CancelBatch
CancelBackwardException = CancelBackward
CancelStepException = CancelStep


class Callback:
    """Customise a training: an object whose methods are named after events.

    Define any of :data:`EVENTS` as a method that takes the learner; there is nothing to register.
    Callbacks with a lower ``order`` receive an event first; those of equal order, in the order in
    which they were given.

    A callback that prints the loss of every batch:

    >>> class PrintLoss(Callback):
    ...     def after_loss(self, learn):
    ...         print(f"{learn.loss:.3f}")

    What a callback may read and set: ``learn.x`` and ``learn.y`` from ``before_batch`` on,
    ``learn.pred`` from ``after_pred`` on, ``learn.loss`` from ``after_loss`` on. It may hold on to
    their tensors: a batch that a callback has seen is not written to afterwards.

    What it may call: ``learn.forward(x)`` and ``learn.compute_loss(pred, y)`` give outputs and
    losses as the training computes them, ``learn.train_on(batches)`` trains on batches of its own,
    and ``learn.section(name, body)`` runs a function between two events.
    """

    order = 0

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name, method in vars(cls).items():
            if not name.startswith(("before_", "after_")):
                continue
            if name not in EVENTS:
                raise TypeError(
                    f"{cls.__name__}.{name} would never be called: the events are "
                    + ", ".join(EVENTS)
                )
            code = getattr(method, "__code__", None)
            if code and code.co_argcount == 1 and not code.co_flags & inspect.CO_VARARGS:
                raise TypeError(
                    f"{cls.__name__}.{name} takes no learner: write def {name}(self, learn), and "
                    "learn.loss in place of self.loss"
                )

    @property
    def name(self) -> str:
        return type(self).__name__

    def __repr__(self) -> str:
        return self.name


def in_order(callbacks: Iterable[Callback]) -> list[Callback]:
    """Callbacks in the order in which they receive events; those of equal order stay as given."""
    return sorted(callbacks, key=lambda callback: callback.order)


def announce(learn: "Learner", event: str, callbacks: Iterable[Callback]) -> Iterator[Callback]:
    """Send an event to callbacks one by one, and yield each that has received it.

    A callback that cancels has received it; one that fails has not.
    """
    for callback in callbacks:
        listener = getattr(callback, event, None)
        try:
            if listener is not None:
                listener(learn)
        except Cancel:
            yield callback
            raise
        yield callback


def close(learn: "Learner", callbacks: Iterable[Callback]) -> None:
    """Send ``after_fit`` to all callbacks, even if one fails; then raise the first error."""
    failed: Exception | None = None
    for callback in callbacks:
        try:
            list(announce(learn, "after_fit", [callback]))
        except Exception as error:
            failed = failed or error
    if failed is not None:
        raise failed


def check_only_one(callback: Callback, learn: "Learner") -> None:
    """Raise a VicinalError if the training has a second callback of this class.

    Or one of a class derived from it. For callbacks that would undo each other's work.
    """
    kinds = [
        type(other)
        for other in learn.callbacks
        if isinstance(other, type(callback))
        or (isinstance(callback, type(other)) and type(other) is not Callback)
    ]
    if len(kinds) > 1:
        names = " and ".join(dict.fromkeys(kind.__name__ for kind in kinds))
        raise VicinalError(
            f"the training has {len(kinds)} callbacks {names}, which would disturb each other: "
            "give one"
        )


def listeners(callbacks: list[Callback]) -> str:
    """A table of the events and the callbacks that receive each, in that order."""
    width = max(map(len, EVENTS))
    lines = []
    for event in EVENTS:
        names = [callback.name for callback in callbacks if hasattr(callback, event)]
        lines.append(f"{event:{width}}  {', '.join(names) or '-'}")
    return "\n".join(lines)
