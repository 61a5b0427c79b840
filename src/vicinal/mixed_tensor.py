"""Mixed targets as tensors, for losses and metrics that nobody rewrites."""

import copy
import functools
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.compiler import disable
from torch.overrides import resolve_name
from torch.utils import _pytree as pytree

from vicinal.losses import MixLoss, shared
from vicinal.mixing.batch import map_leaves
from vicinal.mixing.target import MixedTarget, over_rows


class MixedTensor(Tensor):
    """A tensor of targets that stands for two: each sample's own, and its partner's.

    To code that knows nothing of mixing it is the tensor of the samples' own targets. But what is
    computed from it is computed for both, and where samples are summed up or averaged, each
    counts by its weight. So any loss that is made of torch's losses, or of operations on each
    sample, is the exact loss of :class:`vicinal.MixLoss`, in code that stays as it is; the share of
    right answers, ``(output.argmax(1) == y).float().mean()``, counts each label by its weight.

    Operations that only look at the labels, such as ``torch.unique`` or ``y.tolist()``, give what
    they give for the samples' own.

    Made by :func:`as_tensors`. Where it is used, ``torch.compile`` breaks the graph; for a whole
    step in one graph take :class:`vicinal.MixLoss`.

    Raises:
        TypeError: an operation of which the gradient is wanted cannot be computed for both, or what
            is written into is a part of a plain tensor.
        ValueError: targets of two mixes come together in one operation.

    Attributes:
        partner: the partners' values, of the tensor's shape and dtype.
        weight: the share of the samples' own, of the same shape.

    >>> target = MixedTarget(torch.tensor([0, 1]), torch.tensor([1, 0]), torch.tensor([0.7, 1.0]))
    >>> y = as_tensors(target)
    >>> y.tolist()
    [0, 1]
    >>> output = torch.tensor([[2.0, 0.0], [0.0, 1.0]])
    >>> F.cross_entropy(output, y)
    tensor(0.5201)
    >>> (output.argmax(1) == y).float().mean()  # (0.7 + 1) / 2
    tensor(0.8500)
    >>> -(output.log_softmax(1) * F.one_hot(y, 2)).sum(1).mean()
    tensor(0.5201)
    """

    partner: Tensor
    weight: Tensor
    origin: "Origin"

    @classmethod
    def __torch_function__(
        cls, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        with torch._C.DisableTorchFunctionSubclass():
            return _compute(func, args, kwargs)

    def as_subclass(self, cls: type) -> "MixedTensor":  # type: ignore[override]
        """Itself: a tensor of another class, which libraries would make of it, stands for one."""
        return self

    def __reduce_ex__(self, protocol: Any) -> Any:
        return _mixed, (_plain(self), self.partner, self.weight, self.origin)

    def __deepcopy__(self, memo: Any) -> "MixedTensor":
        make, parts = self.__reduce_ex__(None)
        return make(*copy.deepcopy(parts, memo))

    def __repr__(self) -> str:  # type: ignore[override]
        return f"MixedTensor(own={_plain(self)}, partner={self.partner}, weight={self.weight})"


class Origin:
    """The mix that tensors come from; values of different mixes do not go together.

    Attributes:
        is_learnt: whether both targets came to a number of which a gradient can be taken.
    """

    is_learnt = False


def as_tensors(target: Any) -> Any:
    """The targets that a mixer gave, each :class:`MixedTarget` among them as one tensor.

    Args:
        target: a :class:`MixedTarget`, or a nested batch of them; all of one mix.
    """
    origin = Origin()

    def as_tensor(_: Any, leaf: Any) -> Any:
        if not isinstance(leaf, MixedTarget):
            return leaf
        weight = over_rows(leaf.weight, leaf.own).expand(leaf.own.shape)
        return _mixed(leaf.own, leaf.partner, weight, origin)

    return map_leaves(as_tensor, target)


def is_learnt(target: Any) -> bool:
    """Whether a loss was computed from these targets, of both samples.

    Of targets that are mixed themselves, such as masks where boxes are pasted, any loss is.

    >>> y = as_tensors(MixedTarget(torch.tensor([0]), torch.tensor([1]), torch.tensor([0.7])))
    >>> loss = F.cross_entropy(torch.zeros(1, 2, requires_grad=True), y)
    >>> is_learnt(y)
    True
    """
    origins = [tensor.origin for tensor in _mixed_among((target,))]
    return not origins or any(origin.is_learnt for origin in origins)


def own_targets(target: Any) -> Any:
    """The same targets without their partners."""
    return _each(target, _plain)


def _mixed(own: Tensor, partner: Tensor, weight: Tensor, origin: Origin) -> MixedTensor:
    if weight.device != own.device:
        weight = weight.to(own.device, non_blocking=True)
    mixed = torch._C.TensorBase.as_subclass(own, MixedTensor)
    mixed.partner, mixed.weight, mixed.origin = _plain(partner), weight, origin
    return mixed


def _plain(tensor: Tensor) -> Tensor:
    # Not the method, which fastai replaces by one that hands on all attributes.
    with torch._C.DisableTorchFunctionSubclass():
        return torch._C.TensorBase.as_subclass(tensor, Tensor)


@disable  # type: ignore[untyped-decorator]  # torch 2.6 compiles no such class
def _compute(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    name = _name(func)
    found = list(_mixed_among((args, kwargs)))
    if len({id(tensor.origin) for tensor in found}) > 1:
        # Of a TypeError, operators would say that they do not support such operands.
        raise ValueError(f"{_spoken(func)} got targets of two mixes: compute a loss of each")
    lift = _LIFTS.get(func if func in _LIFTS else _plain_name(name))
    if lift is not None and _writes(name):
        return _written(func, args, kwargs, found, lift)
    lifted = None if lift is None else lift(func, args, kwargs, found)
    if lifted is None:
        return _of_own(func, args, kwargs)
    if isinstance(lifted, Tensor) and lifted.requires_grad and type(lifted) is not MixedTensor:
        found[0].origin.is_learnt = True
    return lifted


def _of_own(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What the function gives for the samples' own targets; nothing may be learnt from that."""
    result = func(*own_targets(args), **own_targets(kwargs))
    tensors = (leaf for leaf in pytree.tree_leaves(result) if isinstance(leaf, Tensor))
    if any(tensor.requires_grad for tensor in tensors):
        raise TypeError(
            f"{_spoken(func)} cannot be computed from mixed targets: let the loss be made of "
            "torch's losses, or of operations on each sample, or mix in the loop with MixLoss"
        )
    return result


# -- What is computed for both: a function of (func, args, kwargs, the mixed tensors among them)
# -- that gives the result, or None where it does not go.


def _loss(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], found: Any) -> Any:
    """One of torch's losses of (output, target)."""
    given = _LOSSES[func].bind(*args, **kwargs).arguments
    settings = {k: v for k, v in given.items() if k not in _DEPRECATED or v is not None}
    if _DEPRECATED & settings.keys():
        return None
    reduction = settings.get("reduction", "mean")
    if reduction != "none" and isinstance(given["target"], MixedTensor) and len(found) == 1:
        output, target = _plain(settings.pop("input")), settings.pop("target")
        return MixLoss(functools.partial(func, **settings))(output, _as_target(target))
    if reduction != "none" and (func in _COUNTING or reduction not in ("mean", "sum")):
        return None
    losses = _elementwise(func, (), {**settings, "reduction": "none"}, found)
    if reduction == "none" or losses is None:
        return losses
    return _total(getattr(Tensor, reduction), (losses,), {}, [losses])


def _as_target(tensor: MixedTensor) -> MixedTarget:
    weight = tensor.weight
    constant = [axis for axis in range(1, weight.ndim) if _is_constant(weight, axis)]
    if len(constant) == weight.ndim - 1:
        for axis in reversed(constant):
            weight = weight.select(axis, 0)
    return MixedTarget(_plain(tensor), tensor.partner, weight)


def _written(
    func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], found: Any, lift: Callable[..., Any]
) -> Any:
    """What is written over; a plain tensor becomes a mixed one by it."""
    first, *others = args
    if not isinstance(first, MixedTensor):
        if first._is_view() or type(first) is not Tensor:
            raise TypeError(
                f"{_spoken(func)} would write mixed targets into a part of a tensor: write into a "
                "tensor of its own, or take what gives a new one"
            )
        start = _mixed(first, first.clone(), _ones(first, found[0]), found[0].origin)
    else:
        start = first
    if _name(func) == "__setitem__":
        written = _with_items(func, start, *others)
    else:
        written = lift(func, (start, *others), kwargs, found)
    if written is None:
        raise TypeError(
            f"{_spoken(func)} cannot write such mixed targets: let it give a new tensor"
        )
    first.__class__ = MixedTensor
    first.partner, first.weight, first.origin = written.partner, written.weight, written.origin
    return first


def _with_items(func: Any, tensor: MixedTensor, index: Any, value: Any) -> MixedTensor | None:
    """The tensor after ``tensor[index] = value``; None where it is not known which weights hold."""
    weight = tensor.weight
    places = list(_mixed_among((index,)))
    if isinstance(value, MixedTensor) and not places:
        weight = weight.clone()
        weight[index] = value.weight.expand(weight[index].shape)
    elif places and not isinstance(value, MixedTensor):
        shares = places[0].weight
        if isinstance(index, tuple):  # places in rows that are told, such as by arange
            if not isinstance(index[0], Tensor) or isinstance(index[0], MixedTensor):
                return None
            shares = weight.new_ones(len(tensor)).index_put((index[0],), shares)
        elif index.dtype != torch.bool:
            return None
        weight = shares[(..., *[None] * (tensor.ndim - shares.ndim))].expand(tensor.shape)
    elif places:
        return None
    _both(func, (tensor, index, value), {})
    return _mixed(_plain(tensor), tensor.partner, weight, tensor.origin)


def _elementwise(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], found: Any) -> Any:
    own, partner = _both(func, args, kwargs)
    if not isinstance(own, Tensor):
        return own
    try:
        weight = torch.broadcast_tensors(*(tensor.weight for tensor in found))[0]
        weight = weight.expand(own.shape)
    except RuntimeError:
        return None
    return _mixed(own, partner, weight, found[0].origin)


