"""Laying weights on rows: each row becomes weight * itself + (1 - weight) * its partner's row.

Two roads give the same numbers. Rows that are large (images of 128 pixels and more) are walked
one by one: each is read while it is still in cache from having been its neighbour's partner, and
in place one saved row is all the memory that it takes. Everything else (small rows, GPUs,
autograd, torch.compile) gathers the partners and blends in one operation.
"""

from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import Tensor

from vicinal.mixing.target import over_rows

LARGE_ROW = 128 * 1024  # bytes; below it, the cost of a Python step per row shows


def blend(
    x: Tensor,
    partner: Tensor,
    weight: Tensor,
    *,
    other: Tensor | None = None,
    inplace: bool = False,
) -> Tensor:
    """Blend each row of ``x`` with its partner's.

    Args:
        x: (B, ...) floating, complex or uint8; any layout.
        partner: (B,) int64, a permutation of the rows.
        weight: (B,) floats in [0, 1], what each row keeps of itself.
        other: a second batch of ``x``'s shape and dtype; row i is then mixed with its row i.
        inplace: write into ``x``.

    Returns:
        A tensor of the shape, dtype and layout of ``x``; uint8 is rounded to the nearest, and
        16-bit floats are computed in 32 bits and rounded once.

    Raises:
        TypeError: ``x`` holds integers that are no uint8 image.
        ValueError: shapes do not match, or ``x`` is a leaf that requires grad and ``inplace``.

    >>> x = torch.tensor([[0.0, 0.0], [8.0, 4.0]])
    >>> blend(x, torch.tensor([1, 0]), torch.tensor([0.75, 0.5]))
    tensor([[2., 1.],
            [4., 2.]])
    """
    check(x, partner, other, inplace)
    if other is None and _walkable(x):
        return _walk_in_place(x, partner, weight) if inplace else _walk(x, partner, weight)
    partners = x[partner.to(x.device, non_blocking=True)] if other is None else other
    mixed = _lerp(partners, x, over_rows(weight.to(x.device, non_blocking=True), x))
    return x.copy_(mixed) if inplace else mixed


def check(x: Tensor, partner: Tensor, other: Tensor | None, inplace: bool) -> None:
    """Raise what :func:`blend` raises, before anything is touched."""
    if x.dtype != torch.uint8 and not (x.is_floating_point() or x.is_complex()):
        raise TypeError(
            f"{str(x.dtype).removeprefix('torch.')} values cannot be blended: give floats or "
            "uint8 images (for token ids, mix their embeddings)"
        )
    if x.ndim == 0 or len(x) != len(partner):
        raise ValueError(
            f"the mix was drawn for {len(partner)} samples, but this tensor has shape "
            f"{tuple(x.shape)}: its first dimension must be the batch"
        )
    if other is not None and (other.shape != x.shape or other.dtype != x.dtype):
        raise ValueError(
            f"the second batch has shape {tuple(other.shape)} and dtype {other.dtype}, the first "
            f"{tuple(x.shape)} and {x.dtype}: mixing needs them alike"
        )
    if inplace and x.requires_grad and x.is_leaf and torch.is_grad_enabled():
        raise ValueError("x is a leaf that requires grad, so it cannot be mixed with inplace=True")


def _lerp(start: Tensor, end: Tensor, weight: Tensor) -> Tensor:
    """torch.lerp with the weight at full precision, rounded once at the end."""
    if end.dtype in (torch.float32, torch.float64) or end.is_complex():
        return torch.lerp(start, end, weight.to(end.dtype))
    mixed = torch.lerp(start.float(), end.float(), weight.float())
    return mixed.round_().to(end.dtype) if end.dtype == torch.uint8 else mixed.to(end.dtype)


def _walkable(x: Tensor) -> bool:
    return (
        len(x) > 0
        and x.device.type == "cpu"
        and x.stride(0) != 0  # an expanded batch is one row in memory
        and x.numel() * x.element_size() >= LARGE_ROW * len(x)
        and not (x.requires_grad and torch.is_grad_enabled())
        and not torch.compiler.is_compiling()
    )


def _walk(x: Tensor, partner: Tensor, weight: Tensor) -> Tensor:
    mixed = torch.empty_like(x)
    old, new, share = x.unbind(), mixed.unbind(), weight.tolist()
    for cycle in _cycles(partner.tolist()):
        for row, source in zip(cycle, cycle[1:] + cycle[:1], strict=True):
            _lerp_into(new[row], old[source], old[row], share[row])
    return mixed


def _walk_in_place(x: Tensor, partner: Tensor, weight: Tensor) -> Tensor:
    rows, share = x.unbind(), weight.tolist()
    saved = torch.empty_like(rows[0])
    for cycle in _cycles(partner.tolist()):
        # The first row is overwritten long before the last one wants it as partner.
        saved.copy_(rows[cycle[0]])
        for row, source in pairwise(cycle):
            _lerp_into(rows[row], rows[source], rows[row], share[row])
        _lerp_into(rows[cycle[-1]], saved, rows[cycle[-1]], share[cycle[-1]])
    return x


def _lerp_into(out: Tensor, start: Tensor, end: Tensor, weight: float) -> None:
    if out.dtype == torch.uint8:
        out.copy_(torch.lerp(start.float(), end.float(), weight).round_())
    else:
        torch.lerp(start, end, weight, out=out)


def _cycles(partner: list[int]) -> Iterator[list[int]]:
    """The rows in walking order: in each cycle, every row is followed by its partner."""
    seen = [False] * len(partner)
    for first in range(len(partner)):
        cycle = []
        row = first
        while not seen[row]:
            seen[row] = True
            cycle.append(row)
            row = partner[row]
        if cycle:
            yield cycle
