"""Everything about assembly that does not depend on the data, worked out once.

A plan belongs to the places of tiles and a set of options; the plans used last are kept and shared.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from geomlib import coordinates
from geomlib.coordinates import Tiles
from geomlib.detector import Detector, FloatArray, IntArray
from geomlib.errors import GeometryError
from geomlib.geometry import Geometry

#: Largest image that is made, in pixels: 12 times a 16-megapixel detector. More means a tile that
#: lies far away by mistake.
MAX_PIXELS = 200_000_000


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


@dataclass(frozen=True, eq=False, repr=False)
class SnapPlan:
    """Tiles moved to the nearest whole pixel and quarter turn.

    Attributes
    ----------
    grid : Grid
        The image.
    tiles : ndarray of int64, shape (n_tiles, 11)
        As `geomlib.kernels.snap` takes them; all inside the image. By module, and in the order of
        the data memory, but for modules whose own tiles overlap: in these the later tile must win.
    gaps : ndarray of int64, shape (n, 4)
        Rectangles that no tile covers: first and last-plus-one row, first and last-plus-one column.
    """

    grid: Grid
    tiles: IntArray
    gaps: IntArray

    def __repr__(self) -> str:
        n_y, n_x = self.grid.shape
        return f"<SnapPlan: {len(self.tiles)} tiles, {n_y} × {n_x} pixels (y, x)>"

    def __post_init__(self) -> None:
        # Alike in all plans, also because loops are compiled anew for arrays that can be written.
        for array in (self.tiles, self.gaps):
            array.flags.writeable = False


@dataclass(frozen=True, eq=False, repr=False)
class NearestPlan:
    """Each image pixel takes the data pixel whose area covers its centre.

    Attributes
    ----------
    grid : Grid
        The image.
    table : ndarray of int32, shape (y, x)
        For each image pixel the number of its data pixel, counted through (modules, ss, fs); -1
        where there is none.
    """

    grid: Grid
    table: npt.NDArray[np.int32]

    def __repr__(self) -> str:
        n_y, n_x = self.grid.shape
        return f"<NearestPlan: {n_y} × {n_x} pixels (y, x)>"

    def __post_init__(self) -> None:
        self.table.flags.writeable = False


Plan = SnapPlan | NearestPlan


def make_plan(geometry: Geometry, method: str, centred: bool) -> Plan:
    """Work out how to assemble images, or remember it.

    Parameters
    ----------
    geometry : Geometry
        Where the tiles are; nothing else of it counts.
    method : {"snap", "nearest"}
        See `geomlib.assemble_data`.
    centred : bool
        The origin of the lab lies in the middle of the image.

    Raises
    ------
    GeometryError
        If there is no such method, or the tiles do not fit on one grid.
    """
    if method not in ("snap", "nearest"):
        raise GeometryError(f"method must be 'snap' or 'nearest', not {method!r}")
    places = (geometry.tile_corners, geometry.tile_ss, geometry.tile_fs)
    make = _snap_plan if method == "snap" else _nearest_plan
    return make(geometry.detector, *(array.tobytes() for array in places), bool(centred))


def _tiles(detector: Detector, *places: bytes) -> Tiles:
    return Tiles(*(np.frombuffer(p).reshape(detector.n_tiles, 3) for p in places))


# A plan of tiles takes some kilobytes; a table takes 4 bytes a pixel, 17 MB for a JUNGFRAU-4M.
@lru_cache(maxsize=32)
def _snap_plan(
    detector: Detector, corners: bytes, ss_steps: bytes, fs_steps: bytes, centred: bool
) -> SnapPlan:
    from geomlib.kernels.snap import BOTTOM, FS, LEFT, MODULE, RIGHT, SS, TOP

    placed = _tiles(detector, corners, ss_steps, fs_steps)
    pixel = coordinates.grid_pixel_size(detector, placed)
    corner = np.around(placed.corners[:, :2] / pixel)
    with np.errstate(over="ignore", invalid="ignore"):
        ss = np.around(placed.ss[:, :2] / pixel)
        fs = np.around(placed.fs[:, :2] / pixel)
    _check_quarter_turns(detector, ss, fs)
    shapes = detector.tile_shapes
    # The outer corner of the first pixel, then the pixel: one step back along negative vectors.
    first = corner + np.minimum(ss, 0) + np.minimum(fs, 0)
    last = first + (shapes[:, :1] - 1) * ss + (shapes[:, 1:] - 1) * fs
    low, high = np.minimum(first, last), np.maximum(first, last) + 1
    origin, end = _extent(low.min(axis=0), high.max(axis=0), centred)
    tiles = np.zeros((detector.n_tiles, 11), dtype=np.int64)
    bounds = detector.tile_bounds
    tiles[:, MODULE] = bounds[:, 0]
    # The steps are ±1, so their inverses, from image to data, are their transpose. The data pixel
    # at the lowest row and column of the image is the last one along a negative step.
    tiles[:, SS] = np.where(ss.sum(axis=1) > 0, bounds[:, 1], bounds[:, 2] - 1)
    tiles[:, FS] = np.where(fs.sum(axis=1) > 0, bounds[:, 3], bounds[:, 4] - 1)
    tiles[:, [LEFT, TOP]] = low - origin
    tiles[:, [RIGHT, BOTTOM]] = high - origin
    tiles[:, 7:] = np.stack([ss[:, 1], fs[:, 1], ss[:, 0], fs[:, 0]], axis=1)
    grid = _grid(origin, end, pixel)
    _check_inside(tile_boxes(tiles), grid.shape)
    tiles = in_reading_order(tiles)
    return SnapPlan(grid, tiles, uncovered(grid.shape, tiles))


def in_reading_order(tiles: IntArray) -> IntArray:
    """Sort the tiles of each module as their data lie in memory: that is twice as fast to read."""
    from geomlib.kernels.snap import MODULE

    first, _ = data_boxes(tiles)
    ordered = tiles[np.lexsort((first[:, 1], first[:, 0], tiles[:, MODULE]))]
    boxes, modules = tile_boxes(tiles), tiles[:, MODULE]
    apart = np.ones((len(tiles), len(tiles)), dtype=np.bool_)
    for low, high in ((0, 1), (2, 3)):
        apart &= (boxes[:, low] < boxes[:, high, None]) & (boxes[:, low, None] < boxes[:, high])
    clash = np.triu(apart & (modules == modules[:, None]), 1).any(axis=1)
    if clash.any():
        kept = np.isin(ordered[:, MODULE], modules[clash])
        ordered[kept] = tiles[np.isin(modules, modules[clash])]
    ordered.flags.writeable = False
    return ordered


def data_boxes(tiles: IntArray) -> tuple[IntArray, IntArray]:
    """First and last (slow scan, fast scan) of the data of each tile, two arrays (n_tiles, 2)."""
    from geomlib.kernels import snap as s

    here = tiles[:, [s.SS, s.FS]]
    height = tiles[:, [s.BOTTOM]] - tiles[:, [s.TOP]] - 1
    width = tiles[:, [s.RIGHT]] - tiles[:, [s.LEFT]] - 1
    there = (
        here + height * tiles[:, [s.SS_UP, s.FS_UP]] + width * tiles[:, [s.SS_ALONG, s.FS_ALONG]]
    )
    return np.minimum(here, there), np.maximum(here, there)


def _check_quarter_turns(detector: Detector, ss: FloatArray, fs: FloatArray) -> None:
    fine = (
        (np.abs(ss).sum(axis=1) == 1)
        & (np.abs(fs).sum(axis=1) == 1)
        & ((ss[:, 0] == 0) == (fs[:, 1] == 0))
    )
    if not fine.all():
        tile = int(np.argmin(fine))
        raise GeometryError(
            f"tile {tile} ({detector.tile_names[tile]}) is turned too far from the pixel "
            "grid of the image, or its pixels have another size: method='snap' cannot place it; "
            "use method='nearest'"
        )


def _check_inside(boxes: IntArray, shape: tuple[int, int]) -> None:
    """Make sure of what the kernels trust: every tile lies in the image."""
    low, high = boxes[:, [0, 2]], boxes[:, [1, 3]]
    if not ((low >= 0) & (low <= high) & (high <= shape)).all():
        raise GeometryError("a tile does not fit in the image: please report this")


def _extent(low: FloatArray, high: FloatArray, centred: bool) -> tuple[FloatArray, FloatArray]:
    """First and last-plus-one pixel of the image along (x, y), counted from the lab's origin."""
    if centred:
        half = np.maximum(-low, high)
        low, high = -half, half
    size = high - low
    # Far from the origin neighbouring pixels are no longer different numbers.
    if not np.abs([low, high]).max() < 2**31 or not np.prod(size) <= MAX_PIXELS:
        raise GeometryError(
            f"the image would reach from {low[1]:.3g} to {high[1]:.3g} pixels in y and from "
            f"{low[0]:.3g} to {high[0]:.3g} in x: is a tile far away by mistake? Images of up to "
            f"{MAX_PIXELS} pixels are made"
        )
    if not (size > 0).all():
        raise GeometryError("no pixel can be seen: all tiles stand edge-on to the beam")
    return low, high


