"""Geometries that were read from a .geom file and written back: only what changed differs."""

import difflib
import warnings
from functools import cache

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from geomlib.errors import GeometryError, GeometryWarning
from geomlib.formats.crystfel.acceptance import VERSIONS, rejections
from geomlib.formats.crystfel.document import Document
from geomlib.formats.crystfel.panels import PanelView
from geomlib.formats.crystfel.read import geometry_of, read_crystfel
from geomlib.formats.crystfel.stored import recognise_panels
from geomlib.formats.crystfel.write import crystfel_text, write_crystfel
from geomlib.metadata import BadRegion
from tests.shared import SHARED_DATA, needs_shared_data

ACCURACY = 1e-12
FILES = sorted((SHARED_DATA / "crystfel").glob("*.geom"))

TEXT = """\
; two panels, made up
photon_energy = 9000 ; eV
clen = 0.1       ; metres
adu_per_eV = 0.001
res = 10000 ; 100 um
data = /data
dim0 = %
coffset = 0.002 ; for all

bad_stop/min_x = -10.5
bad_stop/max_x = 10.5
bad_stop/min_y = -10.5
bad_stop/max_y = 10.5   ; round the beam

a/dim1 = 0
a/dim2 = ss
a/dim3 = fs
a/min_fs = 0
a/max_fs = 9
a/min_ss = 0
a/max_ss = 19
a/fs = 1.0x +0.0y
a/ss = 0.0x +1.0y
a/corner_x = -12.5	; tab before this
a/corner_y = 3

b/dim1 = 1
b/dim2 = ss
b/dim3 = fs
b/min_fs = 0
b/max_fs = 9
b/min_ss = 0
b/max_ss = 19
b/fs = +1.0x
b/ss = +1.0y
b/corner_x = 7 ; overruled below
b/corner_y = 3
b/corner_x = 8
bad_b/panel = b
bad_b/min_fs = 0
bad_b/max_fs = 9
bad_b/min_ss = 5
bad_b/max_ss = 6
"""


def read(text):
    """Read a text without a word about what in it is doubtful."""
    view = PanelView(Document.parse(text.encode("utf-8", "surrogateescape")))
    return geometry_of(view)


def changes(old, new):
    """Lines that went and lines that came."""
    lines = list(difflib.ndiff(old.splitlines(), new.splitlines()))
    gone = [line[2:] for line in lines if line.startswith("- ")]
    return gone, [line[2:] for line in lines if line.startswith("+ ")]


def assert_same_place(found, wanted):
    np.testing.assert_allclose(found.tile_outlines(), wanted.tile_outlines(), rtol=0, atol=ACCURACY)


def edited(change, text=TEXT, **options):
    """Write a changed geometry, check that it is read back, and return what differs."""
    geometry = change(read(text))
    new = crystfel_text(geometry, **options)
    found = read(new)
    assert_same_place(found, geometry)
    assert found.distance == options.get("distance", geometry.distance)
    assert found.photon_energy == options.get("photon_energy", geometry.photon_energy)
    assert found.no_index == geometry.no_index
    return changes(text, new)


# -- Positions ------------------------------------------------------------------------------


def test_unchanged():
    assert edited(lambda g: g) == ([], [])


def test_offset_keeps_comments_and_spacing():
    assert edited(lambda g: g.offset((1e-4, 0), modules=[0])) == (
        ["a/corner_x = -12.5\t; tab before this"],
        ["a/corner_x = -11.5\t; tab before this"],
    )


def test_repeated_key_the_last_counts():
    assert edited(lambda g: g.offset((0.5e-4, 0), modules=[1])) == (
        ["b/corner_x = 8"],
        ["b/corner_x = 8.5"],
    )


def test_shared_default_is_changed_when_all_change_alike():
    assert edited(lambda g: g.offset((0, 0, 1e-3))) == (
        ["coffset = 0.002 ; for all"],
        ["coffset = 0.003 ; for all"],
    )


def test_shared_default_stays_when_only_one_panel_changes():
    assert edited(lambda g: g.offset((0, 0, 1e-3), modules=[1])) == ([], ["b/coffset = 0.003"])
    old, new = edited(lambda g: g.offset([(0, 0, 1e-3), (0, 0, 2e-3)]))
    assert (old, new) == ([], ["a/coffset = 0.003", "b/coffset = 0.004"])


