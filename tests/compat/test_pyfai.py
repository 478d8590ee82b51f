"""pyFAI's detectors of the replacement, in ways in which EXtra-geom's are used."""

import copy
import pickle

import extra_geom as original
import numpy as np
import pytest

import geomlib
from geomlib.compat import extra_geom as replacement
from geomlib.errors import GeometryError
from tests.compat.examples import EXAMPLES
from tests.compat.test_behaviour import BAD, KNOWN


@pytest.fixture
def agipd():
    return EXAMPLES["AGIPD-500K"](replacement)


NAMES = ["AGIPD-500K", "DSSC-1M", "JUNGFRAU, 3 modules"]


@pytest.fixture
def known(monkeypatch):
    """Let pyFAI find our classes by name, also after EXtra-geom's of the same names."""
    from pyFAI.detectors import Detector

    from geomlib.compat.extra_geom import pyfai

    for name in pyfai.__all__:
        monkeypatch.setitem(Detector.registry, name.lower(), getattr(pyfai, name))


def ring(geom):
    """Image of a ring of 50 mm around the beam, with modules joined as pyFAI has them."""
    places = geom.get_pixel_positions()
    radius = np.hypot(places[..., 0], places[..., 1])
    frame = np.exp(-(((radius - 0.05) / 0.002) ** 2)).astype("f4")
    return frame.reshape(-1, frame.shape[-1])


def radius_of_ring(detector, frame, beam=(0, 0)):
    """Radius in millimetres at which pyFAI finds it; the beam is at (y, x), in pixels.

    The mean over the ring, which lies within 45 to 55 mm to 2e-3.
    """
    from pyFAI.integrator.azimuthal import AzimuthalIntegrator

    ai = AzimuthalIntegrator(detector=detector, wavelength=1e-10, dist=0.3)
    ai.setFit2D(300.0, beam[1], beam[0])
    found = ai.integrate1d(frame, 400, unit="r_mm", method=("bbox", "csr", "cython"))
    near = np.abs(found.radial - 50) < 5
    return np.average(found.radial[near], weights=found.intensity[near])


@pytest.mark.parametrize("name", NAMES)
def test_corners_set_by_hand(name):
    """As programs do that want the image's corner, not the beam, as the origin."""
    found = []
    for package in (original, replacement):
        geom = EXAMPLES[name](package)
        detector = geom.to_pyfai_detector()
        corners = geom.to_distortion_array()
        detector.set_pixel_corners(corners)
        np.testing.assert_array_equal(detector.get_pixel_corners(), corners)
        beam = geom._snapped().centre
        found.append(radius_of_ring(detector, ring(geom), beam))
        for other in (copy.copy(detector), copy.deepcopy(detector)):
            assert radius_of_ring(other, ring(geom), beam) == found[-1]
    assert found[1] == pytest.approx(found[0], abs=1e-3)
    assert found[1] == pytest.approx(50, abs=0.5)
    again = pickle.loads(pickle.dumps(detector))
    assert again == detector != geom.to_pyfai_detector()
    np.testing.assert_array_equal(again.get_pixel_corners(), corners)


@pytest.mark.parametrize("name", NAMES)
def test_a_poni_file_and_then_corners(name, known, tmp_path):
    import pyFAI
    from pyFAI.integrator.azimuthal import AzimuthalIntegrator

    geom = EXAMPLES[name](replacement)
    AzimuthalIntegrator(detector=geom.to_pyfai_detector(), dist=0.3).save(tmp_path / "a.poni")
    detector = pyFAI.load(str(tmp_path / "a.poni")).detector
    modules, ss, fs = geom.expected_data_shape
    assert (detector.geometry, detector.shape) == (None, (modules * ss, fs))
    detector.set_pixel_corners(geom.to_distortion_array(allow_negative_xy=True))
    assert radius_of_ring(detector, ring(geom)) == pytest.approx(50, abs=0.5)


def test_detectors_without_a_geometry():
    """They lie on pyFAI's regular grid, as EXtra-geom's do."""
    import extra_geom.pyfai as theirs

    from geomlib.compat.extra_geom import pyfai as ours

    for name in ours.__all__:
        old, new = getattr(theirs, name)(), getattr(ours, name)()
        assert (new.name, new.pixel1, new.pixel2) == (old.name, old.pixel1, old.pixel2)
        assert new.shape == (old.shape or (32, 256))
        assert new.name in repr(new)
        # Theirs of an LPD Mini has no shape.
        if new.CORNERS == 4 and old.shape:
            # In this order: pyFAI takes the means of corners, in float32, once it has those.
            for mine, other in zip(
                new.calc_cartesian_positions(), old.calc_cartesian_positions(), strict=True
            ):
                np.testing.assert_array_equal(mine, other)
            np.testing.assert_array_equal(new.get_pixel_corners(), old.get_pixel_corners())
    two = ours.JUNGFRAU_EuXFEL(7.5e-5, 8e-5, n_modules=2)
    assert (two.shape, two.pixel2) == ((1024, 1024), 8e-5)


def test_keywords_of_detectors(agipd):
    detector = agipd.to_pyfai_detector(pixel1=1e-4, sensor={"material": "Si", "thickness": 5e-4})
    old = EXAMPLES["AGIPD-500K"](original).to_pyfai_detector(
        pixel1=1e-4, sensor={"material": "Si", "thickness": 5e-4}
    )
    assert detector.sensor == old.sensor
    assert detector.get_config() == old.get_config()
    assert copy.copy(detector).sensor == old.sensor
    with pytest.raises(TypeError, match="thickness"):
        agipd.to_pyfai_detector(thickness=5e-4)
    with pytest.raises(GeometryError, match="orientation must be 3, not 1"):
        agipd.to_pyfai_detector(orientation=1)


def test_pyfai_detectors_in_poni_files(agipd, known, tmp_path):
    import pyFAI
    from pyFAI.integrator.azimuthal import AzimuthalIntegrator

    detector = agipd.to_pyfai_detector(pixel1=1e-4)
    assert (detector.pixel1, detector.pixel2) == (1e-4, 2e-4)
    assert pickle.loads(pickle.dumps(detector)) == detector
    integrator = AzimuthalIntegrator(dist=0.3, wavelength=1e-10, detector=detector)
    integrator.save(tmp_path / "a.poni")
    again = pyFAI.load(str(tmp_path / "a.poni"))
    assert type(again.detector).__name__ == "AGIPD500K"
    assert (again.dist, again.pixel1, again.detector.shape) == (0.3, 1e-4, (4096, 128))


def test_bad_regions_are_no_mask_for_pyfai(tmp_path):
    agipd = EXAMPLES["AGIPD-1M"](replacement)
    agipd.metadata["crystfel"] = {"bad": BAD}
    agipd.write_crystfel_geom(tmp_path / "a.geom", **KNOWN)
    geom = replacement.AGIPD_1MGeometry.from_crystfel_geom(tmp_path / "a.geom")
    assert geom.to_pyfai_detector().mask is None or not geom.to_pyfai_detector().mask.any()
    assert geomlib.to_pyfai_detector(geom.geometry).mask.any()
