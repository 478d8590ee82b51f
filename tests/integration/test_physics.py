"""What comes out of an integrator is what physics says: angles of rings, flat fields, corrections.

Angles are worked out here, in float64, from where the geometry says that the pixels are.
"""

import numpy as np
import pytest

import geomlib
from geomlib.integration.adapter import to_pyfai_integrator

# None of our loops runs here: once, with the compiler, is enough.
pytestmark = pytest.mark.jit

#: Half a unit in the last place of float32, relative.
FLOAT32 = 2.0**-24
NO_SPLIT = ("no", "histogram", "cython")


def moved(name):
    """A detector whose modules are tilted by up to a degree and up to 2 mm off the plane."""
    geom = geomlib.example_geometry(name)
    rng = np.random.default_rng(11)
    tilted = geom.rotate(rng.uniform(-1, 1, (geom.n_modules, 3)))
    return tilted.offset(rng.uniform(-2e-3, 2e-3, (geom.n_modules, 3)))


def rays(geom, distance):
    """Vectors from the sample to the centres of pixels, in the shape that pyFAI has."""
    modules, n_ss, n_fs = geom.data_shape
    return geom.offset((0, 0, distance)).pixel_positions().reshape(modules * n_ss, n_fs, 3)


def angles(geom, distance):
    """2θ in degrees and χ in radians."""
    x, y, z = np.moveaxis(rays(geom, distance), -1, 0)
    return np.degrees(np.arctan2(np.hypot(x, y), z)), np.arctan2(y, x)


# -- Rings ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "distance", "rings"),
    [
        ("AGIPD-1M", 1.0, (3.0, 4.5, 5.5)),
        ("LPD-1M", 4.0, (1.5, 2.5, 3.3)),
        ("DSSC-1M", 1.0, (3.0, 4.5, 5.5)),
        ("JUNGFRAU-1M", 0.5, (1.3, 2.4, 3.3)),
    ],
)
def test_rings_come_back_at_their_angles(name, distance, rings):
    geom = moved(name)
    ai = to_pyfai_integrator(geom, distance=distance)
    tth, _ = angles(geom, distance)
    sigma, step = 0.01, 1.6e-4
    for ring in rings:
        image = np.exp(-0.5 * ((tth - ring) / sigma) ** 2)
        curve = ai.integrate1d(
            image,
            round(12 * sigma / step),
            unit="2th_deg",
            radial_range=(ring - 6 * sigma, ring + 6 * sigma),
            correctSolidAngle=False,
            method=NO_SPLIT,
        )
        assert (curve.count > 0).all()
        centre = np.average(curve.radial, weights=curve.intensity)
        # The mean of a bin is the ring's profile I at some angle in it, at most step / 2 from its
        # middle a. The sum of step / 2 · |I'(a)| · |a - ring|, divided by the sum of I, bounds the
        # error; for a Gaussian it is step / 2, whatever its width. What lies beyond 6 σ is 1e-8.
        assert abs(centre - ring) < step / 2 < 1e-4


def test_a_detector_in_the_wrong_place_has_its_rings_elsewhere():
    # The test above would see a tenth of a pixel: rings move by that much on one side.
    geom = geomlib.example_geometry("ePix10K")
    distance, ring = 0.2, 3.0
    tth, chi = angles(geom, distance)
    image = np.exp(-0.5 * ((tth - ring) / 0.05) ** 2)
    ai = to_pyfai_integrator(geom.offset((10e-6, 0)), distance=distance)
    near = (np.abs(chi) < 0.1) & (np.abs(tth - ring) < 0.3)
    seen = np.average(ai.center_array(unit="2th_deg")[near], weights=image[near])
    here = np.average(tth[near], weights=image[near])
    shift = np.degrees(10e-6 / distance) * np.cos(np.radians(ring)) ** 2
    # cos χ is at least 0.995.
    assert seen - here == pytest.approx(shift, rel=6e-3)


# -- Flat fields ------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["LPD-Mini", "ePix10K", "AGIPD-500K"])
@pytest.mark.parametrize("method", [NO_SPLIT, ("full", "csr", "cython")])
def test_flat_field_is_flat(name, method):
    ai = to_pyfai_integrator(moved(name), distance=0.3)
    image = np.full(ai.detector.shape, 5.0)
    curve = ai.integrate1d(image, 40, unit="2th_deg", correctSolidAngle=False, method=method)
    # Sums of 5 w and of w, with weights w and pixels in float32: some roundings.
    assert curve.intensity[curve.count > 0] == pytest.approx(5.0, rel=16 * FLOAT32)