def test_absent_coffset():
    text = TEXT.replace("coffset = 0.002 ; for all\n", "")
    assert edited(lambda g: g.offset((0, 0, 1e-3)), text) == ([], ["coffset = 0.001"])
    assert edited(lambda g: g.offset((0, 0, 1e-3), modules=[0]), text) == (
        [],
        ["a/coffset = 0.001"],
    )
    new = crystfel_text(read(text).offset((0, 0, 1e-3)))
    assert new.index("coffset = 0.001") < new.index("a/dim1")


def test_vectors_get_z_and_keep_the_others():
    old, new = edited(lambda g: g.rotate((0, 90, 0), modules=[1]))
    assert "b/fs = +1.0x" in old
    assert "b/fs = +0.0x +0.0y -1.0z" in new
    assert not any("b/ss" in line for line in old)
    assert not any(line.startswith("a/") for line in old + new)


def test_missing_vectors_are_added():
    text = TEXT.replace("b/fs = +1.0x\n", "")
    _, new = edited(lambda g: g.rotate((0, 0, 180), modules=[1]), text)
    assert "b/fs = -1.0x +0.0y" in new


@pytest.mark.parametrize("newline", ["\r\n", "\r"])
def test_line_ends_are_kept(newline):
    text = TEXT.replace("\n", newline)
    new = crystfel_text(read(text).offset((0, 0, 1e-3), modules=[1]).replace(distance=0.3))
    expected = TEXT.replace("clen = 0.1 ", "clen = 0.3 ")
    expected = expected.replace("b/corner_x = 8\n", "b/corner_x = 8\n")
    lines = new.split(newline)
    assert "b/coffset = 0.003" in lines
    lines.remove("b/coffset = 0.003")
    assert lines == expected.split("\n")


def test_no_final_newline():
    text = TEXT + "b/corner_y = 4"
    assert edited(lambda g: g.offset((0, 1e-4), modules=[1]), text) == (
        ["b/corner_y = 4"],
        ["b/corner_y = 5"],
    )
    assert edited(lambda g: g.offset((0, 0, 1e-3), modules=[1]), text) == (
        [],
        ["b/coffset = 0.003"],
    )
    assert crystfel_text(read(text)) == text


def test_bytes_that_are_no_utf_8(tmp_path):
    data = TEXT.replace("made up", "für").encode("latin-1")
    path = tmp_path / "a.geom"
    path.write_bytes(data)
    geometry = read_crystfel(path)
    write_crystfel(geometry, path)
    assert path.read_bytes() == data
    write_crystfel(geometry.replace(distance=0.25), path)
    assert path.read_bytes() == data.replace(b"clen = 0.1 ", b"clen = 0.25 ")


# -- Distance and energy --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("clen = 0.1       ; metres", "clen = 0.25       ; metres"),
        ("clen = 100 mm ; this", "clen = 0.25 ; this"),
        ("clen = /a/b mm", "clen = 0.25  ; was /a/b mm"),
        ("clen = /a/b ; in the file", "clen = 0.25  ; was /a/b ; in the file"),
        ("clen=.1", "clen=0.25"),
    ],
)
def test_distance(line, expected):
    text = TEXT.replace("clen = 0.1       ; metres", line)
    assert edited(lambda g: g.replace(distance=0.25), text) == ([line], [expected])
    assert edited(lambda g: g, text, distance=0.25) == ([line], [expected])


def test_missing_distance_is_added_before_the_panels():
    text = TEXT.replace("clen = 0.1       ; metres\n", "")
    assert edited(lambda g: g.replace(distance=0.25), text) == ([], ["clen = 0.25"])
    new = crystfel_text(read(text).replace(distance=0.25))
    assert [rejections(Document(new), version) for version in VERSIONS] == [[], [], []]


def test_distance_after_the_panels():
    text = TEXT.replace("clen = 0.1       ; metres\n", "") + "clen = 0.1\n"
    assert edited(lambda g: g.replace(distance=0.25), text) == (["clen = 0.1"], ["clen = 0.25"])


