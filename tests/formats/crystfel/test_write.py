"""Text of geometries that were built: accepted by every version, and read back the same."""

import re
import warnings

import cfelpyutils.geometry
import extra_geom
import numpy as np
import pytest

from geomlib.detector import Detector
from geomlib.detectors import EXAMPLE_NAMES, agipd_1m, example_geometry, generic, jungfrau
from geomlib.errors import GeometryError, GeometryWarning
from geomlib.formats.crystfel.acceptance import VERSIONS, rejections
from geomlib.formats.crystfel.document import Document
from geomlib.formats.crystfel.numerals import STEP_NOISE
from geomlib.formats.crystfel.panels import PanelView
from geomlib.formats.crystfel.read import parse_crystfel
from geomlib.formats.crystfel.write import crystfel_text, write_crystfel
from geomlib.geometry import Geometry
from geomlib.metadata import BadRegion

KNOWN = {"distance": 0.2, "photon_energy": 9300.5, "adu_per_ev": 0.0075}
# A corner is off by at most 1e-16 m, a step by 1e-19 m: after 1024 of them, again 1e-16 m.
ROUNDING = 1e-15
hexagons = pytest.mark.filterwarnings("ignore:.*cannot hold hexagonal")


def tilted(name):
    geometry = example_geometry(name)
    rng = np.random.default_rng(5)
    moved = geometry.rotate(rng.normal(0, 0.3, (geometry.n_modules, 3)))
    return moved.rotate((0.01, 0.02, 30)).offset((1e-3, -2e-3, 1.5e-4))


def assert_same_place(found, wanted, atol=ROUNDING):
    assert found.detector == wanted.detector
    np.testing.assert_allclose(found.tile_outlines(), wanted.tile_outlines(), rtol=0, atol=atol)


def accepted_by(text):
    return [version for version in VERSIONS if not rejections(Document(text), version)]


@pytest.fixture
def agipd():
    return example_geometry("AGIPD-1M")


# -- The whole file -------------------------------------------------------------------------


@hexagons
@pytest.mark.parametrize("layout", ["vcxi", "cheetah"])
@pytest.mark.parametrize("name", EXAMPLE_NAMES)
def test_every_detector_is_accepted_and_read_back(name, layout):
    geometry = tilted(name)
    text = crystfel_text(geometry, layout=layout, mask_path="/mask", **KNOWN)
    assert accepted_by(text) == list(VERSIONS)
    found = parse_crystfel(text)
    assert_same_place(found, geometry)
    assert (found.distance, found.photon_energy) == (0.2, 9300.5)
    assert text.isascii()


def test_no_exponents_anywhere(agipd):
    # Tiny numbers are where programs write 1e-17, and where psgeom reads 1 metre.
    text = crystfel_text(agipd.rotate((0, 0, 90)).offset((0, 0, -1.158975502268676e-06)), **KNOWN)
    numbers = [a.value for a in Document(text).assignments if a.panel is not None]
    assert not any(re.search(r"\d[eE][+-]?\d", value) for value in numbers)
    assert "p0a0/coffset = -0.000001158975502268676" in text


def test_numbers_read_well():
    text = crystfel_text(example_geometry("JUNGFRAU-1M"), **KNOWN)
    corners = {a.value for a in Document(text).assignments if a.key == "corner_x"}
    assert corners == {"-515", "-257", "1", "259"}
    assert {a.value for a in Document(text).assignments if a.key == "ss"} == {"+0.0x +1.0y"}


def test_layouts(agipd):
    vcxi = PanelView(Document(crystfel_text(agipd, **KNOWN)))
    assert vcxi.dimensions[8 * 5] == ("%", 5, "ss", "fs")
    assert vcxi.bounds[8 * 5 + 1].tolist() == [64, 127, 0, 127]
    raw = PanelView(Document(crystfel_text(agipd, gain_axis=0, **KNOWN)))
    assert raw.dimensions[8 * 5] == ("%", 5, 0, "ss", "fs")
    stacked = PanelView(Document(crystfel_text(agipd, layout="cheetah", **KNOWN)))
    assert set(stacked.dimensions) == {("%", "ss", "fs")}
    assert stacked.bounds[8 * 5 + 1].tolist() == [5 * 512 + 64, 5 * 512 + 127, 0, 127]
    assert stacked.bounds[:, 1].max() == 8191


