"""DSSC: DEPFET Sensor with Signal Compression, 1M, hexagonal pixels."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from geomlib.detector import Detector, Quadrants, grid_tiles
from geomlib.detectors.common import (
    QUADRANT_MODULE_NAMES,
    QUADRANT_MODULES,
    gap_length,
    length_unit,
    quadrant_array,
    warn_about_unit,
)
from geomlib.geometry import Geometry

#: Width of a hexagon, the pitch along fast scan, metres.
PITCH_FS = 236e-6
#: Distance of rows of hexagons, the pitch along slow scan, metres.
PITCH_SS = PITCH_FS * 1.5 / np.sqrt(3)
TILE_SS, TILE_FS = 128, 256

DSSC_1M = Detector(
    "DSSC-1M",
    (16, TILE_SS, 2 * TILE_FS),
    grid_tiles(16, (TILE_SS, TILE_FS), [(0, 0), (0, 1)]),
    (PITCH_SS, PITCH_FS),
    pixel_shape="hexagon",
    module_names=QUADRANT_MODULE_NAMES,
    quadrants=Quadrants(QUADRANT_MODULES, "low", 1e-3),
)

#: Direction of (fs along x, ss along y) in each quadrant.
ORIENTATIONS = ((-1, 1), (-1, 1), (1, -1), (1, -1))


def dssc_1m(
    quad_positions: npt.ArrayLike,
    *,
    asic_gap: float | None = None,
    panel_gap: float | None = None,
    unit: float = 1e-3,
) -> Geometry:
    """Build a DSSC-1M geometry from the positions of its quadrants.

    Flat, aligned, modules and tiles equally spaced.

    Parameters
    ----------
    quad_positions : array_like, shape (4, 2) or (4, 3)
        x, y and perhaps z of the corner of each quadrant with the lowest x and y; in units of
        `unit`, by default millimetres.
    asic_gap : float, optional
        Gap between the two tiles of a module, in units of `unit`; default 2 mm.
    panel_gap : float, optional
        Gap between modules, in units of `unit`; default 4 mm.
    unit : float
        Length of the unit in metres.

    Returns
    -------
    Geometry

    Raises
    ------
    GeometryError
        If the positions are not four of two or three finite numbers, or a length is not a number.

    Warns
    -----
    GeometryWarning
        If the positions look as if they were in another unit.
    """
    unit = length_unit(unit)
    quads = quadrant_array(quad_positions) * unit
    tile_gap = gap_length("asic_gap", asic_gap, unit, 2e-3)
    module_gap = gap_length("panel_gap", panel_gap, unit, 4e-3)
    width, height = TILE_FS * PITCH_FS, TILE_SS * PITCH_SS
    corners, ss, fs = (np.zeros((DSSC_1M.n_tiles, 3)) for _ in range(3))
    for tile in range(DSSC_1M.n_tiles):
        module, number = divmod(tile, 2)
        quadrant, row = divmod(module, 4)
        side, up = ORIENTATIONS[quadrant]
        start_x = quads[quadrant, 0] + (2 * width + tile_gap if side < 0 else 0)
        start_y = quads[quadrant, 1] + (4 * height + 3 * module_gap if up < 0 else 0)
        corners[tile, 0] = start_x + side * number * (width + tile_gap)
        corners[tile, 1] = start_y + up * row * (height + module_gap)
        corners[tile, 2] = quads[quadrant, 2]
        ss[tile, 1] = up * PITCH_SS
        fs[tile, 0] = side * PITCH_FS
    geometry = Geometry(DSSC_1M, corners, ss, fs)
    warn_about_unit(geometry, unit)
    return geometry