def _grid(low: FloatArray, high: FloatArray, pixel: FloatArray) -> Grid:
    n_x, n_y = (int(n) for n in high - low)
    centre_x, centre_y = (int(n) for n in -low)
    return Grid((n_y, n_x), (centre_y, centre_x), (float(pixel[1]), float(pixel[0])))


def tile_boxes(tiles: IntArray) -> IntArray:
    """Box of each tile in the image: first and last-plus-one row, the same of columns."""
    from geomlib.kernels.snap import BOTTOM, LEFT, RIGHT, TOP

    return tiles[:, [TOP, BOTTOM, LEFT, RIGHT]]


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


@lru_cache(maxsize=64)
def strips(plan: SnapPlan) -> tuple[IntArray, IntArray]:
    """Cut an image into strips of rows in which the same tiles lie.

    Returns
    -------
    strips : ndarray of int64, shape (n, 4)
        First and last-plus-one row, and where its tiles begin and end in `members`.
    members : ndarray of int64
        Numbers of the tiles of one strip after another.
    """
    table, members = rows_alike(tile_boxes(plan.tiles), plan.grid.shape[0])
    # Alike in all plans: see there.
    for array in (table, members):
        array.flags.writeable = False
    return table, members


def rows_alike(boxes: IntArray, n_y: int) -> tuple[IntArray, IntArray]:
    """Cut ``n_y`` rows where a box (top, bottom, …) begins or ends; return what `strips` does."""
    edges = np.unique(np.concatenate([[0, n_y], boxes[:, 0], boxes[:, 1]]))
    inside = (boxes[:, 0] <= edges[:-1, None]) & (boxes[:, 1] > edges[:-1, None])
    strip, members = np.nonzero(inside)
    ends = np.searchsorted(strip, np.arange(len(edges)))
    table = np.stack([edges[:-1], edges[1:], ends[:-1], ends[1:]], axis=1).astype(np.int64)
    return table, members


