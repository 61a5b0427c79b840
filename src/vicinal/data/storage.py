"""Where images are during training: in the cache, in memory, or where they are stored."""

from dataclasses import dataclass
from typing import Literal

import psutil
from rich.filesize import decimal

from vicinal.data import cache
from vicinal.data.decoded_file import has_content
from vicinal.data.resizing import Resizing
from vicinal.data.samples import ImageParts, Split
from vicinal.processes import processors, this_process

MEMORY_SHARE = 0.5  # of the free memory may be taken by images


@dataclass(frozen=True)
class Storage:
    """Where images are during training.

    Args:
        kind: ``"mapped"``: decoded once, into a file of the cache; ``"memory"``: decoded once, into
            memory; ``"streamed"``: decoded in each epoch, by worker processes.
        text: a description for the user.
    """

    kind: Literal["mapped", "memory", "streamed"]
    text: str


def choose_storage(needed: int, *, free: int, room: int, workers: int) -> Storage:
    """Choose where images are: in the cache if it has room, else in memory, else nowhere.

    Args:
        needed: bytes of the decoded images.
        free: bytes of free memory.
        room: bytes that the cache can hold.
        workers: worker processes that decode images in each epoch.

    >>> choose_storage(6 * 10**9, free=20 * 10**9, room=10**9, workers=2).text
    'in memory, 6.0 GB (half of 20.0 GB free is the limit)'
    """
    limit = int(MEMORY_SHARE * free)
    if needed <= room:
        text = f"mapped from the cache, {decimal(needed)} on disk: decoded at first use, and kept"
        return Storage("mapped", text)
    if needed <= limit:
        text = f"in memory, {decimal(needed)} (half of {decimal(free)} free is the limit)"
        return Storage("memory", text)
    readers = f"{workers} process{'es' if workers > 1 else ''}" if workers else "this process"
    return Storage(
        "streamed",
        f"streamed through {readers}: {decimal(needed)} are too many for memory ({decimal(limit)}) "
        f"and cache ({decimal(room)})",
    )


def storage_of(
    split: Split | ImageParts,
    size: Resizing | int,
    *,
    workers: int | None = None,
    may_cache: bool = True,
) -> Storage:
    """:func:`choose_storage` for images of this size on this machine, as it is now."""
    return choose_storage(
        cache.decoded_size(len(split.train) + len(split.valid), size),
        free=psutil.virtual_memory().available // this_process().num_processes,
        room=cache.room() if may_cache and has_content(split.train) else 0,
        workers=processors() if workers is None else workers,
    )
