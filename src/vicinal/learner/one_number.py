"""Targets of one number (B,) beside outputs (B, 1), which torch would compare each with each."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from vicinal.errors import VicinalError
from vicinal.known_losses import KnownLoss, is_known, name_of
from vicinal.mixing.target import MixedTarget
from vicinal.rehearsal import rehearsed


def are_of_one_number(output: Any, target: Any) -> bool:
    """Whether one of both is (B, 1), and the other (B,), of two samples or more with values.

    >>> are_of_one_number(torch.zeros(3, 1), torch.zeros(3))
    True
    >>> are_of_one_number(torch.zeros(3, 1), torch.zeros(3, dtype=torch.long))  # of classes
    False
    """
    target = target.own if isinstance(target, MixedTarget) else target
    if not (isinstance(output, Tensor) and isinstance(target, Tensor)):
        return False
    shapes = {tuple(output.shape), tuple(target.shape)}
    count = len(target) if target.ndim else 0
    return target.is_floating_point() and count > 1 and shapes == {(count,), (count, 1)}


def fitted(output: Tensor, target: Any) -> Any:
    """Targets, plain or mixed, in the shape of the outputs."""
    if not isinstance(target, MixedTarget):
        return target.reshape(output.shape)
    own, partner = (y.reshape(output.shape) for y in (target.own, target.partner))
    return MixedTarget(own, partner, target.weight)


class Paired:
    """Let a criterion compare each output with its own target, in whichever shape it has it.

    torch's losses of values get targets in the shape of the outputs, and our flat ones take any.
    Other functions of (output, target) are given both as they are, if they compare them one by one;
    that is checked once.

    Args:
        criterion: a loss or a metric.
        what: its kind, for messages.
    """

    def __init__(self, criterion: Callable[..., Any], what: str = "loss function") -> None:
        self.criterion, self.what = criterion, what
        self._is_elementwise = is_known(criterion) and KnownLoss(criterion).is_elementwise
        self._is_safe = is_known(criterion)

    def target(self, output: Any, target: Any) -> Any:
        """The target as the criterion takes it.

        Raises:
            VicinalError: the criterion would compare each output with each target.
        """
        if not are_of_one_number(output, target):
            return target
        if self._is_elementwise:
            return fitted(output, target)
        if not self._is_safe:
            self._check(output, target.own if isinstance(target, MixedTarget) else target)
            self._is_safe = True
        return target

    def _check(self, output: Tensor, target: Tensor) -> None:
        # Outputs that equal their targets, each pair another: what compares them one by one has
        # one result for both shapes of the outputs.
        values = torch.linspace(0.1, 0.9, len(target), device=output.device)
        y = values.to(target.dtype).reshape(target.shape)
        found: list[float] = []
        for shape in (output.shape, target.shape):
            try:
                with torch.no_grad(), rehearsed(self.criterion, output, seed=0):
                    result = self.criterion(values.to(output.dtype).reshape(shape), y)
            except (AttributeError, IndexError, RuntimeError, TypeError, ValueError):
                return  # such as of a criterion that reads columns
            found.append(float(torch.as_tensor(result).double().mean()))
        given, paired = found
        if math.isfinite(paired) and not math.isclose(given, paired, rel_tol=1e-3, abs_tol=1e-6):
            raise VicinalError(
                f"the {self.what} {name_of(self.criterion)} compares each output of shape "
                f"{tuple(output.shape)} with each target of shape {tuple(target.shape)}: let it "
                "compare output.flatten() with target.flatten()"
            )
