"""Convolutions of which parts of the kernel see padding alone, and never the input."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor, nn

from vicinal.mixing.plain import in_transform

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
FUNCTIONS = {1: nn.functional.conv1d, 2: nn.functional.conv2d, 3: nn.functional.conv3d}


@contextmanager
def right_gradients(model: nn.Module, precision: str, device: torch.device) -> Iterator[None]:
    """Within this context, such convolutions have right gradients in bfloat16, too.

    On a CPU, torch 2.6 to 2.14 leaves the gradient of a kernel unwritten, in bfloat16, where it has
    met padding alone: there is what the memory held before. That occurs where small images are
    halved to single pixels and then halved again, as 16 pixels are by a ResNet. Here those parts of
    a kernel are left out of what is computed, which takes less time, too.

    Args:
        model: the network that is trained.
        precision: that it is trained in.
        device: that it is trained on.
    """
    changed = []
    if device.type == "cpu" and precision == "bf16":
        changed = [
            module
            for module in model.modules()
            if isinstance(module, CONVOLUTIONS)
            and module.padding_mode == "zeros"  # others are padded before, with what they see
            and max(module.kernel_size) > 1
            and "_conv_forward" not in vars(module)  # a copy of one that is changed
        ]
    for module in changed:
        # What forward calls. A hook would come after the computation, and cost more than it.
        vars(module)["_conv_forward"] = partial(_convolve, module)
    try:
        yield
    finally:
        for module in changed:
            del vars(module)["_conv_forward"]


def _convolve(module: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    usual = type(module)._conv_forward
    if not (torch.is_grad_enabled() and torch.is_autocast_enabled("cpu")):
        return usual(module, x, weight, bias)
    dimensions = len(module.kernel_size)
    along = (x.shape[-dimensions:], module.kernel_size, module.stride, _paddings(module))
    parts = [seen_part(*each) for each in zip(*along, module.dilation, strict=True)]
    if parts == [(slice(0, size), padding) for _, size, _, padding in zip(*along, strict=True)]:
        return usual(module, x, weight, bias)
    if any(part is None for part in parts):
        with torch.autocast("cpu", enabled=False):
            exact = usual(module, x.float(), weight, bias)
        return exact.to(torch.get_autocast_dtype("cpu"))
    entries, paddings = zip(*parts, strict=True)
    convolution, others = FUNCTIONS[dimensions], (module.dilation, module.groups)
    # Of a transform of torch.func, which takes no such function, the order does not matter.
    part: Any = weight[..., *entries] if in_transform() else _Part.apply(weight, entries)
    return convolution(x, part, bias, module.stride, paddings, *others)


class _Part(torch.autograd.Function):
    """Entries of a kernel, whose gradient has the kernel's own order in memory.

    Autograd's own gradient of an index has the order of the dimensions: for channels last, it would
    be copied into the other one.
    """

    @staticmethod
    def forward(ctx: Any, weight: Tensor, entries: tuple[Any, ...]) -> Tensor:
        ctx.entries, ctx.kernel = entries, weight.detach()  # for its shape and order
        return weight[..., *entries]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        whole = torch.zeros_like(ctx.kernel)
        whole[..., *ctx.entries] = gradient
        return whole, None


def _paddings(module: Any) -> Sequence[int]:
    if not isinstance(module.padding, str):
        return module.padding
    # "same" has a stride of 1, so that the padding on the left says all.
    is_same = module.padding == "same"
    along = zip(module.dilation, module.kernel_size, strict=True)
    return [is_same * (dilation * (size - 1) // 2) for dilation, size in along]


@cache
def seen_part(
    side: int, kernel: int, stride: int, padding: int, dilation: int
) -> tuple[slice, int] | None:
    """The entries of a kernel that are above the input anywhere, along one dimension.

    Returns:
        The entries, and the padding with which they give the same output. None where they are not
        next to each other, or no padding does.

    >>> seen_part(1, kernel=3, stride=2, padding=1, dilation=1)
    (slice(1, 2, None), 0)
    >>> seen_part(3, kernel=3, stride=2, padding=1, dilation=1)
    (slice(0, 3, None), 1)
    """
    places = range(_places(side, kernel, stride, padding, dilation))
    seen = [
        entry
        for entry in range(kernel)
        if any(0 <= place * stride - padding + entry * dilation < side for place in places)
    ]
    if not seen or len(seen) <= seen[-1] - seen[0]:
        return None
    less = padding - seen[0] * dilation
    if less < 0 or _places(side, len(seen), stride, less, dilation) != len(places):
        return None
    return slice(seen[0], seen[-1] + 1), less


def _places(side: int, kernel: int, stride: int, padding: int, dilation: int) -> int:
    """How many places a kernel has, along one dimension."""
    return (side + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
