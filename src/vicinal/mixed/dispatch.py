"""Dispatch of torch functions on mixed tensors to their handlers.

A function that has no handler raises, unless its result holds no values of the targets: a loss
that is wrong in silence is the worst that could happen.
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import resolve_name

from vicinal.mixed.call import Call, has_tensors
from vicinal.mixed.handlers import (
    axes,
    elementwise,
    in_place,
    indexing,
    losses,
    products,
    questions,
    shapes,
    totals,
)
from vicinal.mixed.tensor import is_mixed, mixed_leaves
from vicinal.mixed.uncompiled import uncompiled
from vicinal.mixed.weights import Unsupported


class UnsupportedFunction(ValueError):
    """A function cannot be computed for both targets; the message names it."""


@uncompiled  # torch 2.6 compiles no such class
def dispatch(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The function's result for both targets.

    Raises:
        UnsupportedFunction: it cannot be computed for both.
        ValueError: its operands are targets of two mixes, or differ in shape. Never a TypeError:
            Python's operators would answer that by trying the reflected method.
    """
    # Handlers find their operands by position and "dim"; torch accepts these names for them, too.
    if "input" in kwargs and func not in losses.LOSSES:
        kwargs = dict(kwargs)
        args = (kwargs.pop("input"), *args)
    if "axis" in kwargs:
        kwargs = {"dim" if name == "axis" else name: value for name, value in kwargs.items()}
    call = Call(func, _name(func), args, kwargs, list(mixed_leaves((args, kwargs))))
    if len({id(tensor.origin) for tensor in call.mixed}) > 1:
        raise ValueError(
            f"{_qualified_name(func)} got targets of two mixes: compute a loss for each, and give "
            "what collects targets of several batches own_targets(y)"
        )
    try:
        result = _handle(call)
    except Unsupported:
        raise UnsupportedFunction(
            f"{_qualified_name(func)} cannot be computed from mixed targets: build the loss from "
            "torch's losses or from operations on each sample, or use MixLoss in the training "
            "loop; give a metric own_targets(y)"
        ) from None
    # A plain tensor with a gradient is a loss that has counted both targets by their weights.
    if isinstance(result, Tensor) and result.requires_grad and not is_mixed(result):
        call.mixed[0].origin.reached_loss = True
    return result


def _handle(call: Call) -> Any:
    if call.kwargs.get("out") is not None:
        raise Unsupported
    base_name = _base_name(call.name)
    if _is_in_place(call.name):
        if base_name not in _IN_PLACE_HANDLERS:
            raise Unsupported
        return _IN_PLACE_HANDLERS[base_name](call)
    if base_name in _USES_METADATA_OF_OTHER and not is_mixed(call.first):
        return call.on_own()
    handler = _HANDLERS.get(call.func if call.func in _HANDLERS else base_name)
    if handler is not None:
        return handler(call)
    # Iteration gives samples one by one, and "set" assigns to attributes such as data.
    if base_name in ("iter", "reversed", "set"):
        raise Unsupported
    result = call.on_own()
    if has_tensors(result) and base_name not in _METADATA_ONLY:
        raise Unsupported
    return result


def _name(func: Any) -> str:
    """The function's name; for the getter of an attribute such as ``Tensor.T``, "T"."""
    name = getattr(func, "__name__", "")
    return getattr(func.__self__, "__name__", "") if name == "__get__" else name


def _base_name(name: str) -> str:
    """``add`` for ``add_``, ``__add__``, ``__radd__`` and ``__iadd__``."""
    if name.startswith("__"):
        name = name.strip("_")
        return name if name not in _REFLECTED else name[1:]
    return name.removesuffix("_")


def _is_in_place(name: str) -> bool:
    return (name.endswith("_") and not name.endswith("__")) or name in _IN_PLACE_OPERATORS


def _qualified_name(func: Any) -> str:
    return resolve_name(func) or _name(func)


def _names(text: str) -> list[str]:
    return text.split()


_OPERATORS = _names("add sub mul truediv floordiv pow mod div and or xor lshift rshift")
_REFLECTED = {prefix + name for prefix in "ri" for name in _OPERATORS}
_IN_PLACE_OPERATORS = {"__setitem__"} | {f"__i{name}__" for name in _OPERATORS}

