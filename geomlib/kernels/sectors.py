"""Exact overlap of pixels with the bins of radius and azimuth, as polygons in that plane."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from geomlib.kernels.compile import kernel
from geomlib.kernels.polygons import SLIVER, add_edge

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int32]


@kernel
def overlap_bins(
    places: FloatArray,
    left_out: npt.NDArray[np.bool_],
    bins: tuple[int, int],
    turn: int,
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
    entries : (ndarray of int32, ndarray of int32, ndarray of float32), each of shape (n,)
        The output: bin (azimuth · n_radius + radius), pixel, and part of the pixel.

    Returns
    -------
    int
        The number of entries. Where that is more than there is room for, the rest is missing.
    """
    cells, pixels, parts = entries
    n = places.shape[1]
    x, y = np.empty(n + 1), np.empty(n + 1)
    box = np.zeros(64)
    count = 0
    for p in range(len(places)):
        if left_out[p]:
            continue
        for c in range(n):
            y[c], x[c] = places[p, c, 0], places[p, c, 1]
        x[n], y[n] = x[0], y[0]
        left, top = int(np.floor(x.min())), int(np.floor(y.min()))
        width, height = int(np.floor(x.max())) - left + 1, int(np.floor(y.max())) - top + 1
        step = width + 2
        if height * step > len(box):
            box = np.zeros(2 * height * step)
        for c in range(n):
            add_edge(x[c] - left, y[c] - top, x[c + 1] - left, y[c + 1] - top, box, step)
        whole = 0.0
        for i in range(height):
            area = 0.0
            for j in range(step):
                area += box[i * step + j]
                box[i * step + j] = area
                whole += abs(area)
        # A pixel without an area, seen edge-on: all of it lies where its first corner is.
        flat = whole <= SLIVER
        for i in range(height):
            for j in range(step):
                area = abs(box[i * step + j]) / whole if not flat else 0.0
                box[i * step + j] = 0.0
                if flat and i == int(y[0]) - top and j == int(x[0]) - left:
                    area = 1.0
                row, column = top + i, left + j
                if turn > 0:
                    row %= turn
                if area > SLIVER and 0 <= row < bins[0] and 0 <= column < bins[1]:
                    if count < len(cells):
                        cells[count] = row * bins[1] + column
                        pixels[count] = p
                        parts[count] = area
                    count += 1
    return count
