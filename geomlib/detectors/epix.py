"""ePix100 and ePix10K: one module of 2 × 2 tiles, with wide pixels where they meet."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from geomlib.detector import Detector, grid_tiles, seams
from geomlib.detectors.common import gap_length, length_unit, pair, point
from geomlib.errors import GeometryError
from geomlib.geometry import Geometry

_TILE_ORDER = [(0, 0), (0, 1), (1, 0), (1, 1)]


def _detector(name: str, tile_shape: tuple[int, int], pitch: float, wide: float) -> Detector:
    shape = (1, 2 * tile_shape[0], 2 * tile_shape[1])
    bounds = grid_tiles(1, tile_shape, _TILE_ORDER)
    reach = (wide - pitch) / pitch
    return Detector(
        name,
        shape,
        bounds,
        (pitch, pitch),
        wide_edges=seams(bounds, shape, ss=reach, fs=reach),
        calibration_rows=2,
    )


EPIX100 = _detector("ePix100", (352, 384), 50e-6, 175e-6)
EPIX10K = _detector("ePix10K", (176, 192), 100e-6, 250e-6)


def epix100(
    origin: Sequence[float] = (0, 0),
    *,
    asic_gap: float | None = None,
    unit: float = 50e-6,
    top: npt.ArrayLike | None = None,
    bottom: npt.ArrayLike | None = None,
) -> Geometry:
    """Build an ePix100 geometry: one sensor, or a pair of sensors with a dead gap.

    Parameters
    ----------
    origin : (float, float)
        Where the origin of the lab (the beam) lies, as x and y from the centre of the detector; in
        units of `unit`, by default pixels.
    asic_gap : float, optional
        Gap between tiles, in units of `unit`; default: what the wide pixels fill, 250 µm.
    unit : float
        Length of the unit in metres.
    top, bottom : array_like, shape (2,) or (3,), optional
        For a pair of sensors: the outer corner of the first pixel of tile 0 and of tile 2, in
        units of `unit`. `epix100_pair` gives the usual ones.

    Returns
    -------
    Geometry

    Raises
    ------
    GeometryError
        If only one of `top` and `bottom` is given, or something is not a number.
    """
    unit = length_unit(unit)
    geometry = _from_origin(EPIX100, origin, asic_gap, unit)
    if (top is None) != (bottom is None):
        raise GeometryError("give both top and bottom, or neither")
    if top is None or bottom is None:
        return geometry
    wanted = np.stack([point("top", top), point("bottom", bottom)]) * unit
    shifts = np.repeat(wanted - geometry.tile_corners[[0, 2]], 2, axis=0)
    return geometry.replace(tile_corners=geometry.tile_corners + shifts)


def epix100_pair() -> Geometry:
    """Build the ePix100 geometry of a pair of sensors, 25 pixels apart."""
    return epix100(top=(386.5, 364.5), bottom=(386.5, -12.5))


def epix10k(
    origin: Sequence[float] = (0, 0), *, asic_gap: float | None = None, unit: float = 100e-6
) -> Geometry:
    """Build an ePix10K geometry.

    Parameters
    ----------
    origin : (float, float)
        Where the origin of the lab (the beam) lies, as x and y from the centre of the detector; in
        units of `unit`, by default pixels.
    asic_gap : float, optional
        Gap between tiles, in units of `unit`; default: what the wide pixels fill, 300 µm.
    unit : float
        Length of the unit in metres.

    Returns
    -------
    Geometry

    Raises
    ------
    GeometryError
        If `origin` is not a pair of finite numbers, or a length is not a number.
    """
    return _from_origin(EPIX10K, origin, asic_gap, length_unit(unit))


def _from_origin(
    detector: Detector, origin: Sequence[float], asic_gap: float | None, unit: float
) -> Geometry:
    pitch = detector.pixel_size[0]
    assert detector.wide_edges is not None
    gap = gap_length("asic_gap", asic_gap, unit, 2 * detector.wide_edges.max() * pitch)
    beam = pair("origin", origin) * unit
    height, width = detector.tile_shapes[0] * pitch
    corners = np.zeros((4, 3))
    for tile, (row, column) in enumerate(_TILE_ORDER):
        corners[tile, 0] = width - column * (width + gap) - beam[0] + gap / 2
        corners[tile, 1] = height - row * (height + gap) - beam[1] + gap / 2
    return Geometry(
        detector,
        corners,
        np.tile([0, -pitch, 0], (4, 1)),
        np.tile([-pitch, 0, 0], (4, 1)),
    )
