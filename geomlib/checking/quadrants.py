"""Positions of quadrants in the wrong unit, with wrong signs, or with x and y exchanged."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import permutations

import numpy as np

from geomlib.checking.corners import modules_fit
from geomlib.checking.findings import Finding
from geomlib.checking.nominal import base_name, nominal_of
from geomlib.checking.separation import box_gaps, close_pairs, penetration
from geomlib.detector import FloatArray, Quadrants
from geomlib.detectors import example_geometry
from geomlib.geometry import Geometry

#: Quadrants reach less deep into each other, and have narrower gaps, in metres: in the corpus none
#: overlaps, and the widest gap is 15 mm.
_DEPTH, _GAP = 2e-3, 60e-3
#: Those of a DSSC with nominal gaps, and positions of a real one, reach 2.9 mm into each other:
#: positions that bring about no more than this are right ones.
_ROOM = 5e-3
#: Degrees by which a detector may be turned from the usual way, for signs of x and y to have their
#: usual meaning.
_TURN = 20.0


def check_quadrants(geometry: Geometry) -> Iterator[Finding]:
    """Find quadrant positions in another unit, with a wrong sign, or with x and y exchanged.

    They put quadrants on top of each other, far apart, or where others belong.
    """
    rule = geometry.detector.quadrants
    if rule is None or not modules_fit(geometry):
        return
    problem = _problem(geometry, rule)
    if not problem and _in_order(geometry, rule):
        return
    positions = geometry.quad_positions(unit=1.0)
    if problem:
        mistakes = _mistakes(geometry, rule)
        for _, _, factor in mistakes:
            if _is_plausible(geometry, rule, factor * positions, _ROOM):
                same = [each for each in mistakes if math.isclose(each[2], factor)]
                yield _unit_finding(geometry, problem, same)
                return
    yield from _signs(geometry, rule, problem)


def _unit_finding(
    geometry: Geometry, problem: str, mistakes: list[tuple[str, str, float]]
) -> Finding:
    """Name all units whose mistake has the same factor, the likely one first."""
    said = ", or ".join(f"are {meant}, and were taken as {taken}" for taken, meant, _ in mistakes)
    factor = mistakes[0][2]
    return Finding(
        "error",
        "quadrants-unit",
        f"quadrants {problem}: the quadrant positions {said}",
        f"multiply them by {factor:.6g}: {_right(geometry, geometry.quad_positions() * factor)}",
    )


def _mistakes(geometry: Geometry, rule: Quadrants) -> list[tuple[str, str, float]]:
    """Units that were taken, and meant, and the factor that undoes the mistake."""
    units = {
        "millimetres": 1e-3,
        "pixels": max(geometry.detector.pixel_size),
        "metres": 1.0,
        "micrometres": 1e-6,
    }
    out = [
        (taken, meant, units[meant] / units[taken])
        for taken in units
        for meant in units
        if taken not in (meant, "micrometres")  # nobody takes them as these
    ]
    # A constructor's own unit is the likely one.
    return sorted(out, key=lambda mistake: units[mistake[0]] != rule.unit)


# -- Signs and axes -----------------------------------------------------------------------

# What was done to positions, the matrix that undoes it, and how to say so.
_SIGNS = (
    ("y has the wrong sign", ((1, 0), (0, -1)), "change the sign of y"),
    ("x has the wrong sign", ((-1, 0), (0, 1)), "change the sign of x"),
    ("x and y have the wrong sign", ((-1, 0), (0, -1)), "change the signs of x and y"),
    ("x and y are exchanged", ((0, 1), (1, 0)), "exchange x and y"),
)


def _signs(geometry: Geometry, rule: Quadrants, problem: str) -> Iterator[Finding]:
    """Find the change of signs or axes that puts every quadrant near its usual place.

    Nearer than any exchange of quadrants, which is another mistake.
    """
    if not _is_upright(geometry):
        return
    positions = geometry.quad_positions(unit=1.0)
    undone = [(positions @ np.array(matrix), said, mend) for said, matrix, mend in _SIGNS]
    undone = [each for each in undone if _is_plausible(geometry, rule, each[0], _ROOM)]
    if not undone:
        return
    right, said, mend = min(undone, key=lambda each: _from_usual(geometry, each[0]))
    others = [positions[list(order)] for order in permutations(range(len(positions)))]
    if _from_usual(geometry, right) >= min(_from_usual(geometry, each) for each in others):
        return
    yield Finding(
        "error",
        "quadrants-sign",
        f"quadrants {problem or 'lie in another order than the data'}: in the quadrant positions "
        f"{said}",
        f"{mend}: {_right(geometry, right / rule.unit)}",
    )


def _is_upright(geometry: Geometry) -> bool:
    """Whether most tiles are turned as those of the usual detector."""
    nominal = nominal_of(geometry.detector)
    if nominal is None:
        return False
    along = np.sum(geometry.tile_fs[:, :2] * nominal.fs + geometry.tile_ss[:, :2] * nominal.ss, 1)
    sizes = np.linalg.norm(nominal.fs, axis=1) ** 2 + np.linalg.norm(nominal.ss, axis=1) ** 2
    return bool(np.median(along / sizes) > np.cos(np.radians(_TURN)))


def _from_usual(geometry: Geometry, positions: FloatArray) -> float:
    """How far the furthest quadrant is from its usual place, metres.

    Places of the whole count: a square detector with y upside down is one with quadrants exchanged
    that is off the beam.
    """
    ideal = example_geometry(base_name(geometry.detector)).quad_positions(unit=1.0)
    return float(np.linalg.norm(positions - ideal, axis=1).max())


def _in_order(geometry: Geometry, rule: Quadrants) -> bool:
    """Whether each quadrant is nearer to its own usual place than to those of others."""
    if not _is_upright(geometry):
        return True
    positions = geometry.quad_positions(unit=1.0)
    ideal = example_geometry(base_name(geometry.detector)).quad_positions(unit=1.0)
    real, ideal = positions - positions.mean(axis=0), ideal - ideal.mean(axis=0)
    nearest = np.linalg.norm(real[:, np.newaxis] - ideal, axis=2).argmin(axis=1)
    return bool((nearest == np.arange(len(rule.modules))).all())


# -- How quadrants lie to each other ------------------------------------------------------


def _outlines(geometry: Geometry, rule: Quadrants, positions: FloatArray) -> tuple[FloatArray, ...]:
    """Outlines of the tiles of each quadrant, if it were at these positions (metres)."""
    shifts = positions - geometry.quad_positions(unit=1.0)
    outlines = geometry.tile_outlines()[..., :2]
    modules = geometry.detector.tile_modules
    return tuple(
        outlines[np.isin(modules, own)] + shift
        for own, shift in zip(rule.modules, shifts, strict=True)
    )


def _measure(geometry: Geometry, rule: Quadrants, positions: FloatArray) -> tuple[float, float]:
    """How deep quadrants reach into each other, and the widest gap between them, metres."""
    parts = _outlines(geometry, rule, positions)
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


def _is_plausible(
    geometry: Geometry, rule: Quadrants, positions: FloatArray, most: float = _DEPTH
) -> bool:
    depth, gap = _measure(geometry, rule, positions)
    return depth < most and gap < _GAP


def _problem(geometry: Geometry, rule: Quadrants) -> str:
    """Say what is wrong with the places of quadrants; nothing if they may be right."""
    depth, gap = _measure(geometry, rule, geometry.quad_positions(unit=1.0))
    if depth >= _DEPTH:
        return f"reach {1e3 * depth:.3g} mm into each other"
    return f"are {1e3 * gap:.3g} mm apart" if gap >= _GAP else ""


def _right(geometry: Geometry, positions: FloatArray) -> str:
    """Say what positions would be right, in the unit of the detector's constructor."""
    assert geometry.detector.quadrants is not None
    listed = ", ".join(f"({x:g}, {y:g})" for x, y in (np.round(positions, 3) + 0.0).tolist())
    return f"in units of {geometry.detector.quadrants.unit:g} m they are {listed}"
