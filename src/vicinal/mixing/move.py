"""Moving tensors between devices without making the CPU wait."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor


def move(tensor: Tensor, device: torch.device) -> Tensor:
    """Move a tensor to a device; the CPU waits only for copies to its own memory.

    Args:
        tensor: on any device.
        device: the destination. A copy to the CPU must block: a non-blocking one returns before the
            data have arrived, and the CPU would read garbage.

    >>> move(torch.ones(2), torch.device("meta")).device
    device(type='meta')
    """
    return tensor.to(device, non_blocking=device.type != "cpu")


def pin_and_move(drawn: Tensor, device: torch.device) -> Tensor:
    """Move a tensor from the CPU to a device, through pinned memory for a GPU.

    From pageable memory, a copy to a GPU makes the CPU wait even with ``non_blocking=True``.
    """
    if drawn.ndim and len(drawn) > 1 and drawn.stride(0) == 0:  # one row, expanded over the batch
        return pin_and_move(drawn[:1], device).expand_as(drawn)
    if device.type == "cuda":
        drawn = drawn.pin_memory()
    return move(drawn, device)


def in_full_precision(device: torch.device) -> AbstractContextManager[Any]:
    """A context in which autocast rounds nothing; on the meta device, where there is none."""
    return nullcontext() if device.type == "meta" else torch.autocast(device.type, enabled=False)
