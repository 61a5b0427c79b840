"""Calls of the loops that numba compiles, for tensors that are dense in CPU memory.

Every function returns None if it cannot be used, because numba is not installed or a dtype or
memory layout is not supported. It has written nothing then, and the caller uses another
implementation. The loops themselves are in :mod:`vicinal.mixing.loops`.
"""

from functools import cache
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

# Pasting copies bytes: an integer type for each size of an element serves all dtypes of that size.
# Elements of 16 bytes (complex128) are two int64.
_UNITS = {1: "uint8", 2: "int16", 4: "int32", 8: "int64", 16: "int64"}


@cache
def loops() -> ModuleType | None:
    """The module of compiled loops; None if numba or torch's OpenMP is missing."""
    try:
        from vicinal.mixing import loops as module
    except Exception:  # an incompatible numba or torch, too: other implementations return the same
        return None
    return module


def blend(
    x: Tensor, partner: Tensor, weight: Tensor, other: Tensor | None, inplace: bool
) -> Tensor | None:
    """Blend float32 rows with their partners, by (B,) weights."""
    module = loops()
    if module is None or x.dtype != torch.float32 or not are_dense(x, other):
        return None
    weight, count = on_cpu(weight, torch.float32), x.shape[0]
    size = count, x.numel() // count
    if inplace and other is None:
        rows = on_cpu(partner, torch.int64)
        drawn = rows.data_ptr(), weight.data_ptr()
        if module.run(module.blend_in_place, *size, x.data_ptr(), *drawn):
            return x
        # Not a permutation: a row that is the partner of several could be overwritten before the
        # last of them reads it. Copy the partners first.
        other = x[partner]
    out = x if inplace else torch.empty_like(x)
    sources, partner = _sources(x, partner, other)
    batches = out.data_ptr(), x.data_ptr(), sources.data_ptr()
    drawn = partner.data_ptr(), weight.data_ptr()
    return _checked(out, module.run(module.blend_into, *size, *batches, *drawn))


