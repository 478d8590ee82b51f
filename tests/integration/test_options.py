"""Options of integration: every wrong one is named, with the likely mistake."""

import numpy as np
import pytest

import geomlib
from geomlib import StackIntegrator
from geomlib.errors import GeometryError
from tests.integration.small import ENERGY, counts, small_geometry

GEOMETRY = small_geometry()
BARE = geomlib.example_geometry("ePix10K")

WRONG = [
    ({"unit": "q"}, "unit must be one of q_A\\^-1, .*, not 'q'"),
    ({"split": "pixel"}, "split must be 'no', 'bbox' or 'full', not 'pixel'"),
    ({"method": "mode"}, "method must be 'mean', 'median' or 'sigma_clip', not 'mode'"),
    ({"error_model": "gauss"}, "error_model must be 'poisson' or 'azimuthal', not 'gauss'"),
    ({"npt": 0}, "npt must be a whole number, from 1 .* not 0"),
    ({"npt": 10.5}, "npt must be a whole number, from 1 .* not 10.5"),
    ({"npt_azim": 0}, "npt_azim must be a whole number"),
    ({"npt": 10**6, "npt_azim": 10**6}, "npt · npt_azim = 1000000000000 bins; at most"),
    ({"range": (3, 2)}, r"range is empty: it goes from 3 to 2; \(2, 3\)\?"),
    ({"range": (2, 2)}, "range is empty: it goes from 2 to 2$"),
    ({"range": 3}, r"range must be two numbers \(low, high\) in q_A\^-1, not 3"),
    ({"range": (0, np.inf)}, "range must be two numbers"),
    ({"range": (-4, -1)}, r"range goes from -4 to -1 q_A\^-1: nothing is there"),
    ({"unit": "2th_deg", "range": (50, 60)}, r"no pixel lies in the range: they reach from "
                                             r".* 2th_deg; range is \(50, 60\)"),
    ({"azimuth_range": (10, 5)}, "azimuth_range is empty"),
    ({"azimuth_range": (0, 400)}, "from 0° to 400°: expected at most a turn"),
    ({"azimuth_range": (350, 370)}, "write it as -10° to 10°"),
    ({"azimuth_range": (-90, 270)}, "all of a turn: leave it out"),
    ({"unit": "chi_deg", "radial_range": (80, 90)}, "no pixel lies in radial_range, 80° to 90°"),
    ({"split": "bbox", "range": (50, 60)}, "no pixel lies in the range"),
    ({"azimuth_range": (-20, 200)}, "crosses both 0° and 180°"),
    ({"unit": "chi_deg", "npt_azim": 5}, "npt_azim makes a cake"),
    ({"unit": "chi_deg", "azimuth_range": (0, 5)}, "range is the range around the beam"),
    ({"radial_range": (0, 5)}, "radial_range goes with a unit around the beam, not with 'q_A"),
    ({"mask": np.ones((2, 20, 32), bool)}, "all pixels are masked: the mask is True"),
    ({"mask": np.ones((2, 20, 31), bool)}, r"mask must have shape \(2, 20, 32\)"),
    ({"mask": np.ones((2, 20, 32))}, "mask must be boolean.*not float64"),
    ({"polarisation": 95}, "polarisation must be from -1 .* not 95"),
    ({"clip": -1}, "clip must be a positive"),
    ({"max_iterations": -1}, "max_iterations must be a whole number, at least 0"),
    ({"threads": 0}, "threads must be a whole number of at least 1"),
    ({"distance": 150}, "distance is in metres: 150 m is no detector's; 150 mm are 0.15 m"),
    ({"energy": 9.3}, "energy is in eV: 9.3 eV is no X-ray; 9.3 keV are 9300 eV"),
    ({"energy": 9.3e6}, "energy is in eV: .* 9300 eV"),
    ({"wavelength": 1.33}, "wavelength is in metres: 1.33 m is no X-ray; 1.33 Å are 1.33e-10 m"),
    ({"energy": 9e3, "wavelength": 1e-10}, "not both"),
    ({"poni": 3}, "poni must be the path"),
]  # fmt: skip


@pytest.mark.parametrize(("options", "message"), WRONG, ids=lambda x: str(x)[:40])
def test_a_wrong_option_is_named(options, message):
    options = {"npt": 20} | options
    with pytest.raises(GeometryError, match=message):
        StackIntegrator(GEOMETRY, **options)