def test_distance_of_each_panel():
    text = TEXT.replace("clen = 0.1       ; metres\n", "")
    text = text.replace("a/dim1", "a/clen = 0.1\na/dim1").replace(
        "b/dim1", "b/clen = 0.103\nb/dim1"
    )
    assert read(text).tile_corners[1, 2] == pytest.approx(0.005, abs=1e-15)
    assert edited(lambda g: g.replace(distance=0.25), text) == (
        ["a/clen = 0.1", "b/clen = 0.103"],
        ["a/clen = 0.25", "b/clen = 0.253"],
    )
    # z of the second panel is coffset + 3 mm.
    assert edited(lambda g: g.offset((0, 0, 1e-3), modules=[1]), text) == (
        [],
        ["b/coffset = 0.003"],
    )


def test_distance_of_each_panel_that_is_taken_away():
    text = TEXT.replace("clen = 0.1       ; metres\n", "")
    text = text.replace("a/dim1", "a/clen = 0.1\na/dim1").replace(
        "b/dim1", "b/clen = 0.103\nb/dim1"
    )
    # What the second panel's own clen said is in its coffset now.
    assert edited(lambda g: g.replace(distance=None), text) == (
        ["a/clen = 0.1", "b/clen = 0.103"],
        [";a/clen = 0.1", ";b/clen = 0.103", "b/coffset = 0.005"],
    )
    _, new = edited(lambda g: g.offset((0, 0, 1e-3), modules=[1]).replace(distance=None), text)
    assert new[-1] == "b/coffset = 0.006"


@needs_shared_data
@pytest.mark.parametrize("index", range(len(FILES)), ids=[path.stem for path in FILES])
def test_real_files_without_distance_and_energy(index):
    wanted = real(index)[1].replace(distance=None, photon_energy=None)
    found = read(crystfel_text(wanted))
    assert_same_place(found, wanted)
    assert (found.distance, found.photon_energy) == (None, None)


def test_values_in_other_units_are_doubted_where_they_are_new():
    geometry = read(TEXT)
    with pytest.warns(GeometryWarning, match=r"500 m; expected metres, are these millimetres"):
        crystfel_text(geometry.replace(distance=500))
    with pytest.warns(GeometryWarning, match=r"9\.3 eV; expected eV, are these keV"):
        crystfel_text(geometry, photon_energy=9.3)
    text = TEXT.replace("clen = 0.1 ", "clen = 500 ")
    assert crystfel_text(read(text)) == text  # nothing to say about what was there


def test_distance_and_energy_that_are_taken_away():
    old, new = edited(lambda g: g.replace(distance=None, photon_energy=None))
    assert [f";{line}" for line in old] == new
    assert len(new) == 2


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("photon_energy = 9000 ; eV", "photon_energy = 9300.5 ; eV"),
        ("photon_energy = 9 keV", "photon_energy = 9300.5"),
        ("photon_energy = /LCLS/e eV", "photon_energy = 9300.5  ; was /LCLS/e eV"),
        ("wavelength = 1.3 A ; Angstrom", "photon_energy = 9300.5 ; Angstrom"),
    ],
)
def test_photon_energy(line, expected):
    text = TEXT.replace("photon_energy = 9000 ; eV", line)
    assert edited(lambda g: g.replace(photon_energy=9300.5), text) == ([line], [expected])
    assert edited(lambda g: g, text, photon_energy=9300.5) == ([line], [expected])


def test_missing_photon_energy():
    text = TEXT.replace("photon_energy = 9000 ; eV\n", "")
    assert edited(lambda g: g.replace(photon_energy=5000), text) == ([], ["photon_energy = 5000"])


# -- The rest -------------------------------------------------------------------------------


