"""Mixed precision: the number format that the forward pass computes in."""

import contextlib
from typing import Literal

import torch

from vicinal.errors import VicinalError

Precision = Literal["auto", "fp32", "bf16", "fp16"]
DTYPES = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}


def choose_precision(requested: str, device: torch.device) -> tuple[str, str]:
    """The precision to train in, and why.

    Args:
        requested: "fp32", "bf16", "fp16", or "auto": bfloat16 if the processor or GPU computes it
            in hardware, else float32.

    Raises:
        VicinalError: there is no such precision, or it is float16 on a CPU.

    >>> choose_precision("fp32", torch.device("cpu"))
    ('fp32', 'as requested')
    """
    if requested == "auto":
        if has_bfloat16(device):
            return "bf16", f"the {device.type} computes bfloat16 in hardware"
        return "fp32", f"the {device.type} has no bfloat16 arithmetic"
    if requested not in DTYPES:
        raise VicinalError(f"precision must be one of auto, {', '.join(DTYPES)}, not {requested!r}")
    if requested == "fp16" and device.type == "cpu":
        raise VicinalError("fp16 is for GPUs: use bf16 or fp32 on a CPU")
    return requested, "as requested"


def has_bfloat16(device: torch.device) -> bool:
    """Whether a device has instructions for bfloat16 arithmetic."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type == "cpu":
        # oneDNN's convolutions need one of these; without them bfloat16 is emulated, slowly.
        checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
        return any(getattr(torch.cpu, check, lambda: False)() for check in checks)
    return False


def autocast(precision: str, device: torch.device) -> contextlib.AbstractContextManager[None]:
    """The context for a forward pass in a precision."""
    dtype = DTYPES[precision]
    return contextlib.nullcontext() if dtype is None else torch.autocast(device.type, dtype)