def test_default_layout():
    one = PanelView(Document(crystfel_text(example_geometry("ePix100"), **KNOWN)))
    assert set(one.dimensions) == {("%", "ss", "fs")}
    pnccd = PanelView(Document(crystfel_text(example_geometry("pnCCD"), **KNOWN)))
    assert pnccd.bounds[:, 1].tolist() == [511, 1023]


@hexagons
@pytest.mark.parametrize("name", EXAMPLE_NAMES)
def test_what_was_built_is_what_is_read(name):
    _, ss, _, fs, _ = example_geometry(name).detector.tile_bounds[0].tolist()
    built = example_geometry(name).replace(
        distance=0.2,
        photon_energy=9300.0,
        data_path="/entry/data",
        mask_path="/entry/mask",
        bad_regions=[BadRegion("bad_x", 0, (ss + 1, ss + 3), (fs + 2, fs + 5))],
        no_index=[0],
    )
    found = parse_crystfel(crystfel_text(built, adu_per_ev=1))
    for attribute in (
        *("detector", "groups", "bad_regions", "no_index", "distance", "photon_energy"),
        *("data_path", "mask_path", "motor_positions"),
    ):
        assert getattr(found, attribute) == getattr(built, attribute), attribute
    exact = True
    for attribute in ("tile_corners", "tile_ss", "tile_fs"):
        mine, theirs = getattr(found, attribute), getattr(built, attribute)
        # Corners to the last bit but one; vectors lose the rounding of sums and rotations.
        atol = 0 if attribute == "tile_corners" else STEP_NOISE
        assert (np.abs(mine - theirs) <= np.spacing(np.abs(theirs)) + atol).all(), attribute
        exact &= np.array_equal(mine, theirs)
    assert (found == built) == exact


@pytest.mark.parametrize("count", [70, 300])
def test_groups_that_crystfel_demands_are_not_read(count):
    tiles = [(0, 1e-3 * n) for n in range(count)]
    built = generic(tiles, (8, 10), 1e-4).replace(groups={"odd": tuple(range(1, count, 2))})
    found = parse_crystfel(crystfel_text(built, **KNOWN))
    assert dict(found.groups) == dict(built.groups)


def test_groups_are_the_same_for_both_generations(agipd):
    text = crystfel_text(agipd, **KNOWN)
    assert dict(parse_crystfel(text).groups) == dict(agipd.groups)
    assert "group_all = " in text
    only_new = re.sub(r"(?m)^rigid_.*\n", "", text)
    only_old = re.sub(r"(?m)^group_.*\n", "", text)
    assert dict(parse_crystfel(only_old).groups) == dict(agipd.groups)
    assert dict(parse_crystfel(only_new).groups) == dict(agipd.groups)


@pytest.mark.filterwarnings("ignore:bad regions have other names")
def test_other_content(agipd):
    geometry = agipd.replace(
        bad_regions=[
            BadRegion("bad_asic", tile=9, ss=(64, 66), fs=(0, 128)),
            BadRegion("beamstop", x=(-1e-3, 1e-3), y=(-0.5, 2.5e-4)),
        ],
        no_index=[3, 127],
        motor_positions=[[1.5, -2], [0.1, 0.2], [3, 4], [5, 1e-7]],
        data_path="/data",
        mask_path="/mask",
    )
    for layout in ("vcxi", "cheetah"):
        text = crystfel_text(geometry, layout=layout, mask_bad=0xFEFF, **KNOWN)
        found = parse_crystfel(text)
        assert accepted_by(text) == list(VERSIONS)
        assert found.bad_regions[0] == geometry.bad_regions[0]
        assert found.bad_regions[1].name == "bad_beamstop"
        np.testing.assert_allclose(found.bad_regions[1].x, (-1e-3, 1e-3), rtol=1e-12)
        np.testing.assert_allclose(found.bad_regions[1].y, (-0.5, 2.5e-4), rtol=1e-12)
        assert found.no_index == (3, 127)
        np.testing.assert_array_equal(found.motor_positions, geometry.motor_positions)
        assert (found.data_path, found.mask_path) == ("/data", "/mask")
        assert PanelView(Document(text)).masks[0][0][2:] == (0, 0xFEFF)
    assert "bad_asic/max_ss = 577" in text  # module 1, row 65, counted through


