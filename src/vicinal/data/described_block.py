"""What a DataBlock, and the parts that it is made of, say of themselves."""

from collections.abc import Mapping
from typing import Any

from vicinal.notebook import html_facts

MOST, LONGEST = 10, 100  # parts of a list, and letters of a part, that are shown


class DescribedBlock:
    """An object that shows its settings: in a line, and as a table in notebooks.

    >>> class Halves(DescribedBlock):
    ...     def __init__(self, seed, getter):
    ...         self.seed, self.getter = seed, getter
    >>> Halves(3, str.upper)
    Halves(seed=3, getter=upper)
    """

    def __repr__(self) -> str:
        listed = (f"{name}={text}" for name, text in _settings(self).items())
        return f"{type(self).__name__}({', '.join(listed)})"

    def _repr_html_(self) -> str:
        return html_facts(type(self).__name__, _settings(self))


def _settings(thing: Any) -> dict[str, str]:
    """The public attributes that are set, as texts."""
    shown: Mapping[str, Any] = {
        name: value
        for name, value in vars(thing).items()
        if not name.startswith("_") and value is not None and value != [] and value != ()
    }
    return {name: code_of(value) for name, value in shown.items()}


def code_of(value: Any) -> str:
    """A setting as short code: classes and functions by their names, objects by their settings.

    >>> code_of([str, len, 0.5]), code_of(("a", None)), code_of(list(range(99)))
    ('[str, len, 0.5]', "('a', None)", '[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, …]')
    """
    if isinstance(value, list | tuple):
        more = ["…"] if len(value) > MOST else []
        inner = ", ".join([*map(code_of, value[:MOST]), *more])
        if isinstance(value, list):
            return f"[{inner}]"
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    name = getattr(value, "__name__", None)
    if callable(value) and isinstance(name, str):
        return name
    has_own_repr = any("__repr__" in vars(kind) for kind in type(value).__mro__[:-1])
    if has_own_repr or not hasattr(value, "__dict__"):
        text = " ".join(repr(value).split())
        return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
    settings = ", ".join(f"{name}={text}" for name, text in _settings(value).items())
    return f"{type(value).__name__}({settings})"
