"""``__torch_function__`` handlers: how torch functions act on both targets and on their weights.

Each public function here takes a :class:`Call` and returns its result, or raises
:class:`Unsupported`. What must never happen is a result that is wrong in silence, so a handler
supports the cases whose weights it can derive, and no others.
"""

import functools
import inspect
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from vicinal.losses import MixLoss, weighted_sum
from vicinal.mixed.call import Call, has_tensors
from vicinal.mixed.tensor import MixedTensor, as_plain, is_mixed, map_mixed, mixed_leaves
from vicinal.mixed.weights import (
    Unsupported,
    add_leading_axes,
    add_trailing_axes,
    collapse_constant,
    collapse_expanded,
    common_weight,
    reshape_weight,
)
from vicinal.mixing.target import MixedTarget

_LOSS_NAMES = """
    cross_entropy nll_loss binary_cross_entropy binary_cross_entropy_with_logits
    mse_loss l1_loss smooth_l1_loss huber_loss kl_div poisson_nll_loss gaussian_nll_loss
    soft_margin_loss multilabel_soft_margin_loss multi_margin_loss multilabel_margin_loss
    hinge_embedding_loss
"""
LOSSES = {loss: inspect.signature(loss) for loss in (getattr(F, n) for n in _LOSS_NAMES.split())}
_DEPRECATED = {"size_average", "reduce"}  # they override the reduction
_CLASS_LOSSES = (F.cross_entropy, F.nll_loss)
# They reduce (B, C) outputs to (B,) losses.
_ROW_LOSSES = (F.multi_margin_loss, F.multilabel_margin_loss, F.multilabel_soft_margin_loss)


def loss(call: Call) -> Any:
    """One of torch's losses of (output, target)."""
    arguments = LOSSES[call.func].bind(*call.args, **call.kwargs).arguments
    settings = {k: v for k, v in arguments.items() if k not in _DEPRECATED or v is not None}
    output, target = settings.pop("input"), settings.pop("target")
    if _DEPRECATED & settings.keys() or not is_mixed(target):
        raise Unsupported
    criterion = MixLoss(functools.partial(call.func, **settings))
    reduction = settings.get("reduction", "mean")
    if len(call.mixed) == 1 and reduction != "none" and _rows_match(call.func, output, target):
        return criterion(as_plain(output), _as_target(target))
    unreduced = {**settings, "reduction": "none"}
    each = Call(call.func, call.name, (output, target), unreduced, call.mixed)
    own, partner = each.on_both()
    is_of_classes = call.func in _CLASS_LOSSES
    weight = _weight_of_class_losses(each) if is_of_classes else call.common_weight(own.ndim)
    losses = each.mixed_result(own, partner, weight)
    if reduction == "none":
        return losses
    if is_of_classes and losses.shape == target.shape:
        # Their mean counts labels by class weights and ignore_index, which MixLoss knows how to do.
        return criterion.reduce(weighted_sum(own, partner, weight), _as_target(target))
    if is_of_classes or reduction not in ("mean", "sum"):
        raise Unsupported
    return total(Call(getattr(Tensor, reduction), reduction, (losses,), {}, [losses]))


def _weight_of_class_losses(call: Call) -> Tensor:
    """The weight of (B, ...) losses, where outputs and soft targets are (B, C, ...)."""
    output, target = call.args
    weights = []
    for tensor in call.mixed:
        has_classes = tensor is output or target.is_floating_point()
        if tensor is not output and tensor is not target:
            raise Unsupported
        if has_classes and (tensor.ndim < 2 or tensor.weight.shape[1] != 1):
            raise Unsupported
        weights.append(tensor.weight.squeeze(1) if has_classes else tensor.weight)
    return common_weight(weights, weights[0].ndim)


def _rows_match(func: Any, output: Tensor, target: Tensor) -> bool:
    """Whether row i of the output belongs to row i of the target, as MixLoss requires."""
    if func in _CLASS_LOSSES:
        return output.ndim >= 2 and output.shape[:1] == target.shape[:1]
    return output.shape == target.shape or (
        func in _ROW_LOSSES and output.shape[:1] == target.shape[:1]
    )


def _as_target(tensor: MixedTensor) -> MixedTarget:
    weight = tensor.weight
    if all(size == 1 for size in weight.shape[1:]):
        weight = weight.flatten()
    elif tensor.is_floating_point() and weight.shape[1] == 1 < tensor.shape[1]:
        # Soft maps (B, C, H, W) with a weight for each pixel, the same for all classes.
        weight = weight.squeeze(1).expand(len(tensor), *tensor.shape[2:])
    else:
        weight = weight.expand(tensor.shape)
    return MixedTarget(
        as_plain(tensor), tensor.partner, weight.expand(len(tensor), *weight.shape[1:])
    )


