"""vision_learner: a Learner for images, around a network by name."""

import re
import warnings
from collections.abc import Callable
from typing import Any

from torch import nn

from vicinal.data.loaders import DataLoaders
from vicinal.errors import VicinalError
from vicinal.learner.learner import Learner
from vicinal.learner.optimizer import one_group
from vicinal.models.zoo import WeightsUnavailable, create_model, pretrained_stats


def vision_learner(
    dls: DataLoaders,
    arch: str | Callable[..., nn.Module],
    *,
    pretrained: bool = True,
    **kwargs: Any,
) -> Learner:
    """A Learner for images, with pretrained weights if they are available.

    Args:
        dls: labelled images.
        arch: a network's name (see :func:`vicinal.create_model`), or a function such as
            ``resnet34`` that takes ``n_out`` and ``pretrained``.
        pretrained: start from the hub's weights, and normalise images as in their training, in
            loaders of its own, ``learn.dls``; if they are not available, a warning gives the reason
            and the weights start random.
        **kwargs: of :class:`Learner`.

    Raises:
        VicinalError: there is no network of that name, and a similar name is suggested; or what is
            given takes other arguments, or is a network itself.
    """
    if pretrained:
        try:
            model = _build(arch, dls.c, pretrained=True)
        except WeightsUnavailable as error:
            warnings.warn(f"{error}; starting from random weights", stacklevel=2)
            model = _build(arch, dls.c, pretrained=False)
        else:
            stats = pretrained_stats(model)
            if stats and dls.normalize:
                dls = dls.normalized(*stats)
    else:
        model = _build(arch, dls.c, pretrained=False)
    return Learner(dls, model, splitter=kwargs.pop("splitter", body_and_head), **kwargs)


cnn_learner = vision_learner  # fastai's older name


def _build(arch: str | Callable[..., nn.Module], n_out: int, *, pretrained: bool) -> nn.Module:
    if isinstance(arch, str):
        return create_model(arch, n_out, pretrained=pretrained)
    if isinstance(arch, nn.Module):
        raise VicinalError(f"the {type(arch).__name__} is a network already: use Learner(dls, …)")
    if not callable(arch):
        raise VicinalError(f"arch must be a network's name or a function, not {arch!r}")
    try:
        return arch(n_out=n_out, pretrained=pretrained)
    except TypeError as error:
        # Such as torchvision's, which fastai's star import brings along.
        if not re.search(r"unexpected keyword argument '(n_out|pretrained)'", str(error)):
            raise
        name = getattr(arch, "__name__", "arch")
        raise VicinalError(
            f"{name} does not take n_out and pretrained: give the name of a network in quotes, or "
            f"make it yourself and use Learner(dls, {name}(…))"
        ) from None


def body_and_head(model: nn.Module) -> list[list[nn.Parameter]]:
    """Three parameter groups: the first half of the body, its second half, and the classifier."""
    if not hasattr(model, "get_classifier"):
        return one_group(model)
    classifier: Any = model.get_classifier
    heads = classifier()  # distilled networks have two
    head = [
        p for each in (heads if isinstance(heads, tuple) else (heads,)) for p in each.parameters()
    ]
    chosen = {id(parameter) for parameter in head}
    body = [parameter for parameter in model.parameters() if id(parameter) not in chosen]
    return [body[: len(body) // 2], body[len(body) // 2 :], head]
