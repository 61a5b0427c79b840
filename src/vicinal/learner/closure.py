"""The closure of optimizers that compute the loss of a batch several times in a step."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import torch
from accelerate.utils import reduce
from torch import Tensor

from vicinal.errors import VicinalError
from vicinal.learner.events import Cancel
from vicinal.learner.random_states import random_states, set_random_states
from vicinal.mixing.hooks import Hooks

if TYPE_CHECKING:
    from vicinal.learner.learner import Learner


class Closure:
    """Computes the loss and the gradients of a batch again, at the weights of the moment.

    It is made before the batch's forward pass. The samples, their mix (also one inside of the
    network) and all random numbers, such as dropout masks, are those of that pass, so the optimizer
    sees one and the same function of the weights. Its events are sent again: of pred, loss and
    backward.

    Args:
        learn: the learner, with the batch in ``x`` and ``y``.
        compute: the forward and the backward pass, with their events.

    Raises:
        VicinalError: gradients were accumulated before.
    """

    def __init__(self, learn: "Learner", compute: Callable[[], None]) -> None:
        self.learn, self.compute = learn, compute
        self.batch = learn.x, learn.y
        self.random = random_states()
        self.mixes = [(hooks, hooks.pending) for hooks in _hooks(learn)]
        groups = learn.optimizer.param_groups
        if any(p.grad is not None for group in groups for p in group["params"]):
            raise VicinalError(
                "gradients of an earlier batch are left, whose step was cancelled, and "
                f"{type(learn.optimizer).__name__} computes those of one batch alone: let the "
                "callback that cancels steps call learn.optimizer.zero_grad()"
            )

    def step(self) -> None:
        """Let the optimizer step; all else is afterwards as the first forward pass left it."""
        learn = self.learn
        first = learn.x, learn.y, learn.pred, learn.loss
        random = random_states()
        buffers = [
            (module, name, buffer, buffer.clone())
            for module in learn.model.modules()
            for name, buffer in module._buffers.items()
            if buffer is not None
        ]
        learn.optimizer.step(cast(Callable[[], float], self.evaluate))
        with torch.no_grad():
            for module, name, buffer, before in buffers:  # batch norms have seen the batch once
                module._buffers[name] = buffer.copy_(before)
        set_random_states(random, learn.dls.device)
        learn.x, learn.y, learn.pred, learn.loss = first

    @torch.enable_grad()
    def evaluate(self) -> Tensor:
        """The loss, the mean over all processes, which so take the same decisions."""
        learn = self.learn
        learn.optimizer.zero_grad()
        learn.x, learn.y = self.batch
        set_random_states(self.random, learn.dls.device)
        for hooks, mix in self.mixes:
            hooks.pending = None if mix is None else replace(mix, calls=0, is_finished=False)
        try:
            self.compute()
        except Cancel as cancel:
            raise VicinalError(
                f"{type(cancel).__name__} came in the middle of a step of "
                f"{type(learn.optimizer).__name__}, which computes the loss several times: raise "
                "it in before_batch, or in before_step"
            ) from None
        assert learn.loss is not None
        loss: Tensor = reduce(learn.loss.detach(), "mean")
        return loss


def _hooks(learn: "Learner") -> list[Hooks]:
    """The hooks on the network that mix inside of it."""
    found = (
        getattr(hook, "__self__", None)
        for module in learn.model.modules()
        for hook in module._forward_pre_hooks.values()
    )
    return [hooks for hooks in found if isinstance(hooks, Hooks)]
