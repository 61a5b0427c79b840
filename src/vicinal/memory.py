"""Memory that is freed is kept for the next batch."""

import ctypes
import sys

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # of glibc's malloc.h


def keep_freed_memory() -> bool:
    """Let this process keep the memory that it frees; whether that could be arranged.

    glibc hands large blocks back to the system, and each new one comes in page by page: on a CPU
    that can take as long as computing with it. The process then holds as much as it once needed,
    until it ends. This is for a program that owns its process, and for glibc on Linux alone.

    >>> keep_freed_memory() in (True, False)
    True
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):  # another C library
        return False
    # No block of a mapping of its own, and nothing is given back.
    return bool(mallopt(M_MMAP_MAX, 0) and mallopt(M_TRIM_THRESHOLD, -1))
