"""Checks of what a geometry says about the experiment: distance and photon energy."""

from __future__ import annotations

from collections.abc import Iterator

from geomlib.checking.findings import Finding
from geomlib.geometry import Geometry
from geomlib.limits import DISTANCES, ENERGIES, POSSIBLE_DISTANCES, POSSIBLE_ENERGIES
from geomlib.units import energy_from_wavelength, wavelength_from_energy

#: Electron cameras write the wavelength of their electrons as the energy of photons that have it:
#: eV, and metres from which their detectors are that far away. 0.5 and 4.1 MeV in the corpus.
_ELECTRONS, _ELECTRON_DISTANCE = (200e3, 10e6), 1.0


def check_experiment(geometry: Geometry) -> Iterator[Finding]:
    """Check that distance and photon energy are those of an experiment with X-rays."""
    if geometry.distance is not None:
        yield from _distance(geometry.distance)
    if geometry.photon_energy is not None:
        yield from _energy(geometry.photon_energy, geometry.distance)


def check_presence(geometry: Geometry) -> Iterator[Finding]:
    """Say what is not known; for a ``.geom`` file its text says more."""
    for name, value, unit in (
        ("distance", geometry.distance, "metres"),
        ("photon_energy", geometry.photon_energy, "eV"),
    ):
        if value is None:
            yield Finding(
                "note",
                f"no-{'energy' if name == 'photon_energy' else name}",
                f"the {name.replace('_', ' ')} is not known: no momentum transfer, no .geom file "
                "for CrystFEL without it",
                f"give {name}, in {unit}, where it is needed",
            )


def _distance(distance: float) -> Iterator[Finding]:
    low, high = POSSIBLE_DISTANCES
    if not low <= distance <= high:
        likely = f"; if {distance:g} mm are meant, it is {distance / 1000:g} m"
        yield Finding(
            "error",
            "distance",
            f"a distance of {distance:g} m is no detector's: it is in metres",
            f"look at its unit{likely if distance > high else ''}",
        )
    elif not DISTANCES[0] <= distance <= DISTANCES[1]:
        other = 1000 * distance if distance < DISTANCES[0] else distance / 1000
        yield Finding(
            "warning",
            "distance",
            f"a distance of {distance:g} m is unusual: it is in metres",
            f"is {distance:g} m meant, or {other:g} m?",
        )


def _energy(energy: float, distance: float | None) -> Iterator[Finding]:
    low, high = _ELECTRONS
    if low < energy < high and distance is not None and distance >= _ELECTRON_DISTANCE:
        yield Finding(
            "note",
            "energy",
            f"a photon energy of {energy:g} eV: the wavelength of electrons, not of X-rays",
        )
    elif not POSSIBLE_ENERGIES[0] <= energy <= POSSIBLE_ENERGIES[1]:
        yield Finding(
            "error",
            "energy",
            f"a photon energy of {energy:g} eV is no X-ray's: it is in eV",
            f"look at its unit; {_likely_energy(energy)}",
        )
    elif not ENERGIES[0] <= energy <= ENERGIES[1]:
        other = 1000 * energy if energy < ENERGIES[0] else energy / 1000
        yield Finding(
            "warning",
            "energy",
            f"a photon energy of {energy:g} eV is unusual: it is in eV",
            f"is {energy:g} eV meant, or {other:g} eV?",
        )


def _likely_energy(energy: float) -> str:
    """Say what an impossible energy was meant to be."""
    if energy > POSSIBLE_ENERGIES[1]:
        return f"if it was multiplied by 1000 twice, it is {energy / 1000:g} eV"
    wavelength = wavelength_from_energy(energy)
    if ENERGIES[0] <= energy_from_wavelength(wavelength * 1e-10) <= ENERGIES[1]:
        right = energy_from_wavelength(wavelength * 1e-10)
        return (
            f"it is that of a wavelength of {wavelength:.6g} m; if {wavelength:.6g} Å are meant, "
            f"it is {right:.6g} eV"
        )
    return f"if {energy:g} keV are meant, it is {1000 * energy:g} eV"
