"""From data to lab and back: the arithmetic of tiles, for arrays of points.

Frame: x left looking along the beam, y up, z downstream, metres. Inside a tile, ``u`` and ``v`` are
distances from its corner in steps of ss and fs. In a tile of rectangular pixels they are the data
coordinates, counted from the tile's first pixel. In a tile of hexagons, odd rows sit half a step
further along fs and the hexagon of row r reaches from u = r to u = r + 4/3, so that data
coordinate r + 0.5 is its centre, u = r + 2/3.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from geomlib.detector import (
    HEXAGON_CORNERS,
    RECTANGLE_CORNERS,
    Detector,
    FloatArray,
    IntArray,
    tile_map,
)
from geomlib.errors import GeometryError

BoolArray = npt.NDArray[np.bool_]


class Tiles(NamedTuple):
    """Corner and step vectors of every tile, each (n_tiles, 3), metres."""

    corners: FloatArray
    ss: FloatArray
    fs: FloatArray


#: Height of a hexagon in steps of ss.
HEXAGON_HEIGHT = 4 / 3


def pixel_positions(detector: Detector, tiles: Tiles, reference: str) -> FloatArray:
    """Centre, or first corner, of every data pixel; NaN where no tile uses the data.

    Returns
    -------
    ndarray, shape (modules, ss, fs, 3)
        In metres.
    """
    out = np.full((*detector.data_shape, 3), np.nan)
    hexagonal = detector.pixel_shape == "hexagon"
    for tile, (n_ss, n_fs) in enumerate(detector.tile_shapes):
        u, v = np.meshgrid(
            np.arange(n_ss, dtype=np.float64), np.arange(n_fs, dtype=np.float64), indexing="ij"
        )
        if hexagonal:
            v[1::2] += 0.5
        if reference == "centre":
            u += HEXAGON_HEIGHT / 2 if hexagonal else 0.5
            v += 0.5
        out[detector.tile_slice(tile)] = (
            tiles.corners[tile]
            + u[..., np.newaxis] * tiles.ss[tile]
            + v[..., np.newaxis] * tiles.fs[tile]
        )
    return out


def pixel_corners(detector: Detector, tiles: Tiles, wide: bool, dtype: npt.DTypeLike) -> FloatArray:
    """Corners of every data pixel; NaN where no tile uses the data.

    Returns
    -------
    ndarray, shape (modules, ss, fs, 4 or 6, 3)
        In metres.
    """
    shape = HEXAGON_CORNERS if detector.pixel_shape == "hexagon" else RECTANGLE_CORNERS
    out = np.full((*detector.data_shape, len(shape), 3), np.nan, dtype=dtype)
    for tile, (n_ss, n_fs) in enumerate(detector.tile_shapes):
        u = np.arange(n_ss)[:, np.newaxis] + shape[:, 0]
        v = np.arange(n_fs)[:, np.newaxis] + shape[:, 1]
        if wide and detector.wide_edges is not None:
            low_ss, high_ss, low_fs, high_fs = detector.wide_edges[tile]
            u[u == 0] -= low_ss
            u[u == n_ss] += high_ss
            v[v == 0] -= low_fs
            v[v == n_fs] += high_fs
        v_pixel = np.broadcast_to(v, (n_ss, n_fs, len(shape))).copy()
        if detector.pixel_shape == "hexagon":
            v_pixel[1::2] += 0.5
        out[detector.tile_slice(tile)] = (
            tiles.corners[tile]
            + u[:, np.newaxis, :, np.newaxis] * tiles.ss[tile]
            + v_pixel[..., np.newaxis] * tiles.fs[tile]
        )
    return out


def data_to_lab(
    detector: Detector,
    tiles: Tiles,
    module: npt.ArrayLike,
    ss: npt.ArrayLike,
    fs: npt.ArrayLike,
) -> FloatArray:
    """Lab position of points in data coordinates; see `Geometry.data_to_lab`."""
    number = np.asarray(module)
    if number.size and (
        not np.issubdtype(number.dtype, np.integer)
        or number.min() < 0
        or number.max() >= detector.n_modules
    ):
        raise GeometryError(
            f"module must hold whole numbers from 0 to {detector.n_modules - 1}, got {module!r}"
        )
    number, s, f = np.broadcast_arrays(
        number, np.asarray(ss, dtype=np.float64), np.asarray(fs, dtype=np.float64)
    )
    tile, u, v = data_to_tile(detector, number, s, f)
    out: FloatArray = (
        tiles.corners[tile]
        + u[..., np.newaxis] * tiles.ss[tile]
        + v[..., np.newaxis] * tiles.fs[tile]
    )
    out[tile < 0] = np.nan
    return out


def data_to_tile(
    detector: Detector, module: IntArray, s: FloatArray, f: FloatArray
) -> tuple[IntArray, FloatArray, FloatArray]:
    """Tile, u and v of data coordinates; tile -1 where no tile holds the point.

    A point on the far border of a module belongs to its last pixel.
    """
    _, n_ss, n_fs = detector.data_shape
    inside = (s >= 0) & (s <= n_ss) & (f >= 0) & (f <= n_fs)
    row = np.minimum(np.where(inside, s, 0), n_ss - 1).astype(np.int64)
    column = np.minimum(np.where(inside, f, 0), n_fs - 1).astype(np.int64)
    tile = np.where(inside, tile_map(detector)[module, row, column], -1)
    u = s - detector.tile_bounds[tile, 1]
    v = f - detector.tile_bounds[tile, 3]
    if detector.pixel_shape == "hexagon":
        tile_row = row - detector.tile_bounds[tile, 1]
        u = tile_row + (u - tile_row) * HEXAGON_HEIGHT
        v = v + 0.5 * (tile_row % 2)
    return tile, u, v


def lab_to_tile(
    corner: FloatArray, ss: FloatArray, fs: FloatArray, x: FloatArray, y: FloatArray
) -> tuple[FloatArray, FloatArray] | None:
    """Solve for u and v of one tile, seen along the beam; None for a tile seen edge-on."""
    determinant = ss[0] * fs[1] - ss[1] * fs[0]
    scale = np.linalg.norm(ss) * np.linalg.norm(fs)
    if not abs(determinant) > 1e-9 * scale:
        return None
    dx, dy = x - corner[0], y - corner[1]
    return (dx * fs[1] - dy * fs[0]) / determinant, (dy * ss[0] - dx * ss[1]) / determinant


def tile_to_pixel(
    u: FloatArray, v: FloatArray, n_ss: int, n_fs: int, hexagonal: bool
) -> tuple[FloatArray, FloatArray, BoolArray]:
    """Return data coordinates in the tile, and which points lie on a pixel of it.

    Pixels are half-open, so that a point belongs to one pixel only.
    """
    if not hexagonal:
        return u, v, (u >= 0) & (u < n_ss) & (v >= 0) & (v < n_fs)
    row, column = _hexagon_at(u, v)
    inside = (row >= 0) & (row < n_ss) & (column >= 0) & (column < n_fs)
    s = row + (u - row) / HEXAGON_HEIGHT
    f = v - 0.5 * (row % 2)
    return s, f, inside


def _hexagon_at(u: FloatArray, v: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Row and column of the hexagon that holds each point of an endless hexagonal grid.

    In the band u = r … r + 1 only row r reaches the upper two thirds, and in the lowest third rows
    r and r - 1 meet in a zigzag: row r owns what lies above the two slanted edges of its hexagon.
    """
    row = np.floor(u)
    column = np.floor(v - 0.5 * (row % 2))
    across = v - 0.5 * (row % 2) - column  # 0 … 1 from side to side of that hexagon
    zigzag = np.abs(across - 0.5) * (2 / 3)  # its lower border above u = row
    below = (u - row) < zigzag
    row = np.where(below, row - 1, row)
    column = np.where(below, np.floor(v - 0.5 * (row % 2)), column)
    return row, column


