"""What torch's functions give for both targets: how values and their weights go through them.

Each function here takes a :class:`Call` and gives its result, or raises :class:`Refused`.
"""

import functools
import inspect
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from vicinal.losses import MixLoss, shared
from vicinal.mixed.call import Call, has_tensors
from vicinal.mixed.shares import Refused, agreed, aligned, compact, extended, reshaped, settled
from vicinal.mixed.tensor import MixedTensor, each_mixed, is_mixed, mixed_among, plain
from vicinal.mixing.target import MixedTarget

_LOSSES_OF_TORCH = """
    cross_entropy nll_loss binary_cross_entropy binary_cross_entropy_with_logits
    mse_loss l1_loss smooth_l1_loss huber_loss kl_div poisson_nll_loss gaussian_nll_loss
    soft_margin_loss multilabel_soft_margin_loss multi_margin_loss multilabel_margin_loss
    hinge_embedding_loss
"""
LOSSES = {
    loss: inspect.signature(loss) for loss in (getattr(F, n) for n in _LOSSES_OF_TORCH.split())
}
_DEPRECATED = {"size_average", "reduce"}  # they override the reduction
_OF_CLASSES = (F.cross_entropy, F.nll_loss)
_OF_LABELS_IN_ROWS = (
    F.multi_margin_loss, F.multilabel_margin_loss, F.multilabel_soft_margin_loss
)  # fmt: skip


def loss(call: Call) -> Any:
    """One of torch's losses of (output, target)."""
    given = dict(LOSSES[call.func].bind(*call.args, **call.kwargs).arguments)
    settings = {k: v for k, v in given.items() if k not in _DEPRECATED or v is not None}
    output, target = settings.pop("input"), settings.pop("target")
    if _DEPRECATED & settings.keys() or not is_mixed(target):
        raise Refused
    criterion = MixLoss(functools.partial(call.func, **settings))
    is_alone = len(call.found) == 1 and settings.get("reduction", "mean") != "none"
    if is_alone and _lie_alike(call.func, output, target):
        return criterion(plain(output), _as_target(target))
    unreduced = {**settings, "reduction": "none"}
    each = Call(call.func, call.name, (output, target), unreduced, call.found)
    own, partner = each.both()
    weight = _weight_of_rows(each) if call.func in _OF_CLASSES else call.agreed(own.ndim)
    losses = each.result(own, partner, weight)
    reduction = settings.get("reduction", "mean")
    if reduction == "none":
        return losses
    if call.func in _OF_CLASSES and losses.shape == target.shape:
        # Of which each label counts by its class, and some do not count.
        return criterion.reduce(shared(own, partner, weight), _as_target(target))
    if call.func in _OF_CLASSES or reduction not in ("mean", "sum"):
        raise Refused
    return total(Call(getattr(Tensor, reduction), reduction, (losses,), {}, [losses]))


def _weight_of_rows(call: Call) -> Tensor:
    """Of losses (B, ...), where outputs, and targets that are no indices, are (B, C, ...)."""
    output, target = call.args
    weights = []
    for tensor in call.found:
        has_classes = tensor is output or target.is_floating_point()
        if tensor is not output and tensor is not target:
            raise Refused
        if has_classes and (tensor.ndim < 2 or tensor.weight.shape[1] != 1):
            raise Refused
        weights.append(tensor.weight.squeeze(1) if has_classes else tensor.weight)
    return agreed(weights, weights[0].ndim)


def _lie_alike(func: Any, output: Tensor, target: Tensor) -> bool:
    """Whether the rows of the output are those of the target, as MixLoss takes them."""
    if func in _OF_CLASSES:
        return output.ndim >= 2 and output.shape[:1] == target.shape[:1]
    return output.shape == target.shape or (
        func in _OF_LABELS_IN_ROWS and output.shape[:1] == target.shape[:1]
    )


def _as_target(tensor: MixedTensor) -> MixedTarget:
    weight = tensor.weight
    if all(size == 1 for size in weight.shape[1:]):
        weight = weight.flatten()
    elif tensor.is_floating_point() and weight.shape[1] == 1 < tensor.shape[1]:
        weight = weight.squeeze(1).expand(len(tensor), *tensor.shape[2:])  # one for all classes
    else:
        weight = weight.expand(tensor.shape)
    return MixedTarget(plain(tensor), tensor.partner, weight.expand(len(tensor), *weight.shape[1:]))


def elementwise(call: Call) -> Any:
    own, partner = call.both()
    if not isinstance(own, Tensor):
        if has_tensors(own):  # as of torch.where with one argument
            raise Refused
        return own
    return call.result(own, partner, call.agreed(own.ndim))


