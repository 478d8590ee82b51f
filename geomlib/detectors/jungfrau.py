"""JUNGFRAU: any number of modules of 512 × 1024 pixels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from geomlib import checks
from geomlib.detector import Detector, FloatArray, Motors, grid_tiles, seams
from geomlib.detectors.common import length_unit, points
from geomlib.errors import GeometryError
from geomlib.geometry import Geometry

#: Pixel pitch, metres.
PITCH = 75e-6
TILE = 256
_NAMES = {1: "JUNGFRAU-500K", 2: "JUNGFRAU-1M", 8: "JUNGFRAU-4M", 32: "JUNGFRAU-16M"}

# The two halves of a JUNGFRAU-4M, one horizontal motor each.
_MOTORS = Motors(((0, 1, 2, 3), (4, 5, 6, 7)), (((1.0,), (0.0,)), ((-1.0,), (0.0,))))


def jungfrau_detector(n_modules: int) -> Detector:
    """Describe a JUNGFRAU of some modules, 2 × 4 tiles each."""
    shape = (n_modules, 2 * TILE, 4 * TILE)
    bounds = grid_tiles(n_modules, (TILE, TILE), [(t // 4, t % 4) for t in range(8)])
    return Detector(
        _NAMES.get(n_modules, f"JUNGFRAU-{n_modules}-modules"),
        shape,
        bounds,
        (PITCH, PITCH),
        # Pixels at the seams are double-size: each fills half of the gap of 2.
        wide_edges=seams(bounds, shape, ss=1.0, fs=1.0),
        module_names=tuple(f"JNGFR{m + 1:02d}" for m in range(n_modules)),
        motors=_MOTORS if n_modules == 8 else None,
        first_module_label=1,
    )


def jungfrau(
    positions: npt.ArrayLike = ((0, 0),),
    orientations: Sequence[Sequence[int]] | None = None,
    *,
    asic_gap: float = 2,
    unit: float = PITCH,
) -> Geometry:
    """Build a JUNGFRAU geometry from the positions of its modules.

    Parameters
    ----------
    positions : array_like, shape (modules, 2) or (modules, 3)
        The corner of each module with the lowest x and y, whatever its orientation; in units of
        `unit`, by default pixels.
    orientations : sequence of (int, int), optional
        (sx, sy) a module, each +1 or -1: fast scan runs along sx · x, slow scan along sy · y.
        Default (1, 1).
    asic_gap : float
        Gap between the tiles of a module, in units of `unit`.
    unit : float
        Length of the unit in metres.

    Returns
    -------
    Geometry

    Raises
    ------
    GeometryError
        If there is not one orientation of ±1 a module, or a length is not a number.
    """
    # In pixels up to the last step: whole numbers stay exact.
    scale = length_unit(unit) / PITCH
    origins = points("positions", positions) * scale
    n = len(origins)
    signs = _signs(orientations, n)
    gap = checks.number("asic_gap", asic_gap) * scale
    step = TILE + gap
    size = np.array([4 * TILE + 3 * gap, 2 * TILE + gap])
    start = origins.copy()
    start[:, :2] += np.where(signs < 0, size, 0)
    corners, ss, fs = (np.zeros((n, 8, 3)) for _ in range(3))
    for tile in range(8):
        row, column = divmod(tile, 4)
        corners[:, tile] = start
        corners[:, tile, :2] += signs * step * (column, row)
    fs[:, :, 0] = signs[:, :1] * PITCH
    ss[:, :, 1] = signs[:, 1:] * PITCH
    return Geometry(
        jungfrau_detector(n), corners.reshape(-1, 3) * PITCH, ss.reshape(-1, 3), fs.reshape(-1, 3)
    )


def _signs(orientations: Sequence[Sequence[int]] | None, n: int) -> FloatArray:
    if orientations is None:
        return np.ones((n, 2))
    try:
        signs = checks.array("orientations", orientations, (n, 2))
    except GeometryError:
        signs = np.zeros((n, 2))
    if not np.isin(signs, (-1, 1)).all():
        raise GeometryError(
            f"orientations must be {n} pairs (sx, sy) of +1 or -1, one a module, "
            f"got {checks.shown(orientations)}"
        )
    return signs
