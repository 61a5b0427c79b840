"""Handlers of operations that write into tensors, for both targets."""

import torch
from torch import Tensor

from vicinal.mixed.call import Call
from vicinal.mixed.handlers.indexing import weight_of_scattered
from vicinal.mixed.tensor import MixedTensor, is_mixed, make_mixed
from vicinal.mixed.weights import (
    Unsupported,
    add_leading_axes,
    add_trailing_axes,
    common_weight,
)


def elementwise_in_place(call: Call) -> Tensor:
    """``y.add_(1)``, ``y *= 2``: each value of a mixed tensor is changed by itself."""
    tensor = call.first
    if not is_mixed(tensor):
        raise Unsupported
    call.common_weight(tensor.ndim)
    call.on_both()
    return tensor


def write_at_targets(call: Call) -> Tensor:
    """``zeros.scatter_(1, y, 1)``, ``zeros[y == 2] = 1``: one value, where the targets point to.

    A plain tensor becomes a mixed one by this.
    """
    tensor = call.first
    start = tensor if is_mixed(tensor) else _as_mixed(tensor, call.mixed[0])
    inner = Call(call.func, call.name, (start, *call.args[1:]), call.kwargs, call.mixed)
    if call.name == "__setitem__":
        weight = _weight_of_setitem(inner, start)
    else:
        weight = _weight_of_scatter_or_fill(inner, start)
    inner.on_both()
    # The caller goes on with the tensor that he wrote into, so that very object must become mixed.
    tensor.__class__ = MixedTensor
    tensor.partner, tensor.weight, tensor.origin = start.partner, weight, start.origin
    return tensor


def _as_mixed(tensor: Tensor, like: MixedTensor) -> MixedTensor:
    """A plain tensor as a mixed one whose two values are equal.

    Raises:
        Unsupported: others see the tensor's memory. They would read the own values alone, as from
            a module's buffer that a view writes into.
    """
    is_shared = tensor._is_view() or _use_count(tensor) > _use_count(torch.empty(1, device="cpu"))
    if type(tensor) is not Tensor or is_shared or tensor.ndim == 0:
        raise Unsupported
    return make_mixed(tensor, tensor.clone(), like.weight.new_ones([1] * tensor.ndim), like.origin)


def _use_count(tensor: Tensor) -> int:
    """How many tensors share the storage, counting those that are no views, as ``tensor.data``."""
    return torch._C._storage_Use_Count(tensor.untyped_storage()._cdata)


def _weight_of_scatter_or_fill(call: Call, start: MixedTensor) -> Tensor:
    if call.name == "scatter_":
        return _merged_weight(start, weight_of_scattered(call))
    mask = call.argument(1, "mask")
    if is_mixed(call.argument(2, "value")):
        raise Unsupported
    if not is_mixed(mask):
        return start.weight
    return _merged_weight(start, add_leading_axes(mask.weight, start.ndim))


def _weight_of_setitem(call: Call, start: MixedTensor) -> Tensor:
    _, index, value = call.args
    indices = index if isinstance(index, tuple) else (index,)
    mixed = [i for i in indices if is_mixed(i)]
    is_vector = isinstance(value, Tensor) and (is_mixed(value) or value.ndim > 0)
    if not mixed:
        if is_vector:
            raise Unsupported
        return start.weight
    if len(indices) == 1 and indices[0].dtype == torch.bool and not is_vector:
        return _merged_weight(start, add_trailing_axes(mixed[0].weight, start.ndim))
    rows, *others = indices  # ones[torch.arange(B), y] = 1
    rows = torch.tensor(rows) if isinstance(rows, range | list) else rows
    if is_mixed(rows) or not isinstance(rows, Tensor) or len(mixed) != len(others):
        raise Unsupported
    if rows.ndim != 1 or any(i.ndim != 1 for i in mixed) or rows.dtype == torch.bool:
        raise Unsupported
    if is_vector:  # logits[rows, y] -= margin
        if value.shape != rows.shape:
            raise Unsupported
        mixed = [*mixed, value] if is_mixed(value) else mixed
    common_weight([i.weight for i in mixed], 1)
    weight = start.weight.new_ones(len(start)).index_put((rows,), mixed[0].weight)
    return _merged_weight(start, add_trailing_axes(weight, start.ndim))


def _merged_weight(start: MixedTensor, weight: Tensor) -> Tensor:
    """The weight after writing; where nothing was mixed before, that of what is written."""
    if start.weight.numel() == 1 and bool(start.weight == 1):
        return weight
    return common_weight([start.weight, weight], start.ndim)
