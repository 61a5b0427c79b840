"""vision_learner: a Learner for images, around a network by name."""

import inspect
import warnings
from collections.abc import Callable
from typing import Any

from torch import nn

from vicinal.data.keywords import check_keywords
from vicinal.data.loaders import DataLoaders
from vicinal.errors import VicinalError
from vicinal.learner.learner import Learner
from vicinal.learner.optimizer import one_group
from vicinal.models import transfer
from vicinal.models.zoo import OWN, WeightsUnavailable, check_name, create_model, pretrained_stats

Arch = str | Callable[..., nn.Module]
Made = tuple[nn.Module, transfer.Stats | None]
HEAD = ("lin_ftrs", "ps", "pool", "concat_pool", "first_bn", "bn_final", "y_range")


def vision_learner(
    dls: DataLoaders,
    arch: Arch,
    normalize: bool = True,
    n_out: int | None = None,
    pretrained: bool = True,
    *,
    custom_head: nn.Module | None = None,
    **kwargs: Any,
) -> Learner:
    """A Learner for transfer learning: the body of a known network, and a new head.

    The network is ``nn.Sequential(body, head)`` with fastai's head, see
    :func:`~vicinal.models.heads.create_head`. A body with pretrained weights starts frozen, so that
    ``fit_one_cycle`` trains the head, and the norms of the body; ``learn.unfreeze()`` lets it train
    everything, as :meth:`~Learner.fine_tune` does by itself after an epoch.

    Args:
        dls: labelled images.
        arch: a network's name (see :func:`vicinal.create_model`); or a function that makes one:
            ours such as ``resnet34``, one of torchvision's or timm's, or any that takes
            ``pretrained``, or ``weights``. What takes ``n_out`` makes the whole network, whose own
            classifier is then the head.
        normalize: normalise images as in the training of the pretrained weights, in loaders of its
            own, ``learn.dls``.
        n_out: the number of outputs; None for those that the data need.
        pretrained: start from pretrained weights, timm's or torchvision's. If they are not
            available, a warning gives the reason, the weights start random, and nothing is frozen.
        custom_head: a head for the body's features. Its weights are drawn anew.
        **kwargs: of the head (``lin_ftrs``, ``ps``, ``pool``, ``concat_pool``, ``first_bn``,
            ``bn_final``, ``y_range``), and of :class:`Learner`.

    Raises:
        VicinalError: there is no network of that name, and a similar name is suggested; or what is
            given takes other arguments, or is a network itself.

    Source: fastai's ``vision_learner``; ``docs/fastai.md`` says what differs.
    """
    own = inspect.signature(vision_learner).parameters
    known = [*own, *HEAD, *inspect.signature(Learner).parameters]
    names = [name for name in known if name not in ("self", "kwargs")]
    check_keywords("vision_learner()", kwargs, names, TypeError)
    head = {name: kwargs.pop(name) for name in HEAD if name in kwargs}
    if custom_head is not None:
        head["custom_head"] = custom_head
    n_out = dls.c if n_out is None else n_out
    model, stats, loaded = _made(arch, n_out, pretrained, head)
    if stats and loaded and normalize and dls.normalize:
        dls = dls.normalized(*stats)
    learn = Learner(dls, model, splitter=kwargs.pop("splitter", vision_groups), **kwargs)
    if loaded:
        learn.freeze()
    return learn


cnn_learner = vision_learner  # fastai's older name


def named_learner(
    dls: DataLoaders,
    name: str,
    *,
    pretrained: bool,
    around: Callable[[nn.Module], nn.Module] | None = None,
    **kwargs: Any,
) -> Learner:
    """A Learner around a network by name with its own classifier, of which nothing is frozen.

    Args:
        dls, pretrained, **kwargs: as for :func:`vision_learner`.
        name: as for :func:`vicinal.create_model`.
        around: makes the whole network around that one, such as with another beside it.
    """

    def make(is_pretrained: bool) -> Made:
        model = create_model(name, dls.c, pretrained=is_pretrained)
        stats = pretrained_stats(model)
        return (model if around is None else around(model)), stats

    model, stats, loaded = _with_weights(make, pretrained)
    if stats and loaded and dls.normalize:
        dls = dls.normalized(*stats)
    return Learner(dls, model, splitter=kwargs.pop("splitter", vision_groups), **kwargs)


def _with_weights(
    make: Callable[[bool], Made], pretrained: bool
) -> tuple[nn.Module, transfer.Stats | None, bool]:
    """A network, its statistics, and whether it has pretrained weights."""
    if pretrained:
        try:
            return *make(True), True
        except WeightsUnavailable as error:
            warnings.warn(f"{error}; starting from random weights", stacklevel=4)
    return *make(False), False


def _made(
    arch: Arch, n_out: int, pretrained: bool, head: dict[str, Any]
) -> tuple[nn.Module, transfer.Stats | None, bool]:
    if isinstance(arch, nn.Module):
        raise VicinalError(f"the {type(arch).__name__} is a network already: use Learner(dls, …)")
    if isinstance(arch, str):
        check_name(arch)
    elif not callable(arch):
        raise VicinalError(f"arch must be a network's name or a function, not {arch!r}")
    is_whole = _makes_all(arch)
    if is_whole and head:
        name = arch if isinstance(arch, str) else getattr(arch, "__name__", "arch")
        raise VicinalError(f"{name} has a head of its own: leave {', '.join(head)} out")

    def make(is_pretrained: bool) -> Made:
        if isinstance(arch, str) and is_whole:
            return create_model(arch, n_out, pretrained=is_pretrained), None
        if is_whole:
            model = arch(n_out=n_out, pretrained=is_pretrained)  # type: ignore[operator]
            return model, pretrained_stats(model)
        return _transferred(arch, n_out, is_pretrained, head)

    return _with_weights(make, pretrained)


def _transferred(arch: Arch, n_out: int, pretrained: bool, head: dict[str, Any]) -> Made:
    # fastai divides the bodies of functions, and not those of names.
    known = ("timm", False) if isinstance(arch, str) else transfer.known_source(arch)
    name = arch if isinstance(arch, str) else getattr(arch, "__name__", "arch")
    if known is not None:
        source, split = known
        return transfer.transfer_model(
            source, name, n_out, pretrained=pretrained, split=split, **head
        )
    assert not isinstance(arch, str)
    if not (_takes(arch, "weights") or _takes(arch, "pretrained")):
        raise VicinalError(
            f"{name} takes neither n_out nor pretrained nor weights: give the name of a network in "
            f"quotes, or make it yourself and use Learner(dls, {name}(…))"
        )
    body = transfer.body_of(arch, pretrained)
    return transfer.add_head(body, n_out, **head), body.stats


def _makes_all(arch: Arch) -> bool:
    """Whether it makes a whole network, whose classifier is the head."""
    if isinstance(arch, str):
        return arch in OWN
    return _takes(arch, "n_out") and transfer.known_source(arch) is None


def _takes(arch: Callable[..., Any], name: str) -> bool:
    return name in inspect.signature(arch).parameters


def vision_groups(model: nn.Module) -> list[list[nn.Parameter]]:
    """The parameter groups of a network for images: one or two of the body, and the head."""
    if hasattr(model, "split_at"):
        return transfer.groups(model)
    return body_and_head(model)


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
