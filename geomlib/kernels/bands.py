"""What happens to a band of image rows between the scratch array and the image.

All of them take contiguous arrays, flat or of rows, and have a twin in plain numpy for when the
compiler is switched off and for complex numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import config

from geomlib.kernels.compile import kernel
from geomlib.kernels.streams import stream
from geomlib.kernels.vector import fence

NDArray = npt.NDArray[Any]


@kernel
def scale(values: NDArray, dark: NDArray, gain: NDArray) -> None:
    """Subtract ``dark`` and multiply by ``gain``; each may be empty, for nothing to do.

    Parameters
    ----------
    values : ndarray of floating numbers, shape (n,)
        Changed in place.
    dark, gain : ndarray of floating numbers, shape (n,) or (0,)
        In the dtype of the values.
    """
    n = values.size
    if dark.size and gain.size:
        for i in range(n):
            values[i] = (values[i] - dark[i]) * gain[i]
    elif dark.size:
        for i in range(n):
            values[i] -= dark[i]
    else:
        for i in range(n):
            values[i] *= gain[i]


@kernel
def blank(values: NDArray, flags: NDArray, bits: Any, fill: Any) -> None:
    """Replace values of flagged pixels.

    Parameters
    ----------
    values : ndarray, shape (n,)
        Changed in place.
    flags : ndarray of unsigned integers, shape (n,)
        A pixel is replaced where one of the `bits` is set.
    bits : scalar of the dtype of the flags
        Which count.
    fill : scalar of the dtype of the values
        The replacement.
    """
    for i in range(values.size):
        if flags[i] & bits:
            values[i] = fill


@kernel
def bin_rows(
    values: NDArray,
    side: int,
    average: bool,
    totals: npt.NDArray[np.float64],
    counts: npt.NDArray[np.int64],
    target: NDArray,
) -> None:
    """Average or add up blocks of pixels; NaN does not count, and a block of NaN is NaN.

    Parameters
    ----------
    values : ndarray of floating numbers, shape (rows · side, columns)
        The pixels; columns that do not fill a block are left out.
    side : int
        Of a block, in pixels.
    average : bool
        Divide by the number of values.
    totals, counts : ndarray, shape (columns,)
        Room to work in.
    target : ndarray of floating numbers, shape (rows, columns // side)
        The output.
    """
    for row in range(target.shape[0]):
        totals[:] = 0.0
        counts[:] = 0
        for y in range(row * side, row * side + side):
            line = values[y]
            for x in range(line.size):
                value = line[x]
                there = value == value
                totals[x] += value if there else 0.0
                counts[x] += there
        for x in range(target.shape[1]):
            total, count = 0.0, 0
            for i in range(x * side, x * side + side):
                total += totals[i]
                count += counts[i]
            if count == 0:
                target[row, x] = np.nan
            else:
                target[row, x] = total / count if average else total


@kernel
def _stream_rows(source: int, target: int, count: int) -> None:
    stream(source, target, count)
    fence()


def stream_rows(values: NDArray, target: NDArray) -> None:
    """Copy contiguous rows to others of the same dtype, past the caches."""
    _stream_rows(values.ctypes.data, target.ctypes.data, values.nbytes)


def scale_with_numpy(values: NDArray, dark: NDArray, gain: NDArray) -> None:
    """Do what `scale` does."""
    if dark.size:
        np.subtract(values, dark, out=values)
    if gain.size:
        np.multiply(values, gain, out=values)


def blank_with_numpy(values: NDArray, flags: NDArray, bits: Any, fill: Any) -> None:
    """Do what `blank` does."""
    values[(flags & bits) != 0] = fill


def bin_rows_with_numpy(
    values: NDArray, side: int, average: bool, totals: NDArray, counts: NDArray, target: NDArray
) -> None:
    """Do what `bin_rows` does; the room is not needed."""
    rows, columns = target.shape
    blocks = values[: rows * side, : columns * side].reshape(rows, side, columns, side)
    good = ~np.isnan(blocks)
    count = good.sum(axis=(1, 3))
    total = np.sum(blocks, axis=(1, 3), dtype=np.float64, where=good)
    with np.errstate(invalid="ignore", divide="ignore"):
        # Dividing by 0 or 1 makes a block without a value NaN and leaves other sums alone.
        target[...] = total / (count if average else np.where(count == 0, 0, 1))


def copy_rows_with_numpy(values: NDArray, target: NDArray) -> None:
    """Do what `stream_rows` does, for any layout."""
    target[...] = values


if config.DISABLE_JIT:
    scale = scale_with_numpy
    blank = blank_with_numpy
    bin_rows = bin_rows_with_numpy
    stream_rows = copy_rows_with_numpy
