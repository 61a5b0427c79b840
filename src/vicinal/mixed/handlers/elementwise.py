"""Handlers of functions of single values."""

import warnings
from typing import Any

from torch import Tensor

from vicinal.mixed.call import Call, has_tensors
from vicinal.mixed.tensor import is_mixed
from vicinal.mixed.weights import Unsupported, add_leading_axes


def elementwise(call: Call) -> Any:
    own, partner = call.on_both()
    if not isinstance(own, Tensor):
        if has_tensors(own):  # such as torch.where with one argument
            raise Unsupported
        return own
    return call.mixed_result(own, partner, call.common_weight(own.ndim))


def of_first(call: Call) -> Any:
    """A function of each value of the first argument, by plain others: ``bucketize``, ``isin``."""
    if not call.only_first_is_mixed:
        raise Unsupported
    own, partner = call.on_both()
    return call.mixed_result(own, partner, call.first.weight)


def broadcast_tensors(call: Call) -> Any:
    """All tensors in one shape, the plain ones as they are."""
    tensors = (
        call.args[0] if len(call.args) == 1 and not isinstance(call.args[0], Tensor) else call.args
    )
    own, partner = call.on_both()
    results = []
    for tensor, one, other in zip(tensors, own, partner, strict=True):
        if is_mixed(tensor):
            weight = add_leading_axes(tensor.weight, one.ndim)
            results.append(call.mixed_result(one, other, weight))
        else:
            results.append(one)
    return type(own)(results)


def new_tensor(call: Call) -> Any:
    """``y.new_tensor(data)`` takes the dtype and the device of y, and the values of the data."""
    data = call.argument(1, "data")
    with warnings.catch_warnings():  # its advice is for the caller's own line
        warnings.filterwarnings("ignore", "To copy construct from a tensor")
        own, partner = call.on_both()
    return call.mixed_result(own, partner, data.weight) if is_mixed(data) else own
