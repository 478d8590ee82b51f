"""Physical constants and conversions of units."""

from __future__ import annotations

#: Planck constant times speed of light, in eV m. Exact since the 2019 redefinition of the SI:
#: 6.62607015e-34 J s * 299792458 m/s / 1.602176634e-19 J/eV.
HC_EV_M = 6.62607015e-34 * 299792458.0 / 1.602176634e-19


def wavelength_from_energy(energy: float) -> float:
    """Wavelength in metres of a photon of ``energy`` eV."""
    return HC_EV_M / energy


def energy_from_wavelength(wavelength: float) -> float:
    """Photon energy in eV for a ``wavelength`` in metres."""
    return HC_EV_M / wavelength
