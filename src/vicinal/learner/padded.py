"""Convolutions of which parts of the kernel see padding alone, and never the input."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


@contextmanager
def right_gradients(model: nn.Module, precision: str, device: torch.device) -> Iterator[None]:
    """Within this context such convolutions are computed in float32, where bfloat16 is wrong.

    On a CPU, torch 2.6 to 2.14 leaves the gradient of a kernel unwritten, in bfloat16, where it has
    met padding alone: there is what the memory held before. That occurs where small images are
    halved to single pixels and then halved again, as 16 pixels are by a ResNet.

    Args:
        model: the network that is trained.
        precision: that it is trained in.
        device: that it is trained on.
    """
    handles = []
    if device.type == "cpu" and precision == "bf16":
        handles = [
            module.register_forward_hook(_in_float32)
            for module in model.modules()
            if isinstance(module, CONVOLUTIONS)
            and module.padding_mode == "zeros"  # others are padded before, with what they see
            and max(module.kernel_size) > 1
        ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _in_float32(module: Any, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
    if not torch.is_grad_enabled() or not _sees_padding_alone(module, inputs[0]):
        return output
    with torch.autocast("cpu", enabled=False):
        exact: Tensor = module._conv_forward(inputs[0].float(), module.weight, module.bias)
    return exact.to(output.dtype)


def _sees_padding_alone(module: Any, x: Tensor) -> bool:
    sides = x.shape[-len(module.kernel_size) :]
    paddings = module.padding
    if isinstance(paddings, str):
        # "same" has a stride of 1, so that the padding on the left says all.
        is_same = paddings == "same"
        each = zip(module.dilation, module.kernel_size, strict=True)
        paddings = [is_same * (dilation * (size - 1) // 2) for dilation, size in each]
    along = zip(sides, module.kernel_size, module.stride, paddings, module.dilation, strict=True)
    return any(has_unseen(*each) for each in along)


@cache
def has_unseen(side: int, kernel: int, stride: int, padding: int, dilation: int) -> bool:
    """Whether an entry of a kernel is never above the input, along one dimension.

    >>> has_unseen(1, kernel=3, stride=2, padding=1, dilation=1)
    True
    >>> has_unseen(3, kernel=3, stride=2, padding=1, dilation=1)
    False
    """
    places = range((side + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1)
    return any(
        not any(0 <= place * stride - padding + entry * dilation < side for place in places)
        for entry in range(kernel)
    )
