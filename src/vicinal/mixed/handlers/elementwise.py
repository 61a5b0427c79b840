"""Handlers of functions of single values."""

from typing import Any

from torch import Tensor

from vicinal.mixed.call import Call, has_tensors
from vicinal.mixed.weights import Unsupported


def elementwise(call: Call) -> Any:
    own, partner = call.on_both()
    if not isinstance(own, Tensor):
        if has_tensors(own):  # such as torch.where with one argument
            raise Unsupported
        return own
    return call.mixed_result(own, partner, call.common_weight(own.ndim))
