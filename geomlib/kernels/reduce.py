"""Add rows of numbers to running sums, squares and extremes, pixel by pixel.

Pixels are worked on in blocks whose accumulators stay in the first-level cache, four rows at a
time, so that an accumulator is read and written once for four numbers. Rows that are treated (dark,
gain, mask) are written to a small work array on the way, with NaN where nothing counts: loops that
touch many arrays at once are not vectorised by the compiler.

The numbers of a pixel are added one after the other in the order of the rows, however the work is
cut: the result depends neither on the blocks nor on threads.

Where the compiler is switched off, numpy does the same a row at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import config, types
from numba.extending import overload
from numpy.lib.stride_tricks import as_strided

from geomlib.kernels.compile import kernel
from geomlib.kernels.vector import LANES, transpose_block

NDArray = npt.NDArray[Any]
Starts = npt.NDArray[np.int64]
#: Pixels that are worked on at a time: with 12 bytes of accumulators for each, 24 KiB.
BLOCK = 2048
#: The same where rows are treated: four rows of values want a place in the cache too.
TREATED_BLOCK = 1024
#: From one row of values to the next: not a multiple of 4 KiB, or all would want the same places.
WORK_STEP = TREATED_BLOCK + 80
_ONE, _NONE = np.int32(1), np.int32(0)


class Rows(NamedTuple):
    """Rows of numbers, and what is done to them.

    Each of the arrays has one axis and lies in one piece; the index of the first element of each
    row goes with it. Rows may lie anywhere in it, and one may stand for many (a static dark image).

    Attributes
    ----------
    flat, starts : ndarray of numbers of 8 to 64 bits, ndarray of int64
        The numbers. NaN never counts.
    dark, dark_starts, gain, gain_starts : ndarray of float32 or float64, ndarray of int64
        Value = (number - dark) * gain. Both or neither.
    mask, mask_starts : ndarray of unsigned integers, ndarray of int64
        A value is NaN where ``mask & bits`` is not 0.
    skip, skip_starts : ndarray of unsigned integers, ndarray of int64
        For whole numbers, which have no NaN: not counted where ``skip & bits`` is not 0.
    bits : unsigned integer
        Of the dtype of the mask.
    work : ndarray of float32 or float64, shape (4 * WORK_STEP,)
        Given where there is a dark, gain or mask: values are worked out in its dtype.
    """

    flat: NDArray
    starts: Starts
    dark: NDArray | None = None
    dark_starts: Starts | None = None
    gain: NDArray | None = None
    gain_starts: Starts | None = None
    mask: NDArray | None = None
    mask_starts: Starts | None = None
    skip: NDArray | None = None
    skip_starts: Starts | None = None
    bits: Any = np.uint8(255)
    work: NDArray | None = None


# What is None has a type of its own: overloads choose by it what is compiled at all.


def _row(flat: Any, starts: Any, k: int, low: int, high: int) -> Any:
    """View part of row ``k``; None where there is no array."""
    raise NotImplementedError


@overload(_row)
def _compile_row(flat, starts, k, low, high):  # type: ignore[no-untyped-def]
    if isinstance(flat, types.NoneType):
        return lambda flat, starts, k, low, high: None
    return lambda flat, starts, k, low, high: flat[starts[k] + low : starts[k] + high]


@kernel
def _block(work):  # type: ignore[no-untyped-def]
    if work is None:
        return BLOCK
    return TREATED_BLOCK


@kernel
def _treat(numbers, dark, gain, mask, bits, values):  # type: ignore[no-untyped-def]
    for i in range(len(values)):
        value = type(values[i])(numbers[i])
        if dark is not None:
            value = (value - dark[i]) * gain[i]
        if mask is not None:
            value = value if (mask[i] & bits) == 0 else type(values[i])(np.nan)
        values[i] = value


def _values(rows: Any, work: Any, k: int, place: int, low: int, high: int) -> Any:
    """Values of part of row ``k``, and the flags of what to skip."""
    raise NotImplementedError


@overload(_values)
def _compile_values(rows, work, k, place, low, high):  # type: ignore[no-untyped-def]
    def plain(rows, work, k, place, low, high):  # type: ignore[no-untyped-def]
        numbers = _row(rows.flat, rows.starts, k, low, high)
        return numbers, _row(rows.skip, rows.skip_starts, k, low, high)

    def treated(rows, work, k, place, low, high):  # type: ignore[no-untyped-def]
        start = place * WORK_STEP
        values = work[start : start + high - low]
        numbers = _row(rows.flat, rows.starts, k, low, high)
        dark = _row(rows.dark, rows.dark_starts, k, low, high)
        gain = _row(rows.gain, rows.gain_starts, k, low, high)
        mask = _row(rows.mask, rows.mask_starts, k, low, high)
        _treat(numbers, dark, gain, mask, rows.bits, values)
        return values, None

    return plain if isinstance(work, types.NoneType) else treated


@kernel
def _four(rows, k, low, high):  # type: ignore[no-untyped-def]
    return (
        _values(rows, rows.work, k, 0, low, high),
        _values(rows, rows.work, k + 1, 1, low, high),
        _values(rows, rows.work, k + 2, 2, low, high),
        _values(rows, rows.work, k + 3, 3, low, high),
    )


@kernel
def _counts(value, skip, bits, i):  # type: ignore[no-untyped-def]
    if skip is None:
        return value == value
    return (skip[i] & bits) == 0


@kernel
def _sum(total, n, row, i, bits):  # type: ignore[no-untyped-def]
    values, skip = row
    good = _counts(values[i], skip, bits, i)
    kind = type(total)
    return total + (kind(values[i]) if good else kind(0)), n + (_ONE if good else _NONE)


@kernel
def _add_sums(rows, size, total, count):  # type: ignore[no-untyped-def]
    fours, block, bits = len(rows.starts) // 4 * 4, _block(rows.work), rows.bits
    for low in range(0, size, block):
        high = min(low + block, size)
        sums, counts = total[low:high], count[low:high]
        for k in range(0, fours, 4):
            a, b, c, d = _four(rows, k, low, high)
            for i in range(high - low):
                t, n = _sum(sums[i], counts[i], a, i, bits)
                t, n = _sum(t, n, b, i, bits)
                t, n = _sum(t, n, c, i, bits)
                sums[i], counts[i] = _sum(t, n, d, i, bits)
        for k in range(fours, len(rows.starts)):
            a = _values(rows, rows.work, k, 0, low, high)
            for i in range(high - low):
                sums[i], counts[i] = _sum(sums[i], counts[i], a, i, bits)


@kernel
def _square(origin, first, second, n, row, i, bits):  # type: ignore[no-untyped-def]
    values, skip = row
    good = _counts(values[i], skip, bits, i)
    value = np.float64(values[i])
    origin = value if good & (n == _NONE) else origin
    step = value - origin if good else 0.0
    return origin, first + step, second + step * step, n + (_ONE if good else _NONE)


@kernel
def _add_squares(rows, size, origin, first, second, count):  # type: ignore[no-untyped-def]
    fours, block, bits = len(rows.starts) // 4 * 4, TREATED_BLOCK, rows.bits
    for low in range(0, size, block):
        high = min(low + block, size)
        at, sums = origin[low:high], first[low:high]
        squares, counts = second[low:high], count[low:high]
        for k in range(0, fours, 4):
            a, b, c, d = _four(rows, k, low, high)
            for i in range(high - low):
                o, s, q, n = _square(at[i], sums[i], squares[i], counts[i], a, i, bits)
                o, s, q, n = _square(o, s, q, n, b, i, bits)
                o, s, q, n = _square(o, s, q, n, c, i, bits)
                at[i], sums[i], squares[i], counts[i] = _square(o, s, q, n, d, i, bits)
        for k in range(fours, len(rows.starts)):
            a = _values(rows, rows.work, k, 0, low, high)
            for i in range(high - low):
                o, s, q, n = _square(at[i], sums[i], squares[i], counts[i], a, i, bits)
                at[i], sums[i], squares[i], counts[i] = o, s, q, n


@kernel
def _extreme(best, row, i, bits, largest):  # type: ignore[no-untyped-def]
    """Take a better number, or the first one of all: floating extremes start as NaN."""
    values, skip = row
    value = values[i]
    better = ((value > best) if largest else (value < best)) | (best != best)
    return value if better & _counts(value, skip, bits, i) else best


@kernel
def _add_extremes(rows, size, best, largest):  # type: ignore[no-untyped-def]
    fours, block, bits = len(rows.starts) // 4 * 4, _block(rows.work), rows.bits
    for low in range(0, size, block):
        high = min(low + block, size)
        top = best[low:high]
        for k in range(0, fours, 4):
            a, b, c, d = _four(rows, k, low, high)
            for i in range(high - low):
                t = _extreme(top[i], a, i, bits, largest)
                t = _extreme(t, b, i, bits, largest)
                t = _extreme(t, c, i, bits, largest)
                top[i] = _extreme(t, d, i, bits, largest)
        for k in range(fours, len(rows.starts)):
            a = _values(rows, rows.work, k, 0, low, high)
            for i in range(high - low):
                top[i] = _extreme(top[i], a, i, bits, largest)


@kernel
def _add_counts(skip, starts, bits, size, count):  # type: ignore[no-untyped-def]
    for k in range(len(starts)):
        row = skip[starts[k] : starts[k] + size]
        for i in range(size):
            count[i] += _ONE if (row[i] & bits) == 0 else _NONE


@kernel
def _transpose(flat, step, size, rows, out, pitch):  # type: ignore[no-untyped-def]
    item = flat.itemsize
    source, target = np.int64(flat.ctypes.data), np.int64(out.ctypes.data)
    whole_size, whole_rows = size // LANES * LANES, rows // LANES * LANES
    for p in range(0, whole_size, LANES):
        for k in range(0, whole_rows, LANES):
            start, end = source + (p * step + k) * item, target + (k * pitch + p) * item
            transpose_block(flat, out, start, step * item, end, pitch * item)
    for p in range(size):
        for k in range(whole_rows if p < whole_size else 0, rows):
            out[k * pitch + p] = flat[p * step + k]


def add_sums(rows: Rows, size: int, total: NDArray, count: NDArray) -> None:
    """Add rows to sums of values, and to their numbers.

    Parameters
    ----------
    rows : Rows
        Of floating numbers, or whole numbers without `Rows.work`.
    size : int
        Length of a row.
    total : ndarray of float64, or int64 for whole numbers (modulo 2**64), shape (size,)
        Changed in place.
    count : ndarray of int32, shape (size,)
        Changed in place.
    """
    _add_sums(rows, size, total, count)


def add_squares(
    rows: Rows, size: int, origin: NDArray, first: NDArray, second: NDArray, count: NDArray
) -> None:
    """Add rows to sums of (value - origin) and (value - origin)².

    The origin of a pixel is its first value, so that the digits of a small spread on a large mean
    are kept: however far off it is, its square distance to the mean is at most n times the
    variance of n values, so the subtraction ``second - first² / n`` magnifies the rounding of the
    sums (about n eps) at most n + 1 times.

    Parameters
    ----------
    rows, size
        As in `add_sums`.
    origin, first, second : ndarray of float64, shape (size,)
        Changed in place. The origin means nothing where the count is 0.
    count : ndarray of int32, shape (size,)
        Changed in place.
    """
    _add_squares(rows, size, origin, first, second, count)


def add_extremes(rows: Rows, size: int, best: NDArray, largest: bool) -> None:
    """Replace each number by a larger (or smaller) value, if one of the rows has it.

    Parameters
    ----------
    rows, size
        As in `add_sums`.
    best : ndarray of the dtype of the values, shape (size,)
        Changed in place. Floating numbers start as NaN, whole ones as the worst there is.
    largest : bool
        Whether to look for the largest.
    """
    _add_extremes(rows, size, best, largest)


def add_counts(rows: Rows, size: int, count: NDArray) -> None:
    """Add to a count where ``rows.skip`` does not say otherwise; arguments as in `add_sums`."""
    _add_counts(rows.skip, rows.skip_starts, rows.bits, size, count)


def transpose(flat: NDArray, step: int, size: int, rows: int, out: NDArray, pitch: int) -> None:
    """Write numbers that lie row index first as rows, for data in stream order.

    Parameters
    ----------
    flat : ndarray, shape (n,)
        Number ``k`` of pixel ``p`` is ``flat[p * step + k]``.
    step : int
        See `flat`.
    size, rows : int
        Pixels, and numbers of each.
    out : ndarray, shape (n,), of the same dtype
        The output: that number becomes ``out[k * pitch + p]``.
    pitch : int
        See `out`.
    """
    _transpose(flat, step, size, rows, out, pitch)


def _each_row(rows: Rows, size: int) -> Iterator[tuple[NDArray, npt.NDArray[np.bool_]]]:
    """Yield the values of each row, and where they count."""

    def row(flat: NDArray | None, starts: Starts | None, k: int) -> Any:
        return None if flat is None or starts is None else flat[starts[k] : starts[k] + size]

    for k in range(len(rows.starts)):
        values = row(rows.flat, rows.starts, k)
        dark, gain = row(rows.dark, rows.dark_starts, k), row(rows.gain, rows.gain_starts, k)
        flags = row(rows.mask, rows.mask_starts, k)
        if flags is None:
            flags = row(rows.skip, rows.skip_starts, k)
        if rows.work is not None:
            values = values.astype(rows.work.dtype)
        if dark is not None:
            values = (values - dark) * gain
        good = values == values
        yield values, good if flags is None else good & ((flags & rows.bits) == 0)


def _add_sums_with_numpy(rows: Rows, size: int, total: NDArray, count: NDArray) -> None:
    for values, good in _each_row(rows, size):
        total[good] += values[good].astype(total.dtype)
        count += good


def _add_squares_with_numpy(
    rows: Rows, size: int, origin: NDArray, first: NDArray, second: NDArray, count: NDArray
) -> None:
    for values, good in _each_row(rows, size):
        np.copyto(origin, values, where=good & (count == 0))
        step = values[good] - origin[good]
        first[good] += step
        second[good] += step * step
        count += good


def _add_extremes_with_numpy(rows: Rows, size: int, best: NDArray, largest: bool) -> None:
    for values, good in _each_row(rows, size):
        better = (values > best) if largest else (values < best)
        np.copyto(best, values, where=good & (better | (best != best)))


def _add_counts_with_numpy(rows: Rows, size: int, count: NDArray) -> None:
    for _, good in _each_row(rows, size):
        count += good


def _transpose_with_numpy(
    flat: NDArray, step: int, size: int, rows: int, out: NDArray, pitch: int
) -> None:
    item = flat.itemsize
    source = as_strided(flat, (rows, size), (item, step * item))
    as_strided(out, (rows, size), (pitch * item, item))[...] = source


if config.DISABLE_JIT:
    add_sums, add_squares = _add_sums_with_numpy, _add_squares_with_numpy
    add_extremes, add_counts = _add_extremes_with_numpy, _add_counts_with_numpy
    transpose = _transpose_with_numpy
