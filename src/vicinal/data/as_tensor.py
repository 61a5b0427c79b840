"""tensor: from a picture, an array or numbers to a tensor; and to_cpu."""

from typing import Any

import numpy as np
import torch
from accelerate.utils import send_to_device
from PIL.Image import Image
from torch import Tensor


def tensor(x: Any, *more: Any) -> Tensor:
    """A tensor of numbers, an array or a picture.

    Args:
        x: a number, nested lists, an array, a tensor or a PIL image.
        more: further numbers.

    Returns:
        A new tensor: of a picture (H, W, 3), or (H, W) if it is grey, uint8; of Python's numbers
        as of ``torch.tensor``; of an array of float64 float32, which networks compute in.

    >>> tensor(1, 2, 3)
    tensor([1, 2, 3])
    >>> tensor(np.array([0.3, 0.7])).dtype
    torch.float32
    """
    if more:
        x = [x, *more]
    if isinstance(x, Image):
        x = np.array(x)
    made = x.detach().clone() if isinstance(x, Tensor) else torch.tensor(x)
    is_double = isinstance(x, np.ndarray | np.generic) and made.dtype == torch.float64
    return made.float() if is_double else made


def to_cpu(b: Any) -> Any:
    """A batch on the CPU, such as ``to_cpu(dls.one_batch())``; it may be nested.

    >>> to_cpu((torch.tensor([1]), {"ids": torch.tensor([2])}))
    (tensor([1]), {'ids': tensor([2])})
    """
    return send_to_device(b, "cpu")
