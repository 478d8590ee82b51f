"""Exact overlap of pixels with the bins of radius and azimuth, as polygons in that plane."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from geomlib.kernels.compile import kernel
from geomlib.kernels.polygons import SLIVER, add_edge

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int32]


@kernel
def _clip(x, y, n, low, high, new_x, new_y):  # type: ignore[no-untyped-def]
    """Cut off what of a polygon lies outside of low ≤ x ≤ high; returns how many corners it has.

    After Sutherland and Hodgman (1974): one border after the other.
    """
    for side in range(2):
        limit, sign = (low, 1.0) if side == 0 else (high, -1.0)
        count = 0
        for c in range(n):
            d = c + 1 if c + 1 < n else 0
            here, there = sign * (x[c] - limit), sign * (x[d] - limit)
            if here >= 0:
                new_x[count], new_y[count] = x[c], y[c]
                count += 1
            if (here >= 0) != (there >= 0):
                part = here / (here - there)
                new_x[count], new_y[count] = limit, y[c] + part * (y[d] - y[c])
                count += 1
        n = count
        for c in range(n):
            x[c], y[c] = new_x[c], new_y[c]
    return n


@kernel
def _area(x, y, n):  # type: ignore[no-untyped-def]
    twice = 0.0
    for c in range(n):
        d = c + 1 if c + 1 < n else 0
        twice += (x[c] - x[0]) * (y[d] - y[0]) - (x[d] - x[0]) * (y[c] - y[0])
    return abs(twice) / 2


@kernel
def overlap_bins(
    places: FloatArray,
    left_out: npt.NDArray[np.bool_],
    bins: tuple[int, int],
    turn: int,
    pixels: tuple[int, int],
    entries: tuple[IntArray, IntArray, npt.NDArray[np.float32]],
) -> int:
    """Share out pixels over bins.

    Parameters
    ----------
    places : ndarray of float64, shape (pixels, corners, 2)
        Azimuth and radius of the corners, in bins.
    left_out : ndarray of bool, shape (pixels,)
        Pixels that never count.
    bins : (int, int)
        Bins along azimuth and radius; what lies outside of them is left out.
    turn : int
        Bins of a whole turn, after which bins along azimuth begin anew; 0 for a part of one.
    pixels : (int, int)
        First and last-plus-one pixel to share out.
    entries : (ndarray of int32, ndarray of int32, ndarray of float32), each of shape (n,)
        The output: bin (azimuth · n_radius + radius), pixel, and part of the pixel.

    Returns
    -------
    int
        The number of entries. Where that is more than there is room for, the rest is missing.
    """
    cells, sources, parts = entries
    corners = places.shape[1]
    x, y = np.empty(corners + 5), np.empty(corners + 5)
    new_x, new_y = np.empty(corners + 5), np.empty(corners + 5)
    box = np.zeros(64)
    count = 0
    for p in range(pixels[0], pixels[1]):
        if left_out[p]:
            continue
        n = corners
        for c in range(n):
            y[c], x[c] = places[p, c, 0], places[p, c, 1]
        whole = _area(x, y, n)
        # A pixel without an area, seen edge-on: all of it lies where its first corner is.
        if whole <= SLIVER:
            row, column = int(np.floor(y[0])), int(np.floor(x[0]))
            if turn > 0:
                row %= turn
            if 0 <= row < bins[0] and 0 <= column < bins[1]:
                if count < len(cells):
                    cells[count], sources[count] = row * bins[1] + column, p
                    parts[count] = 1.0
                count += 1
            continue
        n = _clip(x, y, n, 0.0, float(bins[1]), new_x, new_y)
        if turn == 0:
            n = _clip(y, x, n, 0.0, float(bins[0]), new_y, new_x)
        if n < 3:
            continue
        x[n], y[n] = x[0], y[0]
        left, top = int(np.floor(x[:n].min())), int(np.floor(y[:n].min()))
        width, height = int(np.floor(x[:n].max())) - left + 1, int(np.floor(y[:n].max())) - top + 1
        step = width + 2
        if height * step > len(box):
            box = np.zeros(2 * height * step)
        for c in range(n):
            add_edge(x[c] - left, y[c] - top, x[c + 1] - left, y[c + 1] - top, box, step)
        for i in range(height):
            area = 0.0
            for j in range(step):
                area += box[i * step + j]
                box[i * step + j] = 0.0
                row, column = top + i, left + j
                if turn > 0:
                    row %= turn
                part = abs(area) / whole
                if part > SLIVER and 0 <= row < bins[0] and 0 <= column < bins[1]:
                    if count < len(cells):
                        cells[count], sources[count] = row * bins[1] + column, p
                        parts[count] = part
                    count += 1
    return count
