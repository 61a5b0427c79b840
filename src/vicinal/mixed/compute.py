"""From an operation of torch's on one target to the same on both.

What is not known to treat both alike is refused: a loss that is wrong in silence is the worst.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.compiler import disable
from torch.overrides import resolve_name

from vicinal.mixed import lifts, writing
from vicinal.mixed.call import Call, has_tensors
from vicinal.mixed.shares import Refused
from vicinal.mixed.tensor import is_mixed, mixed_among


@disable  # type: ignore[untyped-decorator]  # torch 2.6 compiles no such class
def compute(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What the function gives for both targets.

    Raises:
        ValueError: it cannot be computed for both, or targets of two mixes come together. Never a
            TypeError, of which Python's operators make an answer of their own.
    """
    if "input" in kwargs and func not in lifts.LOSSES:
        kwargs = dict(kwargs)
        args = (kwargs.pop("input"), *args)
    if "axis" in kwargs:
        kwargs = {"dim" if name == "axis" else name: value for name, value in kwargs.items()}
    call = Call(func, _name(func), args, kwargs, list(mixed_among((args, kwargs))))
    if len({id(tensor.origin) for tensor in call.found}) > 1:
        raise ValueError(f"{_spoken(func)} got targets of two mixes: compute a loss of each")
    try:
        result = _lifted(call)
    except Refused:
        raise ValueError(
            f"{_spoken(func)} cannot be computed from mixed targets: let the loss be made of "
            "torch's losses, or of operations on each sample, or mix in the loop with MixLoss"
        ) from None
    if isinstance(result, Tensor) and result.requires_grad and not is_mixed(result):
        call.found[0].origin.is_learnt = True
    return result


def _lifted(call: Call) -> Any:
    if call.kwargs.get("out") is not None:
        raise Refused
    plain_name = _plain_name(call.name)
    if _writes(call.name):
        if plain_name not in _WRITTEN:
            raise Refused
        return _WRITTEN[plain_name](call)
    if plain_name in _TEMPLATES and not is_mixed(call.first):
        return call.own()
    lift = _LIFTS.get(call.func if call.func in _LIFTS else plain_name)
    if lift is not None:
        return lift(call)
    if plain_name in ("iter", "reversed", "set"):
        raise Refused  # samples one by one, and attributes such as data that are written over
    result = call.own()
    if has_tensors(result) and plain_name not in _LOOKING:
        raise Refused
    return result


def _name(func: Any) -> str:
    """Its name; of an attribute such as ``Tensor.T``, that of the attribute."""
    name = getattr(func, "__name__", "")
    return getattr(func.__self__, "__name__", "") if name == "__get__" else name


def _plain_name(name: str) -> str:
    """``add`` for ``add_``, ``__add__``, ``__radd__`` and ``__iadd__``."""
    if name.startswith("__"):
        name = name.strip("_")
        return name if name not in _REFLECTED else name[1:]
    return name.removesuffix("_")


def _writes(name: str) -> bool:
    return (name.endswith("_") and not name.endswith("__")) or name in _WRITING


def _spoken(func: Any) -> str:
    return resolve_name(func) or _name(func)


def _words(text: str) -> list[str]:
    return text.split()


_OPERATORS = _words("add sub mul truediv floordiv pow mod div and or xor lshift rshift")
_REFLECTED = {prefix + name for prefix in "ri" for name in _OPERATORS}
_WRITING = {"__setitem__"} | {f"__i{name}__" for name in _OPERATORS}

_ELEMENTWISE = _words("""
    abs absolute add sub subtract rsub mul multiply div divide true_divide truediv floor_divide
    floordiv pow float_power neg negative positive exp exp2 expm1 log log2 log10 log1p sqrt rsqrt
    square reciprocal sigmoid logit logsigmoid tanh sin cos erf relu relu6 elu leaky_relu softplus
    gelu silu hardtanh sign round floor ceil trunc frac clamp clip clamp_min clamp_max
    minimum maximum fmin fmax addcmul addcdiv
    eq ne lt le gt ge not_equal less less_equal greater greater_equal isclose
    logical_and logical_or logical_not logical_xor
    bitwise_and bitwise_or bitwise_not bitwise_xor and or xor invert
    where lerp masked_fill remainder fmod mod xlogy nan_to_num isnan isinf isfinite atan2 hypot
    float double half bfloat16 long int short char byte bool type type_as to cpu cuda pin_memory
    clone detach contiguous data
""")
_WRITTEN_VALUES = _words("""
    add sub subtract mul multiply div divide true_divide truediv floor_divide floordiv pow neg abs
    exp log sqrt square sigmoid tanh relu sign round floor ceil trunc clamp clip clamp_min clamp_max
    eq ne lt le gt ge logical_and logical_or logical_not and or xor remainder mod nan_to_num
    copy fill zero
""")
# What tells of a tensor's kind, not of its values.
_LOOKING = _words("""
    zeros_like ones_like full_like empty_like rand_like randn_like randint_like
    new_zeros new_ones new_full new_empty new_tensor _base grad
""")
# Of whose second argument only the shape, type or device counts.
_TEMPLATES = ("view_as", "reshape_as", "expand_as", "to", "type_as")
_LIFTS: dict[Any, Callable[[Call], Any]] = {
    **dict.fromkeys(lifts.LOSSES, lifts.loss),
    **dict.fromkeys(_ELEMENTWISE, lifts.elementwise),
    **dict.fromkeys(
        _words("view reshape view_as reshape_as flatten ravel unflatten squeeze unsqueeze"),
        lifts.reshape,
    ),
    **dict.fromkeys(
        _words("transpose swapaxes swapdims permute movedim moveaxis t T mT adjoint flip roll"),
        lifts.permute,
    ),
    **dict.fromkeys(("expand", "expand_as", "broadcast_to"), lifts.expand),
    "repeat": lifts.repeat,
    **dict.fromkeys(_words("unbind split chunk tensor_split narrow select"), lifts.parts),
    **dict.fromkeys(("cat", "concat", "concatenate", "stack"), lifts.joined),
    "getitem": lifts.item,
    **dict.fromkeys(("one_hot", "embedding"), lifts.widened),
    **dict.fromkeys(("gather", "take_along_dim"), lifts.gathered),
    "index_select": lifts.selected,
    "scatter": lifts.scattered,
    **dict.fromkeys(
        _words("softmax log_softmax logsumexp argmax argmin amax amin prod norm normalize cumsum"),
        lifts.along,
    ),
    **dict.fromkeys(("sum", "mean"), lifts.total),
    **dict.fromkeys(("any", "all"), lifts.any_or_all),
    **dict.fromkeys(("max", "min"), lifts.extreme),
    "backward": lifts.derived,
    torch.autograd.grad: lifts.derived,
}
_WRITTEN: dict[str, Callable[[Call], Any]] = {
    **dict.fromkeys(_WRITTEN_VALUES, writing.write_values),
    **dict.fromkeys(("setitem", "scatter", "masked_fill"), writing.write_places),
}
