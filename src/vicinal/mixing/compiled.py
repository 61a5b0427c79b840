"""The compiled road on the CPU, for batches that are dense in memory, where numba is installed.

Each function gives None where it cannot serve, and has not touched anything then.
"""

from functools import cache
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

# What is moved when boxes are pasted, by its size in bytes: integers, whatever the dtype.
_UNITS = {1: "uint8", 2: "int16", 4: "int32", 8: "int64", 16: "int64"}


@cache
def loops() -> ModuleType | None:
    """The compiled loops, or None where numba or torch's OpenMP is missing."""
    try:
        from vicinal.mixing import loops as found
    except Exception:  # whatever is missing or broken there, the other roads serve
        return None
    return found


def blend(
    x: Tensor, partner: Tensor, weight: Tensor, other: Tensor | None, inplace: bool
) -> Tensor | None:
    """Blend float32 rows by their (B,) weights with their partners."""
    found = loops()
    if found is None or x.dtype != torch.float32 or not are_dense(x, other):
        return None
    weight, count = _on_cpu(weight, torch.float32), x.shape[0]
    size = count, x.numel() // count
    if inplace and other is None:
        rows = _on_cpu(partner, torch.int64)
        drawn = rows.data_ptr(), weight.data_ptr()
        if found.run(found.blend_in_place, *size, x.data_ptr(), *drawn):
            return x
        other = x[partner]  # some rows are met twice: gathered before one is overwritten
    out = x if inplace else torch.empty_like(x)
    sources, partner = _sources(x, partner, other)
    batches = out.data_ptr(), x.data_ptr(), sources.data_ptr()
    drawn = partner.data_ptr(), weight.data_ptr()
    return _checked(out, found.run(found.blend_into, *size, *batches, *drawn))


def paste(
    x: Tensor, partner: Tensor, corners: Tensor, other: Tensor | None, inplace: bool
) -> Tensor | None:
    """Paste boxes, (B, 4) top, bottom, left and right, from the partners; any dtype."""
    found = loops()
    if found is None or not are_dense(x, other):
        return None
    out = x if inplace else x.clone()
    # Channels last: a line holds the channels of all its pixels.
    last = not x.is_contiguous()
    count, height, width = x.shape[0], x.shape[-2], x.shape[-1]
    planes, places = (1, x.shape[1]) if last else (x.numel() // (count * height * width), 1)
    places *= 2 if x.element_size() == 16 else 1
    size = count, planes, height, width * places
    spans = _on_cpu(corners, torch.int64)
    if places > 1:
        spans = spans * torch.tensor([1, 1, places, places], device="cpu")
    unit = _UNITS[x.element_size()]
    if inplace and other is None:
        rows = _on_cpu(partner, torch.int64)
        given = rows.data_ptr(), spans.data_ptr()
        if found.run(_loop("paste_in_place", unit), *size, x.data_ptr(), *given):
            return x
        other = x[partner]  # some rows are met twice: gathered before one is overwritten
    sources, partner = _sources(x, partner, other)
    given = partner.data_ptr(), spans.data_ptr()
    batches = out.data_ptr(), sources.data_ptr()
    return _checked(out, found.run(_loop("paste_into", unit), *size, *batches, *given))


def normalize(
    x: Tensor,
    partner: Tensor,
    weight: Tensor,
    other: Tensor | None,
    scale: Tensor,
    shift: Tensor,
    dtype: torch.dtype,
) -> Tensor | None:
    """Blend uint8 rows; then scale and shift by maps that are laid out as one row of ``x``."""
    found = loops()
    if found is None or dtype not in (torch.float32, torch.bfloat16) or not are_dense(x, other):
        return None
    out = torch.empty_like(x, dtype=dtype)
    sources, partner = _sources(x, partner, other)
    weight = _on_cpu(weight, torch.float32)
    tensors = out, x, sources, partner, weight, scale, shift
    loop = _loop("normalize_into", dtype == torch.bfloat16)
    count = x.shape[0]
    right = found.run(loop, count, x.numel() // count, *(t.data_ptr() for t in tensors))
    return _checked(out, right)


def nll_of_pairs(
    log_probs: Tensor,
    own: Tensor,
    partner: Tensor,
    share: Tensor,
    weight: Tensor | None,
    ignore_index: int,
    is_mean: bool,
) -> tuple[Tensor, Tensor] | None:
    """The loss of two labels for each row of (B, C) log-probabilities; labels are contiguous.

    Returns:
        The loss, and (B, 2) what it grows by with each label's log-probability.
    """
    found = loops()
    if found is None or not (_is_row_of_floats(log_probs) and _is_row_of_floats(share)):
        return None
    if weight is not None and not _is_row_of_floats(weight):
        return None
    rows, classes = log_probs.shape
    loss, slope = log_probs.new_empty(()), log_probs.new_empty((rows, 2))
    right = found.run(
        found.nll_of_pairs,
        rows,
        classes,
        log_probs.data_ptr(),
        own.data_ptr(),
        partner.data_ptr(),
        share.data_ptr(),
        0 if weight is None else weight.data_ptr(),
        ignore_index,
        is_mean,
        loss.data_ptr(),
        slope.data_ptr(),
        threads=1,
    )
    return (loss, slope) if right else None


def spread_pairs(
    own: Tensor, partner: Tensor, slope: Tensor, times: Tensor, shape: tuple[int, int]
) -> Tensor:
    """(B, C): the slopes of :func:`nll_of_pairs`, times a number, at the places of the labels."""
    found, out = loops(), slope.new_empty(shape)
    assert found is not None
    found.run(
        found.spread_pairs,
        *shape,
        out.data_ptr(),
        own.data_ptr(),
        partner.data_ptr(),
        slope.data_ptr(),
        times.data_ptr(),
    )
    return out


def _is_row_of_floats(x: Tensor) -> bool:
    return x.dtype is torch.float32 and x.is_contiguous() and not x.is_neg()


@cache
def _loop(name: str, variant: Any) -> Any:
    """The loop for an integer type, or for another variant."""
    import numpy as np

    return getattr(loops(), name)(getattr(np, variant) if isinstance(variant, str) else variant)


def _on_cpu(drawn: Tensor, dtype: torch.dtype) -> Tensor:
    if drawn.is_cpu and drawn.dtype == dtype and drawn.is_contiguous():
        return drawn
    return drawn.to("cpu", dtype).contiguous()


def _sources(x: Tensor, partner: Tensor, other: Tensor | None) -> tuple[Tensor, Tensor]:
    """The batch that brings the partners, and which of its rows each sample takes."""
    if other is not None:
        return other, torch.arange(len(x), device="cpu")
    return x, _on_cpu(partner, torch.int64)


def _checked(out: Tensor, right: bool) -> Tensor:
    if right:
        return out
    raise ValueError(
        f"the partners must be rows of a batch of {len(out)}, and boxes must lie on the images"
    )


def are_dense(x: Tensor, other: Tensor | None) -> bool:
    """Whether each row is one stretch of memory, and ``other`` is laid out alike."""
    if x.is_conj() or x.is_neg() or (other is not None and (other.is_conj() or other.is_neg())):
        return False
    if x.is_contiguous():
        return other is None or other.is_contiguous()
    return all(t is None or (_is_channels_last(t) and not t.is_contiguous()) for t in (x, other))


def _is_channels_last(x: Tensor) -> bool:
    return x.ndim == 4 and x.is_contiguous(memory_format=torch.channels_last)
