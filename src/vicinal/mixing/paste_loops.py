"""Loops over memory that paste boxes, compiled by numba; this file needs it, nothing else does.

Images are (B, planes, H, bytes of a line) uint8 here, whatever their dtype, so that one compiled
version serves all.
"""

from typing import Any

from numba import njit


@njit(nogil=True, cache=True)
def paste_within(rows: Any, partner: Any, spans: Any) -> None:
    """Paste each row's span from its partner in the same batch.

    Along each cycle of partners, so that a row is read before it is written; only the first one is
    wanted again, by the last, and is saved.
    """
    pasted = [False] * len(rows)
    for first in range(len(rows)):
        if pasted[first]:
            continue
        saved = rows[first].copy()
        row = first
        while partner[row] != first:
            paste_row(rows[row], rows[partner[row]], spans[row])
            pasted[row] = True
            row = partner[row]
        paste_row(rows[row], saved, spans[row])
        pasted[row] = True


@njit(nogil=True, cache=True)
def paste_from(out: Any, source: Any, partner: Any, spans: Any) -> None:
    """Paste each row's span from its partner in another batch."""
    for row in range(len(out)):
        paste_row(out[row], source[partner[row]], spans[row])


@njit(nogil=True, cache=True)
def paste_row(row: Any, partner: Any, span: Any) -> None:
    """Span: first and last line, first and last byte of each; the last ones just outside."""
    for plane in range(row.shape[0]):
        for line in range(span[0], span[1]):
            for place in range(span[2], span[3]):
                row[plane, line, place] = partner[plane, line, place]
