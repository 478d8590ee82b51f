"""What reading and writing NXmx files have in common: names in them, and usual sensors."""

from __future__ import annotations

from geomlib.detector import Detector

#: Group of a detector with what NXmx has no place for, and the order of the tiles in it.
NOTES, TILE_ORDER = "geomlib", "tiles"
#: Sensors that dxtbx knows.
MATERIALS = ("Si", "CdTe", "GaAs")
#: No sensor is thicker, in metres.
THICKEST = 0.05
#: Nominal thickness of the sensor, metres, of detectors whose names begin so; any other: 0.5 mm.
THICKNESSES = {"DSSC": 450e-6, "JUNGFRAU": 320e-6, "pnCCD": 450e-6}
_THICKNESS = 500e-6


def usual_thickness(detector: Detector) -> float:
    """Return the thickness in metres of the silicon of a detector, where nothing else is said."""
    known = (t for name, t in THICKNESSES.items() if detector.name.startswith(name))
    return next(known, _THICKNESS)
