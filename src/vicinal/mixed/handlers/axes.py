"""Handlers of functions along axes within each sample, such as ``softmax``."""

from typing import Any

from vicinal.mixed.call import Call
from vicinal.mixed.tensor import MixedTensor
from vicinal.mixed.weights import Unsupported


def along_axes(call: Call) -> Any:
    """``softmax``, ``norm``, ``argmax``, …: functions along axes within each sample."""
    tensor = call.first
    axes = axes_of(call)
    # Along the samples, own values would meet other samples' own ones, whatever the weights: the
    # result belongs to no pair of targets.
    if (
        not call.only_first_is_mixed
        or len(axes) == tensor.ndim
        or not is_within_samples(tensor, axes)
    ):
        raise Unsupported
    own, partner = call.on_both()
    weight = tensor.weight
    if own.ndim < tensor.ndim:
        for axis in sorted(axes, reverse=True):
            weight = weight.squeeze(axis)
    return call.mixed_result(own, partner, weight)


def axes_of(call: Call) -> list[int]:
    if call.name == "normalize":
        dims = call.argument(2, "dim", 1)
    else:
        dims = call.argument(2 if call.name == "norm" else 1, "dim")
    if dims is None:
        return list(range(call.first.ndim))
    dims = (dims,) if isinstance(dims, int) else dims
    if not all(isinstance(axis, int) for axis in dims):
        raise Unsupported
    return sorted({axis % max(call.first.ndim, 1) for axis in dims})


def is_within_samples(tensor: MixedTensor, axes: list[int]) -> bool:
    """Whether all values along these axes have one weight: they belong to one sample."""
    return all(tensor.weight.shape[axis] == 1 for axis in axes)
