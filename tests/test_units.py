"""Photon energies and wavelengths."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geomlib.errors import GeometryError
from geomlib.units import (
    ANGSTROM,
    energy_from_wavelength,
    length_unit,
    wavelength_from_energy,
    wavelength_to_write,
)

energies = st.floats(100, 1e5)


def test_known_value():
    # 12.39842 keV Å, CODATA 2018.
    assert energy_from_wavelength(ANGSTROM) == pytest.approx(12398.41984, abs=1e-5)
    assert wavelength_from_energy(12398.41984332) == pytest.approx(1e-10, rel=1e-12)


@given(energies)
def test_written_wavelength_gives_the_energy_back(energy):
    number = wavelength_to_write(energy)
    assert number == pytest.approx(wavelength_from_energy(energy) / ANGSTROM, rel=1e-15)
    # The energies that two neighbouring wavelengths give may be two units apart.
    back = energy_from_wavelength(number * ANGSTROM)
    assert abs(back - energy) <= math.ulp(energy)


def test_common_energies_come_back():
    common = [6000.0, 7100.0, 8000.0, 8048.0, 9300.0, 9330.0, 12000.0, 12658.0, 13000.0, 18000.0]
    back = [energy_from_wavelength(wavelength_to_write(e) * ANGSTROM) for e in common]
    exact = sum(a == b for a, b in zip(common, back, strict=True))
    assert exact >= 8  # six of seven have a wavelength of their own
    assert energy_from_wavelength(wavelength_to_write(9300.0) * ANGSTROM) == 9300.0


@pytest.mark.parametrize(
    ("given", "metres"),
    [
        ("m", 1.0),
        ("Metres", 1.0),
        (" mm ", 1e-3),
        ("um", 1e-6),
        ("\N{MICRO SIGN}m", 1e-6),
        ("\N{GREEK SMALL LETTER MU}m", 1e-6),
        ("nm", 1e-9),
        ("pixels", None),
        ("px", None),
        (2e-4, 2e-4),
    ],
)
def test_units_of_positions(given, metres):
    assert length_unit("unit", given) == metres


@pytest.mark.parametrize("given", ["ell", "", -1, 0, float("nan"), None, True, [1e-3], b"mm"])
def test_no_units_of_positions(given):
    with pytest.raises(GeometryError, match=r"^length must be 'm', 'mm', 'um', 'pixels' or a pos"):
        length_unit("length", given)
