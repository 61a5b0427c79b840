"""U-Nets: a network for masks around the body of one that classifies images."""

from typing import Any

from torch import nn

from vicinal.errors import VicinalError
from vicinal.models.zoo import ALIASES, OWN, check_name, check_weights


def unet(name: str, n_out: int, *, pretrained: bool = False) -> nn.Module:
    """A U-Net of segmentation_models_pytorch around one of timm's networks.

    Its parts are ``encoder``, ``decoder`` and ``segmentation_head``.

    Args:
        name: of the network whose features it decodes, such as ``resnet34``.
        n_out: the number of classes.
        pretrained: load timm's weights of the encoder.

    Returns:
        From images (B, 3, H, W) to scores (B, n_out, H, W).

    Raises:
        VicinalError: there is no network of that name, or it has no features at several scales.
        WeightsUnavailable: ``pretrained``, and there are no weights or they cannot be loaded.

    >>> import torch
    >>> unet("resnet18", 5)(torch.zeros(1, 3, 40, 64)).shape
    torch.Size([1, 5, 40, 64])
    """
    check_name(name)
    if name in OWN:
        raise VicinalError(f"a U-Net needs features at several scales, not {name}: take resnet34")
    if pretrained:
        check_weights(name)
    smp = _library()
    encoder, weights = f"tu-{ALIASES.get(name, name)}", "imagenet" if pretrained else None
    try:
        model: Any = smp.Unet(encoder, encoder_weights=weights, classes=n_out)
    except (ValueError, RuntimeError, AttributeError, TypeError) as error:
        raise VicinalError(
            f"{name} cannot be the encoder of a U-Net ({error}): take one such as resnet34"
        ) from None
    model.made_from = {"maker": "unet", "name": name, "n_out": n_out}
    return model


def _library() -> Any:
    try:
        import segmentation_models_pytorch
    except ModuleNotFoundError as error:
        if error.name != "segmentation_models_pytorch":
            raise
        raise VicinalError(
            "U-Nets need segmentation_models_pytorch: pip install 'vicinal[train]'"
        ) from None
    return segmentation_models_pytorch


def encoder_and_decoder(model: Any) -> list[list[nn.Parameter]]:
    """Three parameter groups: the first half of the encoder, its second half, and the decoder."""
    body = list(model.encoder.parameters())
    head = [*model.decoder.parameters(), *model.segmentation_head.parameters()]
    return [body[: len(body) // 2], body[len(body) // 2 :], head]
