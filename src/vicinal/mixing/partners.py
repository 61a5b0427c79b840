"""Partners: for each sample of a batch, the index of the sample that is mixed into it."""

from collections.abc import Callable

import torch
from torch import Tensor


def cycle(batches: int, count: int, generator: torch.Generator) -> Tensor:
    """A random cyclic permutation, in which the whole batch is one cycle.

    It is a derangement: it has no fixed points, so no sample is its own partner. Each partner is
    uniform over the other samples, and from 3 samples on, no pair appears twice.

    Args:
        batches: the number of batches.
        count: the number of samples in each.
        generator: on the CPU.

    Returns:
        (batches, count) int64: for each sample, the index of its partner in its own batch.

    >>> partner = cycle(2, 5, torch.Generator().manual_seed(0))
    >>> bool((partner == torch.arange(5)).any())
    False
    """
    order = shuffle(batches, count, generator)
    return torch.empty_like(order).scatter_(1, order, order.roll(-1, 1))


def shuffle(batches: int, count: int, generator: torch.Generator) -> Tensor:
    """A random permutation, as in most published code: one fixed point a batch on average."""
    each = [torch.randperm(count, generator=generator, device="cpu") for _ in range(batches)]
    return torch.stack(each)


def pairs(batches: int, count: int, generator: torch.Generator) -> Tensor:
    """A random pairing: two samples are each other's partner; with an odd count, one has none.

    >>> (partner,) = pairs(1, 4, torch.Generator().manual_seed(0))
    >>> bool((partner[partner] == torch.arange(4)).all())
    True
    """
    order = shuffle(batches, count, generator)
    swapped, paired = order.clone(), count // 2 * 2
    swapped[:, :paired:2], swapped[:, 1:paired:2] = order[:, 1:paired:2], order[:, :paired:2]
    return torch.empty_like(order).scatter_(1, order, swapped)


def reverse(batches: int, count: int, generator: torch.Generator) -> Tensor:
    """The batch in reverse order, without any random numbers."""
    return torch.arange(count - 1, -1, -1, device="cpu").expand(batches, count)


PARTNERS: dict[str, Callable[[int, int, torch.Generator], Tensor]] = {
    "cycle": cycle,
    "shuffle": shuffle,
    "pairs": pairs,
    "reverse": reverse,
}