def test_calls_that_cannot_be_meant():
    data = counts(GEOMETRY, 1)
    with pytest.raises(GeometryError, match="is 'polarisation' meant"):
        geomlib.integrate1d(data, GEOMETRY, 10, polarization=0.9)
    with pytest.raises(GeometryError, match="npt_azim must be a whole number"):
        geomlib.integrate2d(data, GEOMETRY, 10, None)
    with pytest.raises(GeometryError, match="the order is integrate2d"):
        geomlib.integrate2d(data, None)
    own = StackIntegrator(GEOMETRY, 10)
    with pytest.raises(GeometryError, match="progress must be callable, not 5"):
        own.integrate(data, progress=5)
    with pytest.raises(GeometryError, match=r"mask must be an array.*not True"):
        own.integrate(data, mask=True)
    with pytest.raises(GeometryError, match=r"poni\.rot1 must be a finite number"):
        StackIntegrator(GEOMETRY, 10, poni=type("Poni", (), {"dist": 0.2, "rot1": np.nan}))


def test_what_is_not_known_is_asked_for():
    with pytest.raises(GeometryError, match=r"distance is not known: pass distance=…, in metres"):
        StackIntegrator(BARE, 20)
    with pytest.raises(GeometryError, match=r"photon energy is not known, which unit='q_A\^-1'"):
        StackIntegrator(BARE, 20, distance=0.2)
    # Angles need no photon energy.
    assert StackIntegrator(BARE, 20, distance=0.2, unit="2th_deg").radial[-1] < 8


def test_a_range_across_the_cut_of_azimuth():
    data = counts(GEOMETRY, 1)[0]
    whole = StackIntegrator(GEOMETRY, 36, unit="chi_deg", range=(0, 360))
    part = StackIntegrator(GEOMETRY, 4, unit="chi_deg", range=(160, 200))
    np.testing.assert_allclose(part.radial, whole.radial[16:20], rtol=1e-6)
    # But for the first bin: a pixel whose centre lies at 160° may go either way.
    np.testing.assert_array_equal(
        part.integrate(data).intensity[1:], whole.integrate(data).intensity[17:20]
    )
    sector = StackIntegrator(GEOMETRY, 10, azimuth_range=(160, 200)).integrate(data)
    chi = np.rad2deg(np.arctan2(*GEOMETRY.pixel_positions()[..., 1::-1].T)) % 360
    inside = np.count_nonzero((chi >= 160) & (chi <= 200))
    assert sector.count.sum() == inside


def test_only_pixels_of_some_radii_around_the_beam():
    found = StackIntegrator(GEOMETRY, 12, unit="chi_rad", radial_range=(2, 4))
    x, y, z = np.moveaxis(GEOMETRY.pixel_positions(), -1, 0)
    angle = np.rad2deg(np.arctan2(np.hypot(x, y), z + GEOMETRY.distance))
    count = found.integrate(counts(GEOMETRY, 1)[0]).count
    assert count.sum() == np.count_nonzero((angle >= 2) & (angle <= 4))


def test_a_poni_moves_the_detector(tmp_path):
    path = tmp_path / "beam.poni"
    path.write_text(
        "poni_version: 2\nDetector: Detector\nDetector_config: {}\nDistance: 0.2\nPoni1: 0.003\n"
        "Poni2: -0.002\nRot1: 0.01\nRot2: 0.0\nRot3: 0.0\nWavelength: 1e-10\n"
    )
    own = StackIntegrator(GEOMETRY, 30, poni=path, energy=ENERGY)
    ai = geomlib.to_pyfai_integrator(GEOMETRY, poni=path, energy=ENERGY)
    data = counts(GEOMETRY, 1)[0]
    peer = ai.integrate1d(data.reshape(ai.detector.shape), 30, unit="q_A^-1",
                          method=("no", "csr", "cython"))  # fmt: skip
    np.testing.assert_allclose(own.radial, peer.radial, rtol=1e-12)
    np.testing.assert_array_equal(own.integrate(data).count, peer.count)


def test_integrators_of_the_same_kind_share_what_was_worked_out():
    one = StackIntegrator(GEOMETRY, 33)
    other = StackIntegrator(small_geometry(), 33, error_model="poisson", threads=2)
    assert one.operator is other.operator
    assert StackIntegrator(GEOMETRY, 34).operator is not one.operator
    assert repr(one).startswith("<StackIntegrator of small: 33 bins, ")


def test_patterns_say_what_they_are():
    data = counts(GEOMETRY, 3)
    assert repr(geomlib.integrate1d(data, GEOMETRY, 20)).startswith(
        "<Pattern: curve of 3 frames, 20 bins, "
    )
    assert repr(geomlib.integrate2d(data[0], GEOMETRY, 20, 6)).startswith(
        "<Pattern: cake, 6 × 20 bins, "
    )
