"""Distance and photon energy of an experiment, from what the caller and the geometry know."""

from __future__ import annotations

from typing import NamedTuple

from geomlib import checks
from geomlib.errors import GeometryError, warn
from geomlib.geometry import Geometry
from geomlib.limits import DISTANCES, ENERGIES, POSSIBLE_DISTANCES, POSSIBLE_ENERGIES
from geomlib.units import energy_from_wavelength, wavelength_from_energy


class Beam(NamedTuple):
    """What an experiment adds to a geometry.

    Attributes
    ----------
    distance : float
        From the sample to z = 0, metres.
    wavelength : float or None
        In metres; None where it is not known.
    """

    distance: float
    wavelength: float | None


def find_beam(
    geometry: Geometry,
    distance: float | None,
    energy: float | None,
    wavelength: float | None,
    needed: str | None,
) -> Beam:
    """Complete what the caller says by what the geometry says.

    Parameters
    ----------
    geometry : Geometry
        Its `distance` and `photon_energy` count where the caller says nothing.
    distance : float, optional
        In metres.
    energy : float, optional
        In eV.
    wavelength : float, optional
        In metres, instead of the energy.
    needed : str, optional
        What the wavelength is needed for, such as a unit; None where it is not.

    Raises
    ------
    GeometryError
        If one is missing, or its size says that it is in another unit; the message names the
        likely mistake.
    """
    away = geometry.distance if distance is None else distance
    if away is None:
        raise GeometryError(
            "distance is not known: pass distance=…, in metres, from the sample to the detector "
            "(the geometry has none)"
        )
    if energy is not None and wavelength is not None:
        raise GeometryError("pass energy (in eV) or wavelength (in metres), not both")
    found = None
    if wavelength is not None:
        found = _check_wavelength(wavelength)
    elif energy is not None:
        found = wavelength_from_energy(_check_energy("energy", energy))
    elif geometry.photon_energy is not None:
        found = wavelength_from_energy(geometry.photon_energy)
    elif needed is not None:
        raise GeometryError(
            f"the photon energy is not known, which {needed} needs: pass energy=…, in eV, or "
            "wavelength=…, in metres (the geometry has none); angles and radii (unit='2th_deg', "
            "'r_mm') need neither"
        )
    return Beam(_check_distance(away), found)


def _check_distance(given: float) -> float:
    distance = checks.number("distance", given, positive=True)
    low, high = POSSIBLE_DISTANCES
    if not low <= distance <= high:
        likely = f"; {distance:g} mm are {distance / 1000:g} m" if distance > high else ""
        raise GeometryError(f"distance is in metres: {distance:g} m is no detector's{likely}")
    if not DISTANCES[0] <= distance <= DISTANCES[1]:
        other = 1000 * distance if distance < DISTANCES[0] else distance / 1000
        warn(f"distance is in metres: is {distance:g} m meant, or {other:g}?")
    return distance


def _check_energy(name: str, given: float) -> float:
    energy = checks.number(name, given, positive=True)
    low, high = POSSIBLE_ENERGIES
    if not low <= energy <= high:
        likely = f"; {energy:g} keV are {1000 * energy:g} eV" if energy < low else ""
        if energy > high and energy / 1000 <= high:
            likely = f"; was it multiplied by 1000 twice? {energy / 1000:g} eV"
        raise GeometryError(f"{name} is in eV: {energy:g} eV is no X-ray{likely}")
    if not ENERGIES[0] <= energy <= ENERGIES[1]:
        warn(
            f"{name} is in eV: is {energy:g} eV meant, or {energy / 1000:g}?"
            if energy > ENERGIES[1]
            else f"{name} is in eV: is {energy:g} eV meant, or {1000 * energy:g}?"
        )
    return energy


def _check_wavelength(given: float) -> float:
    wavelength = checks.number("wavelength", given, positive=True)
    energy = energy_from_wavelength(wavelength)
    low, high = POSSIBLE_ENERGIES
    if not low <= energy <= high:
        likely = ""
        if 1e-2 <= wavelength <= 1e2:
            likely = f"; {wavelength:g} Å are {1e-10 * wavelength:g} m"
        raise GeometryError(f"wavelength is in metres: {wavelength:g} m is no X-ray{likely}")
    return wavelength
