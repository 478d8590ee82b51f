"""Geometries as detectors and integrators of pyFAI: positions, masks, copies, files, wavelength."""

import copy
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import fabio.edfimage
import numpy as np
import pyFAI
import pytest
from pyFAI.calibrant import get_calibrant
from pyFAI.detectors import Detector as PyfaiDetector
from pyFAI.detectors import detector_factory
from pyFAI.distortion import Distortion
from pyFAI.geometryRefinement import GeometryRefinement

import geomlib
from geomlib.detectors import EXAMPLE_NAMES
from geomlib.integration.adapter import to_pyfai_detector, to_pyfai_integrator
from geomlib.units import wavelength_from_energy

# None of our loops runs here: once, with the compiler, is enough.
pytestmark = pytest.mark.jit

DISTANCE, ENERGY = 0.2, 9000.0
#: Half a unit in the last place of float32, relative.
FLOAT32 = 2.0**-24


def mixed():
    """Three tiles of different pitch, one tilted, with data between them that no tile uses."""
    bounds = [[0, 0, 12, 0, 8], [0, 2, 12, 10, 20], [1, 0, 6, 0, 20]]
    detector = geomlib.Detector("mixed", (2, 12, 20), np.array(bounds), (1e-4, 1e-4))
    return geomlib.Geometry(
        detector,
        [[1e-3, 1e-3, 0], [-3e-3, 2e-3, 1e-3], [-1e-3, -4e-3, -5e-4]],
        [[0, 1e-4, 0], [1e-6, -5e-5, 2e-6], [7.5e-5, 0, 0]],
        [[1e-4, 0, 0], [1.5e-4, 3e-6, -4e-6], [0, 7.5e-5, 1e-5]],
    )


def geometry(name):
    return mixed() if name == "mixed" else geomlib.example_geometry(name)


def small():
    return geomlib.example_geometry("ePix10K")


def with_bad_regions():
    # Data pixels of the first tile, and a rectangle in the lab around the first pixel of the third.
    geom = small()
    x, y = geom.pixel_positions()[0, 176, 0, :2]
    return geom.replace(
        bad_regions=(
            geomlib.BadRegion("bad_block", tile=0, ss=(3, 5), fs=(10, 20)),
            geomlib.BadRegion("bad_lab", x=(x - 1e-5, x + 1e-5), y=(y - 1e-5, y + 1e-5)),
        )
    )


# -- Positions --------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*EXAMPLE_NAMES, "mixed"])
def test_centres_are_those_of_the_geometry(name):
    geom = geometry(name)
    ai = to_pyfai_integrator(geom, distance=DISTANCE)
    x, y, z = np.moveaxis(geom.pixel_positions().reshape(*ai.detector.shape, 3), -1, 0)
    used = np.isfinite(x)
    # Both sides are float64; a few roundings of 1e-16 in angles of about 1.
    tth = np.arctan2(np.hypot(x, y), z + DISTANCE)
    assert np.abs(ai.center_array(unit="2th_rad") - tth)[used].max() < 1e-12
    turns = np.exp(1j * (ai.center_array(unit="chi_rad") - np.arctan2(y, x)))
    assert np.abs(turns - 1)[used].max() < 1e-12
    assert (name != "mixed") == ai.detector.IS_FLAT


@pytest.mark.parametrize("name", ["AGIPD-500K", "LPD-Mini", "DSSC-1M", "ePix10K", "mixed"])
@pytest.mark.parametrize("wide", [False, True])
def test_corners_are_those_of_the_geometry(name, wide):
    geom = geometry(name)
    detector = to_pyfai_detector(geom, wide=wide)
    corners = detector.get_pixel_corners()
    expected = geom.pixel_corners(wide=wide)[..., ::-1].reshape(corners.shape)
    used = np.isfinite(expected).all(axis=(2, 3))
    assert np.array_equal(corners[used], expected[used])
    assert np.isfinite(corners).all()
    assert corners.dtype == np.float64
    assert corners.flags.c_contiguous
    assert detector.CORNERS == corners.shape[2] == (6 if name == "DSSC-1M" else 4)


def test_wide_pixels_are_wider_and_have_the_same_centres():
    # 100 µm, at the seams 250 µm.
    nominal, wide = (to_pyfai_detector(small(), wide=w) for w in (False, True))
    y = wide.get_pixel_corners()[:, 0, :, 1]
    assert np.ptp(y[175]) == pytest.approx(250e-6, rel=1e-9)
    assert np.ptp(y[174]) == pytest.approx(100e-6, rel=1e-9)
    for one, other in zip(
        wide.calc_cartesian_positions()[:2], nominal.calc_cartesian_positions()[:2], strict=True
    ):
        assert np.array_equal(one, other)


