"""Selecting layers of a model by name, pattern, type or module."""

import difflib
import inspect
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any

from torch import nn
from torch.nn.parallel import DataParallel, DistributedDataParallel

INPUT = "input"

Layer = str | type[nn.Module] | nn.Module


def unwrap(model: nn.Module) -> nn.Module:
    """The module inside wrappers of torch.compile and of data-parallel training."""
    if not isinstance(model, nn.Module):
        raise TypeError(f"the model must be an nn.Module, not {model!r}")
    while True:
        if isinstance(model, DataParallel | DistributedDataParallel):
            model = model.module
        elif isinstance(getattr(model, "_orig_mod", None), nn.Module):  # of torch.compile
            model = model._orig_mod  # type: ignore[assignment]
        else:
            return model


def default_layers(model: nn.Module) -> tuple[str, ...]:
    """The input and all layers of an ``nn.Sequential`` but its last."""
    children = [child for child, _ in model.named_children()]
    # In other models, data may bypass a layer or return to it: only the user knows.
    if not isinstance(model, nn.Sequential) or len(children) < 2:
        raise ValueError(
            f"choose the layers of the {type(model).__name__} to mix: layers= takes 'input' and "
            f"names such as {_listed(children)}"
        )
    return (INPUT, *children[:-1])


def select_layers(model: nn.Module, layers: Layer | Sequence[Layer]) -> tuple[str, ...]:
    """The names of the layers that match at least one of the selectors, each once.

    Args:
        model: the module that holds them.
        layers: one or several of "input", names and patterns of names, types, and modules.

    Raises:
        TypeError, ValueError: a selector is none of these, or no layer matches it.

    >>> model = nn.Sequential(nn.Linear(2, 3), nn.Sequential(nn.ReLU(), nn.Linear(3, 2)))
    >>> select_layers(model, ["input", nn.Linear, "1.?"])
    ('input', '0', '1.1', '1.0')
    """
    inner = {path: module for path, module in model.named_modules() if path and is_called(module)}
    selectors = layers if isinstance(layers, list | tuple) else [layers]
    if not selectors:
        raise ValueError("layers must hold at least one layer")
    return tuple(
        dict.fromkeys(path for selector in selectors for path in _matches(inner, selector))
    )


def is_called(module: nn.Module) -> bool:
    """Whether a module has a forward(), without which no hook on it would ever run.

    >>> is_called(nn.ModuleList([nn.ReLU()])), is_called(nn.Sequential(nn.ReLU()))
    (False, True)
    """
    # Scripted modules have a descriptor there, which cannot be asked by their class.
    own = inspect.getattr_static(module, "forward")
    return own is not nn.Module.forward


def _matches(inner: dict[str, nn.Module], selector: Any) -> list[str]:
    if isinstance(selector, nn.Module):
        found = [path for path, module in inner.items() if module is selector]
        hint = "give one of its submodules that it calls"
        selector = type(selector).__name__
    elif isinstance(selector, type) and issubclass(selector, nn.Module):
        found = [path for path, module in inner.items() if isinstance(module, selector)]
        hint = f"its layers are {_listed(list(inner))}"
        selector = selector.__name__
    elif isinstance(selector, str):
        matches = [path for path in inner if _matches_pattern(path, selector)]
        found = [INPUT] if selector == INPUT else matches
        near = difflib.get_close_matches(selector, [INPUT, *inner])
        hint = (
            f"did you mean {_listed(near)}?" if near else f"its layers are {_listed(list(inner))}"
        )
        selector = repr(selector)
    else:
        raise TypeError(f"layers= takes names, types and modules, not {selector!r}")
    if not found:
        raise ValueError(f"no layer of the model is {selector}: {hint}")
    return found


def _matches_pattern(path: str, pattern: str) -> bool:
    """Whether a module path matches a pattern, part by part between the dots."""
    parts, wanted = path.split("."), pattern.split(".")
    return len(parts) == len(wanted) and all(map(fnmatchcase, parts, wanted))


def _listed(names: list[str]) -> str:
    shown = ", ".join(map(repr, names[:8]))
    return (shown + (", ..." if len(names) > 8 else "")) or "none"
