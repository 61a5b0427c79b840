"""Any criterion on mixed targets, by tensors that stand for both targets, with proof."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from vicinal.known_losses import weighted_sum
from vicinal.mixed.tensor import MixedTensor, as_plain, as_tensors, is_mixed
from vicinal.mixed.uncompiled import uncompiled
from vicinal.mixing.batch import copied
from vicinal.mixing.sides import map_targets, sides
from vicinal.mixing.target import MixedTarget
from vicinal.rehearsal import is_transformed, rehearsed
from vicinal.rows import close


@uncompiled
def loss_of_tensors(criterion: Callable[..., Any], output: Any, target: Any) -> tuple[Any, bool]:
    """The criterion's result for a mixed target, and whether it is a loss for each sample.

    Args:
        criterion: of (output, target).
        output: its input.
        target: a :class:`MixedTarget`, or a nested batch of them.

    Raises:
        UnsupportedFunction: it calls a function that cannot be computed for both targets.
    """
    result = criterion(output, as_tensors(target))
    if is_mixed(result):
        return weighted_sum(as_plain(result), result.partner, result.weight), True
    return result, False


@uncompiled
def counts_partners(criterion: Callable[..., Any], output: Any, target: Any) -> bool:
    """Whether partners that have the whole weight give just the loss of plain targets.

    A criterion may read its targets past torch's functions (as numbers, by NumPy, in compiled code,
    in a backward of its own), and would see the samples' own targets alone.
    """
    _, partner = sides(target)
    turned = map_targets(
        lambda y: MixedTarget(y.own.clone(), y.partner.clone(), torch.zeros_like(y.weight)), target
    )
    expected = _value_and_slopes(criterion, output, copied(partner))
    try:
        found = _value_and_slopes(criterion, output, as_tensors(turned))
    except ValueError:
        raise
    except Exception:  # it cannot read such tensors at all
        return False
    return len(found) == len(expected) and all(map(_is_close, found, expected))


def _value_and_slopes(criterion: Callable[..., Any], output: Any, target: Any) -> list[Any]:
    """The loss and its gradient to the outputs, without a trace in the graph or the state."""
    leaves, structure = pytree.tree_flatten(output)
    with_slopes = torch.is_grad_enabled() and not torch.is_inference_mode_enabled()
    with_slopes = with_slopes and not is_transformed()
    inputs = []
    for i, leaf in enumerate(leaves):
        if isinstance(leaf, Tensor):
            leaf = leaf.detach()
            if with_slopes and leaf.is_floating_point():
                inputs.append(leaf.requires_grad_())
            leaves[i] = leaf.clone()  # which the criterion may write into
    with rehearsed(criterion, leaves):
        value = criterion(pytree.tree_unflatten(leaves, structure), target)
    if is_mixed(value):
        value = weighted_sum(as_plain(value), value.partner, value.weight)
    if not isinstance(value, Tensor):
        return [value]
    slopes: list[Any] = []
    if value.requires_grad and inputs:
        slopes = list(torch.autograd.grad(value.sum(), inputs, allow_unused=True))
    return [value.detach(), *slopes]


def _is_close(found: Any, expected: Any) -> bool:
    if not (isinstance(found, Tensor) and isinstance(expected, Tensor)):
        return found is expected is None or (found is not None and bool(found == expected))
    return not isinstance(found, MixedTensor) and close(found, expected)
