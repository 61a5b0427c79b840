"""EMA: an exponential moving average of the weights."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from vicinal.errors import VicinalError
from vicinal.learner.events import Callback, check_only_one
from vicinal.learner.spectral import fit_to_weights, power_vectors
from vicinal.mixing.arguments import number
from vicinal.processes import share_buffers

if TYPE_CHECKING:
    from vicinal.learner.learner import Learner


class EMA(Callback):
    """Validate with, and end with, an exponential moving average of the weights.

    The average starts as the weights after the first step, and moves by ``1 - decay`` towards the
    current weights at every step of the optimizer. It looks back about ``1 / (1 - decay)`` steps:
    use a lower decay for trainings that are not much longer.

    What is averaged are the parameters, in float32 if they have fewer bits, and the running
    statistics of norms: floating-point buffers whose name begins with ``running_``. All other
    buffers, such as masks, constants and counters, are the current ones; the vectors of torch's
    spectral norms are computed anew for the averaged weights. An entry whose average is not finite
    (a parameter that holds a mask of minus infinity) takes the current value.

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
        self.average: dict[str, Tensor] | None = None  # of a training that is under way
        self.saved: list[Tensor] = []  # the current values, while the model holds the average

    def before_fit(self, learn: "Learner") -> None:
        check_only_one(self, learn)
        self.current = dict(_averaged(learn.model))
        self.average = {name: _wide(tensor) for name, tensor in self.current.items()}
        self.steps, self.saved = 0, []

    @torch.no_grad()
    def after_step(self, learn: "Learner") -> None:
        assert self.average is not None
        averages = list(self.average.values())
        self.current = dict(_averaged(learn.model))  # anew, as modules may replace their buffers
        current = [
            value.detach().to(average.dtype)
            for average, value in zip(averages, self.current.values(), strict=True)
        ]
        if not self.steps:
            torch._foreach_copy_(averages, current)
        else:
            torch._foreach_lerp_(averages, current, 1 - self.decay)
        self.steps += 1

    def before_validate(self, learn: "Learner") -> None:
        assert self.average is not None
        # The statistics differ from process to process.
        share_buffers(tensor for name, tensor in self.average.items() if _is_statistic(name))
        self._swap_in(learn)

    def after_validate(self, learn: "Learner") -> None:
        self._swap_out(learn)

    def after_epoch(self, learn: "Learner") -> None:
        self._swap_out(learn)  # if the epoch was cancelled during validation

    def after_fit(self, learn: "Learner") -> None:
        if not self.saved:  # else the training ended during validation
            self._swap_in(learn)
        self.average, self.saved, self.current = None, [], {}

    @contextmanager
    def averaged(self, learn: "Learner") -> Iterator[None]:
        """Within this context the model holds the average."""
        self._swap_in(learn)
        try:
            yield
        finally:
            self._swap_out(learn)

    # Values are copied, not tensors: the optimizer, and whoever holds a parameter, keeps it.
    @torch.no_grad()
    def _swap_in(self, learn: "Learner") -> None:
        assert self.average is not None
        self.current = dict(_averaged(learn.model))
        self.saved = [tensor.detach().clone() for tensor in self._changed(learn)]
        if not self.steps:
            return
        for name, average in self.average.items():
            current = self.current[name]
            # Infinity minus infinity is NaN, and an average would never leave it again.
            average.copy_(torch.where(average.isfinite(), average, current))
            current.copy_(average)
        fit_to_weights(learn.model)

    @torch.no_grad()
    def _swap_out(self, learn: "Learner") -> None:
        if self.saved:
            for tensor, saved in zip(self._changed(learn), self.saved, strict=True):
                tensor.copy_(saved)
        self.saved = []

    def _changed(self, learn: "Learner") -> list[Tensor]:
        """The model's tensors that differ while it holds the average."""
        return [*self.current.values(), *power_vectors(learn.model)]

    def state_dict(self) -> dict[str, Any]:
        """The average by the names of the parameters and buffers; None outside of a training."""
        if self.average is None:
            return {"average": None}
        return {"average": dict(self.average), "steps": self.steps}

    @torch.no_grad()
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue with the average of another training of the same network.

        Raises:
            VicinalError: it belongs to another network.
        """
        found = state["average"]
        if self.average is None or found is None:
            return
        if _shapes(found) != _shapes(self.average):
            raise VicinalError(
                "the averaged weights are of another network: resume with the network that they "
                "were saved with"
            )
        for name, average in self.average.items():
            average.copy_(found[name])
        self.steps = state["steps"]


def _averaged(model: nn.Module) -> Iterable[tuple[str, Tensor]]:
    """What of a model is averaged, by name."""
    for name, parameter in model.named_parameters():
        if parameter.is_floating_point() or parameter.is_complex():
            yield name, parameter
    for name, buffer in model.named_buffers():
        if _is_statistic(name) and buffer.is_floating_point():
            yield name, buffer


def _is_statistic(name: str) -> bool:
    """Whether a buffer is an average already, by the name that torch, timm and others give it."""
    return name.rpartition(".")[2].startswith("running_")


def _wide(tensor: Tensor) -> Tensor:
    """A copy in which small steps are not lost: bfloat16 would round those of 0.4 % away."""
    is_narrow = tensor.is_floating_point() and tensor.dtype.itemsize < 4
    return tensor.detach().to(torch.float32 if is_narrow else tensor.dtype, copy=True)


def _shapes(tensors: dict[str, Tensor]) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in tensors.items()}
