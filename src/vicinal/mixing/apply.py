"""Applying patterns to a tensor: dispatch between implementations that return the same numbers.

Mixing is limited by memory bandwidth: nothing can be faster than about one copy of the batch, and
each further pass over memory, or each page of fresh memory, costs as much again. The figures below
are times on two CPU cores, as multiples of such a copy (docs/speed.md has the whole table). The
first implementation that the batch allows is used:

1. One pattern and plain CPU tensors, with numba installed: a compiled loop in one pass over memory
   (``Pattern.apply_compiled``). In place 0.9 for 3 x 224 x 224 images and 1.1 for 3 x 32 x 32.
2. Plain CPU tensors with rows of 128 KiB or more: row by row in Python (``Pattern.row_function``).
   Each row is read while it is still in cache from being the partner of the row before, and in
   place one saved row is all the extra memory. 1.1 for 3 x 224 x 224 images, for which gathering
   the partners takes 3.4; but 4.6 for 3 x 32 x 32, where the time goes into Python.
3. One pattern and plain CPU tensors with smaller rows: gather and blend in blocks that stay in
   cache (``Pattern.apply_small_rows``).
4. Everything else, such as GPUs, autograd, torch.func and torch.compile: gather the partners, then
   apply each pattern by torch operations on the whole batch (``Pattern.apply``). This is the
   reference that the others must equal, and the only one that can be traced: the others read and
   write memory directly.
"""

from itertools import pairwise

import torch
from torch import Tensor

from vicinal.mixing.batch import check_second_tensor, overlap
from vicinal.mixing.move import move
from vicinal.mixing.pattern import ApplyRow, Pattern
from vicinal.mixing.plain import are_plain_cpu_tensors
from vicinal.mixing.tensors import has_channels_last

LARGE_ROW = 128 * 1024  # bytes; in smaller rows, the time goes into Python


def apply(
    x: Tensor,
    partner: Tensor,
    patterns: tuple[Pattern, ...],
    *,
    other: Tensor | None = None,
    inplace: bool = False,
) -> Tensor:
    """Apply patterns to each row and its partner.

    Args:
        x: (B, ...), any memory layout; float, complex or uint8, or any dtype if all patterns copy.
            Regions are cut from (B, ..., H, W), or from (B, ..., H, W, C) where
            `has_channels_last` says so.
        partner: (B,) int64, the index of each row's partner.
        patterns: what to combine of both, one after the other; B rows each.
        other: a second batch of ``x``'s shape and dtype; its row i is then the partner of row i.
        inplace: write the result into ``x``.

    Returns:
        A tensor of the shape, dtype and memory layout of ``x``. uint8 is rounded to the nearest;
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
    check_arguments(x, partner, patterns, other, inplace)
    for pattern in patterns:
        if pattern.spatial and has_channels_last(x, pattern.size):
            first = x.movedim(-1, 1)  # a view, on which regions are cut along height and width
            other = None if other is None else other.movedim(-1, 1)
            cut = apply_channels_first(first, partner, patterns, other=other, inplace=inplace)
            return x if inplace else cut.movedim(1, -1)
    return apply_channels_first(x, partner, patterns, other=other, inplace=inplace)


def apply_channels_first(
    x: Tensor,
    partner: Tensor,
    patterns: tuple[Pattern, ...],
    *,
    other: Tensor | None = None,
    inplace: bool = False,
) -> Tensor:
    """As :func:`apply`, to what is known to be (B, ..., H, W), after its checks."""
    if inplace and other is not None and overlap(x, other):
        other = other.clone()  # else rows of it would be read after they were overwritten
    if can_apply_by_rows(x, patterns, other):
        alone = patterns[0] if len(patterns) == 1 else None
        mixed = alone.apply_compiled(x, partner, other, inplace) if alone else None
        if mixed is None and x.numel() * x.element_size() >= LARGE_ROW * len(x):
            mixed = _apply_by_rows(x, partner, patterns, other, inplace)
        if mixed is None and alone:
            mixed = alone.apply_small_rows(x, partner, other, inplace)
        if mixed is not None:
            return mixed
    # Gathered before any pattern is applied: the partners must not be mixed themselves.
    partners = _gather_partners(x, partner) if other is None else _with_strides_of(x, other)
    mixed = x
    for pattern in patterns:
        mixed = pattern.apply(mixed, partners)
    if not inplace:
        return mixed
    x.copy_(mixed)
    return x


def _with_strides_of(x: Tensor, other: Tensor) -> Tensor:
    """The other batch with the strides of ``x``, so that the result has them, too."""
    return other if other.stride() == x.stride() else torch.empty_like(x).copy_(other)


def _gather_partners(x: Tensor, partner: Tensor) -> Tensor:
    partner = move(partner, x.device)
    # index_select is faster, forward and backward, but always returns a contiguous tensor.
    return x.index_select(0, partner) if x.is_contiguous() else x[partner]


def check_arguments(
    x: Tensor,
    partner: Tensor,
    patterns: tuple[Pattern, ...],
    other: Tensor | None,
    inplace: bool,
) -> None:
    """Raise the errors of :func:`apply`, before anything is written."""
    shape = x.shape
    for pattern in patterns:
        for drawn in (partner, pattern.values):
            if not shape or shape[0] != drawn.shape[0]:
                raise ValueError(
                    f"the mix was drawn for {len(drawn)} samples, but this tensor has shape "
                    f"{tuple(shape)}: its first dimension must be the batch"
                )
        pattern.check(x)
    if other is not None:
        check_second_tensor(x, other)
    if inplace and x.requires_grad and x.is_leaf and torch.is_grad_enabled():
        raise ValueError("x is a leaf that requires grad, so it cannot be mixed with inplace=True")


def can_apply_by_rows(x: Tensor, patterns: tuple[Pattern, ...], other: Tensor | None) -> bool:
    """Whether rows can be read and written one after the other on the CPU, untraced."""
    inputs = [x, *[pattern.values for pattern in patterns]]
    if other is not None:
        inputs.append(other)
    # With stride 0, as after expand(), all rows are the same memory.
    return are_plain_cpu_tensors(inputs) and x.numel() > 0 and x.stride(0) != 0


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
        # A row that is the partner of several could be overwritten before the last of them reads
        # it: copy the partners first.
        other = _gather_partners(x, partner)
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
    """Apply in place, in the order of each cycle: every row is written before its partner is.

    Only the first row of a cycle is overwritten before it is read as a partner, by the last row:
    one saved copy of it is all the extra memory.
    """
    saved = torch.empty_like(rows[0])
    for cycle in cycles:
        saved.copy_(rows[cycle[0]])
        for row, source in pairwise(cycle):
            for apply_row in row_functions:
                apply_row(rows[row], rows[source], row)
        for apply_row in row_functions:
            apply_row(rows[cycle[-1]], saved, cycle[-1])


def _cycles(partner: list[int]) -> list[list[int]] | None:
    """The cycles of a permutation: in each, a row is followed by its partner.

    None if it is not a permutation, as some row is the partner of several.
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
