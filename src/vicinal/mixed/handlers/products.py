"""Handlers of products of matrices."""

from typing import Any

import torch
from torch import Tensor

from vicinal.known_losses import weighted_sum
from vicinal.mixed.call import Call
from vicinal.mixed.tensor import MixedTensor, as_plain, map_mixed
from vicinal.mixed.weights import Unsupported, common_weight


def product(call: Call) -> Any:
    """``matmul`` and its kin, and ``linear``, with plain matrices or within each sample."""
    if call.name == "__rmatmul__":
        call = Call(torch.matmul, "matmul", call.args[::-1], call.kwargs, call.mixed)
    first, second = call.args[:2]
    if not (isinstance(first, Tensor) and isinstance(second, Tensor)) or len(call.args) > 3:
        raise Unsupported
    is_linear = call.name == "linear"
    others = [*call.args[2:], *call.kwargs.values()]
    if any(isinstance(value, MixedTensor) for value in others) or (others and not is_linear):
        raise Unsupported
    letters = "".join(chr(ord("a") + i) for i in range(max(first.ndim, second.ndim) + 2))
    inner, rows, columns = letters[0], letters[1], letters[2]
    batch = letters[3:]
    left = inner if first.ndim == 1 else rows + inner
    right = inner if second.ndim == 1 else (columns + inner if is_linear else inner + columns)
    left = _lead(batch, first.ndim - len(left)) + left
    right = _lead(batch, second.ndim - len(right)) + right
    lead = _lead(batch, max(first.ndim, second.ndim) - 2)
    out = lead + (rows if first.ndim > 1 else "") + (columns if second.ndim > 1 else "")
    return _of_letters(call, call.args, [left, right], out)


def _lead(batch: str, count: int) -> str:
    """Letters of the first ``count`` axes, aligned to the right as broadcasting does."""
    return batch[-count:] if count > 0 else ""


def einsum(call: Call) -> Any:
    """Sums of products whose letters are written out."""
    equation, *operands = call.args
    if len(operands) == 1 and isinstance(operands[0], tuple | list):
        operands = list(operands[0])
    if not isinstance(equation, str) or "..." in equation or "->" not in equation:
        raise Unsupported
    left, out = equation.replace(" ", "").split("->")
    return _of_letters(call, operands, left.split(","), out)


def _of_letters(call: Call, operands: Any, letters: list[str], out: str) -> Any:
    """Products of operands whose axes have these letters, summed over those that ``out`` lacks."""
    weights, is_total = [], len(call.mixed) == 1
    for operand, names in zip(operands, letters, strict=False):
        if not isinstance(operand, MixedTensor):
            continue
        if len(set(names)) < len(names) or len(names) != operand.ndim:
            raise Unsupported
        sizes = dict(zip(names, operand.weight.shape, strict=True))
        varied = {name for name, size in sizes.items() if size != 1}
        # Also of a single sample, whose number would otherwise be that of its own target.
        is_total = is_total and (bool(varied) or not out) and not varied & set(out)
        if varied - set(out) and not is_total:
            raise Unsupported
        kept = [name for name in out if name in sizes]
        order = [*(names.index(name) for name in kept)]
        rest = [axis for axis in range(len(names)) if axis not in order]
        weight = operand.weight.permute(*order, *rest)
        if not is_total:
            weights.append(weight.reshape([sizes.get(name, 1) for name in out]))
    if is_total:
        return _over_samples(call)
    if not out:
        raise Unsupported
    own, partner = call.on_both()
    return call.mixed_result(own, partner, common_weight(weights, len(out)))


def _over_samples(call: Call) -> Any:
    """A sum over samples of products with plain factors: both targets count by their weights."""
    (tensor,) = call.mixed
    own, partner = as_plain(tensor), tensor.partner
    if own.requires_grad != partner.requires_grad or not own.is_floating_point():
        raise Unsupported
    blended = weighted_sum(own, partner, tensor.weight)
    args, kwargs = map_mixed((call.args, call.kwargs), lambda _: blended)
    return call.func(*args, **kwargs)