def test_extra_geom_reads_motor_positions(agipd, tmp_path):
    positions = [[26.98, -8.8], [-24.8, -28.7], [214.4, 1266.2], [-13.2, -42.1]]
    write_crystfel(agipd.replace(motor_positions=positions), tmp_path / "a.geom", **KNOWN)
    theirs = extra_geom.AGIPD_1MGeometry.from_crystfel_geom(tmp_path / "a.geom")
    np.testing.assert_array_equal(theirs.motor_positions, positions)


def test_masks(agipd):
    text = crystfel_text(agipd, mask_path="/m", mask_file="mask.h5", mask_good=2, **KNOWN)
    assert "mask_file = mask.h5\nmask_good = 0x2\nmask_bad = 0x0" in text
    assert "mask_bad = 0xffffffff" in crystfel_text(agipd, mask_path="/m", **KNOWN)
    with pytest.raises(GeometryError, match="mask_bad needs mask_path"):
        crystfel_text(agipd, mask_bad=1, **KNOWN)


def test_mixed_pitches():
    detector = Detector("mixed", (1, 8, 4), [(0, 0, 4, 0, 4), (0, 4, 8, 0, 4)], (1e-4, 1e-4))
    geometry = Geometry(
        detector,
        [[0, 0, 0], [0, 1, 0.5]],
        [[0, 1e-4, 0], [0, 5.5e-5, 0]],
        [[1e-4, 0, 0], [5.5e-5, 0, 0]],
    )
    text = crystfel_text(geometry, **KNOWN)
    view = PanelView(Document(text))
    np.testing.assert_allclose(view.pitch, [1e-4, 5.5e-5], rtol=1e-15)
    np.testing.assert_allclose(np.linalg.norm(view.fs, axis=1), 1, rtol=1e-12)
    found = parse_crystfel(text)
    np.testing.assert_allclose(found.tile_outlines(), geometry.tile_outlines(), atol=ROUNDING)
    assert accepted_by(text) == list(VERSIONS)


def test_many_modules_and_tiles_with_odd_names():
    # 300 tiles in 150 modules without quadrants: more groups and members than one level holds.
    corners = [(0.01 * i, 0.0) for i in range(300)]
    geometry = generic(corners, (4, 4), 1e-4, tiles_per_module=2)
    text = crystfel_text(geometry, **KNOWN)
    assert accepted_by(text) == list(VERSIONS)
    odd = Detector(
        "odd",
        (1, 4, 8),
        [(0, 0, 4, 0, 4), (0, 0, 4, 4, 8)],
        (1e-4, 1e-4),
        tile_names=("bad tile", "a/b=c"),
    )
    geometry = Geometry(odd, np.zeros((2, 3)), [[0, 1e-4, 0]] * 2, [[1e-4, 0, 0]] * 2)
    text = crystfel_text(geometry, **KNOWN)
    assert PanelView(Document(text)).names == ("p0a0", "p0a1")
    assert accepted_by(text) == list(VERSIONS)


# -- What is left to fill in ----------------------------------------------------------------


def test_unknown_values_are_left_to_fill_in(agipd):
    with pytest.warns(GeometryWarning) as caught:
        text = crystfel_text(agipd)
    assert len(caught) == 1
    for argument in ("distance", "photon_energy", "adu_per_ev"):
        assert argument in str(caught[0].message)
    assert accepted_by(text) == []
    filled = text.replace(";photon_energy = SET_ME", "photon_energy = 9000")
    filled = filled.replace(";clen = SET_ME", "clen = 0.2")
    filled = filled.replace(";adu_per_eV = SET_ME", "adu_per_eV = 0.001")
    assert accepted_by(filled) == list(VERSIONS)
    with pytest.warns(GeometryWarning, match=r"filled in: photon_energy \(eV\);"):
        crystfel_text(agipd.replace(distance=1), adu_per_photon=3)


def test_doubtful_units(agipd):
    with pytest.warns(GeometryWarning, match="are these millimetres"):
        crystfel_text(agipd, distance=120.0, photon_energy=9000, adu_per_ev=1)
    with pytest.warns(GeometryWarning, match="are these keV"):
        crystfel_text(agipd, distance=0.12, photon_energy=9.3, adu_per_ev=1)