def elementwise(call: Call) -> Any:
    own, partner = call.on_both()
    if not isinstance(own, Tensor):
        if has_tensors(own):  # such as torch.where with one argument
            raise Unsupported
        return own
    return call.mixed_result(own, partner, call.common_weight(own.ndim))


def reshape(call: Call) -> Any:
    """The same values in the same order, in another shape."""
    if any(isinstance(value, torch.dtype) for value in call.args):
        raise Unsupported
    own, partner = call.on_both()
    return call.mixed_result(
        own, partner, reshape_weight(call.first.weight, call.first.shape, own.shape)
    )


def permute(call: Call) -> Any:
    """Axes, or the values along them, in another order: the weight is permuted alike."""
    if not call.only_first_is_mixed or (call.name == "roll" and call.argument(2, "dims") is None):
        raise Unsupported
    own, partner = call.on_both()
    return call.mixed_result(
        own, partner, call.func(call.first.weight, *call.args[1:], **call.kwargs)
    )


def expand(call: Call) -> Any:
    own, partner = call.on_both()
    return call.mixed_result(own, partner, add_leading_axes(call.first.weight, own.ndim))


def repeat(call: Call) -> Any:
    own, partner = call.on_both()
    weight = add_leading_axes(call.first.weight, own.ndim)
    for axis, size in enumerate(weight.shape):
        if size > 1 and own.shape[axis] != size:
            times = own.shape[axis] // size
            weight = weight.repeat([times if a == axis else 1 for a in range(own.ndim)])
    return call.mixed_result(own, partner, weight)


def split(call: Call) -> Any:
    """One part of a tensor, or all of them, as views."""
    tensor = call.first
    if not call.only_first_is_mixed or (
        call.name in ("select", "unbind") and not _keeps_samples(call)
    ):
        raise Unsupported
    own, partner = call.on_both()
    weight = call.func(tensor.weight.expand(tensor.shape), *call.args[1:], **call.kwargs)
    if isinstance(own, Tensor):
        return call.mixed_result(own, partner, collapse_expanded(weight))
    return tuple(
        call.mixed_result(own_part, partner_part, collapse_expanded(weight_part))
        for own_part, partner_part, weight_part in zip(own, partner, weight, strict=True)
    )


def _keeps_samples(call: Call) -> bool:
    """Whether ``select`` or ``unbind`` takes another axis than that of the samples."""
    dim = call.argument(1, "dim", 0)
    return isinstance(dim, int) and dim % max(call.first.ndim, 1) != 0


def concatenate(call: Call) -> Any:
    """``cat`` and ``stack``; a plain tensor is the same for both targets, so any weight fits it."""
    tensors = list(call.argument(0, "tensors"))
    own, partner = call.on_both()
    dim = call.argument(1, "dim", 0) % own.ndim
    if call.name == "stack":
        weights = [t.weight.unsqueeze(dim) for t in tensors if is_mixed(t)]
    else:
        weights = [t.weight for t in tensors if is_mixed(t)]
    if all(weight.shape[dim] == 1 for weight in weights):
        return call.mixed_result(own, partner, common_weight(weights, own.ndim))
    weights = [
        t.weight if is_mixed(t) else weights[0].new_ones(()).expand([1] * own.ndim) for t in tensors
    ]
    shape = [max(sizes) for sizes in zip(*(weight.shape for weight in weights), strict=True)]
    expanded = []
    for tensor, weight in zip(tensors, weights, strict=True):
        shape[dim] = tensor.shape[dim]
        expanded.append(weight.expand(shape))
    return call.mixed_result(own, partner, torch.cat(expanded, dim))


def getitem(call: Call) -> Any:
    """Indexing: of targets, by plain indices; or of a plain table, by targets."""
    table, index = call.args
    indices = index if isinstance(index, tuple) else (index,)
    if is_mixed(table):
        return _index_targets(call, table, indices)
    while indices and _is_full_slice(indices[-1]):  # table[y, :]
        indices = indices[:-1]
    if not indices or not all(isinstance(i, Tensor) for i in indices):
        raise Unsupported
    if any(i.dtype in (torch.bool, torch.uint8) for i in indices):
        raise Unsupported
    own, partner = call.on_both()
    ndim = max(i.ndim for i in indices)
    return call.mixed_result(own, partner, add_trailing_axes(call.common_weight(ndim), own.ndim))


