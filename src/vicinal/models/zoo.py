"""Networks by name: all of timm's, and our own small ones."""

import difflib
import socket
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

import torch
from torch import nn

from vicinal.errors import VicinalError
from vicinal.mixing.layers import is_called
from vicinal.models.made import remember
from vicinal.models.small import ResNet9, resnet18_small, small_vit
from vicinal.models.whitened import WhitenNet

OWN: dict[str, Callable[[int], nn.Module]] = {
    "resnet9": ResNet9,
    "resnet9_wide": partial(ResNet9, width=64),
    "resnet18_small": resnet18_small,
    "whitennet": WhitenNet,
    "vit4": partial(small_vit, layers=4),
    "vit6": partial(small_vit, layers=6),
}
SMALL_VITS = ("vit4", "vit6")
# fastai's names for architectures that timm has under other names.
ALIASES = {
    "xresnet18": "resnet18d",
    "xresnet34": "resnet34d",
    "xresnet50": "resnet50d",
    "xresnet101": "resnet101d",
}


class WeightsUnavailable(VicinalError):
    """Pretrained weights that cannot be loaded."""


def create_model(name: str, n_out: int, *, pretrained: bool = False) -> nn.Module:
    """A network by name.

    Args:
        name: one of timm's, ``resnet9``, ``resnet9_wide``, ``resnet18_small``, ``whitennet``,
            ``vit4``, ``vit6``, or fastai's ``xresnet18`` to ``101``.
        n_out: the number of classes.
        pretrained: load timm's weights for it, from the hub or its cache.

    Raises:
        VicinalError: there is no network of that name; near names are offered.
        WeightsUnavailable: ``pretrained``, and there are no weights or they cannot be loaded.

    >>> create_model("resnet9", 10).head.out_features
    10
    """
    check_name(name)
    if pretrained:
        check_weights(name)
    # Convolutions are fastest in channels_last, the memory format of our batches of images.
    model = _build(name, n_out, pretrained).to(memory_format=torch.channels_last)
    return remember(model, "create_model", name=name, n_out=n_out)


def _build(name: str, n_out: int, pretrained: bool) -> nn.Module:
    if name in OWN:
        return OWN[name](n_out)
    import timm

    name = ALIASES.get(name, name)
    try:
        return timm.create_model(name, pretrained=pretrained, num_classes=n_out)
    except (OSError, RuntimeError) as error:
        if not pretrained:
            raise
        reason = str(error).split(". ")[0]
        raise WeightsUnavailable(f"the weights of {name} could not be loaded ({reason})") from None


def count_parameters(name: str, n_out: int) -> int:
    """How many parameters a network has, without memory for them where that is possible.

    >>> count_parameters("resnet18", 10)
    11181642
    """
    check_name(name)
    return sum(parameter.numel() for parameter in _without_memory(name, n_out).parameters())


def _without_memory(name: str, n_out: int) -> nn.Module:
    """A network of random weights, on the meta device where that is possible."""
    try:
        with torch.device("meta"):
            return _build(name, n_out, False)
    except (RuntimeError, TypeError):  # it computes with its initial weights
        return _build(name, n_out, False)


def stages(model: nn.Module) -> list[str]:
    """The names of the modules after which a network has feature maps, or tokens, in its order.

    Of those that timm lists as ``feature_info``, the ones that are called: for some networks it
    names lists of modules, or none that there are.
    """
    info: Any = getattr(model, "feature_info", None) or ()
    modules = dict(model.named_modules())
    names = dict.fromkeys(feature["module"] for feature in info)
    return [name for name in names if name in modules and is_called(modules[name])]


def has_stages(name: str) -> bool:
    """Whether the stages of a network are known.

    >>> has_stages("resnet18"), has_stages("coat_tiny")
    (True, False)
    """
    check_name(name)
    return bool(stages(_without_memory(name, 2)))


def fixed_size(name: str) -> int | None:
    """The side of the images that a network takes, if it takes a single size only.

    >>> fixed_size("vit_tiny_patch16_224"), fixed_size("resnet18")
    (224, None)
    """
    check_name(name)
    if name in OWN:
        return None
    import timm

    config = timm.models.get_pretrained_cfg(ALIASES.get(name, name))
    return config.input_size[-1] if config is not None and config.fixed_input_size else None


def is_vision_transformer(name: str) -> bool:
    """Whether a network is a plain vision transformer: ours, or one of timm's ViTs and DeiTs.

    >>> is_vision_transformer("vit6"), is_vision_transformer("resnet18")
    (True, False)
    """
    check_name(name)
    if name in OWN:
        return name in SMALL_VITS
    import timm

    return bool(timm.models.is_model_in_modules(name, ("vision_transformer", "deit")))


def is_known(name: str) -> bool:
    """Whether there is a network of that name."""
    if name in OWN or name in ALIASES:
        return True
    import timm

    return bool(timm.is_model(name))


def check_name(name: str, others: Sequence[str] = ()) -> None:
    """Raise a VicinalError that suggests near names if there is no network of that name.

    Args:
        others: names that are suggested first.
    """
    if not is_known(name):
        import timm

        near = difflib.get_close_matches(name, others) or difflib.get_close_matches(
            name, [*OWN, *ALIASES, *timm.list_models()]
        )
        hint = f"did you mean {' or '.join(near)}?" if near else "timm.list_models() lists them"
        raise VicinalError(f"there is no network named {name}: {hint}")


def check_weights(name: str) -> None:
    """Raise WeightsUnavailable if a network's pretrained weights cannot be loaded.

    It fails fast where there is no network, which the hub's client notices after a minute.
    """
    if name in OWN:
        raise WeightsUnavailable(f"there are no pretrained weights for {name}")
    import timm
    from huggingface_hub import constants, try_to_load_from_cache

    config = timm.models.get_pretrained_cfg(ALIASES.get(name, name))
    if config is None or not (config.hf_hub_id or config.url or config.file):
        raise WeightsUnavailable(f"there are no pretrained weights for {name}")
    if not config.hf_hub_id:
        return
    files = ("model.safetensors", "pytorch_model.bin")
    if any(isinstance(try_to_load_from_cache(config.hf_hub_id, file), str) for file in files):
        return
    host = urlsplit(constants.ENDPOINT).hostname
    try:
        if not getproxies():  # a proxy may reach what this machine cannot
            socket.create_connection((host, 443), timeout=5).close()
    except OSError:
        raise WeightsUnavailable(
            f"the weights of {name} are not on this machine, and {host} cannot be reached"
        ) from None


def pretrained_stats(model: nn.Module) -> tuple[list[float], list[float]] | None:
    """The normalization statistics that a timm network was trained with."""
    config: dict[str, Any] | None = getattr(model, "pretrained_cfg", None)
    return (list(config["mean"]), list(config["std"])) if config and "mean" in config else None


def _named(name: str) -> Callable[..., nn.Module]:
    def build(n_out: int = 1000, *, pretrained: bool = False) -> nn.Module:
        return create_model(name, n_out, pretrained=pretrained)

    build.__name__ = build.__qualname__ = name
    build.__doc__ = f"The network {ALIASES.get(name, name)} of timm; see :func:`create_model`."
    return build


resnet18 = _named("resnet18")
resnet34 = _named("resnet34")
resnet50 = _named("resnet50")
resnet101 = _named("resnet101")
xresnet18 = _named("xresnet18")
xresnet34 = _named("xresnet34")
xresnet50 = _named("xresnet50")
xresnet101 = _named("xresnet101")
