"""Handlers of sums over samples, which count both targets by their weights."""

from typing import Any

import torch
from torch import Tensor

from vicinal.known_losses import weighted_sum
from vicinal.mixed.call import Call
from vicinal.mixed.counts import count_of
from vicinal.mixed.handlers.axes import along_axes, axes_of, is_within_samples
from vicinal.mixed.handlers.elementwise import elementwise
from vicinal.mixed.tensor import MixedTensor, as_plain, make_mixed, map_mixed, mixed_leaves
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
    is_whole = not (own.is_floating_point() or own.is_complex())
    if is_whole:
        own, partner = own.to(tensor.weight.dtype), partner.to(tensor.weight.dtype)
    result = call.func(weighted_sum(own, partner, tensor.weight), *call.args[1:], **call.kwargs)
    return count_of(result) if is_whole and call.name == "sum" else result


def total_of_valid(call: Call) -> Any:
    """``nansum`` and ``nanmean``: a sum or mean over the samples skips the nan of each target."""
    if not call.only_first_is_mixed or call.kwargs.get("dtype") is not None:
        raise Unsupported
    tensor, axes = call.first, axes_of(call)
    if len(axes) < tensor.ndim and is_within_samples(tensor, axes):
        return along_axes(call)
    own, partner = as_plain(tensor), tensor.partner

    def like(first: Tensor, second: Tensor) -> MixedTensor:
        return make_mixed(first, second, tensor.weight, tensor.origin)

    values = like(own.where(~own.isnan(), 0), partner.where(~partner.isnan(), 0))
    valid = like((~own.isnan()).to(own.dtype), (~partner.isnan()).to(own.dtype))
    rest = call.args[1:]
    found = total(Call(torch.Tensor.sum, "sum", (values, *rest), call.kwargs, [values]))
    if call.name == "nansum":
        return found
    return found / total(Call(torch.Tensor.sum, "sum", (valid, *rest), call.kwargs, [valid]))


def norm(call: Call) -> Any:
    """A norm within each sample; over the samples only that which is a sum, of absolute values."""
    tensor = call.first
    order = call.argument(1, "p" if call.name == "norm" else "ord", 2)
    axes = axes_of(call)
    is_within = len(axes) < tensor.ndim and is_within_samples(tensor, axes)
    if not call.only_first_is_mixed or is_within or order != 1:
        return along_axes(call)
    if call.kwargs.get("dtype") is not None:
        raise Unsupported
    sizes = make_mixed(
        as_plain(tensor).abs(), tensor.partner.abs(), tensor.weight, tensor.origin
    )  # fmt: skip
    options = {"dim": axes, "keepdim": call.argument(3, "keepdim", False)}
    return total(Call(Tensor.sum, "sum", (sizes,), options, [sizes]))


def any_or_all(call: Call) -> Any:
    """Over all values, ``any`` is true where it is for one target, ``all`` where it is for both.

    So checks of labels, such as ``(y < 0).any()`` and ``(y < classes).all()``, see the partners'.
    """
    if len(axes_of(call)) < call.first.ndim:
        return along_axes(call)
    own, partner = call.on_both()
    return own | partner if call.name.strip("_") == "any" else own & partner


def extreme(call: Call) -> Any:
    """The highest or lowest of all labels, own and partners', as code asks for to check them.

    Along an axis within each sample, it is that of each target; of two tensors, of each value.
    """
    second = call.argument(1, "other")
    if isinstance(second, Tensor):
        return elementwise(call)
    if len(call.args) > 1 or "dim" in call.kwargs:
        return along_axes(call)
    if (
        not call.only_first_is_mixed
        or len(call.args) > 1
        or call.kwargs
        or call.first.is_floating_point()
    ):
        raise Unsupported
    own, partner = call.on_both()
    return torch.maximum(own, partner) if call.name == "max" else torch.minimum(own, partner)


def extremes(call: Call) -> Any:
    """``aminmax`` of all labels, as code asks for to check them."""
    is_of_all = call.only_first_is_mixed and len(axes_of(call)) == call.first.ndim
    if not is_of_all or call.first.is_floating_point():
        raise Unsupported
    own, partner = call.on_both()
    lowest, highest = torch.minimum(own[0], partner[0]), torch.maximum(own[1], partner[1])
    return type(own)([lowest, highest])


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
