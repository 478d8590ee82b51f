"""Images whose pixels are weighted sums of data pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from geomlib.kernels.compile import kernel

Entries = tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], npt.NDArray[np.float32]]
# Unsigned, so that no index has to be checked for being negative: that costs a third of the time.
_ONE, _TWO, _THREE, _FOUR = (np.uint64(n) for n in (1, 2, 3, 4))


@kernel
def add_weighted(
    frame: npt.NDArray[Any],
    entries: Entries,
    place: tuple[int, int],
    mean: bool,
    least: float,
    fill: float,
    rows: tuple[int, int],
    image: npt.NDArray[Any],
) -> None:
    """Fill rows of one image with weighted sums, in float64.

    Parameters
    ----------
    frame : ndarray of float32 or float64, shape (n,)
        Data pixels; NaN does not count.
    entries : (ndarray of int32, ndarray of int32, ndarray of float32)
        Where the entries of each image pixel start, and, one further, end; then, of each entry,
        the data pixel and its weight.
    place : (int, int)
        Number of image pixel [0, 0] among those that have entries, and of those from row to row.
    mean : bool
        Weights add up to 1; where NaN takes some away, the sum is divided by those that are left.
    least : float
        Image pixels with NaN among their data, or among their weights, get ``fill`` unless the
        weights of the other data add up to more than this. So do image pixels without entries.
    fill : float
        Value of such pixels.
    rows : (int, int)
        First and last-plus-one row.
    image : ndarray, shape (y, x)
        The output.
    """
    starts, pixels, weights = entries
    for y in range(rows[0], rows[1]):
        pixel = np.uint64(place[0] + y * place[1])
        end = np.uint64(np.uint32(starts[pixel]))
        for x in range(image.shape[1]):
            pixel += _ONE
            start, end = end, np.uint64(np.uint32(starts[pixel]))
            total = 0.0
            k = start
            # By four: the usual number, and so that four loads are under way at a time.
            while k + _FOUR <= end:
                a = np.float64(weights[k]) * frame[np.uint32(pixels[k])]
                b = np.float64(weights[k + _ONE]) * frame[np.uint32(pixels[k + _ONE])]
                c = np.float64(weights[k + _TWO]) * frame[np.uint32(pixels[k + _TWO])]
                d = np.float64(weights[k + _THREE]) * frame[np.uint32(pixels[k + _THREE])]
                total += (a + b) + (c + d)
                k += _FOUR
            while k < end:
                total += np.float64(weights[k]) * frame[np.uint32(pixels[k])]
                k += _ONE
            if start == end:
                image[np.uint64(y), np.uint64(x)] = fill
            elif total == total:
                image[np.uint64(y), np.uint64(x)] = total
            else:
                total = _add_numbers(frame, pixels, weights, start, end, mean, least, fill)
                image[np.uint64(y), np.uint64(x)] = total


@kernel
def _add_numbers(frame, pixels, weights, start, end, mean, least, fill):  # type: ignore[no-untyped-def]
    """Add up what is not NaN."""
    total = norm = 0.0
    for k in range(start, end):
        value = frame[pixels[k]]
        if value == value:
            total += np.float64(weights[k]) * value
            norm += np.float64(weights[k])
    if norm > least:
        return total / norm if mean else total
    return fill
