"""Handlers of functions along axes within each sample, such as ``softmax``."""

from typing import Any

from torch import Tensor

from vicinal.mixed.call import Call
from vicinal.mixed.tensor import MixedTensor
from vicinal.mixed.weights import Unsupported, collapse_constant, common_weight

# Where the axes stand among the arguments, and their default; of all others at 1, without one.
_AXES: dict[str, tuple[int, Any]] = {
    "normalize": (2, 1),
    "norm": (2, None),
    "linalg_norm": (2, None),
    "linalg_vector_norm": (2, None),
    "diff": (2, -1),
    "topk": (2, -1),
    "kthvalue": (2, -1),
    "sort": (1, -1),
    "argsort": (1, -1),
}


def along_axes(call: Call) -> Any:
    """``softmax``, ``norm``, ``argmax``, …: functions along axes within each sample.

    Those of several results (``sort``, ``max(dim=1)``) give each as a mixed tensor.
    """
    tensor = call.first
    axes = axes_of(call)
    if 0 not in axes:  # flattening and unflattening gives each pixel a weight of its own
        tensor.weight = collapse_constant(tensor.weight, axes)
    # Along the samples, own values would meet other samples' own ones, whatever the weights: the
    # result belongs to no pair of targets.
    if (
        not call.only_first_is_mixed
        or len(axes) == tensor.ndim
        or not is_within_samples(tensor, axes)
    ):
        raise Unsupported
    own, partner = call.on_both()
    if isinstance(own, tuple):
        parts = zip(own, partner, strict=True)
        mixed = [_without_axes(call, axes, *part) for part in parts]
        return type(own)(mixed)
    return _without_axes(call, axes, own, partner)


def _without_axes(call: Call, axes: list[int], own: Tensor, partner: Tensor) -> MixedTensor:
    weight = call.first.weight
    if own.ndim < weight.ndim:
        for axis in sorted(axes, reverse=True):
            weight = weight.squeeze(axis)
    return call.mixed_result(own, partner, weight)


def axes_of(call: Call) -> list[int]:
    position, default = _AXES.get(call.name, (1, None))
    dims = call.argument(position, "dim", default)
    if dims is None:
        return list(range(call.first.ndim))
    dims = (dims,) if isinstance(dims, int) else dims
    if not isinstance(dims, tuple | list) or not all(type(axis) is int for axis in dims):
        raise Unsupported  # max(a, b), std(unbiased)
    return sorted({axis % max(call.first.ndim, 1) for axis in dims})


def is_within_samples(tensor: MixedTensor, axes: list[int]) -> bool:
    """Whether all values along these axes have one weight: they belong to one sample."""
    return all(tensor.weight.shape[axis] == 1 for axis in axes)


def between_rows(call: Call) -> Any:
    """``cosine_similarity`` and ``pairwise_distance``: of two tensors, along one axis of both."""
    own, partner = call.on_both()
    if own.ndim == 0:
        raise Unsupported
    ndim = own.ndim + 1
    if call.name == "pairwise_distance":
        if call.argument(4, "keepdim", False):
            raise Unsupported
        axis = ndim - 1
    else:
        axis = call.argument(2, "dim", 1) % ndim
    weight = common_weight([tensor.weight for tensor in call.mixed], ndim)
    if weight.shape[axis] != 1:
        raise Unsupported
    return call.mixed_result(own, partner, weight.squeeze(axis))


def pad(call: Call) -> Any:
    """Padding within each sample, by a constant or by its own values."""
    if not call.only_first_is_mixed:
        raise Unsupported
    own, partner = call.on_both()
    weight: Tensor = call.first.weight
    for axis, (before, after) in enumerate(zip(call.first.shape, own.shape, strict=True)):
        if before != after and weight.shape[axis] != 1:
            raise Unsupported
    # A negative pad on one side and a positive one on the other keep the size, but move values.
    sizes = list(call.argument(1, "pad"))
    moved = [call.first.ndim - 1 - i // 2 for i, size in enumerate(sizes) if size]
    if any(weight.shape[axis] != 1 for axis in moved):
        raise Unsupported
    return call.mixed_result(own, partner, weight)


def of_images(call: Call) -> Any:
    """Convolutions, pooling and resizing of (B, C, ...) maps, sample by sample."""
    tensor = call.first
    if not call.only_first_is_mixed or any(size != 1 for size in tensor.weight.shape[1:]):
        raise Unsupported
    if call.name.startswith("conv") and tensor.ndim != int(call.name[4]) + 2:
        raise Unsupported  # without a batch axis, samples would be channels
    own, partner = call.on_both()
    if not isinstance(own, Tensor) or own.ndim != tensor.ndim or len(own) != len(tensor):
        raise Unsupported
    return call.mixed_result(own, partner, tensor.weight)


def along_last(call: Call) -> Any:
    """``searchsorted``: each value is looked up in a plain sequence."""
    if is_plain_but(call, 1) and isinstance(call.first, Tensor) and call.first.ndim == 1:
        own, partner = call.on_both()
        return call.mixed_result(own, partner, call.mixed[0].weight)
    raise Unsupported


def is_plain_but(call: Call, position: int) -> bool:
    """Whether the argument at this position is the only mixed one."""
    return (
        len(call.mixed) == 1 and len(call.args) > position and call.args[position] is call.mixed[0]
    )
