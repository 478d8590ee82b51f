"""Everything about assembly that does not depend on the data, worked out once.

A plan belongs to a geometry and a set of options; the plans used last are kept and shared.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from geomlib import coordinates
from geomlib.detector import FloatArray, IntArray
from geomlib.errors import GeometryError
from geomlib.geometry import Geometry

#: Largest image that is made, in pixels: 25 times a 16-megapixel detector. More means a tile that
#: lies far away by mistake.
MAX_PIXELS = 400_000_000


@dataclass(frozen=True, eq=False)
class Grid:
    """The pixels of an image in the lab.

    Attributes
    ----------
    shape : (int, int)
        Pixels along y and x.
    centre : (float, float)
        The origin of the lab, as (y, x) in pixels from the outer corner of pixel [0, 0]; whole
        numbers (int) but for binned images.
    pixel_size : (float, float)
        Along y and x, metres.
    """

    shape: tuple[int, int]
    centre: tuple[float, float]
    pixel_size: tuple[float, float]


@dataclass(frozen=True, eq=False)
class SnapPlan:
    """Tiles moved to the nearest whole pixel and quarter turn.

    Attributes
    ----------
    grid : Grid
        The image.
    tiles : ndarray of int64, shape (n_tiles, 11)
        As `geomlib.kernels.snap` takes them, in data order.
    gaps : ndarray of int64, shape (n, 4)
        Rectangles that no tile covers: first and last-plus-one row, first and last-plus-one column.
    """

    grid: Grid
    tiles: IntArray
    gaps: IntArray


@dataclass(frozen=True, eq=False)
class NearestPlan:
    """Each image pixel takes the data pixel whose area covers its centre.

    Attributes
    ----------
    grid : Grid
        The image.
    table : ndarray of int32, shape (y, x, 3)
        Module, ss and fs for each image pixel; module -1 where there is none.
    """

    grid: Grid
    table: npt.NDArray[np.int32]


Plan = SnapPlan | NearestPlan


@lru_cache(maxsize=16)
def make_plan(geometry: Geometry, method: str, centred: bool) -> Plan:
    """Work out how to assemble images.

    Parameters
    ----------
    geometry : Geometry
        Where the tiles are.
    method : {"snap", "nearest"}
        See `geomlib.assemble_data`.
    centred : bool
        The origin of the lab lies in the middle of the image.

    Raises
    ------
    GeometryError
        If there is no such method, or the tiles do not fit on one grid.
    """
    if method == "snap":
        return _snap_plan(geometry, centred)
    if method == "nearest":
        return _nearest_plan(geometry, centred)
    raise GeometryError(f"method must be 'snap' or 'nearest', not {method!r}")


def grid_pixel_size(geometry: Geometry) -> FloatArray:
    """Size of an image pixel along (x, y): the detector's pitch, turned as most tiles are."""
    pitch_ss, pitch_fs = geometry.detector.pixel_size
    across = np.abs(geometry.tile_fs[:, 0]) >= np.abs(geometry.tile_fs[:, 1])
    if 2 * np.count_nonzero(across) >= geometry.n_tiles:
        return np.array([pitch_fs, pitch_ss])
    return np.array([pitch_ss, pitch_fs])


def _snap_plan(geometry: Geometry, centred: bool) -> SnapPlan:
    pixel = grid_pixel_size(geometry)
    corner = np.around(geometry.tile_corners[:, :2] / pixel)
    ss = np.around(geometry.tile_ss[:, :2] / pixel).astype(np.int64)
    fs = np.around(geometry.tile_fs[:, :2] / pixel).astype(np.int64)
    _check_quarter_turns(geometry, ss, fs)
    shapes = geometry.detector.tile_shapes
    # The outer corner of the first pixel, then the pixel: one step back along negative vectors.
    first = corner + np.minimum(ss, 0) + np.minimum(fs, 0)
    last = first + (shapes[:, :1] - 1) * ss + (shapes[:, 1:] - 1) * fs
    low = np.minimum(first, last).min(axis=0)
    high = np.maximum(first, last).max(axis=0) + 1
    low, high = _extent(low, high, centred)
    first = (first - low).astype(np.int64)
    bounds = geometry.detector.tile_bounds
    tiles = np.concatenate(
        [bounds[:, [0, 1, 3]], shapes, first[:, ::-1], ss[:, ::-1], fs[:, ::-1]], axis=1
    )
    grid = _grid(low, high, pixel)
    tiles.flags.writeable = False
    return SnapPlan(grid, tiles, uncovered(grid.shape, tiles))


def _check_quarter_turns(geometry: Geometry, ss: IntArray, fs: IntArray) -> None:
    fine = (
        (np.abs(ss).sum(axis=1) == 1)
        & (np.abs(fs).sum(axis=1) == 1)
        & ((ss[:, 0] == 0) == (fs[:, 1] == 0))
    )
    if not fine.all():
        tile = int(np.argmin(fine))
        raise GeometryError(
            f"tile {tile} ({geometry.detector.tile_names[tile]}) is turned too far from the pixel "
            "grid of the image, or its pixels have another size: method='snap' cannot place it; "
            "use method='nearest'"
        )


def _extent(low: FloatArray, high: FloatArray, centred: bool) -> tuple[FloatArray, FloatArray]:
    """First and last-plus-one pixel of the image along (x, y), counted from the lab's origin."""
    if centred:
        half = np.maximum(-low, high)
        low, high = -half, half
    size = high - low
    if not np.prod(size) <= MAX_PIXELS:
        raise GeometryError(
            f"the image would have {size[1]:.3g} × {size[0]:.3g} pixels (y, x): is a tile far "
            f"away by mistake? Images of up to {MAX_PIXELS} pixels are made"
        )
    return low, high


