"""Settings that are assigned to a mixer, which pass the checks of its constructor.

The checks stand in constructors, where the authors of methods write them. So a mixer like this one
is made with the new value: what the constructor refuses, an assignment refuses, too.
"""

import inspect
from functools import cache
from typing import Any


def as_constructed(mixer: Any, name: str, value: Any) -> Any:
    """The value of an attribute, as the constructor stores it.

    Args:
        mixer: was constructed.
        name: of the attribute; one that is no argument of the constructor is not checked. Nor is an
            argument of a class from elsewhere, whose constructor may do more than store.
        value: the new one.

    Raises:
        TypeError, ValueError: those of the constructor.
        AttributeError: it is the seed, which is taken once.
    """
    from vicinal.mixing.mixer import Mixer, MixerOptions

    cls: Any = type(mixer)
    held, shared = vars(mixer), MixerOptions.__annotations__.keys() - {"seed"}
    if name == "seed" and name not in held:
        raise AttributeError(
            f"seed={value!r} cannot be assigned: make a {cls.__name__} with it, or load the "
            "state_dict() of one"
        )
    arguments = _arguments(cls)
    given = {each: held[key] for each in arguments for key in (f"_{each}", each) if key in held}
    is_ours = cls.__module__.partition(".")[0] == __name__.partition(".")[0]
    # Not so without what it does not keep, such as the model of a ManifoldMixUp.
    can_be_made = is_ours and all(each in given for each, needed in arguments.items() if needed)
    is_wrapper = len(mixer.nested()) > 1  # whose options may differ from those it has adopted
    if name in shared and (is_wrapper or not can_be_made):
        twin, options = object.__new__(cls), {each: held[each] for each in shared if each in held}
        Mixer.__init__(twin, **options | {name: value})
        return vars(twin)[name]
    if not can_be_made or name not in arguments or name not in held:
        return value
    if is_wrapper:
        given = {each: kept for each, kept in given.items() if each not in shared}
    return vars(cls(**given | {name: value}))[name]


@cache
def _arguments(cls: Any) -> dict[str, bool]:
    """The arguments of a constructor, and whether each is required."""
    parameters = inspect.signature(cls).parameters.values()
    return {p.name: p.default is p.empty for p in parameters}