def overlapping(plan: Plan) -> bool:
    """Whether tiles lie on top of each other."""
    return isinstance(plan, SnapPlan) and _area(tile_boxes(plan.tiles)) > _covered(plan)


@lru_cache(maxsize=64)
def _covered(plan: SnapPlan) -> int:
    return plan.grid.shape[0] * plan.grid.shape[1] - _area(plan.gaps)


def _area(boxes: IntArray) -> int:
    return int(((boxes[:, 1] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 2])).sum())


@lru_cache(maxsize=6)
def _nearest_plan(
    detector: Detector, corners: bytes, ss_steps: bytes, fs_steps: bytes, centred: bool
) -> NearestPlan:
    if np.prod(detector.data_shape) >= 2**31:
        raise GeometryError(f"method='nearest' takes up to 2³¹ data pixels, not {detector!r}")
    placed = _tiles(detector, corners, ss_steps, fs_steps)
    pixel = coordinates.grid_pixel_size(detector, placed)
    hexagonal = detector.pixel_shape == "hexagon"
    boxes = np.array(
        [
            coordinates.tile_extent(
                placed.corners[tile],
                placed.ss[tile],
                placed.fs[tile],
                int(n_ss),
                int(n_fs),
                hexagonal,
            )
            for tile, (n_ss, n_fs) in enumerate(detector.tile_shapes)
        ]
    )
    _extent(boxes[:, 0].min(axis=0) / pixel, boxes[:, 1].max(axis=0) / pixel, centred)
    # A border that lies on the grid but for rounding must not add a row or a column.
    low = np.floor(np.round(boxes[:, 0].min(axis=0) / pixel, 6))
    high = np.ceil(np.round(boxes[:, 1].max(axis=0) / pixel, 6))
    low, high = _extent(low, high, centred)
    grid = _grid(low, high, pixel)
    table = np.full(grid.shape, -1, dtype=np.int32)
    for tile in range(detector.n_tiles):
        one = Tiles(*(a[tile] for a in placed))
        _look_up_tile(detector, tile, one, (boxes[tile] / pixel - low, low, pixel), table)
    table.flags.writeable = False
    return NearestPlan(grid, table)


def _look_up_tile(
    detector: Detector,
    tile: int,
    placed: Tiles,
    frame: tuple[FloatArray, FloatArray, FloatArray],
    table: npt.NDArray[np.int32],
) -> None:
    """Enter the pixels of one tile into the table.

    ``frame`` is the extent of the tile in image pixels, the first pixel of the image counted from
    the lab's origin, and the size of a pixel; each as (x, y).
    """
    box, origin, pixel = frame
    (x0, y0), (x1, y1) = np.floor(box[0]).astype(int), np.ceil(box[1]).astype(int)
    x0, y0 = max(x0, 0), max(y0, 0)
    x, y = np.meshgrid(
        (np.arange(x0, min(x1, table.shape[1])) + 0.5 + origin[0]) * pixel[0],
        (np.arange(y0, min(y1, table.shape[0])) + 0.5 + origin[1]) * pixel[1],
    )
    uv = coordinates.lab_to_tile(*placed, x, y)
    if uv is None:
        return
    n_ss, n_fs = (int(n) for n in detector.tile_shapes[tile])
    # Where a centre lies on the border of two pixels, rounding noise must not pick between them
    # anew for every pixel: that would repeat some columns and lose others.
    u, v = (np.round(w, 7) for w in uv)
    s, f, inside = coordinates.tile_to_pixel(u, v, n_ss, n_fs, detector.pixel_shape == "hexagon")
    module, s0, _, f0, _ = (int(n) for n in detector.tile_bounds[tile])
    _, all_ss, all_fs = detector.data_shape
    row = s[inside].astype(np.int64) + (s0 + module * all_ss)
    window = table[y0 : y0 + y.shape[0], x0 : x0 + x.shape[1]]
    window[inside] = row * all_fs + (f[inside].astype(np.int64) + f0)
