"""Settings in JSON files, checked as they are read: what is wrong with them is one sentence."""

import json
import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from vicinal import __version__
from vicinal.errors import VicinalError

LONGEST = 40  # characters of a value that is shown
NAMES = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}


class Misfit(VicinalError):
    """A value in a file is not what it should be; the message is a clause that names it."""


def read_object(file: Path) -> dict[str, Any]:
    """The object that a JSON file holds.

    Raises:
        FileNotFoundError: there is no such file.
        VicinalError: it cannot be read, or holds something else.
    """
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise FileNotFoundError(file) from None
    except OSError as error:
        raise VicinalError(f"{file} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        reason = "too deep" if isinstance(error, RecursionError) else error
        raise VicinalError(
            f"{file} cannot be read ({reason}): it is damaged, so restore it from a copy, or begin "
            "anew"
        ) from None
    if not isinstance(found, dict):
        raise VicinalError(f"{file} holds no settings: it is no file of vicinal's")
    return found


def check_fields(
    found: Any, kinds: Mapping[str, Any], where: str = "", needed: Collection[str] = ()
) -> None:
    """Check the fields of an object in a JSON file.

    Args:
        found: what was read.
        kinds: the types of the fields that there may be, by name.
        where: the name of the object in its file; empty for the whole file.
        needed: the fields that there must be.

    Raises:
        Misfit: a field is unknown, missing or of another type.

    >>> check_fields({"epochs": 5}, {"epochs": int | None, "lr": float})
    >>> check_fields({"epochs": "5"}, {"epochs": int | None}, "options")
    Traceback (most recent call last):
    vicinal.stored.Misfit: options.epochs must be a whole number or null, not '5'
    """
    if not isinstance(found, dict):
        raise Misfit(f"{where or 'it'} must be an object, not {_shown(found)}")
    before = f"{where}." if where else ""
    for name in found:
        if name not in kinds:
            raise Misfit(f"{before}{_cut(name)} is unknown to vicinal {__version__}")
    for name in needed:
        if name not in found:
            raise Misfit(f"{before}{name} is missing")
    for name, value in found.items():
        _check(value, kinds[name], f"{before}{name}")


def check_dataclass(found: Any, kind: Any, where: str = "") -> None:
    """Check an object in a JSON file that holds the fields of a dataclass.

    Args:
        found: what was read.
        kind: the dataclass; only fields that JSON can hold are checked.
        where: as for :func:`check_fields`.

    Raises:
        Misfit: as there.
    """
    hints = get_type_hints(kind)
    kinds = {field.name: hints[field.name] for field in fields(kind)}
    check_fields(found, kinds, where, [f.name for f in fields(kind) if not _has_default(f)])


def misfit(file: Path, error: Exception, version: Any) -> VicinalError:
    """What is wrong with a file, in a sentence.

    Args:
        file: where it was found.
        error: a :class:`Misfit`, or another error of a value.
        version: what the file says of the version that wrote it.
    """
    is_version = isinstance(version, str) and re.fullmatch(r"[\w.+-]{1,40}", version)
    if is_version and version != __version__:
        by = f"it was written by vicinal {version}, so use that version"
    else:
        by = "it is damaged or was edited, so restore it from a copy, or begin anew"
    return VicinalError(f"{file} cannot be used, as {error}: {by}")


def first_line(error: Exception) -> str:
    """What an error says, on one line; its type where it says nothing."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _has_default(field: Field[Any]) -> bool:
    return field.default is not MISSING or field.default_factory is not MISSING


def _check(value: Any, kind: Any, where: str) -> None:
    origin, arguments = get_origin(kind) or kind, get_args(kind)
    if origin in (Union, UnionType):
        _check_any(value, arguments, where)
    elif is_dataclass(kind):
        check_dataclass(value, kind, where)
    elif not _is_of(value, origin, arguments):
        raise Misfit(f"{where} must be {_describe(kind)}, not {_shown(value)}")
    elif origin is dict or (isinstance(origin, type) and issubclass(origin, Mapping)):
        for name, inner in value.items():
            _check(inner, arguments[1] if arguments else Any, f"{where}.{_cut(name)}")
    elif isinstance(value, list):
        kinds = _kinds_of_items(value, origin, arguments)
        if len(kinds) != len(value):
            raise Misfit(f"{where} must have {len(kinds)} values, not {len(value)}")
        for number, (inner, each) in enumerate(zip(value, kinds, strict=True)):
            _check(inner, each, f"{where}[{number}]")


def _check_any(value: Any, kinds: Sequence[Any], where: str) -> None:
    """Check a value that may be of any of these types, and say what is wrong as exactly."""
    errors = []
    for kind in kinds:
        try:
            return _check(value, kind, where)
        except Misfit as error:
            errors.append(error)
    inner = [error for error in errors if not str(error).startswith(f"{where} must be ")]
    if inner:  # a list or an object, of which a part is wrong
        raise inner[0]
    names = dict.fromkeys(_describe(kind) for kind in kinds)
    raise Misfit(f"{where} must be {' or '.join(filter(None, names))}, not {_shown(value)}")


def _is_of(value: Any, origin: Any, arguments: Sequence[Any]) -> bool:
    """Whether a value is of a type, whatever is in it."""
    if origin is Any:
        return True
    if origin in (None, NoneType):
        return value is None
    if origin is Literal:
        return value in arguments and not isinstance(value, bool)
    if origin is bool:
        return isinstance(value, bool)
    if origin is int:
        return type(value) is int and abs(value) < 2**63
    if origin is float:
        return type(value) in (int, float) and abs(value) < 1e308 and math.isfinite(value)
    if origin is str:
        return isinstance(value, str) and _is_text(value)
    if not isinstance(origin, type):
        return False
    if issubclass(origin, Mapping):
        return isinstance(value, dict) and all(map(_is_text, value))
    is_sequence = issubclass(origin, list | tuple) or origin in (Sequence, Collection)
    return is_sequence and isinstance(value, list)


def _kinds_of_items(value: list[Any], origin: Any, arguments: Sequence[Any]) -> list[Any]:
    if origin is tuple and arguments and arguments[-1] is not ...:
        return list(arguments)
    return [arguments[0] if arguments else Any] * len(value)


def _is_text(text: str) -> bool:
    """Whether it can be printed and written; half of a surrogate pair cannot."""
    return not any("\ud800" <= letter <= "\udfff" for letter in text)


def _describe(kind: Any) -> str:
    """A type in words; empty for those that JSON cannot hold."""
    origin, arguments = get_origin(kind) or kind, get_args(kind)
    if origin in (None, NoneType):
        return "null"
    if origin is Literal:
        return " or ".join(map(str, arguments))
    if origin in NAMES:
        return NAMES[origin]
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return "an object"
    if isinstance(origin, type) and (issubclass(origin, list | tuple | Sequence | Collection)):
        return "a list"
    return ""


def _shown(value: Any) -> str:
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int) and abs(value) >= 10**LONGEST:
        return "such a large one"  # whose digits Python refuses to write
    return _cut(repr(value)) if not isinstance(value, str) else repr(_cut(value))


def _cut(text: str) -> str:
    """A text on one line, and no longer than can be read at once."""
    text = "".join(letter if letter.isprintable() else " " for letter in text)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
