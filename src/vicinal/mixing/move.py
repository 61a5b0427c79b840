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
