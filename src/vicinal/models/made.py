"""How a network was made, as JSON values, so that it can be made again to take its weights."""

import importlib
from typing import Any, TypeVar

import torch
from torch import nn

from vicinal.stored import Misfit, first_line

#: The functions that make networks, by the names in files, which can name no others.
MAKERS = {
    "create_model": "vicinal.models.zoo:create_model",
    "layers": "vicinal.models.layers:of_layers",
    "series_model": "vicinal.models.series:create_series_model",
    "sound_network": "vicinal.models.sound:sound_network",
    "tabular_model": "vicinal.models.tabular_model:TabularModel",
    "text_model": "vicinal.models.text:create_text_model",
    "transfer": "vicinal.models.transfer:rebuild",
    "unet": "vicinal.models.unet:unet",
}

# What settings that fit no network raise, such as a size.
ERRORS = (AttributeError, LookupError, OverflowError, RuntimeError, TypeError, ValueError)

Network = TypeVar("Network", bound=nn.Module)


def remember(model: Network, maker: str, **settings: Any) -> Network:
    """Note on a network how it was made.

    Args:
        model: the network.
        maker: a name in :data:`MAKERS`.
        settings: JSON values, the keyword arguments of that function.

    >>> remember(nn.Linear(2, 2), "create_model", name="resnet9", n_out=2).made_from
    {'maker': 'create_model', 'name': 'resnet9', 'n_out': 2}
    """
    model.made_from = {"maker": maker, **settings}  # type: ignore[assignment]
    return model


def rebuild(made_from: Any) -> nn.Module:
    """Make a network again, with random weights; torch's random state stays as it is.

    Args:
        made_from: what :func:`remember` noted, also as read from a file.

    Raises:
        Misfit: it describes no network; the message is a clause.

    >>> rebuild({"maker": "create_model", "name": "resnet9", "n_out": 2}).head.out_features
    2
    """
    maker = made_from.get("maker") if isinstance(made_from, dict) else None
    if not isinstance(maker, str) or maker not in MAKERS:
        raise Misfit(f"no network is made by {maker!r:.40}")
    settings = {name: value for name, value in made_from.items() if name != "maker"}
    if "pretrained" in settings:
        raise Misfit("pretrained is no setting of a network whose weights are known")
    module, function = MAKERS[maker].split(":")
    try:
        with torch.random.fork_rng(devices=[]):
            made: nn.Module = getattr(importlib.import_module(module), function)(**settings)
    except Misfit:
        raise
    except ERRORS as error:
        raise Misfit(f"its network cannot be made ({first_line(error)})") from None
    return made
