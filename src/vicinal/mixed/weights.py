"""Reshaping the weights of mixed tensors.

A weight broadcasts to the values it belongs to: along an axis where it is the same for all values
it has size 1. It must *stay* 1 there, because that is how the handlers recognise that a reduction
along the axis does not sum over samples.
"""

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor


class Unsupported(Exception):
    """An operation cannot be computed for both targets."""


def add_leading_axes(weight: Tensor, ndim: int) -> Tensor:
    """The weight with ``ndim`` axes, new ones in front, as broadcasting aligns shapes.

    >>> add_leading_axes(torch.rand(3), 2).shape
    torch.Size([1, 3])
    """
    return weight.reshape([1] * (ndim - weight.ndim) + list(weight.shape))


def add_trailing_axes(weight: Tensor, ndim: int) -> Tensor:
    """The weight with ``ndim`` axes, new ones at the end.

    >>> add_trailing_axes(torch.rand(3), 2).shape
    torch.Size([3, 1])
    """
    return weight.reshape(*weight.shape, *[1] * (ndim - weight.ndim))


def common_weight(weights: Sequence[Tensor], ndim: int) -> Tensor:
    """The one weight that all operands of an operation have, with ``ndim`` axes.

    Raises:
        Unsupported: their weights differ.

    >>> weight = torch.tensor([0.5, 0.7])
    >>> common_weight([weight, weight[:, None].T], 2)
    tensor([[0.5000, 0.7000]])
    """
    first, *others = (add_leading_axes(weight, ndim) for weight in weights)
    for other in others:
        # Comparing values waits for the device; one and the same memory need not be compared. The
        # strides belong to that: a transpose lies in the same memory, in another order.
        is_same = first.data_ptr() == other.data_ptr() and first.stride() == other.stride()
        if first.shape != other.shape or not (is_same or torch.equal(first, other)):
            raise Unsupported
    return first


def reshape_weight(weight: Tensor, old: Sequence[int], new: Sequence[int]) -> Tensor:
    """The weight of values of shape ``old`` that are reshaped to ``new``.

    >>> reshape_weight(torch.rand(2, 1, 1), (2, 3, 5), (6, 5)).shape
    torch.Size([6, 1])
    """
    if 0 in old:
        return weight.new_ones([1] * len(new))
    before, after = list(weight.shape), [1] * len(new)
    for old_axes, new_axes in _matching_axes(old, new):
        if any(weight.shape[axis] > 1 for axis in old_axes):
            for axis in old_axes:
                before[axis] = old[axis]
            for axis in new_axes:
                after[axis] = new[axis]
    return weight.expand(before).reshape(after)


def collapse_constant(weight: Tensor, axes: Sequence[int]) -> Tensor:
    """The weight with size 1 along those of the axes where all its values are equal.

    It compares values, which waits for the device; :func:`collapse_expanded` does not.

    >>> collapse_constant(torch.tensor([[0.5, 0.5], [0.7, 0.7]]), [1])
    tensor([[0.5000],
            [0.7000]])
    """
    for axis in axes:
        if weight.shape[axis] == 1:
            continue
        first = weight.narrow(axis, 0, min(1, weight.shape[axis]))
        if torch.equal(weight, first.expand(weight.shape)):
            weight = first
    return weight


def collapse_expanded(weight: Tensor) -> Tensor:
    """The weight with size 1 along the axes that ``expand`` repeated (their stride is 0).

    >>> collapse_expanded(torch.rand(3, 1).expand(3, 4)[1:]).shape
    torch.Size([2, 1])
    """
    for axis, stride in enumerate(weight.stride()):
        if stride == 0:
            weight = weight.narrow(axis, 0, min(1, weight.shape[axis]))
    return weight


def _matching_axes(old: Sequence[int], new: Sequence[int]) -> Iterator[tuple[list[int], list[int]]]:
    """Groups of axes of both shapes that hold the same values, from the first axis on."""
    i = j = 0
    while i < len(old) or j < len(new):
        old_axes: list[int] = []
        new_axes: list[int] = []
        while not (old_axes or new_axes) or _size(old, old_axes) != _size(new, new_axes):
            if i < len(old) and (j == len(new) or _size(old, old_axes) <= _size(new, new_axes)):
                old_axes.append(i)
                i += 1
            else:
                new_axes.append(j)
                j += 1
        yield old_axes, new_axes


def _size(shape: Sequence[int], axes: list[int]) -> int:
    return math.prod(shape[axis] for axis in axes)
