"""Handlers of operations that rearrange values: views, permutations, parts and joins."""

from typing import Any

import torch
from torch import Tensor

from vicinal.mixed.call import Call
from vicinal.mixed.tensor import is_mixed
from vicinal.mixed.weights import (
    Unsupported,
    add_leading_axes,
    collapse_expanded,
    common_weight,
    reshape_weight,
)


def reshape(call: Call) -> Any:
    """The same values in the same order, in another shape."""
    if any(isinstance(value, torch.dtype) for value in call.args):
        raise Unsupported
    own, partner = call.on_both()
    return call.mixed_result(
        own, partner, reshape_weight(call.first.weight, call.first.shape, own.shape)
    )


def permute(call: Call) -> Any:
    """Axes, or the values along them, in another order: the weight is permuted alike."""
    if not call.only_first_is_mixed or (call.name == "roll" and call.argument(2, "dims") is None):
        raise Unsupported
    own, partner = call.on_both()
    return call.mixed_result(
        own, partner, call.func(call.first.weight, *call.args[1:], **call.kwargs)
    )


def expand(call: Call) -> Any:
    own, partner = call.on_both()
    return call.mixed_result(own, partner, add_leading_axes(call.first.weight, own.ndim))


def repeat(call: Call) -> Any:
    own, partner = call.on_both()
    weight = add_leading_axes(call.first.weight, own.ndim)
    for axis, size in enumerate(weight.shape):
        if size > 1 and own.shape[axis] != size:
            times = own.shape[axis] // size
            weight = weight.repeat([times if a == axis else 1 for a in range(own.ndim)])
    return call.mixed_result(own, partner, weight)


def split(call: Call) -> Any:
    """One part of a tensor, or all of them, as views."""
    tensor = call.first
    if not call.only_first_is_mixed or (
        call.name in ("select", "unbind") and not _keeps_samples(call)
    ):
        raise Unsupported
    own, partner = call.on_both()
    weight = call.func(tensor.weight.expand(tensor.shape), *call.args[1:], **call.kwargs)
    if isinstance(own, Tensor):
        return call.mixed_result(own, partner, collapse_expanded(weight))
    return tuple(
        call.mixed_result(own_part, partner_part, collapse_expanded(weight_part))
        for own_part, partner_part, weight_part in zip(own, partner, weight, strict=True)
    )


def _keeps_samples(call: Call) -> bool:
    """Whether ``select`` or ``unbind`` takes another axis than that of the samples."""
    dim = call.argument(1, "dim", 0)
    return isinstance(dim, int) and dim % max(call.first.ndim, 1) != 0


def concatenate(call: Call) -> Any:
    """``cat`` and ``stack``; a plain tensor is the same for both targets, so any weight fits it."""
    tensors = list(call.argument(0, "tensors"))
    own, partner = call.on_both()
    dim = call.argument(1, "dim", 0) % own.ndim
    if call.name == "stack":
        weights = [t.weight.unsqueeze(dim) for t in tensors if is_mixed(t)]
    else:
        weights = [t.weight for t in tensors if is_mixed(t)]
    if all(weight.shape[dim] == 1 for weight in weights):
        return call.mixed_result(own, partner, common_weight(weights, own.ndim))
    weights = [
        t.weight if is_mixed(t) else weights[0].new_ones(()).expand([1] * own.ndim) for t in tensors
    ]
    shape = [max(sizes) for sizes in zip(*(weight.shape for weight in weights), strict=True)]
    expanded = []
    for tensor, weight in zip(tensors, weights, strict=True):
        shape[dim] = tensor.shape[dim]
        expanded.append(weight.expand(shape))
    return call.mixed_result(own, partner, torch.cat(expanded, dim))
