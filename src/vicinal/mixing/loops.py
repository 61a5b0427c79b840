"""Loops over memory, compiled by numba and run by the threads of torch's own OpenMP.

Why not numba's parallel loops: its threads would be a second pool beside torch's. Idle threads of
both spin while they wait for work, so that each pool slows the other down. Here a loop is compiled
to a plain C function, and the OpenMP runtime that torch has loaded runs it on torch's threads, like
torch's own operations.

Every loop gets the address of an array of 64-bit integers: first its status, then sizes and
addresses of tensors. All threads run the whole function, each on its own part of the memory. The
status is 0, or -1 if the arguments are invalid: partners that are not rows of the batch, or not a
permutation where one is needed, or boxes outside of the images. Then nothing has been written.

Importing this module fails without numba, or if torch's OpenMP lacks these symbols;
:mod:`vicinal.mixing.compiled` handles that.
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

LARGE = 32 * 1024  # floats; threads split larger rows among themselves, instead of taking rows each
CHUNK = 4096  # floats to compute before they are rounded: 16 KiB, which stay in the L1 cache

_torch = ctypes.CDLL(str(Path(torch.__file__).parent / "lib" / "libtorch_cpu.so"))
_parallel = _torch.GOMP_parallel
_parallel.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint]
_parallel.restype = None
for _name in ("omp_get_thread_num", "omp_get_num_threads"):
    llvmlite.binding.add_symbol(_name, ctypes.cast(getattr(_torch, _name), ctypes.c_void_p).value)
_thread_number: Any = types.ExternalFunction("omp_get_thread_num", types.int32())
_thread_count: Any = types.ExternalFunction("omp_get_num_threads", types.int32())


def run(loop: Any, *args: int, threads: int | None = None) -> bool:
    """Run a loop on torch's threads, or on as many as given; return whether its ``args`` are valid.

    The caller must hold references to the tensors whose addresses it passes.
    """
    data = array("q", (0, *args))
    threads = torch.get_num_threads() if threads is None else threads
    _parallel(_compiled(loop), data.buffer_info()[0], threads, 0)
    return data[0] == 0


@cache
def _compiled(loop: Any) -> int:
    loop_on_threads: Any = cfunc(types.void(types.CPointer(types.int64)), cache=True)(loop)
    return int(loop_on_threads.address)


def blend_in_place(data: Any) -> None:
    """Blend rows of floats with their partners in the same batch, in place.

    Args: rows, columns; addresses of the batch, the partners and the weights.
    """
    args = carray(data, 6)
    x = carray(_pointer(args[3], np.float32), (args[1], args[2]))
    partner = carray(_pointer(args[4], np.int64), args[1])
    weight = carray(_pointer(args[5], np.float32), args[1])
    if not _are_valid_rows(partner, True):
        args[0] = -1
        return
    # Each thread takes some columns of all rows, as each row depends on the one after it in the
    # cycle. In multiples of 64 floats, two threads never write to the same cache line.
    start, stop = _thread_range(x.shape[1], 64)
    done = np.zeros(len(x), np.bool_)
    saved = np.empty(stop - start, np.float32)
    for first in range(len(x)):
        if done[first]:
            continue
        # In the order of the cycle, each row is read as a partner just before it is written itself;
        # only the first one is read last.
        saved[:] = x[first, start:stop]
        row = first
        while not done[row]:
            source = partner[row]
            theirs = saved if source == first else x[source, start:stop]
            _blend_row_in_place(x[row, start:stop], theirs, weight[row])
            done[row] = True
            row = source


def blend_into(data: Any) -> None:
    """Blend rows of floats with their partners in another batch, into a third.

    Args: rows, columns; addresses of the result, the batch, the partners' batch, the partners and
    the weights. The result may be the batch.
    """
    args = carray(data, 8)
    shape = args[1], args[2]
    out = carray(_pointer(args[3], np.float32), shape)
    x = carray(_pointer(args[4], np.float32), shape)
    others = carray(_pointer(args[5], np.float32), shape)
    partner = carray(_pointer(args[6], np.int64), args[1])
    weight = carray(_pointer(args[7], np.float32), args[1])
    if not _are_valid_rows(partner, False):
        args[0] = -1
        return
    # Small rows: each thread takes adjacent rows, so that it writes, and faults in, pages of its
    # own. Large rows: each takes some columns of all rows.
    (first_row, last_row), (start, stop) = _thread_range(len(x), 1), (0, x.shape[1])
    is_large = x.shape[1] >= LARGE
    if is_large:
        (first_row, last_row), (start, stop) = (0, len(x)), _thread_range(x.shape[1], 64)
    done = np.zeros(len(x), np.bool_)
    for first in range(first_row, last_row):
        # Large rows in the order of the cycle: within one batch, a row's partner is the next row,
        # and still in cache then.
        row = first
        while not done[row]:
            own, theirs = x[row, start:stop], others[partner[row], start:stop]
            # Two functions, because the compiler does not vectorise a loop whose input and output
            # may overlap.
            if args[3] == args[4]:
                _blend_row_in_place(own, theirs, weight[row])
            else:
                _blend_row_into(out[row, start:stop], own, theirs, weight[row])
            done[row] = True
            row = partner[row] if is_large else row


def normalize_into(rounds: bool) -> Any:
    """Make the loop that blends rows of bytes, then scales and shifts each column, into floats.

    Its args: rows, columns; addresses of the result, the batch, the partners' batch, the partners,
    the weights, the scales and the shifts.

    Args:
        rounds: whether the result is bfloat16 instead of float32.
    """
    result = np.uint16 if rounds else np.float32

    def loop(data: Any) -> None:
        args = carray(data, 10)
        shape = args[1], args[2]
        out = carray(_pointer(args[3], result), shape)
        x = carray(_pointer(args[4], np.uint8), shape)
        others = carray(_pointer(args[5], np.uint8), shape)
        partner = carray(_pointer(args[6], np.int64), args[1])
        weight = carray(_pointer(args[7], np.float32), args[1])
        scale = carray(_pointer(args[8], np.float32), args[2])
        shift = carray(_pointer(args[9], np.float32), args[2])
        if not _are_valid_rows(partner, False):
            args[0] = -1
            return
        start, stop = _thread_range(x.shape[1], 64)
        floats = np.empty(CHUNK, np.float32)
        bits = floats.view(np.uint32)
        for row in range(len(x)):
            for first in range(start, stop, CHUNK):
                last = min(first + CHUNK, stop)
                own, theirs = x[row, first:last], others[partner[row], first:last]
                into = floats[: last - first] if rounds else out[row, first:last]
                _normalize(into, own, theirs, weight[row], scale[first:last], shift[first:last])
                if rounds:
                    _round(out[row, first:last], bits)

    return loop


def paste_in_place(unit: Any) -> Any:
    """Make the loop that pastes a box of each image's partner in the same batch, in place.

    Its args: images, planes, lines, units in a line; addresses of the batch, the partners and the
    boxes, (images, 4): first and last line, first and last unit, the last ones exclusive.

    Args:
        unit: an integer type with the size of the tensors' elements, whatever their dtype is.
    """

    def loop(data: Any) -> None:
        args = carray(data, 8)
        x = carray(_pointer(args[5], unit), (args[1], args[2], args[3], args[4]))
        partner = carray(_pointer(args[6], np.int64), args[1])
        spans = carray(_pointer(args[7], np.int64), (args[1], 4))
        if not (_are_valid_rows(partner, True) and _are_inside(spans, x.shape[2], x.shape[3])):
            args[0] = -1
            return
        start, stop = _thread_range(x.shape[2], 1)
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
    """Make the loop that pastes a box of each image's partner in another batch, in place.

    Its args: images, planes, lines, units in a line; addresses of the batch, the partners' batch,
    the partners and the boxes, as for :func:`paste_in_place`.

    Args:
        unit: as for :func:`paste_in_place`.
    """

    def loop(data: Any) -> None:
        args = carray(data, 9)
        shape = args[1], args[2], args[3], args[4]
        x = carray(_pointer(args[5], unit), shape)
        others = carray(_pointer(args[6], unit), shape)
        partner = carray(_pointer(args[7], np.int64), args[1])
        spans = carray(_pointer(args[8], np.int64), (args[1], 4))
        if not (_are_valid_rows(partner, False) and _are_inside(spans, x.shape[2], x.shape[3])):
            args[0] = -1
            return
        start, stop = _thread_range(x.shape[2], 1)
        for row in range(len(x)):
            _paste(x, row, others, partner[row], spans, start, stop)

    return loop


def nll_of_pairs(data: Any) -> None:
    """The negative log-likelihood of two labels for each row, weighted by their shares.

    Args: rows, classes; addresses of the log-probabilities, own labels, partners' labels, own
    shares and class weights (or 0); the label to ignore; whether to take the mean; addresses of the
    results: the loss, and its gradient with respect to both labels' log-probabilities.

    The status is -1 if a label is out of range.
    """
    args = carray(data, 12)
    rows, classes, ignored = args[1], args[2], args[8]
    log_probs = carray(_pointer(args[3], np.float32), (rows, classes))
    labels = (
        carray(_pointer(args[4], np.int64), rows),
        carray(_pointer(args[5], np.int64), rows),
    )
    own_share = carray(_pointer(args[6], np.float32), rows)
    weight = carray(_pointer(args[7], np.float32), classes)
    slope = carray(_pointer(args[11], np.float32), (rows, 2))
    loss, total = 0.0, 0.0
    for row in range(rows):
        for side in range(2):
            label = labels[side][row]
            slope[row, side] = 0
            if label == ignored:
                continue
            if not 0 <= label < classes:
                args[0] = -1
                return
            share = own_share[row] if side == 0 else 1 - own_share[row]
            if share != 0:  # 0 * inf is nan: without a share, an infinite loss has no effect
                count = share * weight[label] if args[7] != 0 else share
                slope[row, side] = -count
                total += count
                loss -= count * log_probs[row, label]
    if args[9] != 0:
        # As for torch's own loss: the mean of nothing is nan, but its gradient is 0.
        loss = loss / total if total != 0 else np.nan
        for row in range(rows):
            for side in range(2):
                slope[row, side] = slope[row, side] / total if total != 0 else 0
    carray(_pointer(args[10], np.float32), 1)[0] = loss


def spread_pairs(data: Any) -> None:
    """Rows of zeros, with the two slopes of each row, times a factor, added at its labels.

    Args: rows, classes; addresses of the result, own labels, partners' labels, the slopes and the
    factor. A label whose slope is 0 is not read: it may be the label to ignore, out of range.
    """
    args = carray(data, 8)
    rows = args[1]
    out = carray(_pointer(args[3], np.float32), (rows, args[2]))
    labels = (
        carray(_pointer(args[4], np.int64), rows),
        carray(_pointer(args[5], np.int64), rows),
    )
    slope = carray(_pointer(args[6], np.float32), (rows, 2))
    times = carray(_pointer(args[7], np.float32), 1)[0]
    start, stop = _thread_range(rows, 1)
    for row in range(start, stop):
        out[row] = 0
        for side in range(2):
            if slope[row, side] != 0:
                out[row, labels[side][row]] += slope[row, side] * times


def _to_pointer(context: Any, address: Any, unit: Any) -> Any:
    """Cast an integer to a pointer, which numba cannot do in Python code."""
    pointer = types.CPointer(unit.dtype)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], context.get_value_type(pointer))

    return pointer(types.int64, unit), generate


_pointer: Any = intrinsic(_to_pointer)


@njit(nogil=True, cache=True)
def _are_valid_rows(partner: Any, is_permutation: bool) -> bool:
    seen = np.zeros(len(partner), np.bool_)
    for row in partner:
        if not 0 <= row < len(partner) or (is_permutation and seen[row]):
            return False
        seen[row] = True
    return True


@njit(nogil=True, cache=True)
def _are_inside(spans: Any, lines: Any, units: Any) -> bool:
    for row in range(len(spans)):
        top, bottom, left, right = spans[row, 0], spans[row, 1], spans[row, 2], spans[row, 3]
        if min(top, bottom, left, right) < 0 or max(top, bottom) > lines:
            return False
        if max(left, right) > units:
            return False
    return True


@njit(nogil=True, cache=True)
def _thread_range(count: int, multiple: int) -> tuple[int, int]:
    """The part of ``range(count)`` for this thread, starting at a multiple of ``multiple``."""
    each = (count + _thread_count() - 1) // _thread_count()
    each = (each + multiple - 1) // multiple * multiple
    start = min(_thread_number() * each, count)
    return start, min(start + each, count)


@njit(nogil=True, cache=True)
def _blend_row_in_place(row: Any, theirs: Any, weight: Any) -> None:
    if weight < 1:  # 0 * inf is nan: with weight 1, an inf or nan of the partner has no effect
        for k in range(len(row)):
            row[k] = theirs[k] + weight * (row[k] - theirs[k])


@njit(nogil=True, cache=True)
def _blend_row_into(out: Any, own: Any, theirs: Any, weight: Any) -> None:
    if weight < 1:
        for k in range(len(out)):
            out[k] = theirs[k] + weight * (own[k] - theirs[k])
    else:
        out[:] = own


@njit(nogil=True, cache=True)
def _round(out: Any, bits: Any) -> None:
    """Round the bits of float32 to those of bfloat16: to the nearest, ties to even."""
    for k in range(len(out)):
        odd = (bits[k] >> np.uint32(16)) & np.uint32(1)
        out[k] = (bits[k] + np.uint32(0x7FFF) + odd) >> np.uint32(16)


@njit(nogil=True, cache=True)
def _normalize(out: Any, own: Any, theirs: Any, weight: Any, scale: Any, shift: Any) -> None:
    for k in range(len(out)):
        value = np.float32(theirs[k])
        out[k] = shift[k] + scale[k] * (value + weight * (np.float32(own[k]) - value))


@njit(nogil=True, cache=True)
def _paste(x: Any, row: Any, others: Any, source: Any, spans: Any, start: Any, stop: Any) -> None:
    """Paste the lines of a box from start to stop.

    Images of ``others`` may hold just these lines, as the saved one does.
    """
    top, bottom = max(spans[row, 0], start), min(spans[row, 1], stop)
    left, units = spans[row, 2], spans[row, 3] - spans[row, 2]
    missing = start if others.shape[2] < x.shape[2] else 0
    # Flat memory and slices that start at 0: so the compiler vectorises the innermost loop.
    into, theirs, width = x.reshape(-1), others.reshape(-1), x.shape[3]
    for plane in range(x.shape[1]):
        to = ((row * x.shape[1] + plane) * x.shape[2] + top) * width + left
        at = ((source * x.shape[1] + plane) * others.shape[2] + top - missing) * width + left
        for _ in range(bottom - top):
            line, others_line = into[to : to + units], theirs[at : at + units]
            for unit in range(units):
                line[unit] = others_line[unit]
            to += width
            at += width
