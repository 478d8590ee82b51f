"""What a file says becomes the right attribute of the geometry."""

import pickle

import numpy as np
import pytest

from geomlib.errors import GeometryWarning
from geomlib.formats.crystfel.document import Document
from geomlib.formats.crystfel.panels import Mask, PanelView
from geomlib.formats.crystfel.read import parse_crystfel, read_crystfel
from geomlib.metadata import BadRegion
from geomlib.units import energy_from_wavelength
from tests.formats.crystfel.samples import FOLDER, HEAD, PANEL, SMALL, changed, panel
from tests.shared import needs_shared_data


def view_of(text: str) -> PanelView:
    return PanelView(Document.parse(text.encode()))


def quiet(text: str):
    """Read a text that some version of CrystFEL minds."""
    with pytest.warns(GeometryWarning):
        return parse_crystfel(text)


def test_one_panel():
    geom = parse_crystfel(SMALL + "p0/coffset = 0.002\n")
    assert geom.tile_corners.tolist() == [[-5 * 2e-4, -2.5 * 2e-4, 0.002]]
    assert geom.tile_fs.tolist() == [[2e-4, 0, 0]]
    assert geom.tile_ss.tolist() == [[0, 2e-4, 0]]
    assert geom.data_shape == (1, 5, 10)
    assert (geom.distance, geom.photon_energy) == (0.1, 9000)
    assert geom.detector.name == "generic"
    assert geom.detector.tile_names == ("p0",)
    assert geom.source.format == "crystfel"
    assert geom.source.text == (SMALL + "p0/coffset = 0.002\n").encode()


def test_defaults_count_for_panels_named_later():
    text = HEAD + PANEL + "res = 10000\ncoffset = 0.5\n" + panel("p1") + "p0/no_index = 1\n"
    view = view_of(text)
    assert view.pitch.tolist() == [1 / 5000, 1 / 10000]
    assert view.coffset.tolist() == [0, 0.5]
    assert view.no_index == [True, False]
    assert view.document.assignments[view.origin("res", "p0")].line == 4
    assert view.document.assignments[view.origin("res", "p1")].line == 13
    assert view.document.assignments[view.origin("coffset", "p1")].panel is None
    assert view.origin("coffset", "p0") is None


def test_the_last_of_repeated_keys_counts():
    view = view_of("res = 1\n" + SMALL + "p0/corner_x = 7\np0/fs = y\np0/ss = -x\n")
    assert view.corners.tolist() == [[7, -2.5]]
    assert view.pitch.tolist() == [1 / 5000]
    # A vector replaces the earlier one: the axes that it does not name are 0.
    assert view.fs.tolist() == [[0, 1, 0]]
    assert view.ss.tolist() == [[-1, 0, 0]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x", (1, 0, 0)),
        ("-y", (0, -1, 0)),
        ("+1.5x -.5y +2.z", (1.5, -0.5, 2)),
        ("-0.25x+0.5y", (-0.25, 0.5, 0)),
        ("0.5x + 0.5x", (1, 0, 0)),
        ("+ 1.0 x", (1, 0, 0)),
        ("z -0.125x", (-0.125, 0, 1)),
        ("+0.001328x -0.999995y", (0.001328, -0.999995, 0)),
    ],
)
def test_vectors(text, expected):
    assert view_of(changed("fs = x", f"fs = {text}")).fs.tolist() == [list(expected)]


def test_numbers_as_c_reads_them():
    view = view_of(changed("max_fs = 9", "max_fs = 9.0").replace("max_ss = 4", "max_ss = 0x4"))
    assert view.bounds.tolist() == [[0, 4, 0, 9]]
    view = view_of(changed("res = 5000", "res = 5e3 \t\xa0"))
    assert view.pitch.tolist() == [1 / 5000]


