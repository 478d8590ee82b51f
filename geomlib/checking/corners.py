"""Corners of all tiles in the wrong unit: millimetres, micrometres or metres for pixels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from geomlib.checking.findings import Finding
from geomlib.checking.nominal import Nominal, nominal_of
from geomlib.checking.separation import box_gaps, close_pairs, penetration
from geomlib.checking.tiles import BEHIND, FAR_GAP, FAR_TILES, OVERLAP_LIMIT
from geomlib.coordinates import BoolArray
from geomlib.detector import FloatArray
from geomlib.geometry import Geometry

#: What follows from corners in another unit, and is no finding of its own.
FOLLOW = (
    *("overlapping-tiles", "far-tiles", "far-from-beam", "tile-gap", "tile-order"),
    *("module-gap", "module-order", "quadrant-order", "tile-size"),
)
#: More tiles than any detector of the files that people write by hand: each is compared with each.
_MAX_TILES = 1000


class _Mistake(NamedTuple):
    """A unit that was taken, one that was meant, and the factor between corners and right ones."""

    taken: str
    meant: str
    factor: float


def check_corners(geometry: Geometry) -> Iterator[Finding]:
    """Find corners that lie on top of each other, or far apart, that another unit puts right.

    The steps of pixels are right then: only places are too close, or too far from each other.
    """
    if geometry.n_tiles < 2 or geometry.n_tiles > _MAX_TILES:
        return
    nominal = nominal_of(geometry.detector)
    if _is_plausible(geometry, nominal, 1.0):
        return
    for mistake in _mistakes(geometry):
        if _is_plausible(geometry, nominal, mistake.factor):
            yield _finding(geometry, mistake)
            return


def modules_fit(geometry: Geometry) -> bool:
    """Whether tiles of most modules lie as in an ideal one, or it is not known how they lie."""
    nominal = nominal_of(geometry.detector)
    return nominal is None or not 2 * _off(geometry, nominal).sum() > geometry.n_tiles


def _finding(geometry: Geometry, mistake: _Mistake) -> Finding:
    corners = "corner_x and corner_y" if _is_text(geometry) else "the corners"
    right = ""
    if geometry.detector.quadrants is not None:
        places = np.round(_rescaled(geometry, mistake.factor).quad_positions(), 3)
        unit = geometry.detector.quadrants.unit
        said = ", ".join(f"({x:g}, {y:g})" for x, y in (places + 0.0).tolist())
        right = f"; the quadrants are then at {said}, in units of {unit:g} m"
    return Finding(
        "error",
        "corners-unit",
        f"the corners of all tiles are in {mistake.meant}, and were taken as {mistake.taken}",
        f"{_mend(corners, mistake.factor)}{right}",
    )


def _mend(corners: str, factor: float) -> str:
    return (
        f"divide {corners} by {factor:.10g}"
        if factor >= 0.01
        else f"multiply {corners} by {1 / factor:.10g}"
    )


def _is_text(geometry: Geometry) -> bool:
    return geometry.source is not None and geometry.source.format == "crystfel"


def _mistakes(geometry: Geometry) -> list[_Mistake]:
    units = {
        "pixels": min(geometry.detector.pixel_size),
        "mm": 1e-3,
        "µm": 1e-6,
        "metres": 1.0,
    }
    # Text files have pixels; others are in metres, some in millimetres.
    order = ("pixels",) if _is_text(geometry) else ("metres", "mm", "pixels")
    return [
        _Mistake(taken, meant, units[taken] / units[meant])
        for taken in order
        for meant in units
        if meant != taken
    ]


def _rescaled(geometry: Geometry, factor: float) -> Geometry:
    corners = geometry.tile_corners.copy()
    corners[:, :2] /= factor
    return geometry.replace(tile_corners=corners)


def _is_plausible(geometry: Geometry, nominal: Nominal | None, factor: float) -> bool:
    moved = _rescaled(geometry, factor) if factor != 1 else geometry
    modules = geometry.detector.tile_modules
    if nominal is None or len(np.unique(modules)) == len(modules):
        return _is_tidy(moved, mended=factor != 1)
    off = _off(moved, nominal)
    # A tile or two that went astray are another mistake.
    return bool(2 * off.sum() <= len(off))


def _off(geometry: Geometry, nominal: Nominal) -> BoolArray:
    """Tiles that are further from the middle of their module than in the ideal one, or nearer.

    Distances stay the same however a module is turned.
    """
    centres, modules = geometry.tile_centres[:, :2], geometry.detector.tile_modules
    off = np.zeros(geometry.n_tiles, dtype=np.bool_)
    limit = nominal.limit * min(geometry.detector.pixel_size)
    for module in np.unique(modules):
        own = np.flatnonzero(modules == module)
        real, ideal = (_apart(places[own]) for places in (centres, nominal.centres))
        off[own] = np.median(np.abs(real - ideal), axis=1) > limit
    return off


def _apart(places: FloatArray) -> FloatArray:
    """Distances between all places, shape (n, n)."""
    return np.asarray(np.linalg.norm(places[:, np.newaxis] - places, axis=-1))


def _is_tidy(geometry: Geometry, *, mended: bool) -> bool:
    """Whether tiles may lie so, of a detector of which no places are known.

    Mended ones have to lie closer together than half a tile, or any overlap would have a unit that
    undoes it.
    """
    outlines = geometry.tile_outlines()
    pairs = close_pairs(outlines[..., :2])
    z = geometry.tile_centres[:, 2]
    pairs = pairs[np.abs(z[pairs[:, 0]] - z[pairs[:, 1]]) <= BEHIND]
    depth = penetration(outlines[..., :2], pairs) / min(geometry.detector.pixel_size)
    overlapping = len(np.unique(pairs[depth > OVERLAP_LIMIT]))
    side = float(np.linalg.norm(np.diff(outlines[:, :3], axis=1), axis=-1).max())
    apart = max((gap for gap, _, _ in box_gaps(outlines)), default=0.0)
    if mended:
        return overlapping == 0 and apart <= min(FAR_GAP, side / 2)
    return overlapping <= geometry.n_tiles / 2 and apart <= max(FAR_GAP, FAR_TILES * side)
