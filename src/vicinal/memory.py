"""Memory of a process that is ours: freed memory stays with it, and libraries are no garbage."""

import ctypes
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # of glibc's malloc.h


def keep_freed_memory() -> bool:
    """Make the allocator keep the memory that this process frees; returns whether it does.

    glibc returns large blocks to the system, and each new one is faulted in page by page, which on
    a CPU can take as long as computing with it. The process then keeps its peak memory until it
    ends. This is for a program that owns its process, and works with glibc on Linux only.

    >>> keep_freed_memory() in (True, False)
    True
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):  # another C library
        return False
    # No block gets a mapping of its own, and the heap is never trimmed.
    return bool(mallopt(M_MMAP_MAX, 0) and mallopt(M_TRIM_THRESHOLD, -1))


@contextmanager
def loading() -> Iterator[None]:
    """Import libraries in this context without a look for garbage.

    What they make stays until the process ends. Python would go through all of it again and again,
    which takes a sixth of the time until a network trains.

    >>> with loading():
    ...     import json
    """
    gc.disable()
    try:
        yield
    finally:
        if not gc.get_freeze_count():  # garbage of what has been done since would stay, too
            gc.freeze()
        gc.enable()