_ELEMENTWISE = _names("""
    abs absolute add sub subtract rsub mul multiply div divide true_divide truediv floor_divide
    floordiv pow float_power neg negative positive exp exp2 expm1 log log2 log10 log1p sqrt
    rsqrt square reciprocal sigmoid logit logsigmoid log_sigmoid tanh sin cos tan asin acos atan
    arcsin arccos arctan sinh cosh asinh acosh atanh arcsinh arccosh arctanh sinc erf erfc erfinv
    lgamma digamma i0 logaddexp logaddexp2 heaviside copysign special_xlogy special_xlog1py
    special_entr special_expit special_logit special_log1p special_expm1 special_gammaln
    polygamma special_polygamma special_digamma special_psi special_erf
    special_erfc special_log_ndtr special_ndtr
    relu relu6 elu leaky_relu selu celu mish softplus softsign gelu silu hardtanh hardsigmoid
    hardswish hardshrink softshrink tanhshrink threshold
    sign sgn round floor ceil trunc frac fix clamp clip clamp_min clamp_max
    minimum maximum fmin fmax addcmul addcdiv eq ne lt le gt ge not_equal less less_equal
    greater greater_equal isclose logical_and logical_or logical_not logical_xor bitwise_and
    bitwise_or bitwise_not bitwise_xor and or xor invert where lerp masked_fill remainder fmod
    mod xlogy nan_to_num isnan isinf isfinite atan2 hypot float double half bfloat16 long int
    short char byte bool type type_as to cpu cuda pin_memory clone detach contiguous data
""")
_ELEMENTWISE_IN_PLACE = _names("""
    add sub subtract mul multiply div divide true_divide truediv floor_divide floordiv pow neg
    abs exp log sqrt square sigmoid tanh relu sign round floor ceil trunc clamp clip clamp_min
    clamp_max eq ne lt le gt ge logical_and logical_or logical_not and or xor remainder mod
    nan_to_num copy fill zero
""")
# They read a tensor's shape, dtype or device, never its values.
_METADATA_ONLY = _names("""
    zeros_like ones_like full_like empty_like rand_like randn_like randint_like new_zeros
    new_ones new_full new_empty _base grad
""")
# They take shape, dtype or device from their second argument.
_USES_METADATA_OF_OTHER = ("view_as", "reshape_as", "expand_as", "to", "type_as")
_RESHAPES = _names("view reshape view_as reshape_as flatten ravel unflatten squeeze unsqueeze")
_PERMUTES = _names("transpose swapaxes swapdims permute movedim moveaxis t T mT adjoint flip roll")
_ALONG_AXES = _names("""
    softmax softmin log_softmax logsumexp argmax argmin amax amin prod normalize
    linalg_norm cumsum cumprod cummax cummin logcumsumexp std var
    diff sort argsort topk kthvalue median mode count_nonzero
""")
_OF_IMAGES = _names("""
    conv1d conv2d conv3d max_pool1d max_pool2d max_pool3d avg_pool1d avg_pool2d avg_pool3d
    adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d interpolate
""")
_SPLITS = ("unbind", "split", "chunk", "tensor_split", "narrow", "select")
_HANDLERS: dict[Any, Callable[[Call], Any]] = {
    **dict.fromkeys(losses.LOSSES, losses.loss),
    F.cosine_embedding_loss: losses.loss_of_rows,
    F.triplet_margin_loss: losses.loss_of_rows,
    F.triplet_margin_with_distance_loss: losses.loss_of_rows,
    F.margin_ranking_loss: losses.loss_of_rows,
    F.ctc_loss: losses.ctc_loss,
    getattr(F, "linear_cross_entropy", None): losses.linear_cross_entropy,
    **dict.fromkeys(_ELEMENTWISE, elementwise.elementwise),
    **dict.fromkeys(_RESHAPES, shapes.reshape),
    **dict.fromkeys(_PERMUTES, shapes.permute),
    **dict.fromkeys(("expand", "expand_as", "broadcast_to"), shapes.expand),
    "repeat": shapes.repeat,
    **dict.fromkeys(_SPLITS, shapes.split),
    **dict.fromkeys(("cat", "concat", "concatenate", "stack"), shapes.concatenate),
    "getitem": indexing.getitem,
    **dict.fromkeys(("one_hot", "embedding"), indexing.append_axis),
    **dict.fromkeys(("gather", "take_along_dim"), indexing.gather),
    "index_select": indexing.index_select,
    "scatter": indexing.scatter,
    **dict.fromkeys(_ALONG_AXES, axes.along_axes),
    **dict.fromkeys(("cosine_similarity", "pairwise_distance"), axes.between_rows),
    "pad": axes.pad,
    **dict.fromkeys(_OF_IMAGES, axes.of_images),
    "searchsorted": axes.along_last,
    **dict.fromkeys(("bucketize", "isin"), elementwise.of_first),
    "new_tensor": elementwise.new_tensor,
    "broadcast_tensors": elementwise.broadcast_tensors,
    **dict.fromkeys(("matmul", "rmatmul", "mm", "bmm", "mv", "dot", "linear"), products.product),
    "einsum": products.einsum,
    **dict.fromkeys(("sum", "mean"), totals.total),
    **dict.fromkeys(("nansum", "nanmean"), totals.total_of_valid),
    **dict.fromkeys(("any", "all", "_is_all_true"), totals.any_or_all),
    **dict.fromkeys(("max", "min"), totals.extreme),
    **dict.fromkeys(("norm", "linalg_vector_norm"), totals.norm),
    "aminmax": totals.extremes,
    **dict.fromkeys(("equal", "allclose"), questions.are_equal),
    "contains": questions.contains,
    **dict.fromkeys((Tensor.__bool__, torch.is_nonzero, Tensor.is_nonzero), questions.truth),
    "backward": totals.backward,
    torch.autograd.grad: totals.backward,
}
_IN_PLACE_HANDLERS: dict[str, Callable[[Call], Any]] = {
    **dict.fromkeys(_ELEMENTWISE_IN_PLACE, in_place.elementwise_in_place),
    **dict.fromkeys(("setitem", "scatter", "masked_fill"), in_place.write_at_targets),
}
