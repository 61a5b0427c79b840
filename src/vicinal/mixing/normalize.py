"""Mixing uint8 images and normalising them, in one pass over memory.

Mixing and normalising are both affine, so that it does not matter which comes first: images can
stay uint8, a quarter of the memory, until both happen at once.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from vicinal.mixing import compiled
from vicinal.mixing.apply import apply, can_apply_by_rows, check_arguments
from vicinal.mixing.blend import Blend, column_blocks, flat_rows
from vicinal.mixing.move import move
from vicinal.mixing.pattern import Pattern
from vicinal.mixing.scratch import scratch


def apply_normalized(
    x: Tensor,
    partner: Tensor,
    patterns: tuple[Pattern, ...],
    mean: Sequence[float],
    std: Sequence[float],
    dtype: torch.dtype,
    other: Tensor | None,
) -> Tensor:
    """``(x / 255 - mean) / std`` for each channel, mixed, in float32, then rounded to ``dtype``.

    The arguments are those of :meth:`Mix.normalized`.
    """
    check_arguments(x, partner, patterns, other, inplace=False)
    channels = x.shape[1] if x.ndim == 4 else 0
    if x.dtype != torch.uint8 or not len(mean) == len(std) == channels:
        raise ValueError(
            f"a batch of shape {tuple(x.shape)} and dtype {x.dtype} cannot be normalised by "
            f"{len(mean)} means and {len(std)} standard deviations: give (B, C, H, W) uint8 "
            "images, and one of each for every channel"
        )
    scale, shift = _affine(x, mean, std)
    pattern = patterns[0]
    dense = can_apply_by_rows(x, patterns, other) and compiled.are_dense(x, other)
    if dense and isinstance(pattern, Blend) and len(patterns) == 1:
        # One value for each element, in the memory layout of an image: then rows need no channels.
        maps = [torch.empty_like(x[:1], dtype=torch.float32).copy_(t) for t in (scale, shift)]
        scales, shifts = map(flat_rows, maps)
        mixed = compiled.normalize(x, partner, pattern.lam, other, scales, shifts, dtype)
        if mixed is None:
            mixed = _blend_by_blocks(x, partner, pattern.lam, scales, shifts, dtype, other)
        return mixed
    values = torch.addcmul(shift, x.float(), scale)
    others = None if other is None else torch.addcmul(shift, other.float(), scale)
    return apply(values, partner, patterns, other=others, inplace=True).to(dtype)


def _affine(x: Tensor, mean: Sequence[float], std: Sequence[float]) -> tuple[Tensor, Tensor]:
    """(1, C, 1, 1) scale and shift: a normalised pixel is ``shift + scale * pixel``."""
    means, stds = torch.tensor([[*mean], [*std]], dtype=torch.float64, device="cpu")
    pair = torch.stack([1 / (255 * stds), -means / stds]).float()
    scale, shift = move(pair, x.device)[:, None, :, None, None]
    return scale, shift


def _blend_by_blocks(
    x: Tensor,
    partner: Tensor,
    lam: Tensor,
    scales: Tensor,
    shifts: Tensor,
    dtype: torch.dtype,
    other: Tensor | None,
) -> Tensor:
    out = torch.empty_like(x, dtype=dtype)
    rows, mixed = flat_rows(x), flat_rows(out)
    others = None if other is None else flat_rows(other)
    weight = lam.float().unsqueeze(1)

    def read(pixels: Tensor, block: slice, into: Tensor) -> None:
        into.copy_(pixels[:, block]).mul_(scales[:, block]).add_(shifts[:, block])

    for block in column_blocks(len(x), rows.shape[1], bytes_each=4):
        shape = rows[:, block].shape
        own, partners = scratch("own", shape), scratch("partners", shape)
        read(rows, block, into=own)
        if others is None:
            torch.index_select(own, 0, partner, out=partners)
        else:
            read(others, block, into=partners)
        if dtype == torch.float32:
            torch.lerp(partners, own, weight, out=mixed[:, block])
        else:
            mixed[:, block].copy_(torch.lerp(partners, own, weight, out=own))
    return out
