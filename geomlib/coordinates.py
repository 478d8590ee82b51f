"""From data to lab and back: the arithmetic of tiles, for arrays of points.

Frame: x left looking along the beam, y up, z downstream, metres. Inside a tile, ``u`` and ``v`` are
distances from its corner in steps of ss and fs. In a tile of rectangular pixels they are the data
coordinates, counted from the tile's first pixel. In a tile of hexagons, odd rows sit half a step
further along fs and the hexagon of row r reaches from u = r to u = r + 4/3, so that data
coordinate r + 0.5 is its centre, u = r + 2/3.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from geomlib import checks
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


def check_steps(ss: FloatArray, fs: FloatArray) -> None:
    """Check that the steps of every tile, each (n_tiles, 3), span a pixel.

    Raises
    ------
    GeometryError
        If a step has no length, or the two of a tile are parallel.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        area = np.cross(fs, ss)
        flat = (area * area).sum(axis=1)
        size = (fs * fs).sum(axis=1) * (ss * ss).sum(axis=1)
        wrong = ~(flat > 1e-12 * size)
    if wrong.any():
        tile = int(np.argmax(wrong))
        raise GeometryError(
            f"tile_ss and tile_fs of tile {tile} span no pixel: {ss[tile].tolist()} and "
            f"{fs[tile].tolist()} must have lengths and not be parallel"
        )


def tile_centres(detector: Detector, tiles: Tiles) -> FloatArray:
    """Centre of each tile, shape (n_tiles, 3), metres."""
    n_ss, n_fs = detector.tile_shapes.T[:, :, np.newaxis]
    centres: FloatArray = tiles.corners + 0.5 * n_ss * tiles.ss + 0.5 * n_fs * tiles.fs
    return centres


def module_centres(detector: Detector, tiles: Tiles) -> FloatArray:
    """Mean of the tile centres of each module, shape (modules, 3), metres; NaN for no tiles."""
    total = np.zeros((detector.n_modules, 3))
    np.add.at(total, detector.tile_modules, tile_centres(detector, tiles))
    count = np.bincount(detector.tile_modules, minlength=detector.n_modules)
    with np.errstate(invalid="ignore"):
        return np.asarray(total / count[:, np.newaxis])


def tile_outlines(detector: Detector, tiles: Tiles) -> FloatArray:
    """Four outer corners of each tile's pixel grid, shape (n_tiles, 4, 3), metres.

    In the order first pixel, end of first row, last pixel, start of last row.
    """
    n_ss, n_fs = detector.tile_shapes.T[:, :, np.newaxis]
    ss, fs = n_ss * tiles.ss, n_fs * tiles.fs
    corner = tiles.corners
    return np.stack([corner, corner + fs, corner + ss + fs, corner + ss], axis=1)


def grid_pixel_size(detector: Detector, tiles: Tiles) -> FloatArray:
    """Size of an image pixel along (x, y): the detector's pitch, turned as most tiles are."""
    pitch_ss, pitch_fs = detector.pixel_size
    across = np.abs(tiles.fs[:, 0]) >= np.abs(tiles.fs[:, 1])
    if 2 * np.count_nonzero(across) >= detector.n_tiles:
        return np.array([pitch_fs, pitch_ss])
    return np.array([pitch_ss, pitch_fs])


def pixel_positions(detector: Detector, tiles: Tiles, reference: str) -> FloatArray:
    """Centre, or first corner, of every data pixel; NaN where no tile uses the data.

    Returns
    -------
    ndarray, shape (modules, ss, fs, 3)
        In metres.

    Raises
    ------
    GeometryError
        If `reference` is neither ``"centre"`` nor ``"corner"``.
    """
    if not isinstance(reference, str) or reference not in ("centre", "corner"):
        raise GeometryError(
            f"reference must be 'centre' or 'corner', not {checks.shown(reference)}"
        )
    out = np.full((*detector.data_shape, 3), np.nan)
    hexagonal = detector.pixel_shape == "hexagon"
    for tile, (n_ss, n_fs) in enumerate(detector.tile_shapes):
        u = np.arange(n_ss, dtype=np.float64)[:, np.newaxis]
        v = np.arange(n_fs, dtype=np.float64)[np.newaxis]
        if hexagonal:
            v = v + 0.5 * (np.arange(n_ss)[:, np.newaxis] % 2)
        if reference == "centre":
            u = u + (HEXAGON_HEIGHT / 2 if hexagonal else 0.5)
            v = v + 0.5
        part = out[detector.tile_slice(tile)]
        corner, ss, fs = tiles.corners[tile], tiles.ss[tile], tiles.fs[tile]
        for axis in range(3):
            part[..., axis] = (corner[axis] + u * ss[axis]) + v * fs[axis]
    return out


def pixel_corners(detector: Detector, tiles: Tiles, wide: bool, dtype: npt.DTypeLike) -> FloatArray:
    """Corners of every data pixel; NaN where no tile uses the data.

    Returns
    -------
    ndarray, shape (modules, ss, fs, 4 or 6, 3)
        In metres.

    Raises
    ------
    GeometryError
        If `dtype` is neither float64 nor float32.
    """
    try:
        kind = np.dtype(dtype)
    except TypeError:
        kind = np.dtype(object)
    if kind not in (np.float64, np.float32):
        raise GeometryError(f"dtype must be float64 or float32, not {checks.shown(dtype)}")
    shape = HEXAGON_CORNERS if detector.pixel_shape == "hexagon" else RECTANGLE_CORNERS
    out = np.full((*detector.data_shape, len(shape), 3), np.nan, dtype=kind)
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
    try:
        number = np.asarray(module)
    except (TypeError, ValueError):
        number = np.array([np.nan])
    if number.size and (
        not np.issubdtype(number.dtype, np.integer)
        or number.min() < 0
        or number.max() >= detector.n_modules
    ):
        raise GeometryError(
            f"module must hold whole numbers from 0 to {detector.n_modules - 1}, "
            f"got {checks.shown(module)}"
        )
    whole = number.astype(np.int64)
    points = checks.numbers("ss", ss, finite=False), checks.numbers("fs", fs, finite=False)
    number, s, f = _together("module, ss and fs", whole, *points)
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
    points = checks.numbers("x", x, finite=False), checks.numbers("y", y, finite=False)
    px, py = _together("x and y", *points)
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


def _together(names: str, *arrays: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], ...]:
    try:
        return np.broadcast_arrays(*arrays)
    except ValueError:
        shapes = ", ".join(str(array.shape) for array in arrays)
        raise GeometryError(f"{names} must have shapes that broadcast, not {shapes}") from None
