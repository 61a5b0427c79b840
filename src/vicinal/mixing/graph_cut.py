"""Graph cuts on grids: labels of the least energy, exactly.

Each block of a grid gets a label. Labels have a cost, convex in the label, and neighbours with
different labels cost the square of the difference, times a weight. Such an energy is L-natural
convex: from labels in the middle, raising the best set of blocks by one until there is none, and
then lowering the best sets, ends at the least energy of all. The best set is a minimum cut.
"""

from typing import Any

import torch
from torch import Tensor

from vicinal.mixing import compiled
from vicinal.mixing.compiled import on_cpu


def least_labels(costs: Tensor, down: Tensor, across: Tensor) -> Tensor:
    """The labels of the least energy, on a batch of grids.

    The energy is the sum of the costs of all labels, and of weight · (difference / (L - 1))² of the
    labels of all neighbours. Where several labellings have the least energy, it is the same one on
    every machine.

    Args:
        costs: (B, L, h, w) int64, convex in the label, which is the second dimension: of three
            labels in a row, the middle one costs at most the mean of the others.
        down: (B, h - 1, w) int64, 0 or more, the weights between a block and the one below.
        across: (B, h, w - 1) int64, 0 or more, between a block and the one to its right.

    Returns:
        (B, h, w) int64 labels in [0, L - 1].

    Source: K. Murota, A. Shioura, Exact bounds for steepest descent algorithms of L-convex function
    minimization, Operations Research Letters 42 (2014): no more steps are needed than there are
    labels, less one.

    >>> costs = torch.tensor([[0, 4, 9], [5, 3, 2]]).view(1, 2, 1, 3)  # of labels 0 and 1
    >>> for weight in (0, 9):
    ...     weights = torch.full((1, 1, 2), weight)
    ...     print(least_labels(costs, torch.zeros(1, 0, 3).long(), weights).tolist())
    [[[0, 1, 1]]]
    [[[1, 1, 1]]]
    """
    last = costs.shape[1] - 1
    middle = last // 2
    labels = torch.full_like(costs[:, 0], middle)
    # Wherever an end of the labels is reached, no gain outweighs this.
    barred = 4 * torch.stack([w.amax() if w.numel() else w.new_zeros(()) for w in (down, across)])
    for step in [1] * (last - middle) + [-1] * middle:
        moved = labels + step
        at = torch.stack((labels, moved.clamp(0, last)), 1)
        here, there = costs.gather(1, at).unbind(1)
        field = (there - here) * last**2
        # (difference ± 1)² is difference² ± 2 · difference + 1: the last term is the cut's.
        for weight, axis in ((down, 1), (across, 2)):
            slope = -2 * step * weight * labels.diff(dim=axis)
            side = labels.shape[axis]
            field.narrow(axis, 0, side - 1).add_(slope)
            field.narrow(axis, 1, side - 1).sub_(slope)
        field = field.where((moved >= 0) & (moved <= last), barred.amax() + 1)
        labels = labels + step * cut(field, down, across)
    return labels


def cut(field: Tensor, down: Tensor, across: Tensor) -> Tensor:
    """The smallest set of blocks of the least cost, by a minimum cut of each grid.

    A set costs the sum of the field in it, and the weights between it and the rest.

    Args:
        field: (B, h, w) int64.
        down, across: as for :func:`least_labels`.

    Returns:
        (B, h, w) bool, true in the set.

    >>> cut(torch.tensor([[[-5, 1, 2]]]), torch.zeros(1, 0, 3).long(), torch.tensor([[[3, 1]]]))
    tensor([[[ True,  True, False]]])
    """
    if not field.numel():
        return field.bool()
    inside = compiled.cut(*(on_cpu(t, torch.int64) for t in (field, down, across)))
    return _cut_by_scipy(field, down, across) if inside is None else inside


def _cut_by_scipy(field: Tensor, down: Tensor, across: Tensor) -> Tensor:
    """The same without numba: all grids in one graph, between a source and a sink."""
    try:
        from scipy.sparse import csr_array
        from scipy.sparse.csgraph import breadth_first_order, maximum_flow
    except ImportError:
        raise ModuleNotFoundError(
            "graph cuts need numba or scipy: pip install 'vicinal[fast]' or 'vicinal[train]'"
        ) from None
    count = field.numel()
    site = torch.arange(count, device="cpu").view(field.shape)
    source, sink = count, count + 1
    flat, all_sites = field.flatten(), site.flatten()
    ends: list[tuple[Any, Any, Any]] = [
        (torch.full_like(all_sites, source), all_sites, flat.clamp(min=0)),
        (all_sites, torch.full_like(all_sites, sink), (-flat).clamp(min=0)),
    ]
    for weight, first, second in (
        (down, site[:, :-1], site[:, 1:]),
        (across, site[:, :, :-1], site[:, :, 1:]),
    ):
        one, two, both = first.flatten(), second.flatten(), weight.flatten()
        ends += [(one, two, both), (two, one, both)]
    row, column, capacity = (torch.cat(part).numpy() for part in zip(*ends, strict=True))
    shape = count + 2, count + 2
    # SciPy takes 32 bits, into which costs in thousandths fit.
    graph = csr_array((capacity.astype("int32"), (row, column)), shape=shape)
    rest = graph - maximum_flow(graph, source, sink).flow
    rest.eliminate_zeros()
    found = breadth_first_order(rest.T.tocsr(), sink, return_predecessors=False)
    inside = torch.zeros(count + 2, dtype=torch.bool, device="cpu")
    inside[torch.from_numpy(found).long()] = True
    return inside[:count].view(field.shape)
