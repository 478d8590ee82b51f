"""Positions of quadrants in the wrong unit: millimetres for pixels, metres for millimetres."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from geomlib.checking.findings import Finding
from geomlib.checking.separation import box_gaps, close_pairs, penetration
from geomlib.detector import FloatArray, Quadrants
from geomlib.geometry import Geometry

#: Quadrants reach less deep into each other, and have narrower gaps, in metres: in the corpus none
#: overlaps, and the widest gap is 15 mm.
_DEPTH, _GAP = 2e-3, 60e-3


def check_quadrants(geometry: Geometry) -> Iterator[Finding]:
    """Find quadrants on top of each other, or far apart, that another unit would put right."""
    rule = geometry.detector.quadrants
    if rule is None or _is_plausible(geometry, rule, 1.0):
        return
    problem = f"quadrants {_problem(geometry, rule)}"
    for taken, meant, factor in _mistakes(geometry, rule):
        if _is_plausible(geometry, rule, factor):
            likely = np.round(geometry.quad_positions() * factor, 3)
            yield Finding(
                "error",
                "quadrants-unit",
                f"{problem}: the quadrant positions are {meant}, and were taken as {taken}",
                f"multiply them by {factor:.6g}: in units of {rule.unit:g} m they are "
                f"{_listed(likely)}",
            )
            return


def _mistakes(geometry: Geometry, rule: Quadrants) -> list[tuple[str, str, float]]:
    """Units that were taken, and meant, and the factor that undoes the mistake."""
    units = {
        "millimetres": 1e-3,
        "pixels": max(geometry.detector.pixel_size),
        "metres": 1.0,
    }
    out = [
        (taken, meant, units[meant] / units[taken])
        for taken in units
        for meant in units
        if taken != meant
    ]
    # A constructor's own unit is the likely one.
    return sorted(out, key=lambda mistake: units[mistake[0]] != rule.unit)


def _outlines(geometry: Geometry, rule: Quadrants, factor: float) -> tuple[FloatArray, ...]:
    """Outlines of the tiles of each quadrant, its position multiplied by a factor."""
    positions = geometry.quad_positions(unit=1.0) * (factor - 1)
    outlines = geometry.tile_outlines()[..., :2]
    modules = geometry.detector.tile_modules
    return tuple(
        outlines[np.isin(modules, own)] + shift
        for own, shift in zip(rule.modules, positions, strict=True)
    )


def _measure(geometry: Geometry, rule: Quadrants, factor: float) -> tuple[float, float]:
    """How deep quadrants reach into each other, and the widest gap between them, metres."""
    parts = _outlines(geometry, rule, factor)
    quadrant = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    every = np.concatenate(parts)
    pairs = close_pairs(every)
    pairs = pairs[quadrant[pairs[:, 0]] != quadrant[pairs[:, 1]]]
    depth = penetration(every, pairs).max() if len(pairs) else 0.0
    flat = np.concatenate([every, np.zeros((*every.shape[:2], 1))], axis=2)
    # Only gaps between whole quadrants: a tile that went astray is another mistake.
    gaps = [
        gap
        for gap, one, other in box_gaps(flat)
        if set(quadrant[one]).isdisjoint(quadrant[other].tolist())
    ]
    return float(depth), max(gaps, default=0.0)


def _is_plausible(geometry: Geometry, rule: Quadrants, factor: float) -> bool:
    depth, gap = _measure(geometry, rule, factor)
    return depth < _DEPTH and gap < _GAP


def _problem(geometry: Geometry, rule: Quadrants) -> str:
    depth, gap = _measure(geometry, rule, 1.0)
    if depth >= _DEPTH:
        return f"reach {1e3 * depth:.3g} mm into each other"
    return f"are {1e3 * gap:.3g} mm apart"


def _listed(positions: FloatArray) -> str:
    return ", ".join(f"({x:g}, {y:g})" for x, y in positions.tolist())
