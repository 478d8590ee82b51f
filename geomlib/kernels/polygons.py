"""Exact overlap of pixels, as polygons, with the cells of a grid.

A pixel is a convex polygon. Each of its edges is cut where it crosses the borders of cells; a piece
inside one cell separates what lies left of it from what lies right of it. With h the height of the
piece and m the mean distance of the piece from the left border of its cell, the part of the cell
right of it is h · (1 - m), and of each further cell of the row h. Summed over all edges, signed by
their direction, and then along the row, that is the area of the polygon in each cell: exact but
for rounding, without clipping, and its cost grows with the number of cells that edges cross.

Lengths are in cells, so that the area of a cell is 1.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from geomlib.kernels.compile import kernel

NDArray = npt.NDArray[Any]
FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int32]
#: Overlaps below this part of a cell are rounding, and left out: places of some thousand cells are
#: known to some 1e-12, and without this most pixels of an aligned tile would touch nine cells.
SLIVER = 1e-10


@kernel
def overlap_rows(
    transform: FloatArray,
    outline: FloatArray,
    wide: FloatArray,
    size: tuple[int, int],
    shift: float,
    rows: tuple[int, int],
    data: tuple[int, int],
    grid: tuple[int, int],
    entries: tuple[IntArray, IntArray, npt.NDArray[np.float32]],
    pixel_areas: npt.NDArray[np.float32],
) -> int:
    """Share out rows of pixels of a tile over the cells of a grid.

    Parameters
    ----------
    transform : ndarray of float64, shape (3, 3)
        From (1, u, v), in steps of ss and fs from the corner of the tile, to homogeneous (x, y, w)
        in cells: the place is (x / w, y / w). All w are positive.
    outline : ndarray of float64, shape (4 or 6, 2)
        Corners of a pixel, in steps of (ss, fs).
    wide : ndarray of float64, shape (4,)
        How far border pixels reach out of the tile: low ss, high ss, low fs, high fs.
    size : (int, int)
        Pixels of the tile along ss and fs.
    shift : float
        How far odd rows are shifted along fs: 0.5 for hexagons.
    rows : (int, int)
        First and last-plus-one row of the tile.
    data : (int, int)
        Number of the first data pixel of the tile, and of data pixels from row to row.
    grid : (int, int)
        Cells along y and x; what lies outside is left out.
    entries : (ndarray of int32, ndarray of int32, ndarray of float32), each of shape (n,)
        The output: cell (y · nx + x), data pixel, and area of overlap.
    pixel_areas : ndarray of float32, shape (n_data,)
        The output: area of each data pixel, what lies outside of the grid included.

    Returns
    -------
    int
        The number of entries. Where that is more than there is room for, the rest is missing.
    """
    cells, sources, areas = entries
    n = len(outline)
    x, y = np.empty(n + 1), np.empty(n + 1)
    box = np.zeros(64)
    count = 0
    for s in range(rows[0], rows[1]):
        for f in range(size[1]):
            for c in range(n):
                u, v = s + outline[c, 0], f + outline[c, 1]
                u += wide[1] * (u == size[0]) - wide[0] * (u == 0)
                v += wide[3] * (v == size[1]) - wide[2] * (v == 0) + shift * (s % 2)
                w = transform[2, 0] + u * transform[2, 1] + v * transform[2, 2]
                x[c] = (transform[0, 0] + u * transform[0, 1] + v * transform[0, 2]) / w
                y[c] = (transform[1, 0] + u * transform[1, 1] + v * transform[1, 2]) / w
            x[n], y[n] = x[0], y[0]
            left, top = int(np.floor(x.min())), int(np.floor(y.min()))
            width, height = int(np.floor(x.max())) - left + 1, int(np.floor(y.max())) - top + 1
            step = width + 2
            if height * step > len(box):
                box = np.zeros(2 * height * step)
            for c in range(n):
                add_edge(x[c] - left, y[c] - top, x[c + 1] - left, y[c + 1] - top, box, step)
            # Not the shoelace formula: the sum of what is kept conserves counts.
            total = 0.0
            source = data[0] + s * data[1] + f
            for i in range(height):
                area = 0.0
                for j in range(step):
                    area += box[i * step + j]
                    box[i * step + j] = 0.0
                    if abs(area) > SLIVER:
                        total += abs(area)
                        row, column = top + i, left + j
                        if 0 <= row < grid[0] and 0 <= column < grid[1]:
                            if count < len(cells):
                                cells[count] = row * grid[1] + column
                                sources[count] = source
                                areas[count] = abs(area)
                            count += 1
            pixel_areas[source] = total
    return count


@kernel
def add_edge(x0, y0, x1, y1, box, step):  # type: ignore[no-untyped-def]
    """Add the change of area along the row that an edge makes, cell by cell."""
    if y0 == y1:
        return
    sign = 1.0
    if y0 > y1:
        x0, y0, x1, y1, sign = x1, y1, x0, y0, -1.0
    slope = (x1 - x0) / (y1 - y0)
    low, high = min(x0, x1), max(x0, x1)
    start_x, start_y = x0, y0
    for row in range(int(y0), int(np.ceil(y1))):
        end_y = min(row + 1.0, y1)
        # Rounding must not carry the edge out of the box of the polygon.
        end_x = min(max(x0 + (end_y - y0) * slope, low), high)
        a, b = min(start_x, end_x), max(start_x, end_x)
        first, last = int(a), int(b)
        rise = sign * (end_y - start_y)
        if first == last:
            inside = rise * (0.5 * (a + b) - first)
            box[row * step + first] += rise - inside
            box[row * step + first + 1] += inside
        else:
            rise /= b - a
            for column in range(first, last + 1):
                c, d = max(a, float(column)), min(b, column + 1.0)
                inside = rise * (d - c) * (0.5 * (c + d) - column)
                box[row * step + column] += rise * (d - c) - inside
                box[row * step + column + 1] += inside
        start_x, start_y = end_x, end_y


@kernel
def count_entries(cells: IntArray, counts: IntArray) -> None:
    """Count the entries of each cell: ``counts[cell + 1]`` goes up."""
    for k in range(len(cells)):
        counts[cells[k] + 1] += 1


@kernel
def sort_entries(
    entries: tuple[IntArray, IntArray, npt.NDArray[np.float32]],
    following: IntArray,
    sources: IntArray,
    areas: npt.NDArray[np.float32],
) -> None:
    """Put entries in the order of their cells; those of a cell keep their order.

    Parameters
    ----------
    entries : tuple of ndarray
        As `overlap_rows` makes them.
    following : ndarray of int32, shape (cells,)
        Where the next entry of each cell goes; moved on by as many entries as there were.
    sources, areas : ndarray, shape (all entries,)
        The output.
    """
    cells, from_sources, from_areas = entries
    for k in range(len(cells)):
        cell = cells[k]
        place = following[cell]
        following[cell] = place + 1
        sources[place] = from_sources[k]
        areas[place] = from_areas[k]
