"""What a Learner's attributes are called in fastai, for callbacks and cells of notebooks."""

from collections.abc import Callable
from typing import Any

from torch import nn

from vicinal.errors import VicinalError
from vicinal.learner.opt import Opt


class AlsoNamed:
    """The part of a Learner with fastai's names of what it has by others."""

    model: nn.Module
    splitter: Callable[[nn.Module], list[list[nn.Parameter]]]
    batches: Any
    epochs: int
    x: Any
    y: Any
    loss: Any

    @property
    def opt(self) -> Opt | None:
        """The optimizer of this or the last training: ``learn.opt.hypers[-1]["lr"]``.

        None before the first training. Each training makes a new one.
        """
        optimizer = self.__dict__.get("optimizer")
        return None if optimizer is None else Opt(optimizer, self.splitter(self.model))

    @property
    def xb(self) -> tuple[Any, ...]:
        """The inputs of the batch: ``(learn.x,)``."""
        return (self.x,)

    @xb.setter
    def xb(self, inputs: tuple[Any, ...]) -> None:
        (self.x,) = inputs

    @property
    def yb(self) -> tuple[Any, ...]:
        """The targets of the batch: ``(learn.y,)``."""
        return (self.y,)

    @yb.setter
    def yb(self, targets: tuple[Any, ...]) -> None:
        (self.y,) = targets

    @property
    def loss_grad(self) -> Any:
        """The loss whose gradient is taken: ``learn.loss``."""
        return self.loss

    @loss_grad.setter
    def loss_grad(self, loss: Any) -> None:
        self.loss = loss

    @property
    def dl(self) -> Any:
        """The loader of the batches: ``learn.batches``."""
        return self.batches

    @property
    def n_epoch(self) -> int:
        """The number of epochs of the training: ``learn.epochs``."""
        return self.epochs

    @property
    def n_iter(self) -> int:
        """The number of batches of the part that is under way, of which ``learn.iter`` is one."""
        try:
            return len(self.batches)
        except TypeError:
            raise VicinalError(
                "train_on() was given batches without a length, so there is no n_iter: give it a "
                "list of them"
            ) from None
