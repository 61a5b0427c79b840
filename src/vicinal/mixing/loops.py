"""Loops over memory, compiled by numba and run by torch's own threads.

This file needs numba, and an OpenMP that torch brings or finds; :mod:`compiled` does without where
there is none. Threads of numba's own would fight with torch's for the processors: both spin while
they wait. So a loop is compiled to a plain function, and torch's OpenMP is asked to run it, as it
runs torch's own.

A loop is given sizes and addresses, as 64-bit integers. In front of them stands its answer: 0, or
-1 if what it was given is wrong: the partners are no rows, or no permutation where one is needed,
or boxes lie outside. Nothing has been touched then.
"""

import ctypes
from array import array
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite.binding
import numpy as np
import torch
from numba import carray, cfunc, njit, types  # type: ignore[attr-defined]
from numba.extending import intrinsic

_torch = ctypes.CDLL(str(Path(torch.__file__).parent / "lib" / "libtorch_cpu.so"))
_parallel = _torch.GOMP_parallel
_parallel.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint]
_parallel.restype = None
for _name in ("omp_get_thread_num", "omp_get_num_threads"):
    llvmlite.binding.add_symbol(_name, ctypes.cast(getattr(_torch, _name), ctypes.c_void_p).value)
_thread: Any = types.ExternalFunction("omp_get_thread_num", types.int32())
_threads: Any = types.ExternalFunction("omp_get_num_threads", types.int32())


def run(loop: Any, *numbers: int, threads: int | None = None) -> bool:
    """Run a loop on torch's threads; whether what it was given is right."""
    data = array("q", (0, *numbers))
    threads = torch.get_num_threads() if threads is None else threads
    _parallel(_compiled(loop), data.buffer_info()[0], threads, 0)
    return data[0] == 0


@cache
def _compiled(loop: Any) -> int:
    loop_on_threads: Any = cfunc(types.void(types.CPointer(types.int64)), cache=True)(loop)
    return int(loop_on_threads.address)


def blend_in_place(data: Any) -> None:
    """Blend rows of floats, in place, with their partners in the same batch.

    Numbers: rows, columns; addresses of the batch, the partners and the weights.
    """
    number = carray(data, 6)
    x = carray(_at(number[3], np.float32), (number[1], number[2]))
    partner = carray(_at(number[4], np.int64), number[1])
    weight = carray(_at(number[5], np.float32), number[1])
    if not _are_rows(partner, True):
        number[0] = -1
        return
    start, stop = _part(x.shape[1], 64)
    done = np.zeros(len(x), np.bool_)
    saved = np.empty(stop - start, np.float32)
    for first in range(len(x)):
        if done[first]:
            continue
        # Along the cycle each row is read before it is written, but for the first one.
        saved[:] = x[first, start:stop]
        row = first
        while not done[row]:
            source = partner[row]
            shown = saved if source == first else x[source, start:stop]
            _blend_onto(x[row, start:stop], shown, weight[row])
            done[row] = True
            row = source


def blend_into(data: Any) -> None:
    """Blend rows of floats with their partners in another batch, into a third.

    Numbers: rows, columns; addresses of the result, the batch, the partners' batch, the partners
    and the weights. The result may be the batch.
    """
    number = carray(data, 8)
    shape = number[1], number[2]
    out = carray(_at(number[3], np.float32), shape)
    x = carray(_at(number[4], np.float32), shape)
    others = carray(_at(number[5], np.float32), shape)
    partner = carray(_at(number[6], np.int64), number[1])
    weight = carray(_at(number[7], np.float32), number[1])
    if not _are_rows(partner, False):
        number[0] = -1
        return
    # Each thread takes rows, which lie together in the new memory that it is the first to touch.
    (first_row, last_row), (start, stop) = _part(len(x), 1), (0, x.shape[1])
    is_large = x.shape[1] >= LARGE
    if is_large:
        (first_row, last_row), (start, stop) = (0, len(x)), _part(x.shape[1], 64)
    done = np.zeros(len(x), np.bool_)
    for first in range(first_row, last_row):
        # Large rows from row to partner: in one batch, that is the next row, still in cache.
        row = first
        while not done[row]:
            own, shown = x[row, start:stop], others[partner[row], start:stop]
            # Where two arrays may be one, they are not computed in vectors.
            if number[3] == number[4]:
                _blend_onto(own, shown, weight[row])
            else:
                _blend_into(out[row, start:stop], own, shown, weight[row])
            done[row] = True
            row = partner[row] if is_large else row


