"""The losses and metrics of each library: how each is made, and on what kind of targets it is run.

One module a library: ``MODULE`` is what is imported, ``names()`` what the code of an entry sees,
``public()`` the public losses of the installed version, which all must have an entry.
"""

import functools
import inspect
from types import ModuleType
from typing import Any


def names_with(*modules: ModuleType) -> dict[str, Any]:
    """The names of the modules, torch's, and class weights ``w``."""
    import torch

    found: dict[str, Any] = {}
    for module in modules:
        found |= vars(module)
    w = torch.tensor([1.0, 5.0, 0.5, 2.0], dtype=torch.float64)
    return {**found, "torch": torch, "functools": functools, "w": w}


def public_of(module: ModuleType) -> set[str]:
    """The classes and functions that a module offers, without further names of the same."""
    listed = getattr(module, "__all__", None) or [n for n in vars(module) if not n.startswith("_")]
    values = {name: getattr(module, name, None) for name in listed}
    return {
        name
        for name, value in values.items()
        if inspect.isfunction(value) or (inspect.isclass(value) and value.__name__ == name)
    }