def _index_targets(call: Call, tensor: MixedTensor, indices: tuple[Any, ...]) -> Any:
    if indices[0] is Ellipsis and len(indices) > tensor.ndim:
        indices = indices[1:]
    if len(call.mixed) > 1 or _is_integer(indices[0]) or any(map(_is_list, indices[1:])):
        raise Unsupported
    own, partner = call.on_both()
    if not _is_list(indices[0]):
        weight = collapse_expanded(tensor.weight.expand(tensor.shape)[call.args[1]])
    elif own.ndim == tensor.ndim and len(indices) == 1:
        is_one = tensor.weight.shape[0] == 1
        weight = tensor.weight if is_one else tensor.weight[indices[0]]
    elif own.ndim == 1:  # a boolean mask of the tensor's shape
        weight = tensor.weight.expand(tensor.shape)[call.args[1]]
    else:
        raise Unsupported
    return call.mixed_result(own, partner, weight)


def _is_integer(index: Any) -> bool:
    """Whether it selects a single sample, of which a loss may not be that of the whole batch."""
    return not index.ndim if isinstance(index, Tensor) else hasattr(index, "__index__")


def _is_list(index: Any) -> bool:
    return isinstance(index, (Tensor, list))


def _is_full_slice(index: Any) -> bool:
    return index is Ellipsis or (isinstance(index, slice) and index == slice(None))


def append_axis(call: Call) -> Any:
    """One-hot rows and embeddings: each value becomes a row."""
    classes = call.argument(1, "num_classes", -1)
    if call.name == "one_hot" and (not isinstance(classes, int) or classes < 0):
        raise Unsupported  # own and partner would have as many classes as their highest labels
    if not call.only_first_is_mixed:
        raise Unsupported
    own, partner = call.on_both()
    return call.mixed_result(own, partner, call.first.weight.unsqueeze(-1))


def gather(call: Call) -> Any:
    """The values at the indices along an axis that the targets are."""
    own, partner = call.on_both()
    return call.mixed_result(own, partner, call.common_weight(own.ndim))


def index_select(call: Call) -> Any:
    if is_mixed(call.first) or call.argument(1, "dim") != 0:
        raise Unsupported
    own, partner = call.on_both()
    return call.mixed_result(own, partner, add_trailing_axes(call.mixed[0].weight, own.ndim))


def scatter(call: Call) -> Any:
    """One value, written along an axis at the indices that the targets are."""
    own, partner = call.on_both()
    if is_mixed(call.first):
        return call.mixed_result(own, partner, call.common_weight(own.ndim))
    return call.mixed_result(own, partner, weight_of_scattered(call))


def weight_of_scattered(call: Call) -> Tensor:
    dim, index = call.argument(1, "dim"), call.argument(2, "index")
    value = call.argument(3, "value", call.kwargs.get("src"))
    if not is_mixed(index) or isinstance(value, Tensor) or index.weight.shape[dim] != 1:
        raise Unsupported
    return index.weight


def along_axes(call: Call) -> Any:
    """``softmax``, ``norm``, ``argmax``, …: functions along axes within each sample."""
    tensor = call.first
    axes = _axes(call)
    # Along the samples, own values would meet other samples' own ones, whatever the weights: the
    # result belongs to no pair of targets.
    if (
        not call.only_first_is_mixed
        or len(axes) == tensor.ndim
        or not _within_samples(tensor, axes)
    ):
        raise Unsupported
    own, partner = call.on_both()
    weight = tensor.weight
    if own.ndim < tensor.ndim:
        for axis in sorted(axes, reverse=True):
            weight = weight.squeeze(axis)
    return call.mixed_result(own, partner, weight)


def _axes(call: Call) -> list[int]:
    if call.name == "normalize":
        dims = call.argument(2, "dim", 1)
    else:
        dims = call.argument(2 if call.name == "norm" else 1, "dim")
    if dims is None:
        return list(range(call.first.ndim))
    dims = (dims,) if isinstance(dims, int) else dims
    if not all(isinstance(axis, int) for axis in dims):
        raise Unsupported
    return sorted({axis % max(call.first.ndim, 1) for axis in dims})


def _within_samples(tensor: MixedTensor, axes: list[int]) -> bool:
    """Whether all values along these axes have one weight: they belong to one sample."""
    return all(tensor.weight.shape[axis] == 1 for axis in axes)


def total(call: Call) -> Any:
    """A sum or mean, over the samples or within each."""
    tensor = call.first
    if not call.only_first_is_mixed:
        raise Unsupported
    dtype = call.kwargs.get("dtype")
    if dtype is not None and not (dtype.is_floating_point or dtype.is_complex):
        raise Unsupported
    axes = _axes(call)
    if len(axes) < tensor.ndim:
        if 0 not in axes:  # flattening and unflattening gives each pixel a weight of its own
            tensor.weight = collapse_constant(tensor.weight, axes)
        if _within_samples(tensor, axes):
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