def test_scattering_that_is_the_same_in_all_directions_is_flat():
    # Pixels of a flat detector see cos³ 2θ of it, and of polarised light (1 + cos² 2θ) / 2 on the
    # average over χ: both corrections make it flat again.
    geom = geomlib.example_geometry("ePix10K")
    distance, factor = 0.05, 0.9
    tth, chi = angles(geom, distance)
    cos = np.cos(np.radians(tth))
    polarised = 0.5 * (1 + cos**2 - factor * np.cos(2 * chi) * (1 - cos**2))
    ai = to_pyfai_integrator(geom, distance=distance)
    curve = ai.integrate1d(
        3.0 * cos**3 * polarised, 50, unit="2th_deg", polarization_factor=factor, method=NO_SPLIT
    )
    # The image, both corrections and their product are rounded to float32.
    assert curve.intensity == pytest.approx(3.0, rel=8 * FLOAT32)


def test_flat_field_with_the_solid_angle():
    # A flat field is 1 / cos³ 2θ of what comes from the sample.
    geom = geomlib.example_geometry("ePix10K")
    distance = 0.05
    tth, _ = angles(geom, distance)
    ai = to_pyfai_integrator(geom, distance=distance)
    curve = ai.integrate1d(np.ones(tth.shape), 100, unit="2th_deg", method=NO_SPLIT)
    half = 0.5 * (curve.radial[1] - curve.radial[0])
    # Between what it is at both ends of a bin.
    low, high = (1 / np.cos(np.radians(curve.radial + side)) ** 3 for side in (-half, half))
    assert (curve.intensity >= low * (1 - 8 * FLOAT32)).all()
    assert (curve.intensity <= high * (1 + 8 * FLOAT32)).all()


# -- Corrections ------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["AGIPD-1M", "DSSC-1M", "LPD-Mini", "pnCCD", "ePix10K"])
def test_solid_angle_of_a_flat_detector(name):
    geom = geomlib.example_geometry(name)
    tth, _ = angles(geom, 0.1)
    solid = to_pyfai_integrator(geom, distance=0.1).solidAngleArray()
    # Float64 throughout, angles to degrees and back.
    assert np.abs(solid - np.cos(np.radians(tth)) ** 3).max() < 1e-14


@pytest.mark.parametrize("name", ["AGIPD-500K", "DSSC-1M", "LPD-Mini", "pnCCD", "ePix10K"])
def test_solid_angle_of_a_detector_in_one_other_plane(name):
    # Moved downstream as a whole it is not flat to pyFAI, but its solid angles are as before,
    # relative to a pixel where the beam goes through that plane.
    geom = geomlib.example_geometry(name)
    tth, _ = angles(geom, 0.101)
    solid = to_pyfai_integrator(geom.offset((0, 0, 1e-3)), distance=0.1).solidAngleArray()
    assert np.abs(solid - np.cos(np.radians(tth)) ** 3).max() < 1e-13


def test_solid_angle_of_tilted_tiles_as_pyfai_defines_it():
    # pyFAI takes the cube of the cosine of the angle α between a ray and the normal of its pixel.
    # Nature has cos α / r², which is that cube only for a pixel whose plane is `distance` away from
    # the sample, as z = 0 is; to pyFAI the detector plane is z = 0, wherever the pixel is. For
    # tiles tilted by a degree and 2 mm off at 20 cm, the two differ by some percent.
    geom, distance = moved("AGIPD-500K"), 0.2
    ray = rays(geom, distance)
    normals = np.cross(geom.tile_fs, geom.tile_ss)
    normals /= np.linalg.norm(normals, axis=1)[:, np.newaxis]
    # Tiles follow each other in blocks of 64 rows.
    normal = np.repeat(normals, 64, axis=0)[:, np.newaxis]
    length = np.linalg.norm(ray, axis=2)
    cos = np.abs((ray * normal).sum(axis=2)) / length
    solid = to_pyfai_integrator(geom, distance=distance).solidAngleArray()
    # Normals of single pixels: corners are rounded to 3e-17 m, over diagonals of 3e-4 m, four of
    # them, and the cosine is cubed.
    assert np.abs(solid - cos**3).max() < 2e-12
    true = cos * (distance / length) ** 2
    assert 0.01 < np.abs(solid / true - 1).max() < 0.1


@pytest.mark.parametrize("factor", [0.0, 0.95, -1.0])
def test_polarisation(factor):
    geom, distance = moved("AGIPD-500K"), 0.1
    tth, chi = angles(geom, distance)
    ai = to_pyfai_integrator(geom, distance=distance)
    # (1 + cos² 2θ - f cos 2χ sin² 2θ) / 2: with f = 1, for the field along x, χ from x, it is
    # 1 - sin² 2θ cos² χ, the textbook's.
    cos = np.cos(np.radians(tth))
    expected = 0.5 * (1 + cos**2 - factor * np.cos(2 * chi) * (1 - cos**2))
    found = ai.polarization(factor=factor)
    assert np.abs(found - expected).max() < 4 * FLOAT32
    if factor == -1.0:
        textbook = 1 - (np.sin(np.radians(tth)) * np.sin(chi)) ** 2
        assert np.abs(found - textbook).max() < 4 * FLOAT32
