"""What is said of arguments that there are not."""

import difflib
from collections.abc import Iterable

from vicinal.errors import VicinalError


def check_keywords(
    whose: str, given: Iterable[str], known: Iterable[str], error: type[Exception] = VicinalError
) -> None:
    """Refuse the first keyword that is none of the known ones.

    Args:
        whose: what was called, such as ``"DataBlock"``.
        given, known: names of arguments.
        error: what is raised.

    Raises:
        VicinalError: in one sentence, which names the argument that is most like it.

    >>> check_keywords("DataBlock", ["batch_tfm"], ["get_y", "item_tfms", "batch_tfms"])
    Traceback (most recent call last):
    vicinal.errors.VicinalError: DataBlock has no argument 'batch_tfm': did you mean batch_tfms?
    """
    names = list(known)
    for name in given:
        if name in names:
            continue
        near = like(name, names)
        hint = f"did you mean {near}?" if near else f"it takes {', '.join(names)}"
        raise error(f"{whose} has no argument {name!r}: {hint}")


def like(name: str, known: Iterable[str]) -> str | None:
    """The known argument that is meant by a name, or None.

    >>> like("batchsize", ["bs", "batch_tfms"]), like("colour", ["bs"])
    ('bs', None)
    """
    names = list(known)
    if name.replace("_", "") == "batchsize" and "bs" in names:
        return "bs"
    return next(iter(difflib.get_close_matches(name, names, n=1, cutoff=0.75)), None)