def normalize_into(rounds: bool) -> Any:
    """The loop that blends rows of bytes, and scales and shifts each column, into floats.

    Numbers: rows, columns; addresses of the result, the batch, the partners' batch, the partners,
    the weights, the scales and the shifts.

    Args:
        rounds: whether the result is bfloat16, rounded to the nearest, ties to even.
    """
    result = np.uint16 if rounds else np.float32

    def loop(data: Any) -> None:
        number = carray(data, 10)
        shape = number[1], number[2]
        out = carray(_at(number[3], result), shape)
        x = carray(_at(number[4], np.uint8), shape)
        others = carray(_at(number[5], np.uint8), shape)
        partner = carray(_at(number[6], np.int64), number[1])
        weight = carray(_at(number[7], np.float32), number[1])
        scale = carray(_at(number[8], np.float32), number[2])
        shift = carray(_at(number[9], np.float32), number[2])
        if not _are_rows(partner, False):
            number[0] = -1
            return
        start, stop = _part(x.shape[1], 64)
        floats = np.empty(CHUNK, np.float32)
        bits = floats.view(np.uint32)
        for row in range(len(x)):
            for first in range(start, stop, CHUNK):
                last = min(first + CHUNK, stop)
                own, shown = x[row, first:last], others[partner[row], first:last]
                into = floats[: last - first] if rounds else out[row, first:last]
                _normalize(into, own, shown, weight[row], scale[first:last], shift[first:last])
                if rounds:
                    _round(out[row, first:last], bits)

    return loop


def paste_in_place(unit: Any) -> Any:
    """The loop that pastes a span of each image from its partner in the same batch.

    Images are integers here, whatever their dtype. Numbers: images, planes, lines, places in a
    line; addresses of the batch, the partners and the spans, (images, 4): first and last line,
    first and last place, the last ones just outside.

    Args:
        unit: the integer type.
    """

    def loop(data: Any) -> None:
        number = carray(data, 8)
        x = carray(_at(number[5], unit), (number[1], number[2], number[3], number[4]))
        partner = carray(_at(number[6], np.int64), number[1])
        spans = carray(_at(number[7], np.int64), (number[1], 4))
        if not (_are_rows(partner, True) and _are_inside(spans, x.shape[2], x.shape[3])):
            number[0] = -1
            return
        start, stop = _part(x.shape[2], 1)
        done = np.zeros(len(x), np.bool_)
        saved = np.empty((1, x.shape[1], max(stop - start, 0), x.shape[3]), unit)
        for first in range(len(x)):
            if done[first]:
                continue
            saved[0] = x[first, :, start:stop]
            row = first
            while not done[row]:
                source = partner[row]
                if source == first:
                    _paste(x, row, saved, 0, spans, start, stop)
                else:
                    _paste(x, row, x, source, spans, start, stop)
                done[row] = True
                row = source

    return loop


def paste_into(unit: Any) -> Any:
    """The loop that pastes a span of each image from its partner in another batch.

    Numbers: images, planes, lines, places in a line; addresses of the batch, the partners' batch,
    the partners and the spans, as for :func:`paste_in_place`.

    Args:
        unit: the integer type.
    """

    def loop(data: Any) -> None:
        number = carray(data, 9)
        shape = number[1], number[2], number[3], number[4]
        x = carray(_at(number[5], unit), shape)
        others = carray(_at(number[6], unit), shape)
        partner = carray(_at(number[7], np.int64), number[1])
        spans = carray(_at(number[8], np.int64), (number[1], 4))
        if not (_are_rows(partner, False) and _are_inside(spans, x.shape[2], x.shape[3])):
            number[0] = -1
            return
        start, stop = _part(x.shape[2], 1)
        for row in range(len(x)):
            _paste(x, row, others, partner[row], spans, start, stop)

    return loop


def nll_of_pairs(data: Any) -> None:
    """The negative log-likelihood of two labels for each row, each counted by its share.

    Numbers: rows, classes; addresses of the log-probabilities, own labels, partners' labels, own
    shares and the classes' weights (or 0); the label that does not count; whether the mean is
    wanted; addresses of the results: the loss, and what it grows by with each label's
    log-probability.

    The answer is -1 where a label is no class.
    """
    number = carray(data, 12)
    rows, classes, ignored = number[1], number[2], number[8]
    log_probs = carray(_at(number[3], np.float32), (rows, classes))
    labels = carray(_at(number[4], np.int64), rows), carray(_at(number[5], np.int64), rows)
    own_share = carray(_at(number[6], np.float32), rows)
    weight = carray(_at(number[7], np.float32), classes)
    slope = carray(_at(number[11], np.float32), (rows, 2))
    loss, total = 0.0, 0.0
    for row in range(rows):
        for side in range(2):
            label = labels[side][row]
            slope[row, side] = 0
            if label == ignored:
                continue
            if not 0 <= label < classes:
                number[0] = -1
                return
            share = own_share[row] if side == 0 else 1 - own_share[row]
            if share != 0:  # without any, an infinite loss must leave no trace: 0 * inf is nan
                count = share * weight[label] if number[7] != 0 else share
                slope[row, side] = -count
                total += count
                loss -= count * log_probs[row, label]
    if number[9] != 0:
        # Without anything that counts, the mean is none, but nothing follows from it.
        loss = loss / total if total != 0 else np.nan
        for row in range(rows):
            for side in range(2):
                slope[row, side] = slope[row, side] / total if total != 0 else 0
    carray(_at(number[10], np.float32), 1)[0] = loss