def test_masks_adu_and_flags():
    text = (
        "mask = /m\nmask_bad = 0xffff\nmask_good = 010\nmask1_data = /n\nmask1_file = n.h5\n"
        "flag_lessthan = 3\nadu_per_photon = 2\n"
    )
    view = view_of(text + SMALL + "p0/flag_equal = 7\np0/max_adu = 100\np0/mask0_badbits = 1\n")
    assert view.masks == [{0: Mask("/m", None, 10, 1), 1: Mask("/n", "n.h5", 0, 0)}]
    assert view.flags == [[("lessthan", 3), ("equal", 7)]]
    assert view.adu == [(1, "eV")]  # the last line counts
    assert view.max_adu == [100]
    assert view.origin("mask_bad", "p0") == view.origin("mask0_badbits", "p0")


@pytest.mark.parametrize(
    ("line", "energy"),
    [
        ("photon_energy = 9000", 9000),
        ("photon_energy = 9000 eV", 9000),
        ("photon_energy = 9.5 keV", 9500),
        ("photon_energy = 9e3", 9000),
        ("photon_energy = /LCLS/photon_energy_eV", None),
        ("wavelength = 1.5 A", energy_from_wavelength(1.5e-10)),
        ("wavelength = 1.5e-10 m", energy_from_wavelength(1.5e-10)),
        ("wavelength = 2 A\nphoton_energy = 5000", 5000),
    ],
)
def test_photon_energy(line, energy):
    found = parse_crystfel(changed("photon_energy = 9000", line)).photon_energy
    assert found is None if energy is None else found == pytest.approx(energy, rel=1e-12)


@pytest.mark.parametrize(
    ("text", "distance"),
    [
        ("0.5", 0.5),
        ("0.5 m", 0.5),
        ("95.3 mm", 95.3 * 1e-3),
        ("/LCLS/detector_1/EncoderValue", None),
        ("/LCLS/detector_1/EncoderValue mm", None),
    ],
)
def test_distance(text, distance):
    assert parse_crystfel(changed("clen = 0.1", f"clen = {text}")).distance == distance


def test_words_that_are_no_paths_are_told():
    with pytest.warns(GeometryWarning, match="'beam_energy eV' is no photon energy, nor a place"):
        assert parse_crystfel(changed("= 9000", "= beam_energy eV")).photon_energy is None
    with pytest.warns(GeometryWarning, match="'.DETECTOR_DISTANCE' is no distance"):
        assert parse_crystfel(changed("clen = 0.1", "clen = $DETECTOR_DISTANCE")).distance is None


def test_units_that_crystfel_does_not_take_are_read_with_a_warning():
    with pytest.warns(GeometryWarning, match="expected metres, or 'N mm'"):
        assert parse_crystfel(changed("clen = 0.1", "clen = 100mm")).distance == pytest.approx(0.1)
    with pytest.warns(GeometryWarning, match="wants a space"):
        assert parse_crystfel(changed("= 9000", "= 9keV")).photon_energy == 9000


def test_distances_of_single_panels_become_z():
    text = SMALL + "p0/clen = 0.2\np0/coffset = 0.01\n" + panel("p1", "clen = 203 mm")
    geom = quiet(text)
    assert geom.distance == 0.2
    np.testing.assert_allclose(geom.tile_corners[:, 2], [0.01, 0.003], rtol=0, atol=1e-16)


def two_modules() -> str:
    """Two modules of two tiles, in 3-D data, tile b before tile a."""
    layout = "dim0 = %\ndim2 = ss\ndim3 = fs\n"
    tiles = [
        panel(f"m{m}{name}", f"dim1 = {m}", min_ss=start, max_ss=start + 4)
        for m in (0, 1)
        for name, start in (("b", 5), ("a", 0))
    ]
    return HEAD + layout + "".join(tiles)


def test_bad_regions_in_data_coordinates():
    region = "bad_x/min_fs = 2\nbad_x/max_fs = 3\nbad_x/min_ss = 4\nbad_x/max_ss = 6\n"
    geom = quiet(two_modules() + region + "bad_x/panel = m1b\n")
    assert geom.bad_regions == (BadRegion("bad_x", 2, ss=(5, 7), fs=(2, 4)),)
    mask = geom.bad_pixels()
    assert mask.sum() == 4
    assert mask[1, 5:7, 2:4].all()
    # Without a panel: every panel that it overlaps, in the module that it names.
    everywhere = quiet(two_modules() + region).bad_regions
    assert [(r.tile, r.ss) for r in everywhere] == [
        (0, (5, 7)),
        (1, (4, 5)),
        (2, (5, 7)),
        (3, (4, 5)),
    ]
    one = quiet(two_modules() + region + "bad_x/dim1 = 1\nbad_x/dim2 = ss\n").bad_regions
    assert [r.tile for r in one] == [2, 3]


