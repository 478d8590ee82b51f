"""What ``.geom`` files hold besides positions, as programs change it in ``metadata``."""

from typing import ClassVar

import numpy as np
import pytest

from geomlib.compat import extra_geom as replacement
from geomlib.compat.extra_geom.motors import BaseMotorTracker
from geomlib.errors import GeometryError
from tests.compat.examples import EXAMPLES
from tests.compat.test_behaviour import BAD, KNOWN

read = replacement.AGIPD_1MGeometry.from_crystfel_geom
#: Of no panel: module 7, in the rows of all modules.
WHOLE_MODULE = """
bad_p7/min_fs = 0
bad_p7/max_fs = 127
bad_p7/min_ss = 3584
bad_p7/max_ss = 4095
"""


def lines_with(path, *keys):
    return [line for line in path.read_text().splitlines() if line.startswith(keys)]


@pytest.mark.filterwarnings("ignore:.*names no panel:geomlib.GeometryWarning")
def test_parts_of_a_region_stay_apart(tmp_path):
    """Regions are a dict by name, and a region without a panel lies on several tiles."""
    agipd = EXAMPLES["AGIPD-1M"](replacement)
    agipd.write_crystfel_geom(tmp_path / "a.geom", dims=("frame", "ss", "fs"), **KNOWN)
    text = (tmp_path / "a.geom").read_text()
    (tmp_path / "a.geom").write_text(text.replace("\np0a0/", WHOLE_MODULE + "\np0a0/", 1))
    geom = read(tmp_path / "a.geom")
    regions = geom.metadata["crystfel"]["bad"]
    assert list(regions) == ["bad_p7", *(f"bad_p7_{n}" for n in range(2, 9))]
    assert geom.geometry.bad_pixels().sum() == 512 * 128
    regions["bad_corner"] = BAD["bad_corner"]
    geom.write_crystfel_geom(tmp_path / "b.geom")
    again = read(tmp_path / "b.geom").geometry.bad_pixels()
    assert again[7].all()
    assert again.sum() == 512 * 128 + 12 * 10
    anew = replacement.AGIPD_1MGeometry(geom.modules, metadata=geom.metadata)
    anew.write_crystfel_geom(tmp_path / "c.geom")
    np.testing.assert_array_equal(read(tmp_path / "c.geom").geometry.bad_pixels(), again)
    del regions["bad_p7_2"]
    geom.write_crystfel_geom(tmp_path / "d.geom")
    fewer = read(tmp_path / "d.geom").geometry.bad_pixels()
    assert (again & ~fewer).sum() == 64 * 128


class QuadrantMotors(BaseMotorTracker):
    groups: ClassVar = [np.s_[q : q + 4] for q in range(0, 16, 4)]
    default_motor_axes: ClassVar = np.array([[[0, -1], [-1, 0]]] * 4)


def test_motors_that_geomlib_does_not_know(tmp_path):
    lpd = EXAMPLES["LPD-1M"](replacement)
    moved = QuadrantMotors(lpd, np.zeros((4, 2))).geom_at(np.arange(8).reshape(4, 2) / 7)
    moved.write_crystfel_geom(tmp_path / "a.geom", **KNOWN)
    again = replacement.LPD_1MGeometry.from_crystfel_geom(tmp_path / "a.geom")
    np.testing.assert_array_equal(again.motor_positions, np.arange(8).reshape(4, 2) / 7)
    back = QuadrantMotors(again).geom_at(np.zeros((4, 2)))
    np.testing.assert_allclose(
        back.get_pixel_positions(), lpd.get_pixel_positions(), rtol=0, atol=1e-15
    )
    again.motor_positions = np.array([[1.5, 2.5, -3.5]])
    again.write_crystfel_geom(tmp_path / "b.geom")
    assert lines_with(tmp_path / "b.geom", ";XGEOM") == [
        ";XGEOM MOTORS=1,3",
        ";XGEOM MOTOR_Q1=1.5,2.5,-3.5",
    ]


def test_places_and_units_in_place_of_numbers(tmp_path):
    agipd = EXAMPLES["AGIPD-1M"](replacement)
    path = tmp_path / "a.geom"
    place = "/LCLS/detector_1/EncoderValue"
    agipd.write_crystfel_geom(path, adu_per_ev=1, clen=place, photon_energy="9.3 keV")
    assert lines_with(path, "clen", "photon_energy") == [
        "photon_energy = 9.3 keV",
        f"clen = {place}",
    ]
    geom = read(path)
    assert geom.metadata["crystfel"]["photon_energy"] == 9300
    assert np.isnan(geom.metadata["crystfel"]["clen"])
    geom.write_crystfel_geom(tmp_path / "b.geom")
    assert (tmp_path / "b.geom").read_bytes() == path.read_bytes()
    geom.write_crystfel_geom(tmp_path / "c.geom", clen="/other", photon_energy=9000)
    energy, length = lines_with(tmp_path / "c.geom", "clen", "photon_energy")
    assert energy == "photon_energy = 9000"
    assert length.startswith("clen = /other ")


def test_a_region_of_which_something_is_missing(tmp_path):
    agipd = EXAMPLES["AGIPD-1M"](replacement)
    agipd.metadata["crystfel"] = {"bad": {"bad_a": {"panel": "p0a0"}}}
    with pytest.raises(GeometryError, match=r"bad region 'bad_a' .* has no 'is_fsss'"):
        agipd.write_crystfel_geom(tmp_path / "a.geom", **KNOWN)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"clen": -0.5}, "clen must be a positive, finite number, not -0.5"),
        ({"clen": np.nan}, "clen must be a positive, finite number, not nan"),
        ({"photon_energy": 0}, "photon_energy must be a positive, finite number, not 0"),
        ({"clen": " "}, "clen must be a number or a text of one line, not ' '"),
        ({"photon_energy": "9\ndim0 = %"}, "photon_energy must be a number or a text of one line"),
    ],
)
def test_distances_and_energies_that_are_none(given, message, tmp_path):
    agipd = EXAMPLES["AGIPD-1M"](replacement)
    with pytest.raises(GeometryError, match=message):
        agipd.write_crystfel_geom(tmp_path / "a.geom", adu_per_ev=1, **given)
    assert list(tmp_path.iterdir()) == []
