"""unet_learner: a Learner for masks."""

import warnings
from collections.abc import Callable
from typing import Any

from torch import nn

from vicinal.data.mask_loaders import MaskLoaders
from vicinal.errors import VicinalError
from vicinal.learner.learner import Learner
from vicinal.models.unet import encoder_and_decoder, unet
from vicinal.models.zoo import ALIASES, WeightsUnavailable


def unet_learner(
    dls: MaskLoaders,
    arch: str | Callable[..., nn.Module],
    normalize: bool = True,
    n_out: int | None = None,
    pretrained: bool = True,
    **kwargs: Any,
) -> Learner:
    """A Learner for masks: a U-Net around a network that classifies images.

    With pretrained weights the encoder is frozen, until ``fine_tune`` or ``unfreeze``.

    Args:
        dls: images and masks, of :class:`MaskBlock` or :class:`SegmentationDataLoaders`.
        arch: the encoder: the name of a network of timm's, or a function such as ``resnet34``.
        normalize: normalise images as in the training of the pretrained weights, in loaders of
            its own, ``learn.dls``.
        n_out: the number of scores of each pixel; None takes the number of classes.
        pretrained: start the encoder from the hub's weights; if they are not available, a warning
            gives the reason and the weights start random.
        **kwargs: of :class:`Learner`.

    Raises:
        VicinalError: there is no network of that name, or it has no features at several scales;
            or the loaders have no masks.
    """
    if not isinstance(dls, MaskLoaders):
        raise VicinalError(
            f"unet_learner takes images with masks, not {type(dls).__name__}: make them by "
            "MaskBlock, or SegmentationDataLoaders.from_label_func(…)"
        )
    name = _name_of(arch)
    outputs = dls.c if n_out is None else n_out
    if pretrained:
        try:
            model = unet(name, outputs, pretrained=True)
        except WeightsUnavailable as error:
            warnings.warn(f"{error}; starting from random weights", stacklevel=2)
            pretrained = False
    if not pretrained:
        model = unet(name, outputs)
    if pretrained and normalize and dls.normalize:
        import timm

        config: Any = timm.models.get_pretrained_cfg(ALIASES.get(name, name))
        dls = dls.normalized(config.mean, config.std)
    learn = Learner(dls, model, splitter=kwargs.pop("splitter", encoder_and_decoder), **kwargs)
    if pretrained:
        learn.freeze()
    return learn


def _name_of(arch: Any) -> str:
    if isinstance(arch, nn.Module):
        raise VicinalError(f"the {type(arch).__name__} is a network already: use Learner(dls, …)")
    name = arch if isinstance(arch, str) else getattr(arch, "__name__", None)
    if name is None:
        raise VicinalError(f"arch must be a network's name or a function, not {arch!r}")
    return str(name)