def reshape(call: Call) -> Any:
    """Another shape for the same values in the same order."""
    if any(isinstance(value, torch.dtype) for value in call.args):
        raise Refused
    own, partner = call.both()
    return call.result(own, partner, reshaped(call.first.weight, call.first.shape, own.shape))


def permute(call: Call) -> Any:
    """Axes, or values along them, in another order."""
    if not call.is_alone or (call.name == "roll" and call.argument(2, "dims") is None):
        raise Refused
    own, partner = call.both()
    return call.result(own, partner, call.func(call.first.weight, *call.args[1:], **call.kwargs))


def expand(call: Call) -> Any:
    own, partner = call.both()
    return call.result(own, partner, aligned(call.first.weight, own.ndim))


def repeat(call: Call) -> Any:
    own, partner = call.both()
    weight = aligned(call.first.weight, own.ndim)
    for axis, size in enumerate(weight.shape):
        if size > 1 and own.shape[axis] != size:
            times = own.shape[axis] // size
            weight = weight.repeat([times if a == axis else 1 for a in range(own.ndim)])
    return call.result(own, partner, weight)


def parts(call: Call) -> Any:
    """Parts of a tensor, as views."""
    tensor = call.first
    if not call.is_alone or (call.name in ("select", "unbind") and not _keeps_rows(call)):
        raise Refused
    own, partner = call.both()
    weight = call.func(tensor.weight.expand(tensor.shape), *call.args[1:], **call.kwargs)
    if isinstance(own, Tensor):
        return call.result(own, partner, compact(weight))
    each = zip(own, partner, weight, strict=True)
    return tuple(call.result(own, partner, compact(share)) for own, partner, share in each)


def _keeps_rows(call: Call) -> bool:
    dim = call.argument(1, "dim", 0)
    return isinstance(dim, int) and dim % max(call.first.ndim, 1) != 0


def joined(call: Call) -> Any:
    """Several tensors as one; plain ones are the same for both, whatever their weight."""
    tensors = list(call.argument(0, "tensors"))
    own, partner = call.both()
    dim = call.argument(1, "dim", 0) % own.ndim
    if call.name == "stack":
        weights = [t.weight.unsqueeze(dim) for t in tensors if is_mixed(t)]
    else:
        weights = [t.weight for t in tensors if is_mixed(t)]
    if all(weight.shape[dim] == 1 for weight in weights):
        return call.result(own, partner, agreed(weights, own.ndim))
    parts = [
        t.weight if is_mixed(t) else weights[0].new_ones(()).expand([1] * own.ndim) for t in tensors
    ]
    others = [max(sizes) for sizes in zip(*(part.shape for part in parts), strict=True)]
    full = []
    for tensor, part in zip(tensors, parts, strict=True):
        others[dim] = tensor.shape[dim]
        full.append(part.expand(others))
    return call.result(own, partner, torch.cat(full, dim))


def item(call: Call) -> Any:
    """Indexing: rows and parts of targets, or what a table has at the places that they name."""
    table, index = call.args
    places = index if isinstance(index, tuple) else (index,)
    if is_mixed(table):
        return _rows(call, table, places)
    while places and _is_everything(places[-1]):  # table[y, :]
        places = places[:-1]
    if not places or not all(isinstance(place, Tensor) for place in places):
        raise Refused
    if any(place.dtype in (torch.bool, torch.uint8) for place in places):
        raise Refused
    own, partner = call.both()
    ndim = max(place.ndim for place in places)
    return call.result(own, partner, extended(call.agreed(ndim), own.ndim))


def _rows(call: Call, tensor: MixedTensor, places: tuple[Any, ...]) -> Any:
    if places[0] is Ellipsis and len(places) > tensor.ndim:
        places = places[1:]
    if len(call.found) > 1 or _is_one(places[0]) or any(map(_is_listed, places[1:])):
        raise Refused
    own, partner = call.both()
    if not _is_listed(places[0]):
        weight = compact(tensor.weight.expand(tensor.shape)[call.args[1]])
    elif own.ndim == tensor.ndim and len(places) == 1:
        is_one = tensor.weight.shape[0] == 1
        weight = tensor.weight if is_one else tensor.weight[places[0]]
    elif own.ndim == 1:  # chosen from all places
        weight = tensor.weight.expand(tensor.shape)[call.args[1]]
    else:
        raise Refused
    return call.result(own, partner, weight)


def _is_one(place: Any) -> bool:
    """Whether it is the number of a sample; a loss of each may not be the loss of all."""
    return not place.ndim if isinstance(place, Tensor) else hasattr(place, "__index__")


def _is_listed(place: Any) -> bool:
    return isinstance(place, (Tensor, list))


