"""What some formats need of the experiment, and a geometry may not have."""

from __future__ import annotations

from geomlib.errors import GeometryError
from geomlib.geometry import Geometry


def needed_distance(geometry: Geometry, format: str) -> float:
    """Return the distance from the sample, in metres.

    Raises
    ------
    GeometryError
        If the geometry has none; it says what needs it.
    """
    return _needed(geometry.distance, "distance", "metres", format)


def needed_photon_energy(geometry: Geometry, format: str) -> float:
    """Return the photon energy, in eV.

    Raises
    ------
    GeometryError
        If the geometry has none; it says what needs it.
    """
    return _needed(geometry.photon_energy, "photon_energy", "eV", format)


def _needed(known: float | None, name: str, unit: str, format: str) -> float:
    if known is None:
        raise GeometryError(
            f"the geometry has no {name.replace('_', ' ')}, which {format} needs: "
            f"pass {name}=…, in {unit}"
        )
    return known