def test_hexagons_are_a_loss():
    with pytest.warns(GeometryWarning, match="cannot hold hexagonal pixels"):
        crystfel_text(example_geometry("DSSC-1M"), **KNOWN)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"layout": "3d"}, "layout must be 'vcxi' or 'cheetah', not '3d'"),
        ({"gain_axis": 0, "layout": "cheetah"}, "gain_axis"),
        ({"adu_per_ev": 1, "adu_per_photon": 1}, "not both"),
        ({"distance": -1}, "distance must be a positive, finite number, not -1"),
        ({"photon_energy": float("nan")}, "photon_energy must be"),
        ({"adu_per_ev": 0}, "adu_per_ev must be"),
        (
            {"mask_path": "/m", "mask_bad": 1 << 32},
            "mask_bad must be a whole number, from 0 to 4294967295, not 4294967296",
        ),
        ({"data_path": "/a b"}, "data_path must be a path"),
        ({"data_path": "a"}, "data_path must be a path"),
        ({"mask_path": "/m;x"}, "mask_path must be a path"),
    ],
)
def test_wrong_options(agipd, wrong, said):
    with pytest.raises(GeometryError, match=said):
        crystfel_text(agipd, **wrong)


@pytest.mark.parametrize(
    "region",
    [
        BadRegion("bad", tile=0, ss=(60, 70), fs=(0, 1)),
        BadRegion("bad", tile=1, ss=(0, 1), fs=(0, 1)),
    ],
)
def test_bad_regions_that_crystfel_would_refuse(agipd, region):
    with pytest.raises(GeometryError, match="bad region 'bad'"):
        crystfel_text(agipd.replace(bad_regions=[region]), **KNOWN)


@pytest.mark.parametrize(
    "wrong",
    [{"data_path": "/a\nclen = 3"}, {"mask_path": "/a;b"}, {"distance": -1}, {"photon_energy": 0}],
)
def test_content_that_would_be_read_as_something_else(agipd, wrong):
    name = next(iter(wrong))
    with pytest.raises(GeometryError, match=f"^{name} must be"):
        crystfel_text(agipd.replace(**wrong))
    again = parse_crystfel(crystfel_text(agipd, **KNOWN))
    with pytest.raises(GeometryError, match=f"^{name} must be"):
        crystfel_text(again.replace(**wrong))


@pytest.mark.filterwarnings("ignore:(bad regions|groups) have other names")
def test_names_cannot_smuggle_in_lines(agipd):
    evil = "x\nres = 1\r\nclen = 9; é"
    bounds, shape = [(0, 0, 4, 0, 4), (0, 4, 8, 0, 4)], (1, 8, 4)
    detector = Detector(evil, shape, bounds, (1e-4, 1e-4), tile_names=(evil, "b"))
    region = BadRegion(evil, tile=0, ss=(0, 1), fs=(0, 1))
    geometry = Geometry(
        detector,
        np.zeros((2, 3)),
        [[0, 1e-4, 0]] * 2,
        [[1e-4, 0, 0]] * 2,
        bad_regions=[region],
        groups={evil: (0,)},
    )
    text = crystfel_text(geometry, **KNOWN)
    view = PanelView(Document(text))
    assert (view.text("res"), view.text("clen")) == ("10000", "0.2")
    assert view.names == ("p0a0", "p0a1")
    assert accepted_by(text) == list(VERSIONS)
    # The same name again gets another one.
    twice = parse_crystfel(crystfel_text(geometry.replace(bad_regions=[region] * 2), **KNOWN))
    assert len({region.name for region in twice.bad_regions}) == 2


# -- Files ----------------------------------------------------------------------------------


def test_failed_write_leaves_the_old_file(agipd, tmp_path):
    path = tmp_path / "a.geom"
    write_crystfel(agipd, path, **KNOWN)
    before = path.read_bytes()
    with pytest.raises(GeometryError):
        write_crystfel(agipd, path, distance=-1)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.geom"]


def test_warning_names_the_file(agipd, tmp_path):
    with pytest.warns(GeometryWarning, match=r"a\.geom: CrystFEL will not read"):
        write_crystfel(agipd, tmp_path / "a.geom")


# -- Other programs -------------------------------------------------------------------------


