"""The mix that a wrapper hands to an inner mixer which overrides draw().

It is thread-local, as several threads may draw with one mixer at the same time. Only code that
torch.compile traces, which cannot read thread-local values, finds it on the mixer.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch.compiler import is_compiling


class _OfThread(threading.local):
    def __init__(self) -> None:
        self.mixes: dict[int, Any] = {}


_of_thread = _OfThread()


def handed_to(mixer: Any) -> Any:
    """What a wrapper has handed to this mixer, or None."""
    return mixer._outer_draw if is_compiling() else _of_thread.mixes.get(id(mixer))


@contextmanager
def handed(mixer: Any, mix: Any) -> Iterator[None]:
    """Hand a mix to a mixer, for the calls of its draw() in this context."""
    _of_thread.mixes[id(mixer)] = mix
    try:
        yield
    finally:
        del _of_thread.mixes[id(mixer)]
