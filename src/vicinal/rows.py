"""Whether a criterion's losses of samples are each of one sample alone."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from vicinal.mixing.batch import map_leaves
from vicinal.rehearsal import rehearsed


def are_of_single_samples(criterion: Callable[..., Any], output: Any, target: Any) -> bool:
    """Whether fewer samples have fewer losses, and the same ones.

    Losses of classes may be as many as there are samples; losses of samples may depend on the
    others, by their outputs, by how many share a class, or by a mean over the batch.

    Each half of the samples is tried by itself, and one half with the target of the first sample
    for all, so that all are of one class. The sample of the largest loss and that of the smallest
    are tried among copies of each other, and of themselves, for losses that are cut off or divided
    by such a one. Of a criterion that is random, only the shapes are compared.

    Args:
        criterion: of (output, target), which returns (B, ...) losses; its state stays as it is.
        output, target: tensors, or nested batches of them.

    >>> output, target = torch.tensor([1.0, 2.0, 3.0]), torch.zeros(3)
    >>> are_of_single_samples(lambda o, y: (o - y) ** 2, output, target)
    True
    >>> are_of_single_samples(lambda o, y: (o - y.mean()) ** 2 / o.mean(), output, target)
    False
    """

    def call(outputs: list[int] | None, targets: list[int] | None, seed: int = 0) -> Tensor:
        parts = _taken(output, outputs, count), _taken(target, targets, count)
        with torch.no_grad(), rehearsed(criterion, output, seed):
            losses: Tensor = criterion(*parts)
        return losses

    count = 0
    try:
        whole = call(None, None)
        count = len(whole)
        every = list(range(count))
        halves = [every[: count // 2], every[count // 2 :]] if count > 1 else [[0, 0] * count]
        parts = [call(half, half) for half in halves]
        for half, part in zip(halves, parts, strict=True):
            if part.shape != (len(half), *whole.shape[1:]):
                return False
        if count < 2:
            return True
        if close(torch.cat(parts), whole) and _stay_the_same(call, whole, halves[0]):
            return True
        return not close(call(None, None, seed=1), whole)  # it is random
    except Exception:  # it refers to something of the whole batch
        return False


def _stay_the_same(call: Callable[..., Tensor], whole: Tensor, half: list[int]) -> bool:
    """Whether losses stay the same where all are of one class, and among extreme ones."""
    count = len(whole)
    alike = call(list(range(count)), [0] * count)
    if not close(call(half, [0] * len(half)), alike[half]):
        return False
    losses = torch.cat([whole, alike])
    sizes = losses.flatten(1).float().sum(1) if losses.ndim > 1 else losses.float()
    ends = [int(sizes.nan_to_num().argmax()), int(sizes.nan_to_num().argmin())]
    found = []
    for end, other in (ends, ends[::-1]):
        for chosen in ([end] + [other] * (count - 1), [end, end]):
            # Of a loss in `alike`, the target is that of the first sample.
            targets = [place if place < count else 0 for place in chosen]
            found.append(call([place % count for place in chosen], targets)[0])
    return close(torch.stack(found), losses[[ends[0], ends[0], ends[1], ends[1]]])


def has_fewer_losses(
    criterion: Callable[..., Any], losses: Tensor, output: Any, target: Any
) -> bool:
    """Whether one sample less has one loss less; for compiled code, which compares no values."""
    count = len(losses)
    fewer = list(range(count - 1)) or [0] * (2 * count)
    with torch.no_grad():
        part = criterion(_taken(output, fewer, count), _taken(target, fewer, count))
    return bool(part.shape == (len(fewer), *losses.shape[1:]))


def differ(target: Any, count: int) -> bool:
    """Whether some of a batch's targets differ."""
    leaves = [leaf for leaf in pytree.tree_leaves(target) if isinstance(leaf, Tensor)]
    rows = [leaf for leaf in leaves if leaf.ndim and len(leaf) == count]
    return any(not torch.equal(leaf[:1].expand_as(leaf), leaf) for leaf in rows)


def _taken(tree: Any, rows: list[int] | None, count: int) -> Any:
    """Some rows of a batch, or all of them, as copies that a criterion may write into."""

    def take(_: Any, leaf: Any) -> Any:
        if not isinstance(leaf, Tensor):
            return leaf
        is_batch = rows is not None and leaf.ndim and len(leaf) == count
        return leaf[rows] if is_batch else leaf.clone()

    return map_leaves(take, tree)


def close(found: Tensor, expected: Tensor) -> bool:
    """Whether two tensors are equal up to rounding, in autocast's dtype where that is on."""
    if found.shape != expected.shape:
        return False
    if not found.is_floating_point():
        return torch.equal(found, expected)
    dtype, device = expected.dtype, expected.device.type
    if torch.is_autocast_enabled(device):
        dtype = torch.get_autocast_dtype(device)
    tolerance = max(torch.finfo(t).eps for t in (dtype, expected.dtype)) ** 0.5
    scale = expected.abs().nan_to_num(posinf=0.0).amax().item() if expected.numel() else 0.0
    return torch.allclose(
        found.to(expected.dtype), expected, rtol=tolerance, atol=tolerance * scale, equal_nan=True
    )
