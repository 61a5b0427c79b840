"""From a network's outputs to probabilities, as its loss function reads them."""

import re
from collections.abc import Callable
from functools import partial
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vicinal.criteria import AsymmetricLoss, FocalLoss, OrdinalLoss, ordinal_probabilities
from vicinal.cross_entropy import CrossEntropyLossFlat
from vicinal.dice_loss import DiceLoss
from vicinal.errors import VicinalError
from vicinal.losses import MixLoss


def activation_of(loss_func: Callable[..., Tensor], *, classes: bool) -> Callable[[Tensor], Tensor]:
    """The activation that turns raw outputs into what the loss function compares with targets.

    Args:
        loss_func: a criterion, also in a partial or a :class:`MixLoss`.
        classes: whether the targets are classes. Outputs for a loss function that is not torch's or
            ours are then taken for logits; otherwise they are values, and stay as they are.

    Returns:
        A function of (B, ...) outputs that gives a tensor of the same shape; for
        :class:`OrdinalLoss`, one more column. A loss that is neither torch's nor ours may have a
        method ``activation``, as in fastai, which is taken then.

    >>> activation_of(nn.BCEWithLogitsLoss(), classes=False)(torch.zeros(1, 2))
    tensor([[0.5000, 0.5000]])
    >>> activation_of(nn.MSELoss(), classes=False)(torch.ones(1, 2))
    tensor([[1., 1.]])
    """
    criterion: Any = MixLoss(loss_func).criterion
    if isinstance(criterion, AbsentLoss):
        return from_name(criterion.activation)
    called = _called(loss_func)
    own = getattr(called, "activation", None)
    if callable(own) and not _is_ours(called):
        return cast(Callable[[Tensor], Tensor], own)
    functions = (F.binary_cross_entropy_with_logits, F.multilabel_soft_margin_loss)
    if isinstance(called, _OF_LABELS) or called in functions:
        return torch.sigmoid
    if isinstance(called, OrdinalLoss):
        return ordinal_probabilities
    if isinstance(called, nn.NLLLoss) or called is F.nll_loss:
        return torch.exp
    axis = class_axis(loss_func)
    if classes or axis is not None:
        return partial(torch.softmax, dim=1 if axis is None else axis)
    return noop


def class_axis(loss_func: Callable[..., Tensor]) -> int | None:
    """The axis along which a loss takes the scores of classes; None for losses we do not know.

    >>> class_axis(nn.CrossEntropyLoss()), class_axis(CrossEntropyLossFlat())
    (1, -1)
    """
    called = _called(loss_func)
    if isinstance(called, CrossEntropyLossFlat | FocalLoss):
        return called.axis
    is_known = isinstance(called, nn.CrossEntropyLoss | nn.NLLLoss | DiceLoss)
    return 1 if is_known or called is F.cross_entropy or called is F.nll_loss else None


def _called(loss_func: Callable[..., Tensor]) -> Any:
    criterion: Any = MixLoss(loss_func).criterion
    return criterion.func if isinstance(criterion, partial) else criterion


def activates_silently(loss_func: Callable[..., Tensor], classes: bool) -> bool:
    """Whether :func:`activation_of` activates for a loss that has no activation in fastai.

    Args:
        loss_func, classes: as there.

    >>> activates_silently(nn.CrossEntropyLoss(), True), activates_silently(nn.MSELoss(), False)
    (True, False)
    >>> activates_silently(CrossEntropyLossFlat(), True)  # fastai's, which knows its activation
    False
    """
    called = _called(loss_func)
    knows_own = _is_ours(called) or hasattr(called, "activation")
    return not knows_own and activation_of(loss_func, classes=classes) is not noop


def decoding_of(loss_func: Callable[..., Tensor]) -> Callable[[Tensor], Tensor] | None:
    """The method ``decodes`` of a loss that is neither torch's nor ours, as in fastai, if any.

    Args:
        loss_func: as for :func:`activation_of`.
    """
    criterion: Any = MixLoss(loss_func).criterion
    own = getattr(criterion, "decodes", None)
    return own if callable(own) and not _is_ours(criterion) else None


def _is_ours(called: Any) -> bool:
    home = called.__module__ if hasattr(called, "__name__") else type(called).__module__
    return home.partition(".")[0] == __name__.partition(".")[0]


def noop(x: Any = None, *args: Any, **kwargs: Any) -> Any:
    """What it is given, without the other arguments.

    For ``learn.get_preds(act=noop)``, which gives outputs as they are, and for getters that leave
    an item as it is.

    >>> noop("pug_7.jpg")
    'pug_7.jpg'
    """
    return x


def _absent(x: Tensor) -> Tensor:
    raise VicinalError(
        "the activation of this learner's loss function is code of your own, which is not in the "
        "file that it was loaded from: give it to load_learner(file, loss_func=…)"
    )


_OF_LABELS = (nn.BCEWithLogitsLoss, nn.MultiLabelSoftMarginLoss, AsymmetricLoss)
NAMED: dict[str, Callable[[Tensor], Tensor]] = {
    "none": noop,
    "sigmoid": torch.sigmoid,
    "exp": torch.exp,
    "ordinal": ordinal_probabilities,
    "absent": _absent,
}


def name_of(activation: Callable[[Tensor], Tensor]) -> str:
    """A name for what :func:`activation_of` gave, which a file can hold; "absent" for others.

    >>> name_of(activation_of(nn.CrossEntropyLoss(), classes=True))
    'softmax 1'
    """
    if isinstance(activation, partial):
        return f"softmax {activation.keywords['dim']}"
    return next((name for name, function in NAMED.items() if function is activation), "absent")


def from_name(name: str) -> Callable[[Tensor], Tensor]:
    """The activation of a name that :func:`name_of` gave.

    Raises:
        VicinalError: it is none; the message is a clause.
    """
    found = re.fullmatch(r"softmax (-?\d)", name)
    if found is not None:
        return partial(torch.softmax, dim=int(found[1]))
    if name not in NAMED:
        raise VicinalError(f"there is no activation {name:.40}")
    return NAMED[name]


class AbsentLoss:
    """In the place of a loss function that a file could not hold: only its activation is known.

    Args:
        name: of the loss function.
        activation: by :func:`name_of`.
    """

    def __init__(self, name: str, activation: str) -> None:
        self.name, self.activation = name, activation

    def __call__(self, output: Tensor, target: Any) -> Tensor:
        raise VicinalError(
            f"the loss function {self.name} is not in the file that this learner was loaded from: "
            "set learn.loss_func to it, or give it to load_learner(file, loss_func=…)"
        )
