"""Moving tensors to the device where they are needed."""

import torch
from torch import Tensor


def moved(tensor: Tensor, device: torch.device) -> Tensor:
    """The tensor on a device; the host waits for it only where it reads it itself.

    Args:
        tensor: of any device.
        device: where it is needed. A copy from a GPU into the host's memory would else be read
            before it is there.

    >>> moved(torch.ones(2), torch.device("meta")).device
    device(type='meta')
    """
    return tensor.to(device, non_blocking=device.type != "cpu")


def to_device(drawn: Tensor, device: torch.device) -> Tensor:
    """Move a drawn tensor to a device without making the host wait."""
    if drawn.ndim and len(drawn) > 1 and drawn.stride(0) == 0:  # one for the whole batch
        return to_device(drawn[:1], device).expand_as(drawn)
    if device.type == "cuda":
        drawn = drawn.pin_memory()
    return moved(drawn, device)
