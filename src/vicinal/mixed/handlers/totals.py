"""Handlers of sums over samples, which count both targets by their weights."""

from typing import Any

import torch

from vicinal.known_losses import weighted_sum
from vicinal.mixed.call import Call
from vicinal.mixed.handlers.axes import along_axes, axes_of, is_within_samples
from vicinal.mixed.tensor import as_plain, map_mixed, mixed_leaves
from vicinal.mixed.weights import Unsupported, collapse_constant


def total(call: Call) -> Any:
    """A sum or mean, over the samples or within each."""
    tensor = call.first
    if not call.only_first_is_mixed:
        raise Unsupported
    dtype = call.kwargs.get("dtype")
    if dtype is not None and not (dtype.is_floating_point or dtype.is_complex):
        raise Unsupported
    axes = axes_of(call)
    if len(axes) < tensor.ndim:
        if 0 not in axes:  # flattening and unflattening gives each pixel a weight of its own
            tensor.weight = collapse_constant(tensor.weight, axes)
        if is_within_samples(tensor, axes):
            return along_axes(call)
    own, partner = as_plain(tensor), tensor.partner
    if own.requires_grad != partner.requires_grad:
        raise Unsupported  # a custom autograd.Function, whose backward knows one target alone
    if not (own.is_floating_point() or own.is_complex()):
        own, partner = own.to(tensor.weight.dtype), partner.to(tensor.weight.dtype)
    return call.func(weighted_sum(own, partner, tensor.weight), *call.args[1:], **call.kwargs)


def any_or_all(call: Call) -> Any:
    """Over all values, ``any`` is true where it is for one target, ``all`` where it is for both.

    So checks of labels, such as ``(y < 0).any()`` and ``(y < classes).all()``, see the partners'.
    """
    if len(call.args) > 1 or call.kwargs:
        return along_axes(call)
    own, partner = call.on_both()
    return own | partner if call.name == "any" else own & partner


def extreme(call: Call) -> Any:
    """The highest or lowest of all labels, own and partners', as code asks for to check them."""
    if (
        not call.only_first_is_mixed
        or len(call.args) > 1
        or call.kwargs
        or call.first.is_floating_point()
    ):
        raise Unsupported
    own, partner = call.on_both()
    return torch.maximum(own, partner) if call.name == "max" else torch.minimum(own, partner)


def backward(call: Call) -> Any:
    """The gradient of losses that were not reduced."""
    losses = list(mixed_leaves(call.first))
    if len(losses) < len(call.mixed):
        raise Unsupported
    call.mixed[0].origin.reached_loss = True
    first = map_mixed(
        call.first, lambda loss: weighted_sum(as_plain(loss), loss.partner, loss.weight)
    )
    return call.func(first, *call.args[1:], **call.kwargs)