def _grid(low: FloatArray, high: FloatArray, pixel: FloatArray) -> Grid:
    n_x, n_y = (int(n) for n in high - low)
    centre_x, centre_y = (int(n) for n in -low)
    return Grid((n_y, n_x), (centre_y, centre_x), (float(pixel[1]), float(pixel[0])))


def tile_boxes(tiles: IntArray) -> IntArray:
    """Box of each tile in the image: first and last-plus-one row, the same of columns."""
    from geomlib.kernels.snap import N_FS, N_SS, X_FS, X_SS, Y_FS, Y_SS, X, Y

    first = tiles[:, [Y, X]]
    last = (
        first
        + (tiles[:, [N_SS]] - 1) * tiles[:, [Y_SS, X_SS]]
        + (tiles[:, [N_FS]] - 1) * tiles[:, [Y_FS, X_FS]]
    )
    low, high = np.minimum(first, last), np.maximum(first, last) + 1
    return np.stack([low[:, 0], high[:, 0], low[:, 1], high[:, 1]], axis=1)


def uncovered(shape: tuple[int, int], tiles: IntArray) -> IntArray:
    """Rectangles of an image that no tile covers, none of them overlapping, shape (n, 4)."""
    boxes = tile_boxes(tiles)
    # Coverage changes only at the edges of tiles, so a coarse map with a cell between each pair
    # of neighbouring edges says everything.
    rows = np.unique(np.concatenate([[0, shape[0]], boxes[:, 0], boxes[:, 1]]))
    columns = np.unique(np.concatenate([[0, shape[1]], boxes[:, 2], boxes[:, 3]]))
    covered = np.zeros((len(rows) - 1, len(columns) - 1), dtype=np.bool_)
    for top, bottom, left, right in np.stack(
        [
            np.searchsorted(rows, boxes[:, 0]),
            np.searchsorted(rows, boxes[:, 1]),
            np.searchsorted(columns, boxes[:, 2]),
            np.searchsorted(columns, boxes[:, 3]),
        ],
        axis=1,
    ):
        covered[top:bottom, left:right] = True
    gaps = []
    for row, line in enumerate(covered):
        edges = np.flatnonzero(np.diff(np.concatenate([[True], line, [True]]).astype(np.int8)))
        for start, stop in edges.reshape(-1, 2):
            gaps.append((rows[row], rows[row + 1], columns[start], columns[stop]))
    out = np.array(gaps, dtype=np.int64).reshape(-1, 4)
    out.flags.writeable = False
    return out


def _nearest_plan(geometry: Geometry, centred: bool) -> NearestPlan:
    pixel = grid_pixel_size(geometry)
    detector = geometry.detector
    hexagonal = detector.pixel_shape == "hexagon"
    boxes = np.array(
        [
            coordinates.tile_extent(
                geometry.tile_corners[tile],
                geometry.tile_ss[tile],
                geometry.tile_fs[tile],
                int(n_ss),
                int(n_fs),
                hexagonal,
            )
            for tile, (n_ss, n_fs) in enumerate(detector.tile_shapes)
        ]
    )
    # A border that lies on the grid but for rounding must not add a row or a column.
    low = np.floor(np.round(boxes[:, 0].min(axis=0) / pixel, 6))
    high = np.ceil(np.round(boxes[:, 1].max(axis=0) / pixel, 6))
    low, high = _extent(low, high, centred)
    grid = _grid(low, high, pixel)
    table = np.full((*grid.shape, 3), -1, dtype=np.int32)
    for tile in range(geometry.n_tiles):
        _look_up_tile(geometry, tile, boxes[tile] / pixel - low, low, pixel, table)
    table.flags.writeable = False
    return NearestPlan(grid, table)


def _look_up_tile(
    geometry: Geometry,
    tile: int,
    box: FloatArray,
    origin: FloatArray,
    pixel: FloatArray,
    table: npt.NDArray[Any],
) -> None:
    """Enter the pixels of one tile into the table; ``box`` is its extent in image pixels."""
    (x0, y0), (x1, y1) = np.floor(box[0]).astype(int), np.ceil(box[1]).astype(int)
    x0, y0 = max(x0, 0), max(y0, 0)
    x, y = np.meshgrid(
        (np.arange(x0, min(x1, table.shape[1])) + 0.5 + origin[0]) * pixel[0],
        (np.arange(y0, min(y1, table.shape[0])) + 0.5 + origin[1]) * pixel[1],
    )
    detector = geometry.detector
    corner, ss, fs = geometry.tile_corners[tile], geometry.tile_ss[tile], geometry.tile_fs[tile]
    uv = coordinates.lab_to_tile(corner, ss, fs, x, y)
    if uv is None:
        return
    n_ss, n_fs = (int(n) for n in detector.tile_shapes[tile])
    # Where a centre lies on the border of two pixels, rounding noise must not pick between them
    # anew for every pixel: that would repeat some columns and lose others.
    u, v = (np.round(w, 7) for w in uv)
    s, f, inside = coordinates.tile_to_pixel(u, v, n_ss, n_fs, detector.pixel_shape == "hexagon")
    module, s0, _, f0, _ = detector.tile_bounds[tile]
    window = table[y0 : y0 + y.shape[0], x0 : x0 + x.shape[1]]
    window[inside, 0] = module
    window[inside, 1] = s[inside].astype(np.int32) + s0
    window[inside, 2] = f[inside].astype(np.int32) + f0
