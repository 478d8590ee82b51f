"""AGIPD: the Adaptive Gain Integrating Pixel Detector, 1M and 500K (second generation)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from geomlib import checks
from geomlib.detector import Detector, Motors, Quadrants, grid_tiles, seams
from geomlib.detectors.common import (
    QUADRANT_MODULE_NAMES,
    QUADRANT_MODULES,
    length_unit,
    pair,
    quadrant_array,
    warn_about_unit,
)
from geomlib.geometry import Geometry

#: Pixel pitch, metres.
PITCH = 200e-6
TILE_SS, TILE_FS = 64, 128
TILES_A_MODULE = 8

# Motor to lab axes a quadrant (columns: motor 1, motor 2; rows: x, y).
_MOTOR_AXES = (
    ((0.0, -1.0), (-1.0, 0.0)),
    ((0.0, -1.0), (1.0, 0.0)),
    ((0.0, 1.0), (1.0, 0.0)),
    ((0.0, 1.0), (-1.0, 0.0)),
)


def _detector(name: str, n_modules: int, **extra: object) -> Detector:
    shape = (n_modules, TILE_SS * TILES_A_MODULE, TILE_FS)
    bounds = grid_tiles(n_modules, (TILE_SS, TILE_FS), [(t, 0) for t in range(TILES_A_MODULE)])
    return Detector(
        name,
        shape,
        bounds,
        (PITCH, PITCH),
        # The two rows that meet between tiles are 400 µm wide: each fills half of the gap of 2.
        wide_edges=seams(bounds, shape, ss=1.0, fs=0.0),
        **extra,  # type: ignore[arg-type]
    )


AGIPD_1M = _detector(
    "AGIPD-1M",
    16,
    module_names=QUADRANT_MODULE_NAMES,
    quadrants=Quadrants(QUADRANT_MODULES, "first", PITCH),
    motors=Motors(QUADRANT_MODULES, _MOTOR_AXES),
)
AGIPD_500K = _detector("AGIPD-500K", 8)


def agipd_1m(
    quad_positions: npt.ArrayLike,
    *,
    asic_gap: float = 2,
    panel_gap: float = 29,
    unit: float = PITCH,
) -> Geometry:
    """Build an AGIPD-1M geometry from the positions of its quadrants.

    Flat, aligned, modules equally spaced in their quadrants.

    Parameters
    ----------
    quad_positions : array_like, shape (4, 2) or (4, 3)
        x, y and perhaps z of the outer corner of the first pixel of modules 0, 4, 8 and 12,
        relative to the beam; in units of `unit`, by default pixels.
    asic_gap : float
        Gap between the tiles of a module, in units of `unit`.
    panel_gap : float
        Gap between the modules of a quadrant, in units of `unit`.
    unit : float
        Length of the unit in metres; 1e-3 for millimetres. The pixels stay 200 µm.

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
    # Sums of pixels are scaled once: EXtra-geom's numbers, to the last bit.
    tile_step = (TILE_SS + checks.number("asic_gap", asic_gap) * unit / PITCH) * PITCH
    module_step = (TILE_FS + checks.number("panel_gap", panel_gap) * unit / PITCH) * PITCH
    corners, ss, fs = (np.zeros((128, 3)) for _ in range(3))
    for tile in range(AGIPD_1M.n_tiles):
        module, number = divmod(tile, TILES_A_MODULE)
        quadrant, row = divmod(module, 4)
        side = 1 if quadrant < 2 else -1
        corners[tile, 0] = quads[quadrant, 0] + side * tile_step * number
        corners[tile, 1] = quads[quadrant, 1] - row * module_step
        corners[tile, 2] = quads[quadrant, 2]
        ss[tile, 0] = side * PITCH
        fs[tile, 1] = -side * PITCH
    geometry = Geometry(AGIPD_1M, corners, ss, fs)
    warn_about_unit(geometry, unit)
    return geometry


def agipd_500k(
    origin: Sequence[float] = (0, 0),
    *,
    asic_gap: float | None = None,
    panel_gap: Sequence[float] | None = None,
    unit: float = PITCH,
) -> Geometry:
    """Build an AGIPD-500K (second generation) geometry: two columns of four modules.

    Parameters
    ----------
    origin : (float, float)
        Where the origin of the lab (the beam) lies, as x and y from the bottom, beam-right corner
        of the detector; in units of `unit`, by default pixels.
    asic_gap : float, optional
        Gap between the tiles of a module; default 2 pixels.
    panel_gap : (float, float), optional
        Gap between modules along x and y; default (16, 30) pixels.
    unit : float
        Length of the unit in metres.

    Returns
    -------
    Geometry

    Raises
    ------
    GeometryError
        If `origin` or `panel_gap` is not a pair of finite numbers, or a length is not a number.
    """
    unit = length_unit(unit)
    beam = pair("origin", origin) * unit
    # In pixels first, and in this order: EXtra-geom's numbers, to the last bit.
    pixels = unit / PITCH
    tile_gap = 2.0 if asic_gap is None else checks.number("asic_gap", asic_gap) * pixels
    gaps = np.array([16, 30]) if panel_gap is None else pair("panel_gap", panel_gap) * pixels
    gap_x, gap_y = gaps * PITCH
    tile_step = (TILE_SS + tile_gap) * PITCH
    width = TILES_A_MODULE * tile_step - tile_gap * PITCH
    height = TILE_FS * PITCH
    # Outer corner of the first pixel of module 0.
    first_x = -(beam[0] - width)
    first_y = -(beam[1] - 3 * (TILE_FS + gaps[1]) * PITCH)
    corners = np.zeros((AGIPD_500K.n_tiles, 3))
    for tile in range(AGIPD_500K.n_tiles):
        module, number = divmod(tile, TILES_A_MODULE)
        row, column = divmod(module, 2)
        corners[tile, 0] = first_x + column * (width + gap_x) - number * tile_step
        corners[tile, 1] = first_y - row * (height + gap_y)
    return Geometry(
        AGIPD_500K,
        corners,
        np.tile([-PITCH, 0.0, 0.0], (len(corners), 1)),
        np.tile([0.0, PITCH, 0.0], (len(corners), 1)),
    )
