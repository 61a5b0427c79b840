"""Mixed precision: the number format that the forward pass computes in."""

import contextlib
import warnings
from typing import Any, Literal, Self

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


class InPrecision:
    """The part of a :class:`Learner` that says in which precision it computes."""

    dls: Any
    precision: str

    def to_fp16(self) -> Self:
        """Train, validate and predict in float16, with a scaled loss.

        A CPU has no such arithmetic: there is a warning, and the precision stays float32.

        >>> import torch
        >>> from vicinal import DataLoaders, Learner
        >>> x, y = torch.randn(40, 2), torch.arange(40) % 2
        >>> dls = DataLoaders.from_tensors(x, y, x, y, bs=10, device="cpu")
        >>> Learner(dls, torch.nn.Linear(2, 2)).to_bf16().precision
        'bf16'
        """
        if self.dls.device.type == "cpu":
            warnings.warn(
                "fp16 is for GPUs: on this CPU the precision is fp32; to_bf16() works on both",
                stacklevel=2,
            )
            return self.to_fp32()
        return self._to("fp16")

    def to_bf16(self) -> Self:
        """Train, validate and predict in bfloat16; slow where the processor lacks it."""
        return self._to("bf16")

    def to_fp32(self) -> Self:
        """Train, validate and predict in float32, the default."""
        return self._to("fp32")

    def _to(self, precision: str) -> Self:
        self.precision, _ = choose_precision(precision, self.dls.device)
        return self