def test_options_for_the_data():
    assert edited(lambda g: g, adu_per_ev=0.01) == (["adu_per_eV = 0.001"], ["adu_per_eV = 0.01"])
    old, new = edited(lambda g: g, adu_per_photon=2.5)
    assert (old, new) == (["adu_per_eV = 0.001"], ["adu_per_photon = 2.5"])
    assert edited(lambda g: g, data_path="/x") == (["data = /data"], ["data = /x"])
    assert edited(lambda g: g.replace(data_path="/x")) == (["data = /data"], ["data = /x"])
    old, new = edited(lambda g: g.replace(mask_path="/m"))
    assert (old, new) == ([], ["mask = /m", "mask_good = 0x0", "mask_bad = 0xffffffff"])
    masked = TEXT.replace("dim0 = %", "mask = /m\nmask_bad = 0x1 ; one\ndim0 = %")
    assert edited(lambda g: g, masked, mask_bad=2, mask_good=4) == (
        ["mask_bad = 0x1 ; one"],
        ["mask_bad = 0x2 ; one", "mask_good = 0x4"],
    )
    assert edited(lambda g: g.replace(mask_path=None), masked) == (
        ["mask = /m", "mask_bad = 0x1 ; one"],
        [],
    )
    with pytest.raises(GeometryError, match="mask_good needs mask_path"):
        crystfel_text(read(TEXT), mask_good=1)


def test_no_index():
    assert edited(lambda g: g.replace(no_index=[1])) == ([], ["b/no_index = 1"])
    flagged = TEXT + "b/no_index = 1 ; bad\n"
    assert edited(lambda g: g.replace(no_index=[0]), flagged) == (
        ["b/no_index = 1 ; bad"],
        ["a/no_index = 1", "b/no_index = 0 ; bad"],
    )


def change_region(number, **values):
    def change(geometry):
        regions = list(geometry.bad_regions)
        regions[number] = regions[number]._replace(**values)
        return geometry.replace(bad_regions=regions)

    return change


def test_changed_bad_regions():
    assert edited(change_region(0, y=(-10.5e-4, 2e-3))) == (
        ["bad_stop/max_y = 10.5   ; round the beam"],
        ["bad_stop/max_y = 20   ; round the beam"],
    )
    old, new = edited(change_region(1, ss=(2, 7), tile=0))
    assert old == ["bad_b/panel = b", "bad_b/min_ss = 5"]
    assert new == ["bad_b/panel = a", "bad_b/min_ss = 2"]


@pytest.mark.filterwarnings("ignore:bad regions have other names")
def test_removed_and_added_bad_regions():
    old, new = edited(lambda g: g.replace(bad_regions=g.bad_regions[:1]))
    assert new == []
    assert old == [line for line in TEXT.splitlines() if line.startswith("bad_b/")]
    more = BadRegion("edge", tile=0, ss=(0, 1), fs=(0, 10))
    geometry = read(TEXT)
    text = crystfel_text(geometry.replace(bad_regions=[*geometry.bad_regions, more]))
    assert read(text).bad_regions[-1] == more._replace(name="bad_edge")
    assert changes(TEXT, text)[0] == []
    lonely = "\n".join(line for line in TEXT.splitlines() if not line.startswith("bad"))
    text = crystfel_text(read(lonely).replace(bad_regions=[more]))
    assert read(text).bad_regions == (more._replace(name="bad_edge"),)


def test_bad_region_without_panel_becomes_one_for_each():
    # CrystFEL 0.9.1 takes a region that names no panel; 0.12 does not.
    text = TEXT.replace("bad_b/panel = b\n", "")
    geometry = read(text)
    assert len(geometry.bad_regions) == 3
    assert crystfel_text(geometry) == text
    new = crystfel_text(change_region(1, fs=(0, 2))(geometry))
    found = read(new)
    assert [region.tile for region in found.bad_regions[1:]] == [0, 1]
    assert [region.fs for region in found.bad_regions[1:]] == [(0, 2), (0, 10)]
    assert rejections(Document(new), "0.12") == []


def test_groups():
    text = TEXT.replace("dim0 = %", "rigid_group_x = a,b\nrigid_group_collection_y = x\ndim0 = %")
    geometry = read(text)
    assert crystfel_text(geometry) == text
    found = read(crystfel_text(geometry.replace(groups={"left": (0,), "right": (1,)})))
    assert dict(found.groups) == {"left": (0,), "right": (1,)}