def test_points_between_pixels():
    geom = small()
    detector = to_pyfai_detector(geom)
    s, f = np.array([0.0, 10.25, 200.0]), np.array([0.0, 20.5, 300.75])
    y, x, z = detector.calc_cartesian_positions(s, f)
    # pyFAI counts from the centre of the first pixel.
    expected = geom.data_to_lab(np.zeros(3, int), s + 0.5, f + 0.5)
    assert np.abs(np.stack([x, y], axis=1) - expected[:, :2]).max() < 1e-15
    assert z is None
    first = detector.calc_cartesian_positions(s[:1], f[:1], center=False)
    assert np.abs([first[1][0], first[0][0]] - geom.tile_corners[0, :2]).max() < 1e-15


def test_data_of_no_tile_is_masked():
    detector = to_pyfai_detector(mixed())
    unused = np.isnan(mixed().pixel_positions()[..., 0]).reshape(24, 20)
    assert unused.sum() == 24 + 20 + 120
    assert np.array_equal(detector.mask != 0, unused)
    count = to_pyfai_integrator(mixed(), distance=DISTANCE).integrate1d(
        np.ones(detector.shape), 10, unit="r_mm", method=("no", "histogram", "cython")
    )
    assert count.count.sum() == 480 - 164


def test_bad_regions_are_the_mask():
    geom = with_bad_regions()
    mask = to_pyfai_detector(geom).mask
    assert mask.sum() == 21
    assert mask[3:5, 10:20].all()
    assert mask[176, 0]
    assert to_pyfai_detector(small()).mask is None


def test_orientation_keeps_the_lab_as_it_is():
    detector = to_pyfai_detector(small())
    assert detector.orientation == 3
    y, x, _ = detector.calc_cartesian_positions(np.zeros(1), np.zeros(1))
    # The first pixel of an ePix10K is at the top left, looking along the beam.
    assert (x[0], y[0]) == pytest.approx((192.5e-4 + 0.5e-4, 176.5e-4 + 0.5e-4), rel=1e-9)


# -- Copies -----------------------------------------------------------------------------

COPIES = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda value: pickle.loads(pickle.dumps(value)),
}


@pytest.mark.parametrize("how", COPIES)
@pytest.mark.parametrize("name", ["ePix10K", "DSSC-1M", "mixed"])
def test_copies_of_detectors(how, name, tmp_path):
    detector = to_pyfai_detector(geometry(name), wide=True)
    mask = np.zeros(detector.shape, np.int8)
    mask[3, 4] = 1
    detector.mask = mask
    if name == "ePix10K":
        detector.save(tmp_path / "detector.h5")
    other = COPIES[how](detector)
    assert other == detector
    assert hash(other) == hash(detector)
    assert type(other) is type(detector)
    assert other.wide
    assert other.CORNERS == detector.CORNERS
    assert other.filename == detector.filename
    assert np.array_equal(other.mask, mask)
    assert np.array_equal(other.get_pixel_corners(), detector.get_pixel_corners())
    other.mask = None
    assert detector.mask is not None


@pytest.mark.parametrize("how", COPIES)
def test_copies_of_integrators(how):
    ai = to_pyfai_integrator(small(), distance=DISTANCE, energy=ENERGY)
    other = COPIES[how](ai)
    assert other == ai
    assert type(other) is type(ai)
    assert other.detector.geometry == small()
    assert np.array_equal(other.center_array(unit="q_nm^-1"), ai.center_array(unit="q_nm^-1"))


def test_detectors_of_different_geometries_differ():
    detector = to_pyfai_detector(small())
    assert detector != to_pyfai_detector(small().offset((1e-6, 0)))
    assert detector != to_pyfai_detector(small(), wide=True)
    assert detector != "ePix10K"


# -- What pyFAI does with them ----------------------------------------------------------


