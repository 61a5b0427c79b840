"""Loops over grids of blocks, compiled by numba: minimum cuts, transport, and moving the blocks.

They are called as those of :mod:`vicinal.mixing.loops` are, whose module says how.
"""

from typing import Any

import numpy as np
from numba import carray, njit  # type: ignore[attr-defined]

from vicinal.mixing.loops import _are_valid_rows, _pointer, _thread_range

FAR = 1 << 30


def cut_grids(data: Any) -> None:
    """The smallest set of blocks of the least cost, of each grid.

    Args: grids, lines, blocks in a line; addresses of the result (bytes), the field, and the
    weights down and across. The status is -1 if a weight is negative.
    """
    args = carray(data, 8)
    count, lines, columns = args[1], args[2], args[3]
    inside = carray(_pointer(args[4], np.uint8), (count, lines, columns))
    field = carray(_pointer(args[5], np.int64), (count, lines, columns))
    down = carray(_pointer(args[6], np.int64), (count, lines - 1, columns))
    across = carray(_pointer(args[7], np.int64), (count, lines, columns - 1))
    if (down.size and down.min() < 0) or (across.size and across.min() < 0):
        args[0] = -1
        return
    # With a margin, whose blocks have no edges, nothing need be checked for being inside.
    width = columns + 2
    size = (lines + 2) * width
    free = np.empty((4, size), np.int64)  # what may still flow right, left, down and up
    excess, room = np.empty(size, np.int64), np.empty(size, np.int64)
    distance, order = np.empty(size, np.int64), np.empty(size, np.int64)
    start, stop = _thread_range(count, 1)
    for grid in range(start, stop):
        free[:] = 0
        excess[:] = 0
        room[:] = 0
        for line in range(lines):
            for column in range(columns):
                at = (line + 1) * width + column + 1
                value = field[grid, line, column]
                excess[at], room[at] = max(value, 0), max(-value, 0)
                if column + 1 < columns:
                    free[0, at] = free[1, at + 1] = across[grid, line, column]
                if line + 1 < lines:
                    free[2, at] = free[3, at + width] = down[grid, line, column]
        _fill(free, excess, room, distance, order, width)
        for line in range(lines):
            for column in range(columns):
                at = (line + 1) * width + column + 1
                inside[grid, line, column] = distance[at] < FAR


@njit(nogil=True, cache=True)
def _fill(free: Any, excess: Any, room: Any, distance: Any, order: Any, width: int) -> None:
    """Let the excess flow into the room, as much as fits: a maximum preflow, in waves.

    Every wave measures how far all blocks are from room, and pushes the excess of the farthest ones
    first, along the shortest ways. What gets stuck has a longer way in the next wave. At the end,
    the blocks that are not :data:`FAR` are the smallest side of a minimum cut.
    """
    steps = (1, -1, width, -width)
    while True:
        distance[:] = FAR
        reached = 0
        for at in range(len(room)):
            if room[at] > 0:
                distance[at] = 0
                order[reached] = at
                reached += 1
        head, is_active = 0, False
        while head < reached:
            at = order[head]
            head += 1
            is_active = is_active or excess[at] > 0
            for side in range(4):
                other = at + steps[side]
                # Of two sides, one is the opposite of the other: right and left, down and up.
                if free[side ^ 1, other] > 0 and distance[other] == FAR:
                    distance[other] = distance[at] + 1
                    order[reached] = other
                    reached += 1
        if not is_active:
            return
        for head in range(reached - 1, -1, -1):
            at = order[head]
            if excess[at] == 0:
                continue
            flow = min(excess[at], room[at])
            excess[at] -= flow
            room[at] -= flow
            for side in range(4):
                other = at + steps[side]
                if distance[other] == distance[at] - 1:
                    flow = min(excess[at], free[side, at])
                    excess[at] -= flow
                    excess[other] += flow
                    free[side, at] -= flow
                    free[side ^ 1, other] += flow


def transport(data: Any) -> None:
    """Which block moves to each place that is shown, of each grid.

    Args: grids, blocks, rounds; addresses of the result, the saliency, what is shown (bytes), the
    price of the way from each block to each place, and for each block the places in their order.
    """
    args = carray(data, 9)
    count, blocks, rounds = args[1], args[2], args[3]
    source = carray(_pointer(args[4], np.int64), (count, blocks))
    saliency = carray(_pointer(args[5], np.float32), (count, blocks))
    shown = carray(_pointer(args[6], np.uint8), (count, blocks))
    way = carray(_pointer(args[7], np.float32), (blocks, blocks))
    nearest = carray(_pointer(args[8], np.int64), (blocks, blocks))
    keeper, tried = np.empty(blocks, np.int64), np.empty(blocks, np.int64)
    asking, lost = np.empty(blocks, np.int64), np.empty(blocks, np.int64)
    start, stop = _thread_range(count, 1)
    for grid in range(start, stop):
        keeper[:] = -1
        tried[:] = 0
        waiting = blocks
        for block in range(blocks):
            asking[block] = block
        for _ in range(rounds):
            losers = 0
            for k in range(waiting):
                block = asking[k]
                place = _next_place(block, tried, saliency[grid], shown[grid], way, nearest)
                if place < 0:
                    continue
                holder = keeper[place]
                loser = block
                if holder < 0 or _gains_more(block, holder, place, saliency[grid], way):
                    keeper[place], loser = block, holder
                if loser >= 0:
                    lost[losers] = loser
                    losers += 1
            asking, lost = lost, asking
            waiting = losers
        for place in range(blocks):
            source[grid, place] = keeper[place] if keeper[place] >= 0 else place