def _reshaping(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], found: Any) -> Any:
    """What moves values to other places: the weights move along."""
    moved = args[0]
    tensors = moved if isinstance(moved, (list, tuple)) else [moved]
    if len(found) != sum(isinstance(tensor, MixedTensor) for tensor in tensors):
        return None  # the places depend on the targets
    own, partner = _both(func, args, kwargs)
    weights = [t.weight if isinstance(t, MixedTensor) else _ones(t, found[0]) for t in tensors]
    places = weights if isinstance(moved, (list, tuple)) else weights[0]
    try:
        weight = func(places, *args[1:], **kwargs)
    except RuntimeError:  # a view of weights that are one for many values
        weight = func(weights[0].contiguous(), *args[1:], **kwargs)
    if isinstance(own, Tensor):
        return _mixed(own, partner, weight, found[0].origin)
    each = zip(own, partner, weight, strict=True)
    return tuple(_mixed(*parts, found[0].origin) for parts in each)


def _ones(tensor: Tensor, like: MixedTensor) -> Tensor:
    return torch.ones((), dtype=like.weight.dtype, device=like.device).expand(tensor.shape)


def _lookup(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], found: Any) -> Any:
    """What reads a table at the places that the targets name."""
    name, places = _name(func), found[0].weight
    if name not in ("one_hot", "embedding") and args[0] is found[0]:
        return _reshaping(func, args, kwargs, found)
    if name == "__getitem__":
        index = args[1] if isinstance(args[1], tuple) else (args[1],)
        if not all(isinstance(i, Tensor) for i in index):
            return None
        if any(i.dtype in (torch.bool, torch.uint8) for i in index):
            return None
        places = places.expand(torch.broadcast_shapes(*(i.shape for i in index)))
    own, partner = _both(func, args, kwargs)
    if own.shape[: places.ndim] == places.shape:
        places = places[(..., *[None] * (own.ndim - places.ndim))]
    try:
        return _mixed(own, partner, places.expand(own.shape), found[0].origin)
    except RuntimeError:
        return None


