"""Any other detector, from a few numbers."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from geomlib import checks
from geomlib.detector import MAX_PIXELS, Detector, FloatArray
from geomlib.detectors.common import points
from geomlib.errors import GeometryError
from geomlib.geometry import Geometry


def generic(
    corners: npt.ArrayLike,
    tile_shape: tuple[int, int],
    pixel_size: float | tuple[float, float],
    *,
    ss: npt.ArrayLike = (0, 1, 0),
    fs: npt.ArrayLike = (1, 0, 0),
    tiles_per_module: int = 1,
    stacked: Literal["ss", "fs"] = "ss",
    name: str = "generic",
) -> Geometry:
    """Build a geometry of equal tiles.

    For tiles of several sizes, or another layout of the data, make a `Detector` and a `Geometry`
    directly.

    Parameters
    ----------
    corners : array_like, shape (tiles, 2) or (tiles, 3)
        Outer corner of the first stored pixel of each tile, in metres.
    tile_shape : (int, int)
        Pixels along slow scan and fast scan.
    pixel_size : float or (float, float)
        Pitch in metres; along slow scan and fast scan where they differ.
    ss, fs : array_like, shape (3,) or (tiles, 3)
        Directions of slow scan and fast scan; only the direction counts, not the length.
    tiles_per_module : int
        How many tiles in a row make up one module.
    stacked : {"ss", "fs"}
        The axis of the data along which the tiles of a module follow each other.
    name : str
        Name of the detector.

    Returns
    -------
    Geometry

    Raises
    ------
    GeometryError
        If an argument is not as described, the tiles do not fill whole modules, or the directions
        of a tile are parallel or have no length.
    """
    places = points("corners", corners)
    n = len(places)
    tiles_per_module = checks.integer("tiles_per_module", tiles_per_module, 1)
    if n % tiles_per_module:
        raise GeometryError(
            f"tiles_per_module={tiles_per_module} does not divide the {n} tiles of corners"
        )
    if not isinstance(stacked, str) or stacked not in ("ss", "fs"):
        raise GeometryError(f"stacked must be 'ss' or 'fs', not {checks.shown(stacked)}")
    # At most so many that bounds stay whole numbers of 64 bits.
    n_ss, n_fs = checks.integers("tile_shape", tile_shape, 1, MAX_PIXELS, count=2)
    pitch = np.broadcast_to(checks.array("pixel_size", pixel_size, (), (2,)), 2)
    module, number = np.divmod(np.arange(n), tiles_per_module)
    row = number if stacked == "ss" else np.zeros_like(number)
    column = number if stacked == "fs" else np.zeros_like(number)
    bounds = np.stack(
        [module, row * n_ss, (row + 1) * n_ss, column * n_fs, (column + 1) * n_fs], axis=1
    )
    shape = (n // tiles_per_module, int(bounds[:, 2].max()), int(bounds[:, 4].max()))
    detector = Detector(name, shape, bounds, (float(pitch[0]), float(pitch[1])))
    return Geometry(
        detector,
        places,
        _directions("ss", ss, n) * pitch[0],
        _directions("fs", fs, n) * pitch[1],
    )


def _directions(name: str, vectors: npt.ArrayLike, n: int) -> FloatArray:
    array = checks.numbers(name, vectors, finite=False)
    if array.shape not in ((3,), (n, 3)):
        raise GeometryError(
            f"{name} must be one vector (x, y, z), or {n} of them, got {checks.shown(vectors)}"
        )
    with np.errstate(over="ignore"):
        length = np.linalg.norm(array, axis=-1, keepdims=True)
    if not np.isfinite(length).all() or not (length > 0).all():
        raise GeometryError(
            f"{name} must be vectors of finite, positive length, got {checks.shown(vectors)}"
        )
    return np.broadcast_to(array / length, (n, 3))
