"""Scratch memory that is kept: fresh memory costs more, page by page, than the work done in it."""

import math
import threading
from collections.abc import Sequence

import torch
from torch import Tensor

BLOCK = 2 * 1024 * 1024  # bytes worked on at a time, small enough to stay in cache

_buffers = threading.local()


def scratch(name: str, shape: Sequence[int], dtype: torch.dtype = torch.float32) -> Tensor:
    """A tensor for intermediate values, the same memory each time for a name in a thread.

    >>> scratch("own", (2, 3)).shape
    torch.Size([2, 3])
    """
    bytes_needed = math.prod(shape) * dtype.itemsize
    memory: Tensor | None = getattr(_buffers, name, None)
    if memory is None or len(memory) < bytes_needed:
        with torch.inference_mode(False):
            memory = torch.empty(max(bytes_needed, BLOCK), dtype=torch.uint8, device="cpu")
        if bytes_needed <= BLOCK:
            setattr(_buffers, name, memory)
    return memory[:bytes_needed].view(dtype).view(*shape)