def _along(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], found: Any) -> Any:
    """What works along some axes, where both targets are of one sample."""
    tensor = args[0]
    if not isinstance(tensor, MixedTensor):
        return None
    dims = kwargs.get("dim", args[1] if len(args) > 1 else None)
    axes = range(tensor.ndim) if dims is None else (dims,) if isinstance(dims, int) else dims
    if not all(isinstance(axis, int) for axis in axes):
        return None
    axes = sorted({axis % max(tensor.ndim, 1) for axis in axes}, reverse=True)
    weight = tensor.weight
    if not all(_is_constant(weight, axis) for axis in axes) or len(axes) == tensor.ndim:
        return None
    own, partner = _both(func, args, kwargs)
    if own.shape != tensor.shape:
        for axis in axes:
            weight = weight.select(axis, 0)
            weight = weight.unsqueeze(axis) if own.ndim == tensor.ndim else weight
    return _mixed(own, partner, weight, found[0].origin)


def _total(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], found: Any) -> Any:
    """A sum or mean, over the samples or within each."""
    within = _along(func, args, kwargs, found)
    if within is not None or not isinstance(args[0], MixedTensor):
        return within
    tensor = args[0]
    own, partner = _plain(tensor), tensor.partner
    if not (own.is_floating_point() or own.is_complex()):
        own, partner = own.to(tensor.weight.dtype), partner.to(tensor.weight.dtype)
    return func(shared(own, partner, tensor.weight), *args[1:], **kwargs)


def _is_constant(weight: Tensor, axis: int) -> bool:
    """Whether the weights are the same along an axis, as the way in which they lie tells."""
    return weight.stride(axis) == 0 or weight.shape[axis] == 1