def test_bad_regions_of_stacked_modules_are_in_module_coordinates():
    tiles = "".join(
        panel(f"p{m}a{t}", min_ss=512 * m + 64 * t, max_ss=512 * m + 64 * t + 63, max_fs=127)
        for m in range(16)
        for t in range(8)
    )
    region = "bad_x/min_fs = 0\nbad_x/max_fs = 127\nbad_x/min_ss = 580\nbad_x/max_ss = 581\n"
    geom = parse_crystfel(HEAD + tiles + region + "bad_x/panel = p1a1\n")
    assert geom.bad_regions == (BadRegion("bad_x", 9, ss=(68, 70), fs=(0, 128)),)


def test_bad_regions_in_the_lab():
    geom = parse_crystfel(
        SMALL + "bad_x/min_x = -1\nbad_x/max_x = 2\nbad_x/min_y = 0.5\nbad_x/max_y = 3\n"
    )
    (region,) = geom.bad_regions
    np.testing.assert_allclose(region.x, (-2e-4, 4e-4), rtol=1e-15)
    np.testing.assert_allclose(region.y, (1e-4, 6e-4), rtol=1e-15)
    assert geom.bad_pixels().sum() == 3 * 2


def test_groups():
    text = (
        "group_a = m0a,m0b\ngroup_all = a,m1a,m1b\nrigid_group_q0 = m1b, m1a\n"
        "rigid_group_collection_quadrants = q0\n"
    )
    geom = parse_crystfel(text + two_modules())
    # Tiles in the order of the file within a module: b, a.
    assert dict(geom.groups) == {"a": (0, 1), "q0": (2, 3)}
    # An "all" that lacks panels says something, and so do parts of no whole.
    text = text.replace("a,m1a,m1b", "a,m1b").replace("rigid_group_q0", "rigid_group_q_part0")
    geom = quiet(text + two_modules())
    assert set(geom.groups) == {"a", "all", "q_part0"}
    assert dict(parse_crystfel(two_modules()).groups) == {"p0": (0, 1), "p1": (2, 3)}


def test_no_index_paths_and_order_of_tiles():
    text = "data = /a/b\nmask = /a/m\nmask_bad = 1\n" + two_modules() + "m1a/no_index = TRUE\n"
    geom = parse_crystfel(text)
    assert geom.detector.tile_names == ("m0b", "m0a", "m1b", "m1a")
    assert geom.data_shape == (2, 10, 10)
    assert geom.no_index == (3,)
    assert (geom.data_path, geom.mask_path) == ("/a/b", "/a/m")
    assert parse_crystfel(SMALL + "p0/no_index = 0\n").no_index == ()
    assert parse_crystfel(SMALL + "p0/no_index = false\n").no_index == ()


@needs_shared_data
def test_motor_positions():
    geom = read_crystfel(FOLDER / "AGIPD_FXIhub_xfel7927_agipd_p008316_r0024_v04.geom")
    assert geom.motor_positions.shape == (4, 2)
    text = geom.source.text.decode()
    row = text.partition(";XGEOM MOTOR_Q3=")[2].splitlines()[0]
    assert geom.motor_positions[2].tolist() == [float(value) for value in row.split(",")]


def test_a_text_is_read_like_a_file(tmp_path):
    path = tmp_path / "a.geom"
    path.write_text(SMALL)
    geom = read_crystfel(path)
    assert geom == parse_crystfel(SMALL)
    assert geom.source.path == str(path)
    assert pickle.loads(pickle.dumps(geom)) == geom


@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_line_ends_do_not_matter(end):
    assert parse_crystfel(SMALL.replace("\n", end)) == parse_crystfel(SMALL)
