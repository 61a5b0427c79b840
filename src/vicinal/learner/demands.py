"""What an optimizer asks of the training loop, beyond a step by the gradients."""

import inspect
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from vicinal.errors import VicinalError
from vicinal.learner.gradients import AccumulateGradients
from vicinal.learner.optimizer_state import inner_optimizers
from vicinal.processes import this_process

if TYPE_CHECKING:
    from vicinal.learner.learner import Learner


def takes_closure(optimizer: Any) -> bool:
    """Whether it computes loss and gradients again in each step, as LBFGS and SAM do.

    >>> import torch
    >>> takes_closure(torch.optim.LBFGS([torch.ones(1)])), takes_closure(
    ...     torch.optim.SGD([torch.ones(1)])
    ... )
    (True, False)
    """
    _, *arguments = inspect.signature(type(optimizer).step).parameters.values()
    is_required = bool(arguments) and arguments[0].default is inspect.Parameter.empty
    # Some need one, though their signature does not say so: SAM in two halves, those that raise
    # pytorch_optimizer's error, and its emo family, which would take 0 for the loss.
    is_sam = hasattr(optimizer, "first_step") and hasattr(optimizer, "second_step")
    uses = not _names(optimizer).isdisjoint({"NoClosureError", "get_emo_drive"})
    return is_required or is_sam or uses or any(map(takes_closure, _inner(optimizer)))


def needs_graph(optimizer: Any) -> bool:
    """Whether it differentiates the gradients again, as AdaHessian does."""
    is_second_order = getattr(optimizer, "is_second_order", False)  # timm's
    return (
        bool(is_second_order)
        or "compute_hutchinson_hessian" in _names(optimizer)  # pytorch_optimizer's
        or any(map(needs_graph, _inner(optimizer)))
    )


def averages(optimizer: Any) -> bool:
    """Whether it trains other weights than those to use, as schedule-free optimizers do."""
    return all(callable(getattr(optimizer, name, None)) for name in ("train", "eval"))


def _names(optimizer: Any) -> set[str]:
    """What the step of an optimizer calls."""
    code = getattr(inspect.unwrap(type(optimizer).step), "__code__", None)
    return set() if code is None else set(code.co_names)


def _inner(optimizer: Any) -> list[Any]:
    return list(inner_optimizers(optimizer).values())


class Demands:
    """What an optimizer asks for, in one training.

    A schedule-free optimizer has two kinds of weights: to train, and to use. Everywhere but in
    training batches the model holds those to use: in validation, in checkpoints and at the end.

    Args:
        optimizer: new, so that the model holds the weights to use.
    """

    def __init__(self, optimizer: Any) -> None:
        self.takes_closure, self.needs_graph = takes_closure(optimizer), needs_graph(optimizer)
        self._averaging = optimizer if averages(optimizer) else None
        self._is_training = False

    @contextmanager
    def training(self) -> Iterator[None]:
        """Within this context the model holds the weights to train."""
        if self._averaging is None or self._is_training:
            yield
            return
        self._averaging.train()
        self._is_training = True
        try:
            yield
        finally:
            self._is_training = False
            self._averaging.eval()

    @contextmanager
    def using(self) -> Iterator[None]:
        """Within this context, also in the middle of training, the model holds those to use."""
        if self._averaging is None or not self._is_training:
            yield
            return
        self._averaging.eval()
        self._is_training = False
        try:
            yield
        finally:
            self._is_training = True
            self._averaging.train()

    def backward(self, loss: Tensor) -> None:
        """Compute the gradients, and for optimizers of second order a graph of them."""
        if not self.needs_graph:
            loss.backward()
            return
        with warnings.catch_warnings():
            # Of a cycle of references, which ends when the gradients are cleared after the step.
            warnings.filterwarnings("ignore", "Using backward.* with create_graph=True")
            loss.backward(create_graph=True)


def check_demands(learn: "Learner") -> None:
    """Check that the training can give the optimizer what it asks for.

    Raises:
        VicinalError: it cannot.
    """
    name = type(learn.optimizer).__name__
    closure, graph = learn.demands.takes_closure, learn.demands.needs_graph
    if (closure or graph) and learn.precision == "fp16":
        why = "computes the loss again in each step" if closure else "differentiates the gradients"
        raise VicinalError(
            f"{name} {why}, which goes with no scaled gradients of fp16: use bf16 or fp32"
        )
    if graph and this_process().num_processes > 1:
        raise VicinalError(
            f"{name} differentiates the gradients, which several processes would each do for "
            "their own samples: train in one process, or by another optimizer"
        )
    parameters = [p for group in learn.optimizer.param_groups for p in group["params"]]
    if isinstance(learn.optimizer, torch.optim.LBFGS) and not all(
        parameter.is_contiguous() for parameter in parameters
    ):
        raise VicinalError(
            "LBFGS takes no weights in the memory format channels_last: call "
            "model.to(memory_format=torch.contiguous_format)"
        )
    accumulators = [cb for cb in learn.callbacks if isinstance(cb, AccumulateGradients)]
    accumulated = max((each.batches_in(learn) for each in accumulators), default=1)
    if closure and accumulated > 1:
        raise VicinalError(
            f"{name} computes the loss of a batch again in each step, so the gradients of "
            f"{accumulated} batches cannot be accumulated for it: leave that out, and use larger "
            "batches"
        )
    if averages(learn.optimizer) and any(hasattr(cb, "averaged") for cb in learn.callbacks):
        raise VicinalError(
            f"{name} averages the weights itself, so EMA would average them twice: leave out EMA"
        )
