"""Handlers of questions that a Python ``bool`` answers: they are asked of both targets."""

from vicinal.mixed.call import Call
from vicinal.mixed.weights import Unsupported


def are_equal(call: Call) -> bool:
    """``equal`` and ``allclose`` are true where they are for both targets, as ``all`` is."""
    own, partner = call.on_both()
    return bool(own and partner)


def contains(call: Call) -> bool:
    """``5 in y`` is true where it is for one target, as ``any`` is."""
    if not call.only_first_is_mixed:
        raise Unsupported
    own, partner = call.on_both()
    return bool(own or partner)


def truth(call: Call) -> bool:
    """``if y == 2`` of a single value: code cannot go both ways."""
    own, partner = call.on_both()
    if own != partner:
        raise Unsupported
    return bool(own)
