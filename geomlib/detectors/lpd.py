"""LPD: the Large Pixel Detector, 1M and Mini."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from geomlib import checks
from geomlib.detector import Detector, Quadrants, grid_tiles
from geomlib.detectors.common import (
    QUADRANT_MODULE_NAMES,
    QUADRANT_MODULES,
    gap_length,
    length_unit,
    points,
    quadrant_array,
    warn_about_unit,
)
from geomlib.errors import GeometryError
from geomlib.geometry import Geometry

#: Pixel pitch, metres.
PITCH = 500e-6
TILE_SS, TILE_FS = 32, 128

# T1 … T8 run from the top of the stored data (its last rows) down on the low-fs half of a module,
# T9 … T16 up again on the high-fs half.
_TILE_ORDER = [(7 - t, 0) for t in range(8)] + [(t - 8, 1) for t in range(8, 16)]

LPD_1M = Detector(
    "LPD-1M",
    (16, 256, 256),
    grid_tiles(16, (TILE_SS, TILE_FS), _TILE_ORDER),
    (PITCH, PITCH),
    module_names=QUADRANT_MODULE_NAMES,
    quadrants=Quadrants(QUADRANT_MODULES, "high", 1e-3),
)


def lpd_mini_detector(n_modules: int) -> Detector:
    """Describe an LPD Mini of some modules, 2 tiles each."""
    return Detector(
        "LPD-Mini",
        (n_modules, TILE_SS, 2 * TILE_FS),
        grid_tiles(n_modules, (TILE_SS, TILE_FS), [(0, 0), (0, 1)]),
        (PITCH, PITCH),
    )


def lpd_1m(
    quad_positions: npt.ArrayLike,
    *,
    asic_gap: float | None = None,
    panel_gap: float | None = None,
    unit: float = 1e-3,
) -> Geometry:
    """Build an LPD-1M geometry from the positions of its quadrants.

    Flat, aligned, modules and tiles equally spaced.

    Parameters
    ----------
    quad_positions : array_like, shape (4, 2) or (4, 3)
        x, y and perhaps z of the corner of each quadrant with the highest x and y, by module 4,
        tile 16; in units of `unit`, by default millimetres.
    asic_gap, panel_gap : float, optional
        Gap between tiles and between modules, in units of `unit`; default 4 pixels.
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
    # In pixels first: EXtra-geom's numbers, to the last bit.
    pixels = unit / PITCH
    tile_gap, module_gap = (
        4.0 if gap is None else checks.number(name, gap) * pixels
        for name, gap in (("asic_gap", asic_gap), ("panel_gap", panel_gap))
    )
    tile_step = np.array([TILE_FS + tile_gap, TILE_SS + tile_gap]) * PITCH
    module_step = np.array([256 + tile_gap + module_gap, 256 + 7 * tile_gap + module_gap]) * PITCH
    # Steps from the corner of the quadrant, along (x, y).
    in_quadrant = np.array([(-1, 0), (-1, -1), (0, -1), (0, 0)])
    in_module = np.array([(-1, -t) for t in range(8)] + [(0, t - 15) for t in range(8, 16)])
    high = (
        quads[:, np.newaxis, np.newaxis, :2]
        + (in_quadrant * module_step)[np.newaxis, :, np.newaxis]
        + (in_module * tile_step)[np.newaxis, np.newaxis, :]
    ).reshape(-1, 2)
    corners = np.zeros((len(high), 3))
    corners[:, :2] = high - np.array([TILE_FS, TILE_SS]) * PITCH
    corners[:, 2] = np.repeat(quads[:, 2], len(corners) // len(quads))
    geometry = Geometry(
        LPD_1M,
        corners,
        np.tile([0.0, PITCH, 0.0], (len(corners), 1)),
        np.tile([PITCH, 0.0, 0.0], (len(corners), 1)),
    )
    warn_about_unit(geometry, unit)
    return geometry


def lpd_mini(
    positions: npt.ArrayLike,
    rotations: Sequence[float] | None = None,
    *,
    asic_gap: float | None = None,
    unit: float = 1e-3,
) -> Geometry:
    """Build a geometry of one or more LPD Mini modules.

    Parameters
    ----------
    positions : array_like, shape (modules, 2) or (modules, 3)
        Corner of each module; unrotated, the one with the lowest x and y. In units of `unit`, by
        default millimetres.
    rotations : sequence of float, optional
        Turns each module about that corner, in degrees, from x towards y; default 0: the long
        side along x, the first tile below the second.
    asic_gap : float, optional
        Gap between the two tiles of a module, in units of `unit`; default 2 mm.
    unit : float
        Length of the unit in metres.

    Returns
    -------
    Geometry

    Raises
    ------
    GeometryError
        If there is not one rotation a position, or a length is not a number.
    """
    unit = length_unit(unit)
    origins = points("positions", positions) * unit
    n = len(origins)
    try:
        angles = checks.array("rotations", np.zeros(n) if rotations is None else rotations, (n,))
    except GeometryError:
        raise GeometryError(
            f"rotations must be {n} angles in degrees, one a module, got {checks.shown(rotations)}"
        ) from None
    gap = gap_length("asic_gap", asic_gap, unit, 2e-3)
    width, height = TILE_FS * PITCH, TILE_SS * PITCH
    sin, cos = np.sin(np.radians(angles)), np.cos(np.radians(angles))
    zero = np.zeros_like(sin)
    along = np.stack([cos, sin, zero], axis=1)  # the long side of a module
    across = np.stack([-sin, cos, zero], axis=1)
    # Tile 0 is stored upside down: its first pixel is its upper inner corner.
    first = origins + height * across
    second = origins + (-width * along + (height + gap) * across)
    return Geometry(
        lpd_mini_detector(len(origins)),
        np.stack([first, second], axis=1).reshape(-1, 3),
        np.stack([-across, across], axis=1).reshape(-1, 3) * PITCH,
        np.stack([-along, along], axis=1).reshape(-1, 3) * PITCH,
    )