@pytest.mark.parametrize("split", ["no", "bbox", "full"])
@pytest.mark.parametrize("algorithm", ["histogram", "csr", "lut"])
def test_integrate1d(split, algorithm):
    ai = to_pyfai_integrator(small(), distance=DISTANCE, energy=ENERGY)
    image = np.full(ai.detector.shape, 7.0)
    curve = ai.integrate1d(
        image, 50, unit="q_A^-1", correctSolidAngle=False, method=(split, algorithm, "cython")
    )
    # Weights are float32, 7 times their sum divided by their sum.
    assert curve.intensity == pytest.approx(7.0, rel=100 * FLOAT32)
    q = 4 * np.pi / (1e10 * ai.wavelength) * np.sin(0.5 * ai.center_array(unit="2th_rad").max())
    # Bins end with the last pixel: at its centre, or with its corners, half a pixel further.
    assert 0 <= curve.radial[-1] - q * (1 - 1 / 50) < q / 50


def test_integrate2d():
    ai = to_pyfai_integrator(small(), distance=DISTANCE, energy=ENERGY)
    image = np.full(ai.detector.shape, 7.0)
    cake = ai.integrate2d(
        image, 30, 12, unit="2th_deg", correctSolidAngle=False, method=("full", "csr", "cython")
    )
    assert cake.intensity.shape == (12, 30)
    filled = cake.count > 0.01
    assert filled.sum() > 100
    assert cake.intensity[filled] == pytest.approx(7.0, rel=1000 * FLOAT32)


@pytest.mark.parametrize("method", ["csr", "lut"])
def test_distortion(method):
    # Wide pixels fill the gaps: an image of their areas becomes a flat one.
    detector = to_pyfai_detector(small(), wide=True)
    corners = detector.get_pixel_corners()
    sides = np.ptp(corners[..., 1], axis=2) * np.ptp(corners[..., 2], axis=2) / 1e-8
    flat = Distortion(detector, resize=True, mask=False, method=method).correct(sides)
    # 352 × 384 pixels and a gap of 3: the outer rows and columns are cut by the image's grid.
    inner = flat[2:-2, 2:-2]
    assert flat.shape[0] >= 355
    assert flat.shape[1] >= 387
    # Areas come from float32 coordinates of up to 200 pixels: 16 roundings of 200 · 2**-24.
    assert inner == pytest.approx(1.0, abs=16 * 200 * FLOAT32)


def test_calibration_finds_a_known_distance():
    wavelength = 1e-10
    calibrant = get_calibrant("LaB6")
    calibrant.wavelength = wavelength
    geom, truth = small(), 0.1
    detector = to_pyfai_detector(geom)
    # Where rings meet rows of pixels, by solving for the place in the row.
    points = []
    for ring, tth in enumerate(calibrant.get_2th()[:3]):
        radius = truth * np.tan(tth)
        for row in range(5, 352):
            y = geom.pixel_positions()[0, row, 0, 1]
            if radius <= abs(y):
                continue
            for x in np.sqrt(radius**2 - y**2) * np.array([-1, 1]):
                module, _, column = geom.lab_to_data(x, y)
                if module >= 0:
                    points.append((row, float(column) - 0.5, ring))
    assert len(points) > 50
    fit = GeometryRefinement(
        np.array(points),
        dist=0.09,
        poni1=1e-3,
        poni2=-1e-3,
        rot1=0,
        rot2=0,
        rot3=0,
        detector=detector,
        wavelength=wavelength,
        calibrant=calibrant,
    )
    fit.refine3(fix=["wavelength", "rot1", "rot2", "rot3"])
    # Points are exact; the optimiser stops when the sum of squares changes by less than 1e-6 of it,
    # which it measures to 1e-16 rad²: angles of 0.1 to 1e-8, so distances to 1e-6 or so.
    assert fit.dist == pytest.approx(truth, rel=1e-5)
    assert abs(fit.poni1) < 1e-6
    assert abs(fit.poni2) < 1e-6


# -- Files ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["ePix10K", "DSSC-1M", "mixed"])
def test_detector_file(name, tmp_path):
    geom = with_bad_regions() if name == "ePix10K" else geometry(name)
    detector = to_pyfai_detector(geom)
    path = tmp_path / "detector.h5"
    path.write_text("an older file")
    detector.save(path)
    read = detector_factory(str(path))
    assert read.name == geom.detector.name
    assert read.shape == read.max_shape == detector.shape
    assert (read.pixel1, read.pixel2) == geom.detector.pixel_size
    assert read.orientation == 3
    assert bool(read.IS_FLAT) == detector.IS_FLAT
    corners = detector.get_pixel_corners()
    assert corners.shape[2] == read.CORNERS
    assert read.get_pixel_corners().dtype == np.float32
    error = np.abs(read.get_pixel_corners() - corners).max()
    assert error <= FLOAT32 * np.abs(corners).max()
    if detector.mask is None:
        assert read.mask is None
    else:
        assert np.array_equal(read.mask, detector.mask)


