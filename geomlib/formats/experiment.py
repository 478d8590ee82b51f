"""What some formats need of the experiment, and a geometry may not have."""

from __future__ import annotations

from geomlib.errors import GeometryError, warn
from geomlib.geometry import Geometry
from geomlib.limits import DISTANCES, ENERGIES


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


def warn_about_beam(geometry: Geometry) -> None:
    """Warn if a distance or photon energy that is to be written looks like one in another unit."""
    distance, energy = geometry.distance, geometry.photon_energy
    if distance is not None and not DISTANCES[0] <= distance <= DISTANCES[1]:
        warn(f"distance is in metres: is {distance:g} m meant?")
    if energy is not None and not ENERGIES[0] <= energy <= ENERGIES[1]:
        warn(f"photon_energy is in eV: is {energy:g} eV meant?")
