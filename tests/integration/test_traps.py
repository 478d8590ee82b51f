"""Where pyFAI, or a wrong unit, leads astray: each test shows the trap, and that geomlib avoids it.

A trap that pyFAI has mended makes its test fail, which is the time to look whether geomlib still
needs to go around it.
"""

import copy
import subprocess
import sys

import numpy as np
import pytest
from pyFAI.detectors import detector_factory
from pyFAI.geometry import crystfel
from pyFAI.integrator.azimuthal import AzimuthalIntegrator

import geomlib
from geomlib.integration.adapter import to_pyfai_detector, to_pyfai_integrator
from geomlib.integration.beam import find_beam
from geomlib.integration.from_pyfai import from_pyfai_detector
from geomlib.units import wavelength_from_energy

# None of our loops runs here: once, with the compiler, is enough.
pytestmark = pytest.mark.jit

DISTANCE = 0.2
#: Half a unit in the last place of float32, relative.
FLOAT32 = 2.0**-24
#: Width of a hexagon of DSSC.
HEXAGON = 236e-6


@pytest.fixture(scope="module")
def dssc():
    return geomlib.example_geometry("DSSC-1M")


@pytest.fixture(scope="module")
def dssc_file(dssc, tmp_path_factory):
    """The detector that pyFAI reads from the file that we write."""
    path = tmp_path_factory.mktemp("dssc") / "dssc.h5"
    to_pyfai_detector(dssc).save(path)
    return detector_factory(str(path))


# -- Hexagons ---------------------------------------------------------------------------


def test_pyfai_takes_four_of_six_corners_for_the_centre(dssc, dssc_file):
    x, y = np.moveaxis(dssc.pixel_positions().reshape(2048, 512, 3)[..., :2], -1, 0)
    stock_y, stock_x, _ = dssc_file.calc_cartesian_positions()
    # The first four corners lie at 1/2, 1, 1 and 1/2 of the width: their mean at 3/4.
    limit = 8 * FLOAT32 * np.abs(x).max()  # corners in float32, and sums of four of them
    assert np.abs(np.abs(stock_x - x) - HEXAGON / 4).max() < limit
    assert np.abs(stock_y - y).max() < limit
    assert pytest.approx(59e-6, rel=1e-12) == HEXAGON / 4
    own_y, own_x, _ = to_pyfai_detector(dssc).calc_cartesian_positions()
    assert np.array_equal(own_x, x)
    assert np.array_equal(own_y, y)
    # The corners in the file are right, and so is the geometry that is made of them.
    found = from_pyfai_detector(dssc_file).pixel_positions().reshape(2048, 512, 3)
    assert np.abs(found[..., 0] - x).max() < limit


def test_deepcopy_of_pyfai_forgets_the_number_of_corners(dssc, dssc_file):
    assert dssc_file.CORNERS == 6
    forgetful = copy.deepcopy(dssc_file)
    assert forgetful.CORNERS == 4
    assert forgetful.get_pixel_corners().shape == (2048, 512, 6, 3)
    with pytest.raises(RuntimeError, match="Number of corners"):
        forgetful.set_pixel_corners(forgetful.get_pixel_corners())
    own = copy.deepcopy(to_pyfai_detector(dssc))
    assert own.CORNERS == own.get_pixel_corners().shape[2] == 6


def test_full_splitting_of_hexagons_fails_in_pyfai(dssc):
    ai = to_pyfai_integrator(dssc, distance=DISTANCE)
    image = np.ones(ai.detector.shape)
    for algorithm in ("histogram", "csr", "lut"):
        with pytest.raises(AssertionError):
            ai.integrate1d(image, 10, unit="2th_deg", method=("full", algorithm, "cython"))
        curve = ai.integrate1d(
            image,
            10,
            unit="2th_deg",
            correctSolidAngle=False,
            method=("bbox", algorithm, "cython"),
        )
        # Weights are float32: a sum divided by the same sum.
        assert curve.intensity == pytest.approx(1.0, rel=100 * FLOAT32)


# -- Axes and sides ---------------------------------------------------------------------