def test_poni_file_is_read_in_another_folder(tmp_path, monkeypatch):
    ai = to_pyfai_integrator(small(), distance=DISTANCE, energy=ENERGY)
    ai.set_param([DISTANCE, 1e-3, -2e-3, 0.01, 0.02, 0.03])
    here, elsewhere = tmp_path / "here", tmp_path / "elsewhere"
    here.mkdir()
    elsewhere.mkdir()
    monkeypatch.chdir(here)
    ai.detector.save("detector.h5")
    ai.save("my.poni")
    monkeypatch.chdir(elsewhere)
    lines = dict(
        line.split(": ", 1)
        for line in Path(here / "my.poni").read_text().splitlines()
        if not line.startswith("#")
    )
    assert lines["Detector"] == "NexusDetector"
    config = json.loads(lines["Detector_config"])
    assert config == {"filename": str(here / "detector.h5"), "orientation": 3}
    # In pyFAI alone, in a program that never heard of geomlib.
    code = (
        "import sys, pyFAI; ai = pyFAI.load(sys.argv[1]); assert 'geomlib' not in sys.modules; "
        "print(ai.dist, ai.poni2, ai.rot3, ai.wavelength, float(ai.center_array().max()))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, here / "my.poni"], capture_output=True, text=True, check=True
    )
    *places, largest = map(float, run.stdout.split())
    assert places == [DISTANCE, -2e-3, 0.03, wavelength_from_energy(ENERGY)]
    # Degrees for a coordinate of 2 cm in float32, at 20 cm.
    error = np.degrees(4 * FLOAT32 * 0.02 / DISTANCE)
    assert largest == pytest.approx(ai.center_array().max(), abs=error)


def test_poni_file_needs_a_detector_file(tmp_path):
    ai = to_pyfai_integrator(small(), distance=DISTANCE)
    with pytest.raises(geomlib.GeometryError, match=r"ePix10K is in no file.*detector\.save"):
        ai.save(str(tmp_path / "my.poni"))


@pytest.mark.parametrize("given", ["path", "str", "object"])
def test_values_of_a_poni_file(given, tmp_path):
    other = pyFAI.load(
        {"detector": "Pilatus100k", "dist": 0.3, "poni1": 1e-3, "poni2": 2e-3, "rot1": 0.01}
        | {"rot2": 0.02, "rot3": 0.03, "wavelength": 1.5e-10}
    )
    path = tmp_path / "other.poni"
    other.save(str(path))
    poni = {"path": path, "str": str(path), "object": other}[given]
    geom = small().replace(distance=0.5, photon_energy=1e4)
    ai = to_pyfai_integrator(geom, poni=poni)
    assert ai.param == pytest.approx([0.3, 1e-3, 2e-3, 0.01, 0.02, 0.03], rel=1e-15)
    assert ai.wavelength == pytest.approx(1.5e-10, rel=1e-15)
    assert ai.detector.geometry == geom
    # What the caller says beside it counts more.
    ai = to_pyfai_integrator(geom, poni=poni, distance=0.4, wavelength=2e-10)
    assert (ai.dist, ai.poni1, ai.wavelength) == (0.4, 1e-3, 2e-10)
    ai = to_pyfai_integrator(geom, poni=poni, energy=ENERGY)
    assert ai.wavelength == wavelength_from_energy(ENERGY)


def test_poni_that_is_none(tmp_path):
    with pytest.raises(geomlib.GeometryError, match=r"^poni must be the path.*not 3\.5"):
        to_pyfai_integrator(small(), poni=3.5)
    with pytest.raises(geomlib.GeometryFileError, match="there is no such file"):
        to_pyfai_integrator(small(), poni=tmp_path / "none.poni")
    wrong = tmp_path / "wrong.poni"
    wrong.write_text("Poni1: 0.1\nPoni2: much\n")
    with pytest.raises(geomlib.GeometryFileError, match="must be a number, not 'much'") as caught:
        to_pyfai_integrator(small(), poni=wrong)
    assert (caught.value.path, caught.value.line, caught.value.key) == (str(wrong), 2, "Poni2")
    wrong.write_text("Poni1: 0.1\n")
    with pytest.raises(geomlib.GeometryFileError, match="has no distance"):
        to_pyfai_integrator(small(), poni=wrong)