@njit(nogil=True, cache=True)
def _next_place(block: int, tried: Any, saliency: Any, shown: Any, way: Any, nearest: Any) -> int:
    """The nearest place that is shown and was not tried, or -1 where none is worth the way."""
    while tried[block] < len(shown):
        place = nearest[block, tried[block]]
        if way[block, place] >= saliency[block] and place != block:
            tried[block] = len(shown)
            return -1
        tried[block] += 1
        if shown[place] != 0:
            return int(place)
    return -1


@njit(nogil=True, cache=True)
def _gains_more(block: int, holder: int, place: int, saliency: Any, way: Any) -> bool:
    """Whether a block gains more at a place than its holder; of equal ones, the first."""
    cost = way[block, place] - saliency[block]
    other = way[holder, place] - saliency[holder]
    return bool(cost < other or (cost == other and block < holder))


def blocks_in_place(data: Any) -> None:
    """Move and blend the blocks of each image and of its partner in the same batch, in place.

    Args: images, planes, lines, pixels in a line, blocks along a side; addresses of the batch, the
    partners, the blocks (images, 3, n, n), as for ``MovedBlocks``, and the edges (2, n + 1).
    """
    args = carray(data, 10)
    shape = args[1], args[2], args[3], args[4]
    x = carray(_pointer(args[6], np.float32), shape)
    partner = carray(_pointer(args[7], np.int64), args[1])
    blocks = carray(_pointer(args[8], np.float32), (args[1], 3, args[5], args[5]))
    edges = carray(_pointer(args[9], np.int64), (2, args[5] + 1))
    if not (_are_valid_rows(partner, True) and _are_on_grids(blocks)):
        args[0] = -1
        return
    start, stop = _thread_range(args[2], 1)
    done = np.empty(len(x), np.bool_)
    saved, own = np.empty(shape[2:], np.float32), np.empty(shape[2:], np.float32)
    for plane in range(start, stop):
        done[:] = False
        for first in range(len(x)):
            row = first
            if not done[first]:
                saved[:] = x[first, plane]
            while not done[row]:
                source = partner[row]
                own[:] = x[row, plane]
                theirs = saved if source == first else x[source, plane]
                _move_plane(x[row, plane], own, theirs, blocks[row], edges)
                done[row] = True
                row = source


def blocks_into(data: Any) -> None:
    """Move and blend the blocks of each image and of its partner in another batch, into a third.

    Args: images, planes, lines, pixels in a line, blocks along a side; addresses of the result, the
    batch, the partners' batch, the partners, the blocks and the edges.
    """
    args = carray(data, 12)
    shape = args[1], args[2], args[3], args[4]
    out = carray(_pointer(args[6], np.float32), shape)
    x = carray(_pointer(args[7], np.float32), shape)
    others = carray(_pointer(args[8], np.float32), shape)
    partner = carray(_pointer(args[9], np.int64), args[1])
    blocks = carray(_pointer(args[10], np.float32), (args[1], 3, args[5], args[5]))
    edges = carray(_pointer(args[11], np.int64), (2, args[5] + 1))
    if not (_are_valid_rows(partner, False) and _are_on_grids(blocks)):
        args[0] = -1
        return
    start, stop = _thread_range(args[1], 1)
    for row in range(start, stop):
        for plane in range(args[2]):
            theirs = others[partner[row], plane]
            _move_plane(out[row, plane], x[row, plane], theirs, blocks[row], edges)


@njit(nogil=True, cache=True)
def _are_on_grids(blocks: Any) -> bool:
    count = blocks.shape[2] * blocks.shape[3]
    for row in range(len(blocks)):
        for side in range(1, 3):
            for source in blocks[row, side].flat:
                if not 0 <= source < count:
                    return False
    return True


@njit(nogil=True, cache=True)
def _move_plane(out: Any, own: Any, theirs: Any, blocks: Any, edges: Any) -> None:
    """One plane of an image, which must not be where its own and its partner's are read."""
    count = blocks.shape[1]
    width = own.shape[1]
    flat, own_flat, theirs_flat = out.reshape(-1), own.reshape(-1), theirs.reshape(-1)
    for down in range(count):
        for line in range(edges[0, down], edges[0, down + 1]):
            for across in range(count):
                start, stop = edges[1, across], edges[1, across + 1]
                keep = blocks[0, down, across]
                into = flat[line * width + start : line * width + stop]
                at, last = _source(blocks[1, down, across], line - edges[0, down], edges, own.shape)
                if keep == 1:
                    _copy(into, own_flat[at:], last)
                    continue
                at_other, last_other = _source(
                    blocks[2, down, across], line - edges[0, down], edges, own.shape
                )
                if keep == 0:
                    _copy(into, theirs_flat[at_other:], last_other)
                    continue
                for k in range(len(into)):
                    other = theirs_flat[at_other + min(k, last_other)]
                    into[k] = other + keep * (own_flat[at + min(k, last)] - other)


@njit(nogil=True, cache=True)
def _source(block: Any, line: int, edges: Any, shape: Any) -> tuple[int, int]:
    """Where a line of a block begins in its plane, and the index of its last pixel."""
    count = edges.shape[1] - 1
    down, across = int(block) // count, int(block) % count
    first, left = edges[0, down], edges[1, across]
    line = min(first + line, max(edges[0, down + 1] - 1, first), shape[0] - 1)
    left = min(left, shape[1] - 1)
    return line * shape[1] + left, max(edges[1, across + 1] - 1 - left, 0)


@njit(nogil=True, cache=True)
def _copy(into: Any, line: Any, last: int) -> None:
    """Copy pixels of a line, and repeat the last one where there are not as many."""
    count = min(len(into), last + 1)
    for k in range(count):
        into[k] = line[k]
    for k in range(count, len(into)):
        into[k] = line[last]