def test_axes_are_z_y_x():
    geom = geomlib.example_geometry("LPD-Mini").offset((1e-3, 2e-3, 3e-3))
    first = to_pyfai_detector(geom).get_pixel_corners()[0, 0, 0]
    x, y, z = geom.tile_corners[0]
    assert first.tolist() == [z, y, x]
    ai = to_pyfai_integrator(geom, distance=DISTANCE)
    # Moved by 3 mm downstream: that much is added to the distance.
    beam = ai.calc_pos_zyx()
    centre = geom.pixel_positions()[0, 0, 0]
    for axis, expected in zip(beam, (centre[2] + DISTANCE, centre[1], centre[0]), strict=True):
        assert axis[0, 0] == pytest.approx(expected, rel=1e-14)
    # The angle around the beam counts from x, which is left looking along the beam, towards y, up.
    chi = ai.center_array(unit="chi_deg")[0, 0]
    assert chi == pytest.approx(np.degrees(np.arctan2(centre[1], centre[0])), rel=1e-12)


def test_pixels_stored_the_other_way_round_are_not_lit_from_behind():
    # On a pnCCD slow scan and fast scan turn the other way. Not flat, pyFAI takes the normals of
    # its pixels for pointing upstream.
    geom = geomlib.example_geometry("pnCCD").offset((0, 0, 1e-3))
    ai = to_pyfai_integrator(geom, distance=DISTANCE)
    stock = AzimuthalIntegrator(dist=DISTANCE, detector=ai.detector)
    assert stock.solidAngleArray().max() < 0
    assert ai.solidAngleArray().min() > 0
    # Cubes of the same number with either sign: a unit in the last place.
    assert np.abs(ai.solidAngleArray() + stock.solidAngleArray()).max() < 4e-16
    image = np.ones(ai.detector.shape)
    method = ("no", "histogram", "cython")
    assert stock.integrate1d(image, 10, method=method, unit="2th_deg").intensity.max() < -1
    assert ai.integrate1d(image, 10, method=method, unit="2th_deg").intensity.min() > 1


# -- pyFAI's reader of CrystFEL's files -------------------------------------------------


def panels(geom):
    """A .geom file for a frame whose modules are joined along slow scan."""
    pitch, n_ss = geom.detector.pixel_size[0], geom.data_shape[1]
    lines = [f"res = {1 / pitch}", f"clen = {DISTANCE}", "photon_energy = 9000", "data = /data"]
    lines += ["adu_per_eV = 0.001"]
    for tile, (module, ss0, ss1, fs0, fs1) in enumerate(geom.detector.tile_bounds.tolist()):
        corner, ss, fs = (part[tile] / pitch for part in geom.tiles)
        values = {
            "min_ss": module * n_ss + ss0,
            "max_ss": module * n_ss + ss1 - 1,
            "min_fs": fs0,
            "max_fs": fs1 - 1,
            "corner_x": corner[0],
            "corner_y": corner[1],
            "ss": f"{ss[0]:+.9f}x {ss[1]:+.9f}y",
            "fs": f"{fs[0]:+.9f}x {fs[1]:+.9f}y",
        }
        lines += [f"t{tile}/{key} = {value}" for key, value in values.items()]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    ("name", "pixels_off"),
    # pyFAI takes slow scan for +y and fast scan for +x in every pixel. So they are on LPD; on AGIPD
    # one of them runs down or to the right, by a pixel.
    [("LPD-1M", 0), ("AGIPD-500K", 1)],
)
def test_crystfel_reader_of_pyfai(name, pixels_off, tmp_path):
    geom = geomlib.example_geometry(name)
    path = tmp_path / "panels.geom"
    path.write_text(panels(geom))
    pitch, shape = geom.detector.pixel_size[0], (-1, geom.data_shape[2], 3)
    expected = geom.pixel_positions().reshape(shape)
    stock = crystfel.build_geometry(crystfel.parse_crystfel_geom(path))
    _, y, x = stock.calc_pos_zyx()
    off = np.maximum(np.abs(x - expected[..., 0]), np.abs(y - expected[..., 1])) / pitch
    # Corners in float32, from sums in double of numbers of 9 digits.
    limit = 16 * FLOAT32 * np.abs(expected).max() / pitch + 256e-9
    assert np.abs(off - pixels_off).max() < limit
    ai = to_pyfai_integrator(geomlib.read_geometry(path))
    _, y, x = (part.reshape(expected.shape[:2]) for part in ai.calc_pos_zyx())
    # Numbers of 9 digits, over up to 256 pixels.
    assert np.abs(x - expected[..., 0]).max() < 256e-9 * pitch
    assert np.abs(y - expected[..., 1]).max() < 256e-9 * pitch
    assert (ai.dist, ai.wavelength) == (DISTANCE, wavelength_from_energy(9000))