def _is_everything(place: Any) -> bool:
    return place is Ellipsis or (isinstance(place, slice) and place == slice(None))


def widened(call: Call) -> Any:
    """One-hot rows and embeddings: another axis for each value."""
    classes = call.argument(1, "num_classes", -1)
    if call.name == "one_hot" and (not isinstance(classes, int) or classes < 0):
        raise Refused  # of each target it would make as many as its highest label
    if not call.is_alone:
        raise Refused
    own, partner = call.both()
    return call.result(own, partner, call.first.weight.unsqueeze(-1))


def gathered(call: Call) -> Any:
    """What stands at the places along an axis that the targets name."""
    own, partner = call.both()
    return call.result(own, partner, call.agreed(own.ndim))


def selected(call: Call) -> Any:
    if is_mixed(call.first) or call.argument(1, "dim") != 0:
        raise Refused
    own, partner = call.both()
    return call.result(own, partner, extended(call.found[0].weight, own.ndim))


def scattered(call: Call) -> Any:
    """Values written along an axis at the places that the targets name, the same for all."""
    own, partner = call.both()
    if is_mixed(call.first):
        return call.result(own, partner, call.agreed(own.ndim))
    return call.result(own, partner, weight_of_scattered(call))


def weight_of_scattered(call: Call) -> Tensor:
    dim, index = call.argument(1, "dim"), call.argument(2, "index")
    value = call.argument(3, "value", call.kwargs.get("src"))
    if not is_mixed(index) or isinstance(value, Tensor) or index.weight.shape[dim] != 1:
        raise Refused
    return index.weight


def along(call: Call) -> Any:
    """What works along axes where both targets are of one sample."""
    tensor = call.first
    axes = _axes(call)
    if not call.is_alone or len(axes) == tensor.ndim or not _are_within(tensor, axes):
        raise Refused
    own, partner = call.both()
    weight = tensor.weight
    if own.ndim < tensor.ndim:
        for axis in sorted(axes, reverse=True):
            weight = weight.squeeze(axis)
    return call.result(own, partner, weight)


def _axes(call: Call) -> list[int]:
    if call.name == "normalize":
        dims = call.argument(2, "dim", 1)
    else:
        dims = call.argument(2 if call.name == "norm" else 1, "dim")
    if dims is None:
        return list(range(call.first.ndim))
    dims = (dims,) if isinstance(dims, int) else dims
    if not all(isinstance(axis, int) for axis in dims):
        raise Refused
    return sorted({axis % max(call.first.ndim, 1) for axis in dims})


def _are_within(tensor: MixedTensor, axes: list[int]) -> bool:
    return all(tensor.weight.shape[axis] == 1 for axis in axes)


def total(call: Call) -> Any:
    """A sum or mean, over the samples or within each."""
    tensor = call.first
    if not call.is_alone:
        raise Refused
    dtype = call.kwargs.get("dtype")
    if dtype is not None and not (dtype.is_floating_point or dtype.is_complex):
        raise Refused
    axes = _axes(call)
    if len(axes) < tensor.ndim:
        if 0 not in axes:  # where it was lost sight of, as by flattening, that they are one
            tensor.weight = settled(tensor.weight, axes)
        if _are_within(tensor, axes):
            return along(call)
    own, partner = plain(tensor), tensor.partner
    if own.requires_grad != partner.requires_grad:
        raise Refused  # a function of somebody's, which has told the gradient of one alone
    if not (own.is_floating_point() or own.is_complex()):
        own, partner = own.to(tensor.weight.dtype), partner.to(tensor.weight.dtype)
    return call.func(shared(own, partner, tensor.weight), *call.args[1:], **call.kwargs)


def any_or_all(call: Call) -> Any:
    """Of all values at once: whether it is so for one target, or for both."""
    if len(call.args) > 1 or call.kwargs:
        return along(call)
    own, partner = call.both()
    return own | partner if call.name == "any" else own & partner


def extreme(call: Call) -> Any:
    """The highest or lowest of all labels, as it is asked for to check them."""
    if not call.is_alone or len(call.args) > 1 or call.kwargs or call.first.is_floating_point():
        raise Refused
    own, partner = call.both()
    return torch.maximum(own, partner) if call.name == "max" else torch.minimum(own, partner)


def derived(call: Call) -> Any:
    """The gradient of one loss, or several, that were not reduced."""
    losses = list(mixed_among(call.first))
    if len(losses) < len(call.found):
        raise Refused
    call.found[0].origin.is_learnt = True
    first = each_mixed(call.first, lambda loss: shared(plain(loss), loss.partner, loss.weight))
    return call.func(first, *call.args[1:], **call.kwargs)
