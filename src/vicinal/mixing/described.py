"""The options of every mixer, in its signature, its docstring and its errors, from one source.

Mixers hand the options that they share on to their base classes, as ``**options``. A signature and
a docstring that said no more would hide them from ``help``, and a misspelt one would end in an
error of a base class. So each subclass gets the whole list, as its bases document it.
"""

import difflib
import functools
import inspect
import re
import textwrap
from collections.abc import Callable
from inspect import Parameter
from typing import Any, TypeVar, Unpack, get_origin

Class = TypeVar("Class", bound=type)

_KINDS = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)
_HANDED_ON = re.compile(r"of :class:")


def described(cls: Class) -> Class:
    """Complete the signature and the docstring of a class by the options that it hands on.

    ``**options: Unpack[...]`` becomes keyword arguments with their defaults, and the entry
    ``**options: of :class:...`` of the docstring what the base classes say about each of them.
    Options are looked up before ``__init__`` runs: a misspelt one is a TypeError that names it.

    Args:
        cls: its own ``__init__`` is replaced. Where ``**options`` has no such annotation, nothing
            is known of them, and the base class that takes them checks their names.
    """
    init = cls.__dict__.get("__init__")
    if init is not None:
        cls.__init__ = _checked(cls, init)  # type: ignore[misc]
    if cls.__dict__.get("__doc__"):
        cls.__doc__ = _documented(cls)
    return cls


def _checked(cls: type, init: Callable[..., None]) -> Callable[..., None]:
    signature = _signature(cls, init)
    names = {p.name for p in signature.parameters.values() if p.kind in _KINDS}
    takes_any = any(p.kind is Parameter.VAR_KEYWORD for p in signature.parameters.values())

    @functools.wraps(init)
    def checked(self: Any, *args: Any, **options: Any) -> None:
        if not takes_any and not names.issuperset(options):
            raise TypeError(_no_option(type(self), min(set(options) - names)))
        init(self, *args, **options)
        if type(self).__init__ is checked:  # the outermost one
            vars(self)["_is_constructed"] = True

    checked.__signature__ = signature  # type: ignore[attr-defined]
    return checked


def _no_option(cls: type, name: str) -> str:
    options = [p for p in inspect.signature(cls).parameters.values() if p.kind in _KINDS]
    listed = [option.name for option in options]
    near = difflib.get_close_matches(name, listed, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else "."
    return f"{cls.__name__} has no option {name!r}{hint} Its options are {', '.join(listed)}"


def _signature(cls: type, init: Callable[..., None]) -> inspect.Signature:
    own = inspect.signature(init)
    listed: list[Parameter] = []
    for parameter in own.parameters.values():
        if parameter.kind is not Parameter.VAR_KEYWORD or _typed_dict(parameter) is None:
            listed.append(parameter)
            continue
        for name, annotation in _ordered(cls, _typed_dict(parameter).__annotations__):
            default = _default(cls, name)
            listed.append(
                Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
            )
    return own.replace(parameters=listed)


def _ordered(cls: type, options: dict[str, Any]) -> list[tuple[str, Any]]:
    """Options in the order of the base class, whose own come before those that it hands on."""
    order: list[str] = []
    for base in cls.__mro__[1:]:
        if "__init__" in base.__dict__ and base is not object:
            order += inspect.signature(base.__init__).parameters  # type: ignore[misc]
    return sorted(options.items(), key=lambda option: [*order, option[0]].index(option[0]))


def _typed_dict(parameter: Parameter) -> Any:
    annotation = parameter.annotation
    return annotation.__args__[0] if get_origin(annotation) is Unpack else None


def _default(cls: type, name: str) -> Any:
    """What a base class takes where an option is not given."""
    changed = getattr(cls, "defaults", {})
    if name in changed:
        return changed[name]
    for base in cls.__mro__[1:]:
        if "__init__" in base.__dict__:
            found = inspect.signature(base.__init__).parameters.get(name)  # type: ignore[misc]
            if found is not None:
                return found.default
    return Parameter.empty


def _documented(cls: type) -> str:
    """The docstring, with an entry for each option that is handed on to a base class."""
    before, entries, after = _sections(cls.__doc__ or "")
    parameters = inspect.signature(cls).parameters
    known = {name for names in entries for name in names}
    lines: list[str] = []
    for names, entry in entries.items():
        if not _HANDED_ON.match(entry[0].partition(": ")[2]):
            lines += entry
            continue
        wanted = parameters if "**options" in names else names
        for name in wanted:
            if "**options" in names and name in known:
                continue
            lines += _inherited(cls, name, parameters.get(name))
    return "\n".join([*before, *lines, *after])


def _inherited(cls: type, name: str, parameter: Parameter | None) -> list[str]:
    """The entry of an option in the docstring of the base class that explains it."""
    for base in cls.__mro__[1:]:
        _, entries, _ = _sections(base.__dict__.get("__doc__") or "")
        for names, entry in entries.items():
            if name in names and not _HANDED_ON.match(entry[0].partition(": ")[2]):
                text = " ".join(map(str.strip, entry)).partition(" Default: ")[0]
                if parameter is not None:
                    text += f" Default: {parameter.default!r}.".replace("'", '"')
                return textwrap.wrap(text, 96, initial_indent="    ", subsequent_indent="        ")
    return []


def _sections(doc: str) -> tuple[list[str], dict[tuple[str, ...], list[str]], list[str]]:
    """A docstring's lines before the arguments, an entry for each of them, and the lines after."""
    lines = inspect.cleandoc(doc).split("\n")
    if "Args:" not in lines:
        return lines, {}, []
    start = lines.index("Args:") + 1
    stop = next(
        (i for i in range(start, len(lines)) if lines[i] and not lines[i].startswith(" ")),
        len(lines),
    )
    while not lines[stop - 1]:
        stop -= 1
    entries: dict[tuple[str, ...], list[str]] = {}
    for line in lines[start:stop]:
        if not line.startswith("     "):
            entry: list[str] = []
            entries[tuple(line.strip().partition(":")[0].split(", "))] = entry
        entry.append(line)
    return lines[:start], entries, lines[stop:]
