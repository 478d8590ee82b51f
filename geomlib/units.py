"""Physical constants and conversions of units."""

from __future__ import annotations

import math

#: Planck constant times speed of light, in eV m. Exact since the 2019 redefinition of the SI:
#: 6.62607015e-34 J s * 299792458 m/s / 1.602176634e-19 J/eV.
HC_EV_M = 6.62607015e-34 * 299792458.0 / 1.602176634e-19
#: In metres.
ANGSTROM = 1e-10


def wavelength_from_energy(energy: float) -> float:
    """Wavelength in metres of a photon of ``energy`` eV."""
    return HC_EV_M / energy


def energy_from_wavelength(wavelength: float) -> float:
    """Photon energy in eV for a ``wavelength`` in metres."""
    return HC_EV_M / wavelength


def wavelength_to_write(energy: float, unit: float = ANGSTROM) -> float:
    """Wavelength of a photon of ``energy`` eV, in a unit, for a file that is to be read back.

    Of the numbers next to the exact one, that from which ``energy_from_wavelength(number * unit)``
    makes the same energy, if there is one; else the energy comes back within its last place.
    """
    number = wavelength_from_energy(energy) / unit
    near = [number, math.nextafter(number, 0), math.nextafter(number, math.inf)]
    near += [math.nextafter(near[1], 0), math.nextafter(near[2], math.inf)]
    return min(near, key=lambda n: abs(energy_from_wavelength(n * unit) - energy))
