"""The events of a training, and the callbacks that listen to them."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vicinal.learner.learner import Learner

# What a training is made of, from the outside in. Each section has an event before and after it.
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

    The section's ``after_`` event still comes, to those that heard the one before it.
    """

    section: str


class CancelFit(Cancel):
    """End the training."""

    section = "fit"


class CancelEpoch(Cancel):
    """Go on with the next epoch."""

    section = "epoch"


class CancelTrain(Cancel):
    """Leave the rest of this epoch's training batches, and validate."""

    section = "train"


class CancelValidate(Cancel):
    """Leave the rest of this epoch's validation."""

    section = "validate"


class CancelBatch(Cancel):
    """Go on with the next batch."""

    section = "batch"


class CancelBackward(Cancel):
    """The callback has made the gradients itself."""

    section = "backward"


class CancelStep(Cancel):
    """Do not step the optimizer; gradients add up until it is stepped."""

    section = "step"


class Callback:
    """Change a training from outside: an object whose methods bear the events' names.

    Define any of :data:`EVENTS` as a method that takes the learner; nothing is registered.
    Callbacks with a lower ``order`` hear an event first; equals, in the order they were given in.

    A callback that prints the loss of every batch:

    >>> class PrintLoss(Callback):
    ...     def after_loss(self, learn):
    ...         print(f"{learn.loss:.3f}")
    """

    order = 0

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name in vars(cls):
            if name.startswith(("before_", "after_")) and name not in EVENTS:
                raise TypeError(
                    f"{cls.__name__}.{name} would never be called: the events are "
                    + ", ".join(EVENTS)
                )

    @property
    def name(self) -> str:
        return type(self).__name__


def announce(learn: "Learner", event: str, callbacks: Iterable[Callback]) -> Iterator[Callback]:
    """Tell callbacks of an event, one after the other; gives each that has heard it.

    One that cancels has heard it; one that fails has not.
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
    """Tell callbacks of ``after_fit``: all of them, also where one fails."""
    failed: Exception | None = None
    for callback in callbacks:
        try:
            list(announce(learn, "after_fit", [callback]))
        except Exception as error:
            failed = failed or error
    if failed is not None:
        raise failed


def listeners(callbacks: list[Callback]) -> str:
    """A table of the events and who listens to them, in the order in which they hear."""
    width = max(map(len, EVENTS))
    lines = []
    for event in EVENTS:
        names = [callback.name for callback in callbacks if hasattr(callback, event)]
        lines.append(f"{event:{width}}  {', '.join(names) or '-'}")
    return "\n".join(lines)