# -- Imports ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "module",
    ["geomlib", *(f"geomlib.integration.{m}" for m in ("adapter", "beam", "from_pyfai"))],
)
def test_pyfai_is_not_imported(module):
    code = f"import sys, {module}; print(*sorted({{m.split('.')[0] for m in sys.modules}}))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {"pyFAI", "silx", "fabio", "h5py"}.isdisjoint(run.stdout.split())


# -- Units of distance, energy and wavelength -------------------------------------------


def beam(*, geometry=None, distance=DISTANCE, energy=None, wavelength=None, needed=None):
    return find_beam(
        geometry or geomlib.example_geometry("LPD-Mini"), distance, energy, wavelength, needed
    )


def test_what_the_geometry_knows():
    geom = geomlib.example_geometry("LPD-Mini").replace(distance=0.5, photon_energy=8000.0)
    assert beam(geometry=geom, distance=None) == (0.5, wavelength_from_energy(8000))
    assert beam(geometry=geom, energy=9000) == (DISTANCE, wavelength_from_energy(9000))
    assert beam(geometry=geom, wavelength=1e-10) == (DISTANCE, 1e-10)
    assert beam() == (DISTANCE, None)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"distance": None},
            "distance is not known: pass distance=…, in metres, from the sample to the detector "
            "(the geometry has none)",
        ),
        ({"distance": 200}, "distance is in metres: 200 m is no detector's; 200 mm are 0.2 m"),
        ({"distance": 2e-4}, "distance is in metres: 0.0002 m is no detector's"),
        ({"distance": -0.2}, "distance must be a positive, finite number, not -0.2"),
        ({"distance": "0.2 m"}, "distance must be a positive, finite number, not '0.2 m'"),
        ({"energy": 9.3}, "energy is in eV: 9.3 eV is no X-ray; 9.3 keV are 9300 eV"),
        (
            {"energy": 9.3e6},
            "energy is in eV: 9.3e+06 eV is no X-ray; was it multiplied by 1000 twice? 9300 eV",
        ),
        ({"energy": 1e12}, "energy is in eV: 1e+12 eV is no X-ray"),
        ({"energy": np.nan}, "energy must be a positive, finite number, not nan"),
        (
            {"wavelength": 1.33},
            "wavelength is in metres: 1.33 m is no X-ray; 1.33 Å are 1.33e-10 m",
        ),
        ({"wavelength": 1e-4}, "wavelength is in metres: 0.0001 m is no X-ray"),
        ({"wavelength": 0}, "wavelength must be a positive, finite number, not 0"),
        (
            {"energy": 9300, "wavelength": 1e-10},
            "pass energy (in eV) or wavelength (in metres), not both",
        ),
        (
            {"needed": "q_A^-1"},
            "the photon energy is not known, which q_A^-1 needs: pass energy=…, in eV, or "
            "wavelength=…, in metres (the geometry has none); angles and radii (unit='2th_deg', "
            "'r_mm') need neither",
        ),
    ],
)
def test_wrong_units(given, message):
    with pytest.raises(geomlib.GeometryError) as caught:
        beam(**given)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"distance": 50}, "distance is in metres: is 50 m meant, or 0.05?"),
        ({"distance": 4e-3}, "distance is in metres: is 0.004 m meant, or 4?"),
        ({"energy": 60}, "energy is in eV: is 60 eV meant, or 60000?"),
        ({"energy": 9e5}, "energy is in eV: is 900000 eV meant, or 900?"),
    ],
)
def test_doubtful_units(given, message):
    with pytest.warns(geomlib.GeometryWarning) as caught:
        found = beam(**given)
    assert [str(warning.message) for warning in caught] == [message]
    assert found.distance == given.get("distance", DISTANCE)
    if "energy" in given:
        assert found.wavelength == wavelength_from_energy(given["energy"])
