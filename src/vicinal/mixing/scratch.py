"""Scratch memory that is reused from call to call.

glibc returns large blocks to the operating system when they are freed, and fresh ones arrive page
fault by page fault, which costs more than the computation that this memory is used for.
"""

import math
import threading
from collections.abc import Sequence

import torch
from torch import Tensor

BLOCK = 2 * 1024 * 1024  # bytes to work on at a time: few enough to stay in cache

# Per thread, because a data loader or a server may mix in several threads at once.
_buffers = threading.local()


def scratch(name: str, shape: Sequence[int], dtype: torch.dtype = torch.float32) -> Tensor:
    """An uninitialised tensor for intermediate values.

    The next call with this name in this thread returns the same memory: what must survive needs a
    name of its own, or a copy.

    Args:
        name: of the buffer.
        shape: of the tensor.
        dtype: of the tensor.

    >>> scratch("own", (2, 3)).shape
    torch.Size([2, 3])
    """
    bytes_needed = math.prod(shape) * dtype.itemsize
    memory: Tensor | None = getattr(_buffers, name, None)
    if memory is None or len(memory) < bytes_needed:
        # A tensor of inference mode could not be written outside of it.
        with torch.inference_mode(False):
            memory = torch.empty(max(bytes_needed, BLOCK), dtype=torch.uint8, device="cpu")
        if bytes_needed <= BLOCK:  # larger ones are rare, and would stay allocated for ever
            setattr(_buffers, name, memory)
    return memory[:bytes_needed].view(dtype).view(*shape)
