"""Handlers of indexing: of targets, and by targets."""

from typing import Any

import torch
from torch import Tensor

from vicinal.mixed.call import Call
from vicinal.mixed.tensor import MixedTensor, is_mixed, mixed_leaves
from vicinal.mixed.weights import Unsupported, add_trailing_axes, collapse_expanded


def getitem(call: Call) -> Any:
    """Indexing: of targets, by plain indices; or of a plain table, by targets."""
    table, index = call.args
    indices = index if isinstance(index, tuple) else (index,)
    if is_mixed(table):
        return _index_targets(call, table, indices)
    while indices and _is_full_slice(indices[-1]):  # table[y, :]
        indices = indices[:-1]
    indices = tuple(torch.tensor(i) if _is_list_of_numbers(i) else i for i in indices)
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
    is_array = isinstance(index, Tensor) or type(index).__module__ == "numpy"
    return not index.ndim if is_array else hasattr(index, "__index__")


def _is_list(index: Any) -> bool:
    return isinstance(index, (Tensor, list)) or _is_list_of_numbers(index)


def _is_list_of_numbers(index: Any) -> bool:
    # An array of NumPy's, which need not be installed.
    return isinstance(index, range | list) or type(index).__module__ == "numpy"


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
    """``gather`` and ``take_along_dim``: of targets, or at the indices that the targets are."""
    tensor = call.first
    own, partner = call.on_both()
    if not is_mixed(tensor):
        return call.mixed_result(own, partner, call.common_weight(own.ndim))
    dim = call.argument(*((1, "dim") if call.name == "gather" else (2, "dim", None)))
    if dim is None:  # of all values
        if tensor.ndim > 1:
            raise Unsupported
        dim = 0
    if tensor.weight.shape[dim] == 1:
        return call.mixed_result(own, partner, call.common_weight(own.ndim))
    if not call.only_first_is_mixed:
        raise Unsupported
    weights = tensor.weight.expand(tensor.shape)  # they move with the samples
    return call.mixed_result(own, partner, call.func(weights, *call.args[1:], **call.kwargs))


def index_select(call: Call) -> Any:
    tensor, dim = call.first, call.argument(1, "dim")
    own, partner = call.on_both()
    if not is_mixed(tensor):
        if dim != 0:
            raise Unsupported
        weight = add_trailing_axes(call.mixed[0].weight, own.ndim)
    elif call.only_first_is_mixed:
        weight = tensor.weight
        if weight.shape[dim] > 1:  # they move with the samples
            weight = call.func(weight, *call.args[1:], **call.kwargs)
    else:
        raise Unsupported
    return call.mixed_result(own, partner, weight)


def scatter(call: Call) -> Any:
    """One value, written along an axis at the indices that the targets are."""
    own, partner = call.on_both()
    if not is_mixed(call.first):
        return call.mixed_result(own, partner, weight_of_scattered(call))
    dim = call.argument(1, "dim")
    # What is written at other samples would keep the weight of the samples that it comes from.
    others = mixed_leaves((call.args[1:], call.kwargs))
    if any(tensor.weight.shape[dim] > 1 for tensor in others):
        raise Unsupported
    return call.mixed_result(own, partner, call.common_weight(own.ndim))


def weight_of_scattered(call: Call) -> Tensor:
    dim, index = call.argument(1, "dim"), call.argument(2, "index")
    value = call.argument(3, "value", call.kwargs.get("src"))
    if not is_mixed(index) or isinstance(value, Tensor) or index.weight.shape[dim] != 1:
        raise Unsupported
    return index.weight
