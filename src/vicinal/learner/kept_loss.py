"""Loss functions as JSON values and tensors, and back: those of torch and of this package."""

import inspect
import json
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules import loss as losses

from vicinal import criteria, cross_entropy, dice_loss
from vicinal.models import rescale
from vicinal.stored import Misfit, check_fields

OWN = (
    criteria.AsymmetricLoss,
    criteria.BCELossFlat,
    criteria.BCEWithLogitsLossFlat,
    criteria.FocalLoss,
    criteria.FocalLossFlat,
    criteria.L1LossFlat,
    criteria.MSELossFlat,
    criteria.OrdinalLoss,
    cross_entropy.CrossEntropyLossFlat,
    cross_entropy.LabelSmoothingCrossEntropy,
    dice_loss.DiceLoss,
    rescale.ScaledMSELoss,
)
KINDS: dict[str, Any] = {
    **{name: getattr(losses, name) for name in losses.__all__},
    **{kind.__name__: kind for kind in OWN},
}
FUNCTIONS: dict[str, Any] = {
    name: getattr(F, name)
    for name in (
        "binary_cross_entropy",
        "binary_cross_entropy_with_logits",
        "cross_entropy",
        "huber_loss",
        "l1_loss",
        "mse_loss",
        "nll_loss",
        "smooth_l1_loss",
    )
}
ATTRIBUTES = {"eps": "label_smoothing"}  # of arguments whose attributes have other names
DEPRECATED = ("size_average", "reduce")  # of torch's losses: in reduction


def loss_to_json(
    loss_func: Callable[..., Tensor],
) -> tuple[dict[str, Any], dict[str, Tensor]] | None:
    """A loss function as JSON values and tensors; None for one that cannot be described so.

    >>> loss_to_json(nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0]), label_smoothing=0.1))
    ({'name': 'CrossEntropyLoss', 'settings': {'ignore_index': -100, 'reduction': 'mean', \
'label_smoothing': 0.1}}, {'weight': tensor([1., 2.])})
    """
    for name, function in FUNCTIONS.items():
        if loss_func is function:
            return {"name": name}, {}
    name = type(loss_func).__name__
    if KINDS.get(name) is not type(loss_func):
        return None
    settings: dict[str, Any] = {}
    tensors: dict[str, Tensor] = {}
    for argument in _arguments(type(loss_func)):
        # One that is no attribute has no effect, which is checked below.
        value = getattr(loss_func, ATTRIBUTES.get(argument, argument), None)
        if isinstance(value, Tensor):
            tensors[argument] = value
        elif value is None:
            continue
        elif isinstance(value, bool | int | float | str):
            settings[argument] = value
        else:
            return None
    stored = {"name": name, "settings": settings}
    same = _is_same(loss_func, loss_from_json(json.loads(json.dumps(stored)), tensors))
    return (stored, tensors) if same else None


def loss_from_json(stored: Any, tensors: dict[str, Tensor]) -> Callable[..., Tensor]:
    """A loss function, from what :func:`loss_to_json` gave.

    Raises:
        Misfit: it is something else; the message is a clause.
    """
    check_fields(stored, {"name": str, "settings": dict[str, Any]}, "loss", needed=("name",))
    name = stored["name"]
    if name in FUNCTIONS:
        function: Callable[..., Tensor] = FUNCTIONS[name]
        return function
    if name not in KINDS:
        raise Misfit(f"there is no loss function {name:.40}")
    try:
        made: Callable[..., Tensor] = KINDS[name](**stored.get("settings", {}), **tensors)
    except (RuntimeError, TypeError, ValueError) as error:
        raise Misfit(f"the loss function {name} cannot be made ({error})") from None
    return made


def _arguments(kind: type) -> list[str]:
    """The names of all arguments, also of those that are handed on to the base class."""
    own = inspect.signature(kind).parameters.values()
    names = [p.name for p in own if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]
    if any(p.kind is p.VAR_KEYWORD for p in own):
        names += [name for name in _arguments(kind.__bases__[0]) if name not in names]
    return [name for name in names if name not in DEPRECATED]


def _is_same(one: Any, other: Any) -> bool:
    """Whether two losses of a type have the same settings and tensors."""
    if not isinstance(one, nn.Module):
        return False
    first, second = (_plain(loss) for loss in (one, other))
    tensors, others = dict(one.named_buffers()), dict(other.named_buffers())
    return (
        first == second
        and tensors.keys() == others.keys()
        and all(torch.equal(tensors[name].cpu(), others[name].cpu()) for name in tensors)
    )


def _plain(loss: nn.Module) -> dict[str, Any]:
    values = vars(loss).items()
    return {
        name: value for name, value in values if not name.startswith("_") and name != "training"
    }