# -- Distance and wavelength ------------------------------------------------------------


def test_distance_and_energy_of_the_geometry():
    ai = to_pyfai_integrator(small().replace(distance=0.5, photon_energy=ENERGY))
    assert ai.dist == 0.5
    assert ai.wavelength == wavelength_from_energy(ENERGY)
    assert ai.param[1:] == [0, 0, 0, 0, 0]


def test_distance_and_energy_of_the_caller_count_more():
    geom = small().replace(distance=0.5, photon_energy=1e4)
    ai = to_pyfai_integrator(geom, distance=0.3, energy=ENERGY)
    assert (ai.dist, ai.wavelength) == (0.3, wavelength_from_energy(ENERGY))
    assert to_pyfai_integrator(geom, wavelength=1e-10).wavelength == 1e-10


def test_wavelength_that_nobody_knows():
    assert to_pyfai_integrator(small(), distance=DISTANCE).wavelength is None


def test_what_is_no_geometry():
    with pytest.raises(geomlib.GeometryError, match=r"^geometry must be a Geometry, not str"):
        to_pyfai_detector("agipd.geom")
    with pytest.raises(geomlib.GeometryError, match=r"^wide must be True or False, not 'no'"):
        to_pyfai_detector(small(), wide="no")
    with pytest.raises(geomlib.GeometryError, match=r"^distance is not known"):
        to_pyfai_integrator(small())


def test_detectors_of_pyfai_are_untouched():
    # The replacement of EXtra-geom, where something has loaded it, adds names as EXtra-geom does.
    homes = {known.__module__ for known in PyfaiDetector.registry.values()}
    ours = {home for home in homes if home.startswith("geomlib.")}
    assert all(home.startswith("geomlib.compat.") for home in ours)
    assert type(detector_factory("NexusDetector")).__module__.startswith("pyFAI.")


# -- The command line of pyFAI ----------------------------------------------------------


def test_command_line_of_pyfai(tmp_path):
    geom = small()
    ai = to_pyfai_integrator(geom, distance=DISTANCE, energy=ENERGY)
    ai.detector.save(tmp_path / "detector.h5")
    ai.save(str(tmp_path / "my.poni"))
    places = geom.pixel_positions()[0]
    tth = np.degrees(np.arctan2(np.hypot(places[..., 0], places[..., 1]), DISTANCE))
    ring = 1000 * np.exp(-0.5 * ((tth - 3) / 0.05) ** 2)
    fabio.edfimage.EdfImage(data=ring.astype(np.float32)).write(str(tmp_path / "ring.edf"))
    command = [Path(sys.executable).parent / "pyFAI-waxs", "-p", "my.poni", "--unit", "2th_deg"]
    subprocess.run(
        [*command, "-n", "500", "ring.edf"],
        env=os.environ | {"QT_QPA_PLATFORM": "offscreen"},
        cwd=tmp_path,
        capture_output=True,
        check=True,
        timeout=60,
    )
    angle, intensity = np.loadtxt(tmp_path / "ring.xy", usecols=(0, 1)).T
    near = np.abs(angle - 3) < 0.3
    centre = (angle * intensity)[near].sum() / intensity[near].sum()
    # Half a bin.
    assert centre == pytest.approx(3.0, abs=0.5 * (angle[1] - angle[0]))


@pytest.mark.parametrize("name", ["AGIPD-500K", "DSSC-1M"])
def test_corners_set_by_hand_go_before_the_geometry(name):
    geom = geomlib.example_geometry(name)
    detector, moved = (to_pyfai_detector(g) for g in (geom, geom.offset((1e-3, -2e-3, 4e-4))))
    assert detector.IS_FLAT
    detector.set_pixel_corners(moved.get_pixel_corners())
    assert detector != to_pyfai_detector(geom)
    assert not detector.IS_FLAT
    assert "set by hand" in repr(detector)
    # Float32 of at most 0.3 m; the mean of a hexagon's corners is its centre.
    places = zip(detector.calc_cartesian_positions(), moved.calc_cartesian_positions(), strict=True)
    for mine, theirs in places:
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=0.3 * 2**-24 + 1e-15)
    detector.reset_pixel_corners()
    assert detector == to_pyfai_detector(geom)
    assert detector.IS_FLAT
    for shape in ((1, 1), detector.get_pixel_corners().shape[:3]):
        with pytest.raises(geomlib.GeometryError, match="corners must have shape"):
            detector.set_pixel_corners(np.zeros(shape))