def _both(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any]:
    own = func(*own_targets(args), **own_targets(kwargs))

    def partner_of(tensor: MixedTensor) -> Tensor:
        return tensor.partner

    return own, func(*_each(args, partner_of), **_each(kwargs, partner_of))


# -- Finding them


def _each(tree: Any, function: Callable[[MixedTensor], Any]) -> Any:
    """The arguments, each mixed tensor among them replaced, and others as plain ones."""

    def replaced(leaf: Any) -> Any:
        if isinstance(leaf, MixedTensor):
            return function(leaf)
        return leaf

    return pytree.tree_map(replaced, tree)


def _mixed_among(tree: Any) -> Iterator[MixedTensor]:
    return (leaf for leaf in pytree.tree_leaves(tree) if isinstance(leaf, MixedTensor))


def _name(func: Any) -> str:
    """Its name; of an attribute such as ``Tensor.T``, that of the attribute."""
    name = getattr(func, "__name__", "")
    return getattr(func.__self__, "__name__", "") if name == "__get__" else name


def _writes(name: str) -> bool:
    return (name.endswith("_") and not name.endswith("__")) or name in _WRITING


def _plain_name(name: str) -> str:
    """``add`` for ``add_``, ``__add__``, ``__radd__`` and ``__iadd__``."""
    if name.startswith("__"):
        name = name.strip("_")
        return name if name not in _REFLECTED else name[1:]
    return name.removesuffix("_")


def _spoken(func: Any) -> str:
    return resolve_name(func) or _name(func)


_REFLECTED = {
    prefix + name
    for prefix in "ri"
    for name in (
        *("add", "sub", "mul", "truediv", "floordiv", "pow", "mod", "div"),
        *("and", "or", "xor", "lshift", "rshift"),
    )
}
_WRITING = {"__setitem__"} | {f"__{name}__" for name in _REFLECTED if name.startswith("i")}

_ELEMENTWISE = """
    abs absolute add sub subtract mul multiply div divide true_divide truediv floor_divide floordiv
    pow float_power neg negative positive exp exp2 expm1 log log2 log10 log1p sqrt rsqrt square
    reciprocal sigmoid logit logsigmoid tanh sin cos relu softplus gelu silu hardtanh threshold
    sign round floor ceil trunc frac clamp clip clamp_min clamp_max minimum maximum fmin fmax
    eq ne lt le gt ge equal_ not_equal less less_equal greater greater_equal isclose
    logical_and logical_or logical_not logical_xor
    bitwise_and bitwise_or bitwise_not bitwise_xor and or xor invert
    where lerp masked_fill remainder fmod mod xlogy nan_to_num isnan isinf isfinite atan2 hypot
    float double half bfloat16 long int short char byte bool type type_as to cpu cuda pin_memory
    clone detach contiguous data setitem
"""
_RESHAPING = """
    view reshape view_as reshape_as flatten ravel unflatten squeeze unsqueeze
    transpose swapaxes swapdims permute movedim moveaxis t T mT adjoint
    expand expand_as broadcast_to repeat repeat_interleave tile
    unbind split chunk tensor_split narrow select masked_select
    roll flip cat concat concatenate stack
"""
_LOOKUP = "getitem one_hot embedding gather scatter take_along_dim index_select"
_ALONG = "softmax log_softmax logsumexp argmax argmin amax amin prod norm normalize cumsum any all"
_LOSSES_OF_TORCH = """
    cross_entropy nll_loss binary_cross_entropy binary_cross_entropy_with_logits
    mse_loss l1_loss smooth_l1_loss huber_loss kl_div poisson_nll_loss
    soft_margin_loss multilabel_soft_margin_loss multi_margin_loss multilabel_margin_loss
    hinge_embedding_loss
"""
_DEPRECATED = {"size_average", "reduce"}  # they override the reduction
# Their mean is over the labels that count, each by the weight of its class.
_COUNTING = (F.cross_entropy, F.nll_loss)
_LOSSES = {
    getattr(F, name): inspect.signature(getattr(F, name)) for name in _LOSSES_OF_TORCH.split()
}
_LIFTS: dict[Any, Callable[..., Any]] = {
    **dict.fromkeys(_ELEMENTWISE.split(), _elementwise),
    **dict.fromkeys(_RESHAPING.split(), _reshaping),
    **dict.fromkeys(_LOOKUP.split(), _lookup),
    **dict.fromkeys(_ALONG.split(), _along),
    **dict.fromkeys(("sum", "mean"), _total),
    **dict.fromkeys(_LOSSES, _loss),
}