def lab_to_data(
    detector: Detector, tiles: Tiles, x: npt.ArrayLike, y: npt.ArrayLike
) -> tuple[IntArray, FloatArray, FloatArray]:
    """Find the pixel seen at each (x, y); see `Geometry.lab_to_data`."""
    px, py = np.broadcast_arrays(np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64))
    module = np.full(px.shape, -1, dtype=np.int64)
    s, f = np.full(px.shape, np.nan), np.full(px.shape, np.nan)
    hexagonal = detector.pixel_shape == "hexagon"
    for tile, (n_ss, n_fs) in enumerate(detector.tile_shapes):
        one = tiles.corners[tile], tiles.ss[tile], tiles.fs[tile]
        (low_x, low_y), (high_x, high_y) = tile_extent(*one, n_ss, n_fs, hexagonal)
        near = (px >= low_x) & (px <= high_x) & (py >= low_y) & (py <= high_y)
        uv = lab_to_tile(*one, px[near], py[near])
        if uv is None:
            continue
        tile_s, tile_f, inside = tile_to_pixel(*uv, n_ss, n_fs, hexagonal)
        hit = np.zeros(px.shape, dtype=np.bool_)
        hit[near] = inside
        module[hit] = detector.tile_bounds[tile, 0]
        s[hit] = tile_s[inside] + detector.tile_bounds[tile, 1]
        f[hit] = tile_f[inside] + detector.tile_bounds[tile, 3]
    return module, s, f


def tile_extent(
    corner: FloatArray, ss: FloatArray, fs: FloatArray, n_ss: int, n_fs: int, hexagonal: bool
) -> tuple[FloatArray, FloatArray]:
    """Lowest and highest x and y of the pixels of a tile, seen along the beam.

    Hexagons reach a third of a row beyond the last row, and odd rows half a column further.
    """
    u_end = n_ss + (1 / 3 if hexagonal else 0)
    v_end = n_fs + (0.5 if hexagonal and n_ss > 1 else 0)
    ends = np.array([[0, 0], [0, v_end], [u_end, 0], [u_end, v_end]])
    points = corner[:2] + ends[:, :1] * ss[:2] + ends[:, 1:] * fs[:2]
    return points.min(axis=0), points.max(axis=0)
