"""Where pixels are, in the forms that EXtra-geom has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from geomlib.detector import (
    HEXAGON_CORNERS,
    RECTANGLE_CORNERS,
    Detector,
    FloatArray,
    tile_map,
)
from geomlib.geometry import Geometry

if TYPE_CHECKING:
    from geomlib.compat.geometries.base import DetectorGeometryBase


def distortion_array(geometry: Geometry, allow_negative_xy: bool) -> npt.NDArray[np.float32]:
    """Corners of all pixels as (z, y, x); see `DetectorGeometryBase.to_distortion_array`.

    Sums are made in float64 and in this order, so that no bit differs from EXtra-geom's.
    """
    modules, n_ss, n_fs = geometry.data_shape
    hexagonal = geometry.detector.pixel_shape == "hexagon"
    corners = HEXAGON_CORNERS if hexagonal else RECTANGLE_CORNERS
    first = geometry.pixel_positions("corner")
    # Axes (z, y, x), corners, ss, fs: the long ones last, for the sake of speed.
    u, v = (corners[:, axis, np.newaxis, np.newaxis] for axis in (0, 1))
    out = np.zeros((modules, n_ss, n_fs, len(corners), 3), dtype=np.float32)
    for tile in range(geometry.n_tiles):
        where = geometry.detector.tile_slice(tile)
        ss, fs = (
            vectors[tile, ::-1].reshape(3, 1, 1, 1)
            for vectors in (geometry.tile_ss, geometry.tile_fs)
        )
        start = np.ascontiguousarray(first[where].transpose(2, 0, 1)[::-1])
        places = start[:, np.newaxis] + u * ss
        places += v * fs
        out[where] = places.astype(np.float32).transpose(2, 3, 1, 0)
    if not allow_negative_xy:
        for axis in (1, 2):
            out[..., axis] -= out[..., axis].min()
    return out.reshape(modules * n_ss, n_fs, len(corners), 3)


def described(geom: DetectorGeometryBase, n_modules: int) -> Detector:
    """Describe the detector of a class of the user's own by what such classes have."""
    _, ss, fs = geom.expected_data_shape
    cuts = [geom._tile_slice(t) for t in range(geom.n_tiles_per_module)]
    bounds = [
        (module, rows.start, rows.stop, columns.start, columns.stop)
        for module in range(n_modules)
        for rows, columns in cuts
    ]
    name = geom.detector_type_name or type(geom).__name__
    size_x, size_y = (float(size) for size in geom._pixel_shape)
    return Detector(name, (n_modules, ss, fs), np.array(bounds), (size_y, size_x))


def tile_of_points(
    detector: Detector, slow_scan: npt.ArrayLike, fast_scan: npt.ArrayLike
) -> tuple[npt.NDArray[Any], FloatArray, FloatArray]:
    """Tile of points of a module, which are all alike, and where in the tile the points are."""
    s, f = np.asarray(slow_scan), np.asarray(fast_scan)
    _, n_ss, n_fs = detector.data_shape
    row = np.clip(np.floor(s), 0, n_ss - 1).astype(np.int64)
    column = np.clip(np.floor(f), 0, n_fs - 1).astype(np.int64)
    tile = tile_map(detector)[0, row, column]
    low_ss, low_fs = detector.tile_bounds[tile, 1], detector.tile_bounds[tile, 3]
    return tile.astype(np.int16), s - low_ss, f - low_fs
