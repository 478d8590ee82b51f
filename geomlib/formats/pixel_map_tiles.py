"""Tiles of a pixel map: each fitted to the positions of its pixels, and found where none are known.

Positions are plain arrays (rows, columns) of x, y and z, in the unit and at the points (corners or
centres of pixels) of the map; nothing here knows which.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from geomlib.coordinates import BoolArray
from geomlib.detector import FloatArray, IntArray
from geomlib.errors import GeometryError

#: x, y and z as they are stored, each (rows, columns).
Map = Sequence[npt.NDArray[Any]]
#: A coordinate in float32 is off by up to its size times this: half a unit in the last place.
FLOAT32 = 2.0**-24
#: Roundings that a coordinate has been through: of the corner, of each of two steps times a pixel
#: number, and of their sum, where the program that wrote the map calculated in float32.
ROUNDINGS = 4
#: A plane fitted to positions that are off by r is off by sqrt(n h) r at most, h <= 7 / n being the
#: weight of a pixel in its own value (1 for the mean, 3 for each slope): 1 + sqrt(7) < 4.
RESIDUAL = 4
#: More tiles than any detector has; of a smooth distortion there would be one a pixel.
MAX_TILES = 16384
_SAMPLE = 1 << 16


class Fit(NamedTuple):
    """Plane grids that fit tiles, in the unit of the map.

    Attributes
    ----------
    corners, ss, fs : ndarray, shape (n, 3)
        Outer corner of the first pixel, and steps of one pixel.
    residuals : ndarray, shape (n, 3)
        By how much x, y and z of a pixel are off the grid at most; NaN where a position is.
    """

    corners: FloatArray
    ss: FloatArray
    fs: FloatArray
    residuals: FloatArray

    def misfit(self, limit: FloatArray) -> int | None:
        """Return the tile that is furthest off its grid, None if all are within limits (3,)."""
        excess = (self.residuals / limit).max(axis=1)
        worst = int(np.nan_to_num(excess, nan=np.inf).argmax())
        return None if excess[worst] <= 1 else worst


# -- Fitting ----------------------------------------------------------------------------------


def fit_tiles(
    positions: Map, bounds: IntArray, point: tuple[float, float], hexagonal: bool = False
) -> Fit:
    """Fit a plane grid to each tile by least squares.

    Parameters
    ----------
    positions : sequence of ndarray, shape (rows, columns)
        x, y and z.
    bounds : ndarray of int, shape (n, 4)
        First and last-plus-one row, and column, of each tile.
    point : (float, float)
        Where in a pixel its position is, in steps of (ss, fs) from its first corner.
    hexagonal : bool
        Whether odd rows of a tile are half a step further along fs.

    Raises
    ------
    GeometryError
        If a tile has a single row or column: positions do not tell the step across it.
    """
    n = len(bounds)
    vectors, residuals = np.empty((3, n, 3)), np.empty((n, 3))
    for tile, (ss0, ss1, fs0, fs1) in enumerate(bounds.tolist()):
        if ss1 - ss0 < 2 or fs1 - fs0 < 2:
            raise GeometryError(
                f"tile {tile} (rows {ss0} to {ss1}, columns {fs0} to {fs1}) is one pixel wide: "
                "its positions do not tell the step across it"
            )
        u = np.arange(ss1 - ss0, dtype=np.float64)[:, np.newaxis]
        shift = 0.5 * (u % 2) if hexagonal else np.zeros_like(u)
        v = np.arange(fs1 - fs0, dtype=np.float64) + shift
        for axis, values in enumerate(positions):
            part = values[ss0:ss1, fs0:fs1].astype(np.float64)
            fit, residuals[tile, axis] = _fit(part, u, v)
            vectors[:, tile, axis] = fit
    corners, ss, fs = vectors
    corners -= point[0] * ss + point[1] * fs
    return Fit(corners, ss, fs, residuals)


def _fit(values: FloatArray, u: FloatArray, v: FloatArray) -> tuple[FloatArray, float]:
    """Fit value = a + u b + v c; returns (a, b, c), and the largest difference."""
    if not np.isfinite(values).all():
        return np.full(3, np.nan), np.nan
    first = values[0, 0]
    rest = values - first
    du, dv = u - u.mean(), v - v.mean()
    # Normal equations of centred coordinates; for rectangles they are independent.
    uu, vv = v.shape[1] * float((du * du).sum()), float((dv * dv).sum())
    uv = float((du * dv).sum())
    right = np.array([float((du * rest).sum()), float((dv * rest).sum())])
    b, c = np.linalg.solve(np.array([[uu, uv], [uv, vv]]), right)
    a = rest.mean() - b * u.mean() - c * v.mean()
    rest -= a
    rest -= b * u
    rest -= c * v
    return np.array([first + a, b, c]), float(np.abs(rest).max())


# -- What positions are good for --------------------------------------------------------------


def rounding(positions: Map) -> FloatArray:
    """By how much float32 arithmetic may have moved x, y and z, shape (3,)."""
    largest = [_largest(values) for values in positions]
    return ROUNDINGS * FLOAT32 * np.array(largest) + np.finfo(np.float64).tiny


def shown_rounding(positions: Map, exact: FloatArray) -> FloatArray:
    """By how much x, y and z are off if they were rounded to as many decimals as they show.

    Parameters
    ----------
    positions : sequence of ndarray
        x, y and z.
    exact : ndarray, shape (3,)
        What `rounding` says.

    Returns
    -------
    ndarray, shape (3,)
        Half of the last decimal; 0 where there are as many as a float32 holds.
    """
    stored = exact / ROUNDINGS
    return np.array([_last_decimal(v, float(e)) for v, e in zip(positions, stored, strict=True)])


def _last_decimal(values: npt.NDArray[Any], stored: float) -> float:
    flat = values.reshape(-1)
    sample = flat[:: max(1, flat.size // _SAMPLE)].astype(np.float64)
    sample = sample[np.isfinite(sample)]
    for digits in range(10):
        scale = 10.0**digits
        if scale * stored > 0.1:
            break  # a float32 has no more decimals
        scaled = scale * sample
        if sample.size and np.abs(scaled - np.rint(scaled)).max() <= scale * stored:
            return 0.5 / scale
    return 0.0


def _largest(values: npt.NDArray[Any]) -> float:
    # Row by row: the whole array as float64 would be twice as large as the map.
    largest = 0.0
    for row in values:
        finite = np.abs(row[np.isfinite(row)])
        largest = max(largest, float(finite.max()) if finite.size else 0.0)
    return largest


# -- Finding tiles that nobody described ------------------------------------------------------


def find_tiles(positions: Map, tolerance: FloatArray) -> IntArray:
    """Cut a map into rectangles of pixels whose steps are the same.

    Parameters
    ----------
    positions : sequence of ndarray, shape (rows, columns)
        x, y and z.
    tolerance : ndarray, shape (3,)
        By how much x, y and z may be off.

    Returns
    -------
    ndarray of int, shape (n, 4)
        First and last-plus-one row, and column, of each tile, in the order of their first pixels.
        Placeholders, pixels with the same position as their neighbours, are in none.

    Raises
    ------
    GeometryError
        If there are none, or more than any detector has.
    """
    if min(positions[0].shape) < 3:
        raise GeometryError(f"a map of {positions[0].shape} pixels is too small to tell")
    free = ~_placeholders(positions, tolerance)
    along_ss, along_fs = (_same_steps(positions, axis, tolerance) for axis in (0, 1))
    found = []
    at, flat = 0, free.reshape(-1)
    while flat[at:].any():
        at += int(np.argmax(flat[at:]))
        bounds = _rectangle(free, along_ss, along_fs, *divmod(at, free.shape[1]))
        found.append(bounds)
        free[bounds[0] : bounds[1], bounds[2] : bounds[3]] = False
        if len(found) > MAX_TILES:
            raise GeometryError(f"the map is not made of tiles, or of more than {MAX_TILES}")
    if not found:
        raise GeometryError("all pixels of the map are in one place")
    return np.array(found, dtype=np.int64)


def _same_steps(positions: Map, axis: int, tolerance: FloatArray) -> BoolArray:
    """Tell which pixels go on from the one before as their row or column does before or after."""
    shape = positions[0].shape
    steady = np.ones((shape[0] - 2 * (axis == 0), shape[1] - 2 * (axis == 1)), dtype=np.bool_)
    for values, limit in zip(positions, tolerance, strict=True):
        with np.errstate(invalid="ignore", over="ignore"):
            change = np.diff(values.astype(np.float64), n=2, axis=axis)
            # Of three positions, one of them counted twice, each off by the tolerance.
            steady &= np.abs(change) <= 4 * limit
    joined = np.zeros(shape, dtype=np.bool_)
    for part in (slice(1, -1), slice(2, None)):
        joined[(part, slice(None)) if axis == 0 else (slice(None), part)] |= steady
    return joined


def _placeholders(positions: Map, tolerance: FloatArray) -> BoolArray:
    """Pixels that have no position, or that of the next or the last pixel of their row."""
    rows, columns = positions[0].shape
    out = np.zeros((rows, columns), dtype=np.bool_)
    same = np.ones((rows, columns - 1), dtype=np.bool_)
    for values, limit in zip(positions, tolerance, strict=True):
        with np.errstate(invalid="ignore", over="ignore"):
            same &= np.abs(np.diff(values.astype(np.float64), axis=1)) <= 2 * limit
        out |= ~np.isfinite(values)
    out[:, 1:] |= same
    out[:, :-1] |= same
    return out


def _rectangle(
    free: BoolArray, along_ss: BoolArray, along_fs: BoolArray, ss0: int, fs0: int
) -> tuple[int, int, int, int]:
    """Extend a pixel along its row, then along its column, as far as the steps are the same."""
    in_row: BoolArray = along_fs[ss0, fs0 + 1 :] & free[ss0, fs0 + 1 :]
    fs1 = fs0 + 1 + _leading(in_row)
    below = slice(ss0 + 1, None)
    whole = np.all(along_fs[below, fs0 + 1 : fs1], axis=1)
    whole &= np.all(along_ss[below, fs0:fs1] & free[below, fs0:fs1], axis=1)
    if fs1 < free.shape[1]:
        # A longer row is of another tile.
        whole &= ~(along_fs[below, fs1] & free[below, fs1])
    return ss0, ss0 + 1 + _leading(whole), fs0, fs1


def _leading(flags: BoolArray) -> int:
    """How many of the first flags are set."""
    return len(flags) if flags.all() else int(np.argmin(flags))