@needs_shared_data
def test_motor_positions():
    text = next(
        text for path in FILES if ";XGEOM MOTORS=4,2" in (text := path.read_text("latin-1"))
    )
    geometry = read(text)
    moved = geometry.at_motor_positions(np.add(geometry.motor_positions, [[0, 0]] * 3 + [[1, 0]]))
    old, new = changes(text, crystfel_text(moved))
    assert sum(line.startswith(";XGEOM") for line in old) == 1
    assert sum("corner_" in line for line in old) == 4 * 8
    assert len(old) == len(new) == 4 * 8 + 1
    np.testing.assert_array_equal(read(crystfel_text(moved)).motor_positions, moved.motor_positions)


def test_another_detector_gets_a_new_text():
    from geomlib.detectors import example_geometry

    geometry = example_geometry("ePix100").replace(source=read(TEXT).source)
    with pytest.warns(GeometryWarning, match="whose text is lost"):
        text = crystfel_text(geometry, distance=1, photon_energy=9000, adu_per_ev=1)
    assert_same_place(read(text), geometry)


# -- Layouts --------------------------------------------------------------------------------


def test_layout_that_the_file_has_changes_nothing():
    assert edited(lambda g: g, layout="vcxi") == ([], [])


def test_from_one_layout_to_the_other_and_back():
    stacked = crystfel_text(read(TEXT), layout="cheetah")
    view = PanelView(Document(stacked))
    assert view.dimensions == [("%", "ss", "fs")] * 2
    assert view.bounds.tolist() == [[0, 19, 0, 9], [20, 39, 0, 9]]
    assert "bad_b/min_ss = 25" in stacked
    for kept in ("; tab before this", "; round the beam", "coffset = 0.002 ; for all"):
        assert kept in stacked
    assert stacked.count("dim") == 3
    assert [rejections(Document(stacked), version) for version in VERSIONS] == [[], [], []]


def test_lines_about_axes_stay_where_they_are_right():
    text = TEXT.replace("dim0 = %", "dim0 = % ; frames")
    old, new = changes(text, crystfel_text(read(text), layout="vcxi", gain_axis=0))
    # dim2 and dim3 are now dim3 and dim4; dim0 and dim1 are what they were.
    assert sorted(old) == ["a/dim2 = ss", "a/dim3 = fs", "b/dim2 = ss", "b/dim3 = fs"]
    assert new == ["dim2 = 0", "dim3 = ss", "dim4 = fs"]


@needs_shared_data
@pytest.mark.parametrize("index", range(0, len(FILES), 3))
def test_axes_and_ranges_of_real_files(index):
    _, geometry = real(index)
    _, n_ss, _ = geometry.data_shape
    for layout, gain in (("cheetah", None), ("vcxi", 0), ("vcxi", None)):
        view = PanelView(Document(crystfel_text(geometry, layout=layout, gain_axis=gain)))
        tiles = recognise_panels(PanelView(Document(real(index)[0]))).tiles.tolist()
        names = PanelView(Document(real(index)[0])).names
        for name, tile in zip(names, tiles, strict=True):
            module, ss0, ss1, fs0, fs1 = geometry.detector.tile_bounds[tile].tolist()
            row = view.names.index(name)
            if layout == "cheetah":
                assert view.dimensions[row] == ("%", "ss", "fs")
                ss0, ss1 = ss0 + module * n_ss, ss1 + module * n_ss
            elif gain is None:
                assert view.dimensions[row] == ("%", module, "ss", "fs")
            else:
                assert view.dimensions[row] == ("%", module, 0, "ss", "fs")
            assert view.bounds[row].tolist() == [ss0, ss1 - 1, fs0, fs1 - 1]


@needs_shared_data
@pytest.mark.parametrize("name", ["agipd_vds", "agipd_cheetah.geom", "jf4m_cheetah", "lpd1m"])
def test_real_files_in_the_other_layout(name):
    text = next(path for path in FILES if name in path.name).read_text("latin-1")
    geometry = read(text)
    for layout in ("cheetah", "vcxi"):
        new = crystfel_text(geometry, layout=layout)
        found = read(new)
        assert found.detector == geometry.detector
        np.testing.assert_array_equal(found.tile_corners, geometry.tile_corners)
        assert found.groups == geometry.groups
        # A region without a panel is ambiguous in another layout: it gets one.
        assert [region[1:] for region in found.bad_regions] == [
            region[1:] for region in geometry.bad_regions
        ]
        comments = {comment for _, comment in Document(text).comments}
        gone = comments - {comment for _, comment in Document(new).comments}
        assert all("dim" in line for line in text.splitlines() if any(c in line for c in gone))


