"""What the constructors share: checks of positions and lengths, and the order of quadrants."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from geomlib import checks
from geomlib.detector import FloatArray
from geomlib.errors import GeometryError, warn
from geomlib.geometry import Geometry

#: Detectors of a megapixel at European XFEL have four quadrants of four modules.
QUADRANT_MODULES = tuple(tuple(range(q, q + 4)) for q in range(0, 16, 4))
QUADRANT_MODULE_NAMES = tuple(f"Q{m // 4 + 1}M{m % 4 + 1}" for m in range(16))


def points(name: str, value: npt.ArrayLike, count: int | None = None) -> FloatArray:
    """Return positions (x, y) or (x, y, z) as an array (n, 3), z = 0 where it is not given.

    Raises
    ------
    GeometryError
        If they are no such positions, or not `count` of them.
    """
    try:
        array = checks.numbers(name, value, finite=False)
    except GeometryError:
        array = np.empty(0)
    expected = "" if count is None else f"{count} "
    if array.ndim != 2 or array.shape[1] not in (2, 3) or len(array) != (count or len(array)):
        raise GeometryError(
            f"{name} must be {expected}positions (x, y) or (x, y, z), got {checks.shown(value)}"
        )
    if not len(array) or not np.isfinite(array).all():
        raise GeometryError(f"{name} must hold finite numbers, got {checks.shown(value)}")
    out = np.zeros((len(array), 3))
    out[:, : array.shape[1]] = array
    return out


def point(name: str, value: npt.ArrayLike) -> FloatArray:
    """Return one position (x, y) or (x, y, z) as an array (3,), z = 0 where it is not given.

    Raises
    ------
    GeometryError
        If it is none.
    """
    array = _vector(name, value, (2, 3), "a position (x, y) or (x, y, z)")
    return np.concatenate([array, np.zeros(3 - len(array))])


def pair(name: str, value: npt.ArrayLike) -> FloatArray:
    """Return a pair of finite numbers as an array.

    Raises
    ------
    GeometryError
        If it is none.
    """
    return _vector(name, value, (2,), "a pair of finite numbers (x, y)")


def _vector(name: str, value: npt.ArrayLike, sizes: Sequence[int], kind: str) -> FloatArray:
    try:
        return checks.array(name, value, *((n,) for n in sizes))
    except GeometryError:
        raise GeometryError(f"{name} must be {kind}, got {checks.shown(value)}") from None


def quadrant_array(value: npt.ArrayLike) -> FloatArray:
    """Return the positions of four quadrants as an array (4, 3), z = 0 where it is not given.

    Raises
    ------
    GeometryError
        If they are no such positions.
    """
    return points("quad_positions", value, 4)


def flat_quadrants(value: npt.ArrayLike) -> FloatArray:
    """Return the positions of four quadrants in one plane as an array (4, 2).

    Raises
    ------
    GeometryError
        If they are no such positions, or lie at different z.
    """
    array = quadrant_array(value)
    if array[:, 2].any():
        raise GeometryError(
            f"quad_positions must be 4 positions (x, y), with z = 0 if it is given, got "
            f"{checks.shown(value)}; geometry.offset moves quadrants along z"
        )
    return array[:, :2]


def length_unit(unit: float) -> float:
    """Return the unit that a user gives, in metres.

    Raises
    ------
    GeometryError
        If it is not a positive number.
    """
    return checks.number("unit", unit, positive=True)


def gap_length(name: str, gap: float | None, unit: float, default: float) -> float:
    """Return the length of a gap in metres, given in a unit, or the default, in metres.

    Raises
    ------
    GeometryError
        If it is not a number.
    """
    return default if gap is None else checks.number(name, gap) * unit


def warn_about_unit(geometry: Geometry, unit: float) -> None:
    """Warn when quadrants lie on top of each other, or far apart: mostly a wrong unit.

    Real detectors leave a hole of some millimetres between quadrants and may be opened by a few
    centimetres. The limits are generous: an overlap of a quarter of a quadrant, a distance
    between quadrant centres of four times the size of one.
    """
    rule = geometry.detector.quadrants
    if rule is None:
        return
    outlines = geometry.tile_outlines()[..., :2]
    low, high = [], []
    for modules in rule.modules:
        corners = outlines[np.isin(geometry.detector.tile_modules, modules)].reshape(-1, 2)
        low.append(corners.min(axis=0))
        high.append(corners.max(axis=0))
    problem = None
    for a in range(len(low)):
        for b in range(a):
            size = high[a] - low[a]
            shared = np.clip(np.minimum(high[a], high[b]) - np.maximum(low[a], low[b]), 0, None)
            apart = np.abs(low[a] - low[b])
            if np.prod(shared) > 0.25 * np.prod(size):
                problem = f"quadrants {b + 1} and {a + 1} lie on top of each other"
            elif (apart > 4 * size.max()).any():
                problem = f"quadrants {b + 1} and {a + 1} are {apart.max():.3g} m apart"
    if problem:
        name = geometry.detector.name
        warn(
            f"{problem}: are the positions in the unit that is expected? They were taken as "
            f"multiples of {unit:g} m; {name} positions are usually given in units of "
            f"{rule.unit:g} m. Pass unit=1e-3 for millimetres, unit=1 for metres."
        )
