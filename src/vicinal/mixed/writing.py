"""What is written into tensors in place, for both targets."""

import torch
from torch import Tensor

from vicinal.mixed.call import Call
from vicinal.mixed.lifts import weight_of_scattered
from vicinal.mixed.shares import Refused, agreed, aligned, extended
from vicinal.mixed.tensor import MixedTensor, is_mixed, make


def write_values(call: Call) -> Tensor:
    """Values of a mixed tensor, each changed by itself."""
    tensor = call.first
    if not is_mixed(tensor):
        raise Refused
    call.agreed(tensor.ndim)
    call.both()
    return tensor


def write_places(call: Call) -> Tensor:
    """The same value at places that the targets tell; a plain tensor becomes a mixed one by it."""
    tensor = call.first
    start = tensor if is_mixed(tensor) else _begun(tensor, call.found[0])
    inner = Call(call.func, call.name, (start, *call.args[1:]), call.kwargs, call.found)
    if call.name == "__setitem__":
        weight = _weight_of_items(inner, start)
    else:
        weight = _weight_of_places(inner, start)
    inner.both()
    tensor.__class__ = MixedTensor
    tensor.partner, tensor.weight, tensor.origin = start.partner, weight, start.origin
    return tensor


def _begun(tensor: Tensor, like: MixedTensor) -> MixedTensor:
    """A plain tensor that nobody else looks at, as one of which both are the same."""
    is_shared = tensor._is_view() or _holders(tensor) > _holders(torch.empty(1, device="cpu"))
    if type(tensor) is not Tensor or is_shared or tensor.ndim == 0:
        raise Refused
    return make(tensor, tensor.clone(), like.weight.new_ones([1] * tensor.ndim), like.origin)


def _holders(tensor: Tensor) -> int:
    """How many hold a tensor's storage: views that do not say so, such as ``tensor.data``."""
    return torch._C._storage_Use_Count(tensor.untyped_storage()._cdata)


def _weight_of_places(call: Call, start: MixedTensor) -> Tensor:
    """Of ``scatter_`` and ``masked_fill_``."""
    if call.name == "scatter_":
        return _agreed_with(start, weight_of_scattered(call))
    mask = call.argument(1, "mask")
    if is_mixed(call.argument(2, "value")):
        raise Refused
    if not is_mixed(mask):
        return start.weight
    return _agreed_with(start, aligned(mask.weight, start.ndim))


def _weight_of_items(call: Call, start: MixedTensor) -> Tensor:
    """Of ``tensor[index] = value``."""
    _, index, value = call.args
    if isinstance(value, Tensor) and (is_mixed(value) or value.ndim):
        raise Refused
    places = index if isinstance(index, tuple) else (index,)
    mixed = [place for place in places if is_mixed(place)]
    if not mixed:
        return start.weight
    if len(places) == 1 and places[0].dtype == torch.bool:
        return _agreed_with(start, extended(mixed[0].weight, start.ndim))
    rows, *others = places  # places in rows that are told, such as by arange
    if is_mixed(rows) or not isinstance(rows, Tensor) or len(mixed) != len(others):
        raise Refused
    if rows.ndim != 1 or any(place.ndim != 1 for place in mixed) or rows.dtype == torch.bool:
        raise Refused
    weight = start.weight.new_ones(len(start)).index_put((rows,), mixed[0].weight)
    return _agreed_with(start, extended(weight, start.ndim))


def _agreed_with(start: MixedTensor, weight: Tensor) -> Tensor:
    """The weight of places that are written into; where nothing was mixed before, any goes."""
    if start.weight.numel() == 1 and bool(start.weight == 1):
        return weight
    return agreed([start.weight, weight], start.ndim)