def paste(
    x: Tensor, partner: Tensor, corners: Tensor, other: Tensor | None, inplace: bool
) -> Tensor | None:
    """Paste boxes, (B, 4) top, bottom, left and right, of the partners; for any dtype."""
    module = loops()
    if module is None or not are_dense(x, other):
        return None
    out = x if inplace else x.clone()
    # With channels last, an image is one plane, whose lines hold all channels of each pixel.
    last = not x.is_contiguous()
    count, height, width = x.shape[0], x.shape[-2], x.shape[-1]
    planes, units = (1, x.shape[1]) if last else (x.numel() // (count * height * width), 1)
    units *= 2 if x.element_size() == 16 else 1  # for each pixel in a line
    size = count, planes, height, width * units
    spans = on_cpu(corners, torch.int64)
    if units > 1:
        spans = spans * torch.tensor([1, 1, units, units], device="cpu")
    unit = _UNITS[x.element_size()]
    if inplace and other is None:
        rows = on_cpu(partner, torch.int64)
        drawn = rows.data_ptr(), spans.data_ptr()
        if module.run(_loop("paste_in_place", unit), *size, x.data_ptr(), *drawn):
            return x
        other = x[partner]  # not a permutation, as in blend()
    sources, partner = _sources(x, partner, other)
    drawn = partner.data_ptr(), spans.data_ptr()
    batches = out.data_ptr(), sources.data_ptr()
    return _checked(out, module.run(_loop("paste_into", unit), *size, *batches, *drawn))


def normalize(
    x: Tensor,
    partner: Tensor,
    weight: Tensor,
    other: Tensor | None,
    scale: Tensor,
    shift: Tensor,
    dtype: torch.dtype,
) -> Tensor | None:
    """Blend uint8 rows, then scale and shift each element, into ``dtype``.

    ``scale`` and ``shift`` are in the order of memory of a row of ``x``.
    """
    module = loops()
    if module is None or dtype not in (torch.float32, torch.bfloat16) or not are_dense(x, other):
        return None
    out = torch.empty_like(x, dtype=dtype)
    sources, partner = _sources(x, partner, other)
    weight = on_cpu(weight, torch.float32)
    tensors = out, x, sources, partner, weight, scale, shift
    loop = _loop("normalize_into", dtype == torch.bfloat16)
    count = x.shape[0]
    valid = module.run(loop, count, x.numel() // count, *(t.data_ptr() for t in tensors))
    return _checked(out, valid)


def nll_of_pairs(
    log_probs: Tensor,
    own: Tensor,
    partner: Tensor,
    share: Tensor,
    weight: Tensor | None,
    ignore_index: int,
    is_mean: bool,
) -> tuple[Tensor, Tensor] | None:
    """The negative log-likelihood of a pair of labels for each row of log-probabilities.

    Args:
        log_probs: (B, C).
        own, partner: (B,) int64 labels, contiguous.
        share: (B,) the share of the own labels.
        weight: (C,) class weights, or None.
        ignore_index: the label that does not count.
        is_mean: whether to divide the sum by the sum of the weights.

    Returns:
        The loss, and its (B, 2) gradients with respect to the log-probabilities of both labels. All
        others are zero, which saves a (B, C) tensor until the backward pass.
    """
    module = loops()
    if module is None or not (_is_plain_float32(log_probs) and _is_plain_float32(share)):
        return None
    if weight is not None and not _is_plain_float32(weight):
        return None
    rows, classes = log_probs.shape
    loss, slope = log_probs.new_empty(()), log_probs.new_empty((rows, 2))
    valid = module.run(
        module.nll_of_pairs,
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
        threads=1,  # it reads two numbers of each row: waking other threads would take longer
    )
    return (loss, slope) if valid else None


def spread_pairs(
    own: Tensor, partner: Tensor, slope: Tensor, times: Tensor, shape: tuple[int, int]
) -> Tensor:
    """The (B, C) gradient of :func:`nll_of_pairs`: ``times * slope`` at the labels, else zeros."""
    module, out = loops(), slope.new_empty(shape)
    assert module is not None
    module.run(
        module.spread_pairs,
        *shape,
        out.data_ptr(),
        own.data_ptr(),
        partner.data_ptr(),
        slope.data_ptr(),
        times.data_ptr(),
    )
    return out


def cut(field: Tensor, down: Tensor, across: Tensor) -> Tensor | None:
    """What :func:`vicinal.mixing.graph_cut.cut` returns, of contiguous int64 in CPU memory."""
    module = _grid_loops()
    if module is None:
        return None
    inside = torch.empty_like(field, dtype=torch.bool)
    tensors = inside, field, down, across
    if _run(module.cut_grids, *field.shape, *(t.data_ptr() for t in tensors)):
        return inside
    raise ValueError("the weights between the blocks of a grid must be 0 or more")


def transport(saliency: Tensor, shown: Tensor, way: Tensor, nearest: Tensor) -> Tensor | None:
    """What :func:`vicinal.mixing.transport.transport` returns, of contiguous CPU tensors."""
    module = _grid_loops()
    if module is None or saliency.dtype != torch.float32:
        return None
    source = torch.empty_like(shown, dtype=torch.int64)
    count, side, _ = shown.shape
    tensors = source, saliency, shown, way, nearest
    _run(module.transport, count, side * side, side, *(t.data_ptr() for t in tensors))
    return source


def move_blocks(
    x: Tensor,
    partner: Tensor,
    blocks: Tensor,
    edges: Tensor,
    other: Tensor | None,
    inplace: bool,
) -> Tensor | None:
    """Move and blend the blocks of float32 images (B, ..., H, W): see ``MovedBlocks``."""
    module = _grid_loops()
    if module is None or x.dtype != torch.float32 or not x.is_contiguous():
        return None
    if not are_dense(x, other):
        return None
    count, height, width = x.shape[0], x.shape[-2], x.shape[-1]
    size = count, x.numel() // (count * height * width), height, width, blocks.shape[-1]
    blocks = on_cpu(blocks, torch.float32)
    if inplace and other is None:
        rows = on_cpu(partner, torch.int64)
        batch = x, rows, blocks, edges
        if _run(module.blocks_in_place, *size, *(t.data_ptr() for t in batch)):
            return x
        other = x[partner]  # not a permutation, as in blend()
    # Blocks move within an image, which must not be overwritten while it is read.
    out = torch.empty_like(x)
    sources, partner = _sources(x, partner, other)
    tensors = out, x, sources, partner, blocks, edges
    _checked(out, _run(module.blocks_into, *size, *(t.data_ptr() for t in tensors)))
    return x.copy_(out) if inplace else out


@cache
def _grid_loops() -> ModuleType | None:
    """The module of loops over grids of blocks; None as for :func:`loops`."""
    if loops() is None:
        return None
    from vicinal.mixing import grid_loops

    return grid_loops


def _run(loop: Any, *args: int) -> bool:
    module = loops()
    assert module is not None
    return bool(module.run(loop, *args))


def _is_plain_float32(x: Tensor) -> bool:
    return x.dtype is torch.float32 and x.is_contiguous() and not x.is_neg()


@cache
def _loop(name: str, variant: Any) -> Any:
    """A loop for an integer type, given its name, or for another variant."""
    import numpy as np

    return getattr(loops(), name)(getattr(np, variant) if isinstance(variant, str) else variant)


def on_cpu(drawn: Tensor, dtype: torch.dtype) -> Tensor:
    if drawn.is_cpu and drawn.dtype == dtype and drawn.is_contiguous():
        return drawn
    return drawn.to("cpu", dtype).contiguous()


def _sources(x: Tensor, partner: Tensor, other: Tensor | None) -> tuple[Tensor, Tensor]:
    """The batch that holds the partners, and the index of each sample's partner in it."""
    if other is not None:
        return other, torch.arange(len(x), device="cpu")
    return x, on_cpu(partner, torch.int64)


def _checked(out: Tensor, valid: bool) -> Tensor:
    if valid:
        return out
    raise ValueError(
        f"the partners must be rows of a batch of {len(out)}, and boxes must lie on the images"
    )


def are_dense(x: Tensor, other: Tensor | None) -> bool:
    """Whether each row is one contiguous block of memory, and ``other`` has the same layout.

    A loop reads memory as it is. So tensors with a pending negation or conjugation, which torch
    resolves when it reads them, are not dense.
    """
    if x.is_conj() or x.is_neg() or (other is not None and (other.is_conj() or other.is_neg())):
        return False
    if x.is_contiguous():
        return other is None or other.is_contiguous()
    return all(t is None or (_is_channels_last(t) and not t.is_contiguous()) for t in (x, other))


def _is_channels_last(x: Tensor) -> bool:
    return x.ndim == 4 and x.is_contiguous(memory_format=torch.channels_last)
