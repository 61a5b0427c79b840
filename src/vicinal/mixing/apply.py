"""Laying patterns on a tensor: several roads to the same numbers.

- A single pattern on the CPU takes compiled loops, where there are any for such a batch.
- Else large rows on the CPU (images of 128 pixels and more) are walked one by one: each is read
  while it is still in cache from having been its neighbour's partner, and in place one saved row is
  all the memory that it takes.
- Else a single pattern that knows a faster way for small rows on the CPU takes that.
- Everything else (GPUs, autograd, torch.compile) gathers the partners, and lays each pattern by a
  few operations on the whole batch.
"""

from itertools import pairwise

import torch
from torch import Tensor

from vicinal.mixing.move import move
from vicinal.mixing.pattern import ApplyRow, Pattern
from vicinal.mixing.plain import are_plain_cpu_tensors

LARGE_ROW = 128 * 1024  # bytes; below it, the cost of a Python step per row shows


def apply(
    x: Tensor,
    partner: Tensor,
    patterns: tuple[Pattern, ...],
    *,
    other: Tensor | None = None,
    inplace: bool = False,
) -> Tensor:
    """Lay each row's partner on it.

    Args:
        x: (B, ...), any layout; floating, complex or uint8, or any dtype if all patterns copy.
        partner: (B,) int64, for each row its partner's.
        patterns: what shows of the partners; B rows each.
        other: a second batch of ``x``'s shape and dtype; row i is then mixed with its row i.
        inplace: write into ``x``.

    Returns:
        A tensor of the shape, dtype and layout of ``x``; uint8 is rounded to the nearest, and
        16-bit floats are computed in 32 bits and rounded once.

    Raises:
        TypeError: ``x`` holds integers that no pattern may blend.
        ValueError: shapes do not match, or ``x`` is a leaf that requires grad and ``inplace``.

    >>> from vicinal.mixing.blend import Blend
    >>> x = torch.tensor([[0.0, 0.0], [8.0, 4.0]])
    >>> apply(x, torch.tensor([1, 0]), (Blend(torch.tensor([0.75, 0.5])),))
    tensor([[2., 1.],
            [4., 2.]])
    """
    check(x, partner, patterns, other, inplace)
    if can_apply_by_rows(x, patterns, other):
        alone = patterns[0] if len(patterns) == 1 else None
        mixed = alone.apply_compiled(x, partner, other, inplace) if alone else None
        if mixed is None and x.numel() * x.element_size() >= LARGE_ROW * len(x):
            mixed = _apply_by_rows(x, partner, patterns, other, inplace)
        if mixed is None and alone:
            mixed = alone.apply_small_rows(x, partner, other, inplace)
        if mixed is not None:
            return mixed
    partners = _gather_partners(x, partner) if other is None else _with_strides_of(x, other)
    mixed = x
    for pattern in patterns:
        mixed = pattern.apply(mixed, partners)
    if not inplace:
        return mixed
    x.copy_(mixed)
    return x


def _with_strides_of(x: Tensor, other: Tensor) -> Tensor:
    """The other batch in the memory layout of ``x``, which the result shall have."""
    return other if other.stride() == x.stride() else torch.empty_like(x).copy_(other)


def _gather_partners(x: Tensor, partner: Tensor) -> Tensor:
    partner = move(partner, x.device)
    # index_select is the faster one, also backwards, but always gives a contiguous tensor.
    return x.index_select(0, partner) if x.is_contiguous() else x[partner]


def check(
    x: Tensor,
    partner: Tensor,
    patterns: tuple[Pattern, ...],
    other: Tensor | None,
    inplace: bool,
) -> None:
    """Raise what :func:`apply` raises, before anything is touched."""
    shape = x.shape
    for pattern in patterns:
        for drawn in (partner, pattern.values):
            if not shape or shape[0] != drawn.shape[0]:
                raise ValueError(
                    f"the mix was drawn for {len(drawn)} samples, but this tensor has shape "
                    f"{tuple(shape)}: its first dimension must be the batch"
                )
        pattern.check(x)
    if other is not None and (other.shape != x.shape or other.dtype != x.dtype):
        raise ValueError(
            f"the second batch has shape {tuple(other.shape)} and dtype {other.dtype}, the first "
            f"{tuple(x.shape)} and {x.dtype}: mixing needs them alike"
        )
    if inplace and x.requires_grad and x.is_leaf and torch.is_grad_enabled():
        raise ValueError("x is a leaf that requires grad, so it cannot be mixed with inplace=True")


def can_apply_by_rows(x: Tensor, patterns: tuple[Pattern, ...], other: Tensor | None) -> bool:
    """Whether rows may be read and written one after the other, by the host."""
    inputs = [x, *[pattern.values for pattern in patterns]]
    if other is not None:
        inputs.append(other)
    return (
        are_plain_cpu_tensors(inputs) and x.numel() > 0 and x.stride(0) != 0
    )  # an expanded one is one row


def _apply_by_rows(
    x: Tensor,
    partner: Tensor,
    patterns: tuple[Pattern, ...],
    other: Tensor | None,
    inplace: bool,
) -> Tensor:
    row_functions = [pattern.row_function(x) for pattern in patterns]
    if other is None and inplace:
        cycles = _cycles(partner.tolist())
        if cycles is not None:
            _apply_along_cycles(x.unbind(), cycles, row_functions)
            return x
        other = _gather_partners(x, partner)  # some rows are met twice
    out = x if inplace else torch.empty_like(x)
    sources = x.unbind() if other is None else other.unbind()
    chosen = partner.tolist() if other is None else range(len(x))
    for i, (row, own, source) in enumerate(zip(out.unbind(), x.unbind(), chosen, strict=True)):
        if not inplace:
            row.copy_(own)
        for apply_row in row_functions:
            apply_row(row, sources[source], i)
    return out


def _apply_along_cycles(
    rows: tuple[Tensor, ...], cycles: list[list[int]], row_functions: list[ApplyRow]
) -> None:
    saved = torch.empty_like(rows[0])
    for cycle in cycles:
        # The first row is overwritten long before the last one wants it as partner.
        saved.copy_(rows[cycle[0]])
        for row, source in pairwise(cycle):
            for apply_row in row_functions:
                apply_row(rows[row], rows[source], row)
        for apply_row in row_functions:
            apply_row(rows[cycle[-1]], saved, cycle[-1])


def _cycles(partner: list[int]) -> list[list[int]] | None:
    """The rows in walking order: in each cycle, every row is followed by its partner.

    None where some row is the partner of several.
    """
    cycles = []
    seen = [False] * len(partner)
    for first in range(len(partner)):
        cycle = []
        row = first
        while not seen[row]:
            seen[row] = True
            cycle.append(row)
            row = partner[row]
        if cycle and row != first:
            return None
        if cycle:
            cycles.append(cycle)
    return cycles
