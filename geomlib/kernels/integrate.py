"""Add the pixels of frames to the bins of azimuthal integration.

A pixel gives its number to one bin, or parts of it to several: its entries, one after another.
Eight frames are added at a time (`geomlib.kernels.lanes`); a frame alone is added number by number,
with the same result to the last bit, since the order of the sums is that of the pixels in both.
Where the compiler is switched off, numpy adds a frame at a time.

NaN adds nothing, and what it would have added to the norm and the count is summed up apart, so that
frames without NaN pay nothing for it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import config

from geomlib.kernels.compile import kernel
from geomlib.kernels.lanes import (
    add_lanes,
    add_missing,
    add_poisson,
    add_squares,
    gather_block,
)
from geomlib.kernels.vector import LANES, LINE, copy_row, prefetch

NDArray = npt.NDArray[Any]
FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int32]
# Unsigned, so that no index has to be checked for being negative.
_ONE = np.uint64(1)
#: Error models.
NONE, POISSON, AZIMUTHAL = range(3)
#: Rows of the sums: of the signal of each bin, and what NaN takes away from norm and count; for
#: errors also the variance (or squares), signal times norm, and what NaN takes from squared norms.
SIGNAL, LESS_NORM, LESS_COUNT, SQUARES, CROSS, LESS_NORM2 = range(6)
_SIGNAL, _LESS_NORM, _LESS_COUNT, _SQUARES, _CROSS, _LESS_NORM2 = map(np.uint64, range(6))
#: So many of them are needed for each error model.
ROWS = {NONE: 3, POISSON: 4, AZIMUTHAL: 6}
#: Bytes ahead of which memory is asked for: several frames at a time are more than the processor
#: reads ahead by itself.
AHEAD = 1024


class Entries(NamedTuple):
    """Which bins a pixel gives to.

    Attributes
    ----------
    starts : ndarray of int32, shape (pixels + 1,) or (0,)
        Where the entries of each pixel begin; empty where each pixel has exactly one.
    bins : ndarray of int32, shape (entries,)
        The bin; -1 for none.
    parts : ndarray of float32, shape (entries,) or (0,)
        Which part of the pixel lies in the bin; empty where it is all of it.
    norms : ndarray of float32, shape (pixels,)
        What a pixel would count of an even intensity of 1: solid angle, polarisation.
    """

    starts: IntArray
    bins: IntArray
    parts: npt.NDArray[np.float32]
    norms: npt.NDArray[np.float32]


# Everything in one loop: a call for each pixel would hand over dozens of registers.
@kernel
def _add_eight(  # type: ignore[no-untyped-def]
    given, work, addresses, where, count, starts, bins, parts, norms, first, sums, row, block, model
):
    size, step = given.itemsize, np.int64(LANES * work.itemsize)
    single = starts.size == 0
    for p in range(0, count, LANES):
        if p + LANES <= count:
            if p * size % LINE == 0:
                for k in range(LANES):
                    prefetch(addresses[k] + p * size + AHEAD)
            gather_block(given, work, where, p * size, block)
        else:
            for i in range(count - p):
                for k in range(LANES):
                    there = block + i * step + k * work.itemsize
                    copy_row(given, work, addresses[k] + (p + i) * size, there, 1, 1)
        for i in range(min(LANES, count - p)):
            pixel = np.uint64(first + p + i)
            begin = pixel if single else np.uint64(starts[pixel])
            end = pixel + _ONE if single else np.uint64(starts[pixel + _ONE])
            values = block + i * step
            for e in range(begin, end):
                b = np.int64(bins[np.uint64(e)])
                if b < 0:
                    continue
                part = 1.0 if single else np.float64(parts[np.uint64(e)])
                to = sums + b * np.int64(8 * LANES)
                flags = add_lanes(work, values, to, part)
                if model == POISSON:
                    add_poisson(work, values, to + SQUARES * row, part * part)
                elif model == AZIMUTHAL:
                    norm = np.float64(norms[pixel])
                    add_squares(work, values, to + SQUARES * row, part * part)
                    add_lanes(work, values, to + CROSS * row, part * part * norm)
                if flags != 0:
                    norm = np.float64(norms[pixel])
                    add_missing(work, values, to + LESS_NORM * row, part * norm)
                    add_missing(work, values, to + LESS_COUNT * row, part)
                    if model == AZIMUTHAL:
                        square = part * part * norm * norm
                        add_missing(work, values, to + LESS_NORM2 * row, square)


def add_frames(
    like: NDArray,
    work: NDArray,
    addresses: npt.NDArray[np.int64],
    entries: Entries,
    first: int,
    count: int,
    sums: FloatArray,
    model: int,
) -> None:
    """Add pixels that follow each other in eight frames.

    Parameters
    ----------
    like, work : ndarray, shape (0,)
        Stand for the dtype of the frames (real, 8 to 64 bits, no float16), and that of the numbers
        as they are added: float32 or float64.
    addresses : ndarray of int64, shape (8,)
        Where the first of these pixels lies in each frame; the others follow it.
    entries : Entries
        Of all pixels.
    first, count : int
        Number of the first pixel among the entries, and how many there are.
    sums : ndarray, shape (rows, bins, 8)
        Added to; as many rows as `ROWS` says: see `SIGNAL` and the others.
    model : int
        `NONE`, `POISSON` or `AZIMUTHAL`.
    """
    block = np.empty(LANES * LANES, work.dtype)
    _add_eight(
        like, work, addresses, addresses.ctypes.data, count, *entries, first, sums.ctypes.data,
        sums.strides[0], block.ctypes.data, model,
    )  # fmt: skip


@kernel
def _add_one(pixels, starts, bins, parts, norms, first, sums, model):  # type: ignore[no-untyped-def]
    single = starts.size == 0
    for p in range(pixels.size):
        value = np.float64(pixels[np.uint64(p)])
        pixel = np.uint64(first + p)
        norm = np.float64(norms[pixel])
        begin = pixel if single else np.uint64(starts[pixel])
        end = pixel + _ONE if single else np.uint64(starts[pixel + _ONE])
        for e in range(begin, end):
            b = np.int64(bins[np.uint64(e)])
            if b < 0:
                continue
            bin_ = np.uint64(b)
            part = 1.0 if single else np.float64(parts[np.uint64(e)])
            if value == value:
                sums[_SIGNAL, bin_] += value * part
                if model == POISSON:
                    sums[_SQUARES, bin_] += (value if value > 1.0 else 1.0) * (part * part)
                elif model == AZIMUTHAL:
                    sums[_SQUARES, bin_] += value * value * (part * part)
                    sums[_CROSS, bin_] += value * (part * part * norm)
            else:
                sums[_LESS_NORM, bin_] += part * norm
                sums[_LESS_COUNT, bin_] += part
                if model == AZIMUTHAL:
                    sums[_LESS_NORM2, bin_] += part * part * norm * norm


def add_frame(pixels: NDArray, entries: Entries, first: int, sums: FloatArray, model: int) -> None:
    """Add pixels that follow each other in one frame.

    Parameters
    ----------
    pixels : ndarray, shape (n,)
        The numbers, of a real dtype.
    entries, first, model
        As for `add_frames`.
    sums : ndarray, shape (rows, bins)
        Added to.
    """
    _add_one(pixels, *entries, first, sums, model)


def add_frame_with_numpy(
    pixels: NDArray, entries: Entries, first: int, sums: FloatArray, model: int
) -> None:
    """Do what `add_frame` does, in another order."""
    count = len(pixels)
    starts, bins, parts, norms = entries
    if starts.size:
        a, b = starts[first], starts[first + count]
        counts = np.diff(starts[first : first + count + 1])
        bins, part = bins[a:b], parts[a:b].astype(np.float64)
        value = np.repeat(pixels.astype(np.float64), counts)
        norm = np.repeat(norms[first : first + count].astype(np.float64), counts)
    else:
        there = bins[first : first + count] >= 0
        bins = bins[first : first + count][there]
        value = pixels[there].astype(np.float64)
        norm = norms[first : first + count][there].astype(np.float64)
        part = np.ones(len(bins))
    nan = np.isnan(value)
    weights = [(SIGNAL, ~nan, part * value)]
    if model == POISSON:
        weights.append((SQUARES, ~nan, part * part * np.maximum(value, 1.0)))
    elif model == AZIMUTHAL:
        weights.append((SQUARES, ~nan, part * part * value * value))
        weights.append((CROSS, ~nan, part * part * norm * value))
        weights.append((LESS_NORM2, nan, (part * norm) ** 2))
    weights.append((LESS_NORM, nan, part * norm))
    weights.append((LESS_COUNT, nan, part))
    for row, used, weight in weights:
        sums[row] += np.bincount(bins[used], weights=weight[used], minlength=sums.shape[1])


#: Whether the compiled loops are there; else frames are added one at a time, by numpy.
COMPILED = not config.DISABLE_JIT
if not COMPILED:
    add_frame = add_frame_with_numpy
