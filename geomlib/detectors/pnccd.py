"""pnCCD: two movable sensors of 512 × 1024 pixels, read out as one image."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from geomlib import checks
from geomlib.detector import Detector, grid_tiles
from geomlib.detectors.common import point
from geomlib.errors import GeometryError
from geomlib.geometry import Geometry

#: Pixel pitch, metres.
PITCH = 75e-6
TILE_SS, TILE_FS = 512, 1024

PNCCD = Detector(
    "pnCCD",
    (2, TILE_SS, TILE_FS),
    grid_tiles(2, (TILE_SS, TILE_FS), [(0, 0)]),
    (PITCH, PITCH),
    module_names=("top", "bottom"),
    cut_out=(22, 60),
)


def pnccd(
    gap: float = 4e-3,
    *,
    top_offset: npt.ArrayLike = (0, 0, 0),
    bottom_offset: npt.ArrayLike = (0, 0, 0),
    top: npt.ArrayLike | None = None,
    bottom: npt.ArrayLike | None = None,
) -> Geometry:
    """Build a pnCCD geometry, from a gap centred on the beam or from two corners.

    Parameters
    ----------
    gap : float
        Between the sensors, centred on the beam, in metres.
    top_offset, bottom_offset : array_like, shape (2,) or (3,)
        Shift of each sensor from that place, in metres.
    top, bottom : array_like, shape (2,) or (3,), optional
        Instead of all of the above: the outer corner of the first pixel (low x, high y) of each
        sensor, in metres.

    Returns
    -------
    Geometry

    Raises
    ------
    GeometryError
        If only one of `top` and `bottom` is given, or something is not a number.
    """
    if (top is None) != (bottom is None):
        raise GeometryError("give both top and bottom, or neither")
    if top is not None and bottom is not None:
        corners = np.stack([point("top", top), point("bottom", bottom)])
    else:
        half = checks.number("gap", gap) / 2
        low_x = -TILE_FS // 2 * PITCH
        corners = np.array([[low_x, half + TILE_SS * PITCH, 0], [low_x, -half, 0]])
        corners[0] += point("top_offset", top_offset)
        corners[1] += point("bottom_offset", bottom_offset)
    return Geometry(PNCCD, corners, np.array([[0, -PITCH, 0]] * 2), np.array([[PITCH, 0, 0]] * 2))
