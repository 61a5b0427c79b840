"""Layers of a model, by what people call them."""

import difflib
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any

from torch import nn
from torch.nn.parallel import DataParallel, DistributedDataParallel

INPUT = "input"

Layer = str | type[nn.Module] | nn.Module


def unwrapped(model: nn.Module) -> nn.Module:
    """The module inside of those that compile it or spread it over processes."""
    if not isinstance(model, nn.Module):
        raise TypeError(f"the model must be a torch module, not {model!r}")
    while True:
        if isinstance(model, DataParallel | DistributedDataParallel):
            model = model.module
        elif isinstance(getattr(model, "_orig_mod", None), nn.Module):  # of torch.compile
            model = model._orig_mod  # type: ignore[assignment]
        else:
            return model


def default(model: nn.Module) -> tuple[str, ...]:
    """The input and all layers of an ``nn.Sequential`` but its last."""
    children = [child for child, _ in model.named_children()]
    # Of any other model nobody knows what passes through which layer.
    if not isinstance(model, nn.Sequential) or len(children) < 2:
        raise ValueError(
            f"say which layers of the {type(model).__name__} are mixed: layers= takes 'input' and "
            f"names such as {_listed(children)}"
        )
    return (INPUT, *children[:-1])


def chosen(model: nn.Module, layers: Layer | Sequence[Layer]) -> tuple[str, ...]:
    """The names of the layers that match one of the selectors, each once.

    Args:
        model: the module that holds them.
        layers: one or several of "input", names and patterns of names, types, and modules.

    Raises:
        TypeError, ValueError: a selector is none of these, or no layer matches it.

    >>> model = nn.Sequential(nn.Linear(2, 3), nn.Sequential(nn.ReLU(), nn.Linear(3, 2)))
    >>> chosen(model, ["input", nn.Linear, "1.?"])
    ('input', '0', '1.1', '1.0')
    """
    # Lists of modules are never called themselves.
    never_called = nn.ModuleList | nn.ModuleDict
    inner = {
        place: module
        for place, module in model.named_modules()
        if place and not isinstance(module, never_called)
    }
    selectors = layers if isinstance(layers, list | tuple) else [layers]
    if not selectors:
        raise ValueError("layers must name at least one layer")
    return tuple(
        dict.fromkeys(place for selector in selectors for place in _matches(inner, selector))
    )


def _matches(inner: dict[str, nn.Module], selector: Any) -> list[str]:
    if isinstance(selector, nn.Module):
        found = [place for place, module in inner.items() if module is selector]
        hint = "give one that it holds and calls"
        selector = type(selector).__name__
    elif isinstance(selector, type) and issubclass(selector, nn.Module):
        found = [place for place, module in inner.items() if isinstance(module, selector)]
        hint = f"its layers are {_listed(list(inner))}"
        selector = selector.__name__
    elif isinstance(selector, str):
        found = (
            [INPUT]
            if selector == INPUT
            else [place for place in inner if _is_like(place, selector)]
        )
        near = difflib.get_close_matches(selector, [INPUT, *inner])
        hint = (
            f"did you mean {_listed(near)}?" if near else f"its layers are {_listed(list(inner))}"
        )
        selector = repr(selector)
    else:
        raise TypeError(f"a layer is given by its name, its type or itself, not by {selector!r}")
    if not found:
        raise ValueError(f"no layer of the model is {selector}: {hint}")
    return found


def _is_like(place: str, pattern: str) -> bool:
    """Whether a name fits a pattern, part by part between the dots."""
    parts, wanted = place.split("."), pattern.split(".")
    return len(parts) == len(wanted) and all(map(fnmatchcase, parts, wanted))


def _listed(names: list[str]) -> str:
    shown = ", ".join(map(repr, names[:8]))
    return (shown + (", ..." if len(names) > 8 else "")) or "none"