# -- Every real file ------------------------------------------------------------------------


@cache
def real(index):
    text = FILES[index].read_bytes().decode("utf-8", "surrogateescape")
    return text, read(text)


@needs_shared_data
@pytest.mark.parametrize("index", range(len(FILES)), ids=[path.stem for path in FILES])
def test_real_files_stay_the_same(index, tmp_path):
    _, geometry = real(index)
    write_crystfel(geometry, tmp_path / "a.geom")
    assert (tmp_path / "a.geom").read_bytes() == FILES[index].read_bytes()


def count_of_changes(text, new):
    old_lines, new_lines = text.splitlines(), new.splitlines()
    if len(old_lines) == len(new_lines):
        return sum(a != b for a, b in zip(old_lines, new_lines, strict=True)), 0
    kept = iter(new_lines)
    assert all(line in kept for line in old_lines), "lines were changed and others added"
    return 0, len(new_lines) - len(old_lines)


# One of the files has millimetres as its distance.
@pytest.mark.filterwarnings("ignore:distance is .* m; expected metres")
@needs_shared_data
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    index=st.integers(0, max(len(FILES) - 1, 0)),
    shift=st.tuples(*[st.floats(-0.01, 0.01)] * 3),
    angles=st.tuples(*[st.floats(-5, 5)] * 3),
    data=st.data(),
)
def test_any_change_of_any_real_file(index, shift, angles, data):
    _, geometry = real(index)
    module = data.draw(st.integers(0, geometry.n_modules - 1).filter(geometry.detector.tiles_of))
    for changed in (
        geometry.offset(shift),
        geometry.offset(shift, modules=[module]),
        geometry.rotate(angles),
        geometry.rotate(angles, modules=[module]).replace(distance=0.1 + shift[0]),
    ):
        found = read(crystfel_text(changed))
        assert_same_place(found, changed)
        assert found.distance == changed.distance
        assert found.bad_regions == geometry.bad_regions
        # The size of a pixel of a generic detector is the length of its vectors, with its rounding.
        np.testing.assert_array_equal(found.detector.tile_bounds, geometry.detector.tile_bounds)
        assert found.detector.name == geometry.detector.name


@needs_shared_data
@pytest.mark.parametrize("index", range(0, len(FILES), 5))
def test_only_lines_that_say_something_else_change(index):
    text, geometry = real(index)
    view = PanelView(Document(text))
    lines = len({view.origin("corner_x", panel) for panel in view.names})
    new = crystfel_text(geometry.offset((1.25e-3, 0)))
    assert count_of_changes(text, new) == (lines, 0)
    lines = {view.origin("coffset", panel) for panel in view.names}
    new = crystfel_text(geometry.offset((0, 0, 1.25e-3)))
    assert count_of_changes(text, new) == ((0, 1) if lines == {None} else (len(lines), 0))


@needs_shared_data
def test_accepted_files_stay_accepted():
    for index, path in enumerate(FILES):
        text, geometry = real(index)
        before = [v for v in VERSIONS if not rejections(Document(text), v)]
        changed = geometry.rotate((0.1, 0.2, 0.3)).replace(distance=0.2, photon_energy=9000)
        new = Document(crystfel_text(changed))
        after = [v for v in VERSIONS if not rejections(new, v)]
        assert set(before) <= set(after), path.name


def test_change_that_the_text_cannot_take_is_an_error(monkeypatch):
    # The last safeguard: a text that would put a tile somewhere else is never handed out.
    from geomlib.formats.crystfel import update

    monkeypatch.setattr(update, "panel_texts", lambda *_: dict.fromkeys(("corner_x",), "1"))
    with (
        warnings.catch_warnings(),
        pytest.raises(GeometryError, match=r"asked for: tiles would be \S+ m away; write"),
    ):
        crystfel_text(read(TEXT).offset((1e-3, 0)))
