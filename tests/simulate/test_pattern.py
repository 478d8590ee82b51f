"""Expected photons: rings where they should be, known factors."""

import numpy as np
import pytest

from geomlib.detectors import EXAMPLE_NAMES, example_geometry, generic
from geomlib.errors import GeometryError
from geomlib.simulate import (
    LAB6_Q,
    Powder,
    even_powder,
    expected_photons,
    lab6_powder,
    ring_two_theta,
    two_theta,
)

# One row of pixels along x, 1 mm wide, 100 mm from the sample: the scattering angle is known.
ROW = generic([(0, -0.0005)], (1, 100), 1e-3).replace(distance=0.1)
RIGHT_ANGLES = {"x": (1, 0, 0), "y": (0, 1, 0)}


def test_two_theta_of_pixel_centres():
    expected = np.rad2deg(np.arctan((np.arange(100) + 0.5) * 1e-3 / 0.1))
    np.testing.assert_allclose(two_theta(ROW)[0, 0], expected, rtol=1e-12)
    np.testing.assert_allclose(
        two_theta(ROW, 0.2)[0, 0], np.rad2deg(np.arctan(np.tan(np.deg2rad(expected)) / 2))
    )


def test_two_theta_counts_z_and_tilt():
    turned = ROW.offset((0, 0, 0.02)).rotate((0, 30, 0))
    x, _, z = np.moveaxis(turned.pixel_positions()[0, 0], -1, 0)
    np.testing.assert_allclose(two_theta(turned)[0, 0], np.rad2deg(np.arctan2(x, 0.1 + z)))


def test_ring_angle_of_lanthanum_hexaboride():
    # d = 4.156826 Å; Bragg: sin θ = λ / 2d, with λ = 12.398419843320026 keV Å / E.
    theta = np.arcsin(12.398419843320026 / 9.3 / (2 * 4.156826))
    assert ring_two_theta(LAB6_Q[0], 9300) == pytest.approx(np.rad2deg(2 * theta), abs=1e-9)
    assert LAB6_Q[3] == pytest.approx(2 * LAB6_Q[0])
    assert np.isnan(ring_two_theta(100.0, 9300))


def test_photons_of_a_ring_and_its_background():
    pattern = Powder((20.0,), (7.0,), ring_width=0.5, background=3.0, background_width=10.0)
    angle = two_theta(ROW)[0, 0]
    expected = 3 / (1 + (angle / 10) ** 2) ** 2 + 7 * np.exp(-2 * (angle - 20) ** 2)
    np.testing.assert_allclose(expected_photons(ROW, pattern)[0, 0], expected, rtol=1e-12)


def test_one_strength_counts_for_all_rings():
    both = Powder((10.0, 20.0), (7.0, 7.0), ring_width=0.5)
    one = Powder((10.0, 20.0), (7.0,), ring_width=0.5)
    np.testing.assert_array_equal(expected_photons(ROW, both), expected_photons(ROW, one))


@pytest.mark.parametrize(
    ("along", "degree", "expected"),
    [
        ("x", 1, lambda c: c**2),
        ("y", 1, lambda c: np.ones_like(c)),
        ("x", 0, lambda c: (1 + c**2) / 2),
        ("y", -1, lambda c: c**2),
    ],
)
def test_polarisation(along, degree, expected):
    row = (
        generic(
            [(0, 0)],
            (1, 100),
            1e-3,
            fs=RIGHT_ANGLES[along],
            ss=RIGHT_ANGLES["y" if along == "x" else "x"],
        )
        .offset((-0.0005, 0) if along == "y" else (0, -0.0005))
        .replace(distance=0.1)
    )
    flat = Powder((), (1.0,), background=1.0, background_width=1e9, polarisation=degree)
    cosine = np.cos(np.deg2rad(two_theta(row)))
    np.testing.assert_allclose(expected_photons(row, flat), expected(cosine), rtol=1e-10)


def test_solid_angle_falls_with_the_third_power_of_the_cosine():
    flat = Powder((), (1.0,), background=1.0, background_width=1e9, solid_angle=True)
    cosine = np.cos(np.deg2rad(two_theta(ROW)))
    np.testing.assert_allclose(expected_photons(ROW, flat), cosine**3, rtol=1e-10)


def test_solid_angle_of_a_tilted_tile_and_of_larger_pixels():
    flat = Powder((), (1.0,), background=1.0, background_width=1e9, solid_angle=True)
    tile = generic([(-5e-4, -5e-4)], (1, 1), 1e-3).replace(distance=0.1)
    tilted = tile.rotate((60, 0, 0))
    np.testing.assert_allclose(expected_photons(tilted, flat), 0.5, rtol=1e-12)
    wide = tile.replace(tile_fs=2 * tile.tile_fs, tile_corners=[[-1e-3, -5e-4, 0]])
    np.testing.assert_allclose(expected_photons(wide, flat), 2.0, rtol=1e-12)


# One JUNGFRAU stands for all of them.
@pytest.mark.parametrize("name", [n for n in EXAMPLE_NAMES if n != "JUNGFRAU-4M"])
def test_even_rings_lie_on_every_detector(name):
    geometry = example_geometry(name).replace(distance=0.5)
    angles = two_theta(geometry)
    pattern = even_powder(geometry)
    photons = expected_photons(geometry, pattern)
    assert photons.shape == geometry.data_shape
    assert len(pattern.ring_two_theta) == 6
    for ring in pattern.ring_two_theta:
        near = np.abs(angles - ring) < 0.1 * pattern.ring_width
        assert near.any()
        assert (photons[near] > 4.9).all()


def test_lanthanum_hexaboride_keeps_the_rings_that_are_seen():
    geometry = example_geometry("AGIPD-1M").replace(distance=0.125)
    pattern = lab6_powder(geometry, photon_energy=9300)
    angles = two_theta(geometry)
    expected = [r for r in ring_two_theta(LAB6_Q, 9300) if angles.min() <= r <= angles.max()]
    assert list(pattern.ring_two_theta) == expected
    assert len(expected) == len(pattern.ring_photons) == 6


def test_data_without_a_tile_gets_nothing():
    detector = type(ROW.detector)("g", (1, 2, 100), [[0, 0, 1, 0, 100]], (1e-3, 1e-3))
    geometry = type(ROW)(detector, ROW.tile_corners, ROW.tile_ss, ROW.tile_fs, distance=0.1)
    assert np.isnan(two_theta(geometry)[0, 1]).all()
    assert (expected_photons(geometry, Powder((20.0,)))[0, 1] == 0).all()


def test_a_distance_is_needed():
    geometry = example_geometry("AGIPD-1M")
    with pytest.raises(GeometryError, match="give distance=…, in metres"):
        two_theta(geometry)
    with pytest.raises(GeometryError, match="distance must be a positive, finite number, not -1"):
        two_theta(geometry, -1)


def test_impossible_patterns():
    with pytest.raises(GeometryError, match="one for each of the 2 rings, not 3"):
        Powder((1.0, 2.0), (1.0, 2.0, 3.0))
    with pytest.raises(GeometryError, match="ring_width must be a positive, finite number"):
        Powder((1.0,), ring_width=0)
