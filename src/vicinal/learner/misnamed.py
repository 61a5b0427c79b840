"""What is wrong with a name: of a callback or a metric that is none, of an argument, a method."""

import difflib
import inspect
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any, TypeVar, cast

import vicinal
from vicinal.data.keywords import check_keywords

Function = TypeVar("Function", bound=Callable[..., Any])


def not_a(what: str, given: Any, example: str) -> str:
    """One sentence that says what to write instead.

    Args:
        what: such as "callback or mixer".
        given: the thing.
        example: one of the right kind, as code.

    >>> not_a("callback or mixer", "Mixup", "MixUp()")
    "'Mixup' is a text and no callback or mixer: write Mixup without quotes"
    >>> not_a("metric", "acuracy", "accuracy")
    "'acuracy' is a text and no metric: did you mean accuracy, without quotes?"
    """
    if isinstance(given, str):
        if given in vicinal.__all__:
            return f"{given!r} is a text and no {what}: write {given} without quotes"
        near = like(given)
        hint = f"did you mean {near}, without quotes?" if near else f"give one such as {example}"
        return f"{given!r} is a text and no {what}: {hint}"
    kind = given if isinstance(given, type) else type(given)
    package, name = kind.__module__.partition(".")[0], getattr(given, "__name__", kind.__name__)
    if package == "fastai":
        hint = f"import {name} from vicinal" if name in vicinal.__all__ else f"give {example}"
        if name == "AccumMetric":  # which all of scikit-learn's are there
            hint = "import the name that you called, such as F1Score, from vicinal"
        return f"fastai's {name} works in fastai's Learner alone: {hint}"
    return f"{given!r} is no {what}: give one such as {example}"


def like(name: str) -> str | None:
    """The public name that is most like one that does not exist; None if none is.

    >>> like("SaveModelCalback"), like("xyz")
    ('SaveModelCallback', None)
    """
    by_lower = {public.lower(): public for public in reversed(vicinal.__all__)}
    near = difflib.get_close_matches(name.lower(), by_lower, n=1)
    return by_lower[near[0]] if near else None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """What follows after "there is no such name": a similar one, if there is.

    >>> did_you_mean("fine_tun", ["fit", "fine_tune"]), did_you_mean("abc", ["fit"])
    (': did you mean fine_tune?', '')
    """
    near = difflib.get_close_matches(name, list(known), n=1)
    return f": did you mean {near[0]}?" if near else ""


def suggesting(function: Function) -> Function:
    """Let a function suggest a similar name for a keyword that it does not take."""
    known = [name for name in inspect.signature(function).parameters if name != "self"]
    name = function.__qualname__.removesuffix(".__init__").rpartition(".")[2]

    @wraps(function)
    def checked(*args: Any, **options: Any) -> Any:
        if not options.keys() <= set(known):
            check_keywords(f"{name}()", options, known, TypeError)
        return function(*args, **options)

    return cast(Function, checked)
