"""Physical constants and conversions of units."""

from __future__ import annotations

import math

from geomlib import checks
from geomlib.errors import GeometryError

#: An eV in J. Exact since the 2019 redefinition of the SI, as is the next one.
JOULE_PER_EV = 1.602176634e-19
#: Planck constant times speed of light, in eV m: 6.62607015e-34 J s * 299792458 m/s.
HC_EV_M = 6.62607015e-34 * 299792458.0 / JOULE_PER_EV
#: In metres.
ANGSTROM = 1e-10
_LENGTHS = {
    ("m", "metre", "metres", "meter", "meters"): 1.0,
    ("cm", "centimetre", "centimetres", "centimeter", "centimeters"): 1e-2,
    ("mm", "millimetre", "millimetres", "millimeter", "millimeters"): 1e-3,
    # The micro sign, and the Greek letter.
    ("um", "µm", "μm", "micron", "microns", "micrometre", "micrometer"): 1e-6,
    ("nm", "nanometre", "nanometer"): 1e-9,
    ("å", "a", "angstrom", "angstroms", "ångström"): ANGSTROM,
    ("pm", "picometre", "picometer"): 1e-12,
}
#: Names of lengths, lower case, in metres.
LENGTHS = {name: length for names, length in _LENGTHS.items() for name in names}
_PIXELS = ("px", "pixel", "pixels")


def length_unit(name: str, value: object) -> float | None:
    """Return a unit of positions in metres; None for pixels.

    Parameters
    ----------
    name : str
        The argument.
    value : float or str
        What was given for it: metres, or the name of a unit, such as ``"mm"``.

    Raises
    ------
    GeometryError
        If it is neither a positive number nor the name of a unit.
    """
    if not isinstance(value, str):
        try:
            return checks.number(name, value, positive=True)
        except GeometryError:
            pass
    elif (unit := value.strip().lower()) in _PIXELS:
        return None
    elif unit in LENGTHS:
        return LENGTHS[unit]
    raise GeometryError(
        f"{name} must be 'm', 'mm', 'um', 'pixels' or a positive number of metres, "
        f"not {checks.shown(value)}"
    )


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