def spread_pairs(data: Any) -> None:
    """Rows of zeros, but for the two slopes of each, times a number, at the places of its labels.

    Numbers: rows, classes; addresses of the result, own labels, partners' labels, the slopes and
    the number. A label with the slope 0 is not looked at.
    """
    number = carray(data, 8)
    rows = number[1]
    out = carray(_at(number[3], np.float32), (rows, number[2]))
    labels = carray(_at(number[4], np.int64), rows), carray(_at(number[5], np.int64), rows)
    slope = carray(_at(number[6], np.float32), (rows, 2))
    times = carray(_at(number[7], np.float32), 1)[0]
    start, stop = _part(rows, 1)
    for row in range(start, stop):
        out[row] = 0
        for side in range(2):
            if slope[row, side] != 0:
                out[row, labels[side][row]] += slope[row, side] * times


LARGE = 32 * 1024  # floats in a row, from which on threads share rows
CHUNK = 4096  # floats that are made before they are rounded: 16 KiB stay in cache


def _pointer(context: Any, address: Any, unit: Any) -> Any:
    """A pointer to memory at an address."""
    pointer = types.CPointer(unit.dtype)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], context.get_value_type(pointer))

    return pointer(types.int64, unit), generate


_at: Any = intrinsic(_pointer)


@njit(nogil=True, cache=True)
def _are_rows(partner: Any, each_once: bool) -> bool:
    seen = np.zeros(len(partner), np.bool_)
    for row in partner:
        if not 0 <= row < len(partner) or (each_once and seen[row]):
            return False
        seen[row] = True
    return True


@njit(nogil=True, cache=True)
def _are_inside(spans: Any, lines: Any, places: Any) -> bool:
    for row in range(len(spans)):
        top, bottom, left, right = spans[row, 0], spans[row, 1], spans[row, 2], spans[row, 3]
        if min(top, bottom, left, right) < 0 or max(top, bottom) > lines:
            return False
        if max(left, right) > places:
            return False
    return True


@njit(nogil=True, cache=True)
def _part(count: int, multiple: int) -> tuple[int, int]:
    """From where to where this thread works."""
    each = (count + _threads() - 1) // _threads()
    each = (each + multiple - 1) // multiple * multiple
    start = min(_thread() * each, count)
    return start, min(start + each, count)


@njit(nogil=True, cache=True)
def _blend_onto(row: Any, shown: Any, weight: Any) -> None:
    if weight < 1:  # else an inf or nan of the partner would leave its trace: 0 * inf is nan
        for k in range(len(row)):
            row[k] = shown[k] + weight * (row[k] - shown[k])


@njit(nogil=True, cache=True)
def _blend_into(out: Any, own: Any, shown: Any, weight: Any) -> None:
    if weight < 1:
        for k in range(len(out)):
            out[k] = shown[k] + weight * (own[k] - shown[k])
    else:
        out[:] = own


@njit(nogil=True, cache=True)
def _round(out: Any, bits: Any) -> None:
    """From the bits of float32 to those of bfloat16: to the nearest, ties to even."""
    for k in range(len(out)):
        odd = (bits[k] >> np.uint32(16)) & np.uint32(1)
        out[k] = (bits[k] + np.uint32(0x7FFF) + odd) >> np.uint32(16)


@njit(nogil=True, cache=True)
def _normalize(out: Any, own: Any, shown: Any, weight: Any, scale: Any, shift: Any) -> None:
    for k in range(len(out)):
        theirs = np.float32(shown[k])
        out[k] = shift[k] + scale[k] * (theirs + weight * (np.float32(own[k]) - theirs))


@njit(nogil=True, cache=True)
def _paste(x: Any, row: Any, others: Any, source: Any, spans: Any, start: Any, stop: Any) -> None:
    """Paste the lines from start to stop; images of ``others`` may begin with line start."""
    top, bottom = max(spans[row, 0], start), min(spans[row, 1], stop)
    left, places = spans[row, 2], spans[row, 3] - spans[row, 2]
    missing = start if others.shape[2] < x.shape[2] else 0
    # In flat memory, and each line from 0 on: so the innermost loop runs in vectors.
    into, shown, width = x.reshape(-1), others.reshape(-1), x.shape[3]
    for plane in range(x.shape[1]):
        here = ((row * x.shape[1] + plane) * x.shape[2] + top) * width + left
        there = (source * x.shape[1] + plane) * others.shape[2] + top - missing
        there = there * width + left
        for _ in range(bottom - top):
            line, others_line = into[here : here + places], shown[there : there + places]
            for place in range(places):
                line[place] = others_line[place]
            here += width
            there += width
