"""The weights of mixed tensors: along axes where they are one for many values, of size 1."""

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor


class Refused(Exception):
    """An operation cannot be computed for both targets."""


def aligned(weight: Tensor, ndim: int) -> Tensor:
    """The weights for values of more axes, as broadcasting counts them: from the last one.

    >>> aligned(torch.rand(3), 2).shape
    torch.Size([1, 3])
    """
    return weight.reshape([1] * (ndim - weight.ndim) + list(weight.shape))


def extended(weight: Tensor, ndim: int) -> Tensor:
    """The weights for values that have more axes behind those of the weights.

    >>> extended(torch.rand(3), 2).shape
    torch.Size([3, 1])
    """
    return weight.reshape(*weight.shape, *[1] * (ndim - weight.ndim))


def agreed(weights: Sequence[Tensor], ndim: int) -> Tensor:
    """The one weight of several values that come together.

    Raises:
        Refused: they do not have the same weights.

    >>> weight = torch.tensor([0.5, 0.7])
    >>> agreed([weight, weight[:, None].T], 2)
    tensor([[0.5000, 0.7000]])
    """
    first, *others = (aligned(weight, ndim) for weight in weights)
    for other in others:
        is_same = first.data_ptr() == other.data_ptr() and first.stride() == other.stride()
        if first.shape != other.shape or not (is_same or torch.equal(first, other)):
            raise Refused
    return first


def reshaped(weight: Tensor, old: Sequence[int], new: Sequence[int]) -> Tensor:
    """The weights of values of the old shape that are given the new one.

    >>> reshaped(torch.rand(2, 1, 1), (2, 3, 5), (6, 5)).shape
    torch.Size([6, 1])
    """
    if 0 in old:
        return weight.new_ones([1] * len(new))
    before, after = list(weight.shape), [1] * len(new)
    for olds, news in _groups(old, new):
        if any(weight.shape[axis] > 1 for axis in olds):
            for axis in olds:
                before[axis] = old[axis]
            for axis in news:
                after[axis] = new[axis]
    return weight.expand(before).reshape(after)


def settled(weight: Tensor, axes: Sequence[int]) -> Tensor:
    """The weights, of size 1 along those of the axes along which they have one value each.

    >>> settled(torch.tensor([[0.5, 0.5], [0.7, 0.7]]), [1])
    tensor([[0.5000],
            [0.7000]])
    """
    for axis in axes:
        first = weight.narrow(axis, 0, min(1, weight.shape[axis]))
        if torch.equal(weight, first.expand(weight.shape)):
            weight = first
    return weight


def compact(weight: Tensor) -> Tensor:
    """Views of expanded weights, with size 1 along the axes along which they are one.

    >>> compact(torch.rand(3, 1).expand(3, 4)[1:]).shape
    torch.Size([2, 1])
    """
    for axis, stride in enumerate(weight.stride()):
        if stride == 0:
            weight = weight.narrow(axis, 0, min(1, weight.shape[axis]))
    return weight


def _groups(old: Sequence[int], new: Sequence[int]) -> Iterator[tuple[list[int], list[int]]]:
    """The axes of both shapes that hold the same values, from the first one on."""
    i = j = 0
    while i < len(old) or j < len(new):
        olds: list[int] = []
        news: list[int] = []
        while not (olds or news) or _size(old, olds) != _size(new, news):
            if i < len(old) and (j == len(new) or _size(old, olds) <= _size(new, news)):
                olds.append(i)
                i += 1
            else:
                news.append(j)
                j += 1
        yield olds, news


def _size(shape: Sequence[int], axes: list[int]) -> int:
    return math.prod(shape[axis] for axis in axes)
