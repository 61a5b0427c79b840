"""Networks that are a sequence of torch's own layers, as JSON values and back."""

import inspect
from typing import Any

from torch import Tensor, nn

from vicinal.stored import Misfit, check_fields

KINDS: dict[str, type[nn.Module]] = {
    name: kind
    for name, kind in vars(nn).items()
    if isinstance(kind, type)
    and issubclass(kind, nn.Module)
    and kind.__module__.startswith("torch.nn.modules.")
}
PLACES = ("device", "dtype")  # arguments that are no settings of a layer
DEEPEST = 20  # sequences in each other


def layers_of(model: nn.Module) -> dict[str, Any] | None:
    """A layer of torch's, or a sequence of them, as JSON values; None for other networks.

    >>> layers_of(nn.Sequential(nn.Flatten(), nn.Linear(4, 2)))["layers"][1]
    ['1', {'kind': 'Linear', 'settings': {'in_features': 4, 'out_features': 2, 'bias': True}}]
    """
    kind = type(model)
    if KINDS.get(kind.__name__) is not kind:
        return None
    if kind is nn.Sequential:
        return _sequence_of(model)
    settings = {}
    for name, parameter in inspect.signature(kind).parameters.items():
        is_setting = name not in PLACES and not name.startswith("_")
        if not is_setting or parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        value = getattr(model, name, parameter.empty)
        if name == "bias" and (value is None or isinstance(value, Tensor)):
            value = value is not None
        if not _is_plain(value):
            return None
        settings[name] = value
    return {"kind": kind.__name__, "settings": settings}


def _sequence_of(model: nn.Module) -> dict[str, Any] | None:
    # A layer or a weight that is there twice would be two.
    modules = [module for _, module in model.named_modules(remove_duplicate=False)]
    weights = [weight for _, weight in model.named_parameters(remove_duplicate=False)]
    if len({*modules}) < len(modules) or len({*weights}) < len(weights):
        return None
    layers = [[name, layers_of(layer)] for name, layer in model.named_children()]
    return None if any(layer is None for _, layer in layers) else {"layers": layers}


def _is_plain(value: Any) -> bool:
    if isinstance(value, tuple):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, bool | int | float | str)


def of_layers(network: Any) -> nn.Module:
    """The network that :func:`layers_of` described, with random weights.

    Raises:
        Misfit: it describes none; the message is a clause.

    >>> of_layers({"layers": [["a", {"kind": "ReLU", "settings": {"inplace": True}}]]})
    Sequential(
      (a): ReLU(inplace=True)
    )
    """
    return _made(network, DEEPEST)


def _made(layer: Any, depth: int) -> nn.Module:
    if not depth:
        raise Misfit("its layers are too deep in each other")
    if isinstance(layer, dict) and "layers" in layer:
        check_fields(layer, {"layers": list[tuple[str, dict[str, Any]]]}, "network")
        made = nn.Sequential()
        for name, inner in layer["layers"]:
            made.add_module(name, _made(inner, depth - 1))
        return made
    kinds = {"kind": str, "settings": dict[str, Any]}
    check_fields(layer, kinds, "network", needed=tuple(kinds))
    if layer["kind"] not in KINDS:
        raise Misfit(f"there is no layer {layer['kind']:.40}")
    settings = {name: _as_tuple(value) for name, value in layer["settings"].items()}
    return KINDS[layer["kind"]](**settings)


def _as_tuple(value: Any) -> Any:
    return tuple(map(_as_tuple, value)) if isinstance(value, list) else value
