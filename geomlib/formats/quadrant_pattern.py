"""Which detector the positions of four quadrants belong to, and in which unit.

Files of quadrant positions say neither. But quadrants are moved by millimetres, perhaps by a few
centimetres, and detectors differ by more: in their sizes, and in the corner that a position is of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from geomlib import checks
from geomlib.detector import Detector, FloatArray
from geomlib.detectors.agipd import AGIPD_1M, agipd_1m
from geomlib.detectors.dssc import DSSC_1M, dssc_1m
from geomlib.detectors.examples import example_geometry
from geomlib.detectors.lpd import LPD_1M, lpd_1m
from geomlib.errors import GeometryError
from geomlib.geometry import Geometry
from geomlib.units import length_unit

MILLIMETRE = 1e-3
#: How far each quadrant may be from its usual place, once the detector as a whole is at its own,
#: metres. Positions in use differ by up to 14 mm; taken for another detector in the unit of its
#: users, by 90 mm or more, and in any other unit by 41 mm or more.
LIMIT = 30e-3

BUILDERS: dict[str, Callable[..., Geometry]] = {
    AGIPD_1M.name: agipd_1m,
    LPD_1M.name: lpd_1m,
    DSSC_1M.name: dssc_1m,
}
DETECTORS = (AGIPD_1M, LPD_1M, DSSC_1M)
_LENGTHS = {"metres": 1.0, "mm": MILLIMETRE, "µm": 1e-6}


class Interpretation(NamedTuple):
    """What four positions are taken for.

    Attributes
    ----------
    detector : Detector
        Whose quadrants they are.
    unit : float
        Of the positions, in metres.
    sign : int
        -1 where the positions count downwards and to the right, as in old files for LPD.
    """

    detector: Detector
    unit: float
    sign: int = 1


def detector_with_quadrants(wanted: Detector | str) -> Detector:
    """Return one of the detectors whose users give positions of quadrants.

    Parameters
    ----------
    wanted : Detector or str
        ``"AGIPD-1M"``, or ``"AGIPD"`` as EXtra-foam has it; upper or lower case.

    Raises
    ------
    GeometryError
        If it is none of them.
    """
    name = wanted.name if isinstance(wanted, Detector) else checks.text("detector", wanted)
    for detector in DETECTORS:
        if name.lower() in (detector.name.lower(), detector.name[:-3].lower()):
            return detector
    known = ", ".join(repr(detector.name) for detector in DETECTORS)
    raise GeometryError(f"detector={name!r} has no files of quadrant positions; expected {known}")


def unit_length(unit: float | str, detector: Detector | None) -> float | None:
    """Return a unit in metres; None for pixels of a detector that is not known yet.

    Raises
    ------
    GeometryError
        If it is neither a positive number nor the name of a unit.
    """
    length = length_unit("unit", unit)
    return detector.pixel_size[1] if length is None and detector is not None else length


def usual_unit(detector: Detector) -> float:
    """Return the unit in which users of a detector give its quadrants, in metres."""
    assert detector.quadrants is not None
    return detector.quadrants.unit


def unit_name(unit: float, detector: Detector) -> str:
    """Name a unit for messages and files: ``mm``, ``pixels`` …, or its length."""
    if unit == detector.pixel_size[1]:
        return "pixels"
    return next((name for name, length in _LENGTHS.items() if length == unit), f"{unit:g} m")


def describe(found: Interpretation) -> str:
    """Say in a few words what positions are taken for."""
    words = f"{found.detector.name} in {unit_name(found.unit, found.detector)}"
    return words if found.sign > 0 else f"{words}, counted downwards and to the right"


def likely_interpretations(
    positions: FloatArray, detector: Detector | None, unit: float | None
) -> tuple[list[Interpretation], list[Interpretation]]:
    """Find what positions can be.

    Parameters
    ----------
    positions : ndarray, shape (4, 2)
        As a file has them.
    detector : Detector or None
        Whose positions they have to be, if that is known.
    unit : float or None
        Their unit in metres, if that is known.

    Returns
    -------
    usual : list of Interpretation
        Those in the unit that is known, or that the detector's users have.
    unusual : list of Interpretation
        Those in other units, and of the old sign of LPD.
    """
    usual: list[Interpretation] = []
    unusual: list[Interpretation] = []
    for choice in DETECTORS if detector is None else (detector,):
        expected = usual_unit(choice) if unit is None else unit
        for found in _interpretations(choice, expected):
            if deviation(positions, found) < LIMIT:
                is_usual = found == (choice, expected, 1)
                (usual if is_usual else unusual).append(found)
    return usual, unusual


def _interpretations(detector: Detector, expected: float) -> Iterator[Interpretation]:
    for unit in sorted({expected, usual_unit(detector), *_LENGTHS.values()}):
        yield Interpretation(detector, unit)
    if detector == LPD_1M:
        yield Interpretation(detector, expected, -1)


def deviation(positions: FloatArray, found: Interpretation) -> float:
    """How far quadrants are from their usual places, wherever the beam is; metres."""
    away = positions * (found.sign * found.unit) - _usual_positions(found.detector.name)
    return float(np.abs(away - away.mean(axis=0)).max())


@lru_cache(maxsize=len(DETECTORS))
def _usual_positions(name: str) -> FloatArray:
    """Positions of the quadrants of an example geometry, in metres."""
    return example_geometry(name).quad_positions(unit=1.0)
