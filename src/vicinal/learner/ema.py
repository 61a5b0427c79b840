"""EMA: an exponential moving average of the weights."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from vicinal.errors import VicinalError
from vicinal.learner.events import Callback, check_only_one
from vicinal.mixing.arguments import number

if TYPE_CHECKING:
    from vicinal.learner.learner import Learner


class EMA(Callback):
    """Validate with, and end with, an exponential moving average of the weights.

    The average starts as the weights after the first step, and moves by ``1 - decay`` towards the
    current weights at every step of the optimizer. It looks back about ``1 / (1 - decay)`` steps:
    use a lower decay for trainings that are not much longer. Floating-point buffers, such as the
    statistics of batch norms, are averaged like the weights; other buffers are copied.

    However the training ends (also by an error or Ctrl-C), the model holds the average afterwards;
    with :class:`SaveBest`, the best average.

    Args:
        decay: the weight of the previous average at each step, 0 or more and below 1.

    Raises:
        TypeError, ValueError: ``decay`` is not such a number.
        VicinalError: the training has two of these callbacks.

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

    order = 75  # after callbacks that change weights, before SaveBest loads the best ones

    def __init__(self, decay: float = 0.999) -> None:
        self.decay = number("decay", decay, upper=1.0)
        if self.decay == 1:
            raise ValueError(f"decay must be below 1, not {decay}: the average would never move")
        self.average: AveragedModel | None = None

    def before_fit(self, learn: "Learner") -> None:
        check_only_one(self, learn)
        self.is_swapped_in = False
        average = get_ema_multi_avg_fn(self.decay)
        self.average = AveragedModel(learn.model, multi_avg_fn=average, use_buffers=True)

    @torch.no_grad()
    def after_step(self, learn: "Learner") -> None:
        assert self.average is not None
        self.average.update_parameters(learn.model)
        for average, current in self._pairs(learn):
            if not average.is_floating_point():  # torch would average these too, and round
                average.copy_(current)

    def before_validate(self, learn: "Learner") -> None:
        self._swap(learn)

    def after_validate(self, learn: "Learner") -> None:
        self._swap(learn)

    def after_epoch(self, learn: "Learner") -> None:
        if self.is_swapped_in:  # the epoch was cancelled during validation
            self._swap(learn)

    def after_fit(self, learn: "Learner") -> None:
        if not self.is_swapped_in:  # else the training ended during validation
            self._swap(learn)
        self.average = None

    @contextmanager
    def averaged(self, learn: "Learner") -> Iterator[None]:
        """Within this context the model holds the average."""
        self._swap(learn)
        try:
            yield
        finally:
            self._swap(learn)

    # Values are exchanged, not tensors: the optimizer, and whoever holds a parameter, keeps it.
    @torch.no_grad()
    def _swap(self, learn: "Learner") -> None:
        for average, current in self._pairs(learn):
            saved = average.clone()
            average.copy_(current)
            current.copy_(saved)
        self.is_swapped_in = not self.is_swapped_in

    def _pairs(self, learn: "Learner") -> Iterator[tuple[Tensor, Tensor]]:
        """Each parameter and buffer of the average, with the model's."""
        assert self.average is not None
        yield from zip(self.average.module.parameters(), learn.model.parameters(), strict=True)
        yield from zip(self.average.module.buffers(), learn.model.buffers(), strict=True)

    def state_dict(self) -> dict[str, Any]:
        """The average; None outside of a training."""
        return {"average": None if self.average is None else dict(self.average.state_dict())}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue with the average of another training of the same network.

        Raises:
            VicinalError: it belongs to another network.
        """
        if self.average is None or state["average"] is None:
            return
        try:
            self.average.load_state_dict(state["average"])
        except RuntimeError:
            raise VicinalError(
                "the averaged weights are of another network: resume with the network that they "
                "were saved with"
            ) from None
