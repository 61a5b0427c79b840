"""Published trainings by name, one per file: ``vicinal train DATA --recipe NAME``."""

import difflib
from importlib import import_module

from vicinal.errors import VicinalError
from vicinal.recipes.recipe import Recipe

NAMES = ("cifar10-fast", "cifar10-best", "imagenette")


def load(name: str) -> Recipe:
    """The recipe of that name.

    Raises:
        VicinalError: there is none; a similar name is suggested.
    """
    if name not in NAMES:
        near = difflib.get_close_matches(name, NAMES, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(NAMES)}"
        raise VicinalError(f"there is no recipe named {name}: {hint}")
    recipe: Recipe = import_module(f"vicinal.recipes.{name.replace('-', '_')}").RECIPE
    return recipe