@hexagons
@pytest.mark.parametrize(
    ("name", "cls"),
    [
        ("AGIPD-1M", extra_geom.AGIPD_1MGeometry),
        ("LPD-1M", extra_geom.LPD_1MGeometry),
        ("DSSC-1M", extra_geom.DSSC_1MGeometry),
        ("JUNGFRAU-4M", extra_geom.JUNGFRAUGeometry),
        ("ePix100", extra_geom.Epix100Geometry),
    ],
)
def test_extra_geom_reads_it(name, cls, tmp_path):
    geometry = tilted(name)
    write_crystfel(geometry, tmp_path / "a.geom", **KNOWN)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = cls.from_crystfel_geom(tmp_path / "a.geom")
    tiles = [tile for module in theirs.modules for tile in module]
    # EXtra-geom multiplies by its own pixel size, and 1/res where it has none.
    for ours, attribute in (
        (geometry.tile_corners, "corner_pos"),
        (geometry.tile_ss * 256, "ss_vec"),
        (geometry.tile_fs * 256, "fs_vec"),
    ):
        scale = 256 if attribute.endswith("vec") else 1
        expected = [scale * getattr(tile, attribute) for tile in tiles]
        np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-14)


def test_cfelpyutils_reads_it(agipd, tmp_path):
    geometry = agipd.rotate((0.1, 0.2, 1)).replace(no_index=[5])
    write_crystfel(geometry, tmp_path / "a.geom", mask_path="/mask", **KNOWN)
    detector, beam, _ = cfelpyutils.geometry.load_crystfel_geometry(str(tmp_path / "a.geom"))
    assert list(detector["panels"]) == list(geometry.detector.tile_names)
    assert beam["photon_energy"] == 9300.5
    assert detector["mask_bad"] == 0xFFFFFFFF
    assert detector["rigid_group_collections"]["quadrants"] == ["q0", "q1", "q2", "q3"]
    for tile, panel in enumerate(detector["panels"].values()):
        assert panel["no_index"] == (tile == 5)
        assert panel["clen"] == 0.2
        x, y, z = geometry.tile_corners[tile]
        np.testing.assert_allclose(
            [panel["cnx"] / panel["res"], panel["cny"] / panel["res"], panel["coffset"]],
            [x, y, z],
            rtol=0,
            atol=ROUNDING,
        )
        step = np.array([panel[f"fs{axis}"] for axis in "xyz"]) / panel["res"]
        np.testing.assert_allclose(step, geometry.tile_fs[tile], rtol=0, atol=1e-18)


def test_other_modules_counts():
    geometry = jungfrau([(0, 0), (0, 600), (0, 1200)])
    found = parse_crystfel(crystfel_text(geometry, **KNOWN))
    assert_same_place(found, geometry)
    two = agipd_1m([(-525, 625), (-550, -10), (520, -160), (542.5, 475)])
    assert_same_place(parse_crystfel(crystfel_text(two, **KNOWN)), two)


def test_names_that_the_file_cannot_have_are_told(tmp_path):
    geometry = example_geometry("JUNGFRAU-1M").replace(
        bad_regions=(BadRegion("no_bad", 0, (0, 2), (0, 2)), BadRegion("bad_a", 0, (4, 6), (0, 2))),
        groups={"a b": (0, 1), "c": (2, 3)},
    )
    renamed = (
        "bad regions have other names in the file: 'no_bad' as 'bad_no_bad'",
        "groups have other names in the file: 'a b' as 'a_b'",
    )
    with pytest.warns(GeometryWarning) as caught:
        write_crystfel(geometry, tmp_path / "a.geom", **KNOWN)
    assert [str(w.message) for w in caught] == [f"{tmp_path / 'a.geom'}: {r}" for r in renamed]
    # Written back, the names are those of the file: only a new one is told.
    back = parse_crystfel((tmp_path / "a.geom").read_text())
    write_crystfel(back, tmp_path / "b.geom")
    more = (*back.bad_regions, BadRegion("dust", 0, (4, 5), (4, 5)))
    with pytest.warns(GeometryWarning) as caught:
        crystfel_text(back.replace(bad_regions=more))
    assert [str(w.message) for w in caught] == [
        "bad regions have other names in the file: 'dust' as 'bad_dust'"
    ]
