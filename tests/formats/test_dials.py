"""DIALS experiment lists, written and read: what comes back, files of others, and lies."""

import json
import warnings
from dataclasses import replace
from decimal import Context, Inexact, localcontext

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geomlib.detectors import example_geometry
from geomlib.errors import GeometryError, GeometryFileError, GeometryWarning
from geomlib.formats.dials import is_dials, read_dials
from geomlib.formats.dials_write import write_dials
from geomlib.metadata import BadRegion
from tests.formats.geometries import DISTANCE, ENERGY, NAMES, geometry, mixed_pitches
from tests.shared import SHARED_DATA, needs_shared_data


@pytest.fixture
def path(tmp_path):
    """The file of a small detector: pnCCD, two panels p0a0 and p1a0."""
    write_dials(small(), tmp_path / "a.expt")
    return tmp_path / "a.expt"


def small():
    return example_geometry("pnCCD").replace(distance=0.2, photon_energy=8000.0)


def edited(path, change):
    """Change the parsed file with a function, and write it again without the note."""
    whole = json.loads(path.read_text())
    whole.pop("geomlib_layout", None)
    change(whole)
    path.write_text(json.dumps(whole))
    return path


def detector_of(whole):
    return whole["detector"][0]


# -- There and back -------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_round_trip(name, tmp_path):
    known = geometry(name)
    write_dials(known, tmp_path / "a.expt")
    back = read_dials(tmp_path / "a.expt")
    assert back.detector == known.detector
    np.testing.assert_array_equal(back.tile_corners, known.tile_corners)
    # Products of a length and a direction: `factors`.
    for ours, theirs in ((known.tile_ss, back.tile_ss), (known.tile_fs, back.tile_fs)):
        assert (np.abs(ours - theirs) <= np.spacing(np.abs(ours))).all()
        assert (ours == theirs).mean() > 0.99
    assert back.distance == DISTANCE
    assert back.photon_energy == ENERGY
    np.testing.assert_array_equal(back.bad_pixels(), known.bad_pixels())
    assert back.source == (str(tmp_path / "a.expt"), "dials", None)
    assert is_dials(tmp_path / "a.expt", (tmp_path / "a.expt").read_bytes()[:65536])


@given(st.lists(st.floats(-1, 1, allow_subnormal=False), min_size=3, max_size=3))
def test_positions_come_back_to_the_last_bit(tmp_path_factory, corner):
    path = tmp_path_factory.getbasetemp() / "a.expt"
    known = small().replace(tile_corners=[corner, [0.1, 0.2, 0.3]])
    write_dials(known, path)
    np.testing.assert_array_equal(read_dials(path).tile_corners, known.tile_corners)


@pytest.mark.parametrize("name", ["AGIPD-1M", "LPD-1M", "JUNGFRAU-4M"])
def test_detectors_are_known_without_the_note(name, tmp_path):
    known = geometry(name)
    write_dials(known, tmp_path / "a.expt")
    back = read_dials(edited(tmp_path / "a.expt", lambda whole: None))
    assert back.detector == known.detector
    # The numbers have gone through doubles in mm here, as they do in DIALS.
    away = np.abs(back.tile_corners - known.tile_corners)
    assert (away <= np.spacing(np.abs(known.tile_corners))).all()
    np.testing.assert_array_equal(back.bad_pixels(), known.bad_pixels())


def test_what_is_written(path):
    whole = json.loads(path.read_text())
    (beam,) = whole["beam"]
    assert beam["direction"] == [0, 0, 1]
    assert beam["wavelength"] == pytest.approx(12398.419843320026 / 8000, rel=1e-15)
    panels, root = detector_of(whole)["panels"], detector_of(whole)["hierarchy"]
    # imgCIF: x and z against ours, millimetres; the top half of pnCCD begins at high y.
    assert root["origin"] == [0, 0, -200]
    assert panels[0]["origin"] == [38.4, 40.4, 0]
    assert panels[0]["fast_axis"] == [-1, 0, 0]
    assert panels[0]["slow_axis"] == [0, -1, 0]
    assert panels[0]["pixel_size"] == [0.075, 0.075]
    assert panels[0]["image_size"] == [1024, 512]
    assert panels[1]["raw_image_offset"] == [0, 512]
    assert [child["name"] for child in root["children"]] == ["top", "bottom"]
    assert root["children"][1]["children"] == [{"panel": 1}]


def test_quadrants_are_groups(tmp_path):
    write_dials(geometry("AGIPD-1M"), tmp_path / "a.expt")
    root = detector_of(json.loads((tmp_path / "a.expt").read_text()))["hierarchy"]
    assert [len(quadrant["children"]) for quadrant in root["children"]] == [4] * 4
    assert root["children"][2]["children"][1]["children"][0] == {"panel": 9 * 8}


def test_same_bytes(path):
    before = path.read_bytes()
    write_dials(small(), path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("context", [Context(prec=6), Context(capitals=0, traps=[Inexact])])
def test_the_decimal_context_of_the_caller_does_not_matter(context, path):
    known = small().offset((1.2345678e-4, 2.3456789e-5, 0)).replace(photon_energy=9310.123456789)
    write_dials(known, path)
    before = path.read_bytes()
    with localcontext(context):
        write_dials(known, path)
        assert path.read_bytes() == before
        back = read_dials(path)
    np.testing.assert_array_equal(back.tile_corners, known.tile_corners)


@pytest.mark.parametrize("name", ["a\rb", "Dµ\x85\u2028\U0001f600", "\ud800", "a\0b", ""])
def test_odd_names_are_written_in_ascii(name, path):
    known = small()
    odd = replace(known.detector, name=name, tile_names=(name, f"{name}2"))
    write_dials(known.replace(detector=odd), path)
    content = path.read_bytes()
    assert content.isascii()
    assert b"\r" not in content
    assert read_dials(path).detector == odd


@pytest.mark.parametrize("argument", [{"detector": 5}, {"path": 5}])
def test_arguments(path, argument):
    (name,) = argument
    with pytest.raises(GeometryError, match=f"^{name} must be"):
        read_dials(**{"path": path, **argument})


def test_skewed_tiles_are_made_orthogonal(tmp_path):
    known = small()
    skewed = known.replace(tile_fs=known.tile_fs + 1e-3 * known.tile_ss * np.array([[1], [0]]))
    write_dials(skewed, tmp_path / "a.expt")
    back = read_dials(tmp_path / "a.expt")
    assert abs(back.tile_fs[0] @ back.tile_ss[0]) < 1e-16
    np.testing.assert_allclose(back.tile_centres, skewed.tile_centres, rtol=0, atol=1e-16)
    np.testing.assert_array_equal(back.tile_corners[1], known.tile_corners[1])


# -- Files of others ------------------------------------------------------------------------


@needs_shared_data
def test_real_list():
    path = SHARED_DATA / "dials" / "refgeom_dials2.json"
    assert is_dials(path, path.read_bytes()[:65536])
    geometry = read_dials(path)
    assert geometry.data_shape == (8, 1024, 512)
    assert geometry.distance == 0.0503
    assert geometry.photon_energy == pytest.approx(12398.419843320026 / 1.241452646988438)
    assert geometry.detector.tile_names[0] == "panel-q1"
    # The first panel, by hand: x and z against ours.
    expected = [0.0016772320480649192, 0.051685448866400286, 0.00012669619351468242]
    assert geometry.tile_corners[0].tolist() == expected
    fast = np.array([-0.0005098106265264413, -0.9999974222384261, -0.0022126024559128155])
    np.testing.assert_allclose(geometry.tile_fs[0], 50e-6 * fast, rtol=1e-15)


def test_turned_groups(path):
    def change(whole):
        # A quarter turn about z of imgCIF, x to y, is one from y to x, against ours.
        group = detector_of(whole)["hierarchy"]["children"][0]
        group.update(origin=[10, 0, 1], fast_axis=[0, 1, 0], slow_axis=[-1, 0, 0])
        detector_of(whole)["panels"][0].update(origin=[1, 2, 3])

    back = read_dials(edited(path, change))
    # (1, 2, 3) turns to (-2, 1, 3) and is shifted to (8, 1, 4), in imgCIF.
    np.testing.assert_allclose(back.tile_corners[0], [-8e-3, 1e-3, -4e-3], rtol=0, atol=1e-18)
    # fs along -x of imgCIF turns to -y, ss along -y to x, which is ours reversed.
    np.testing.assert_allclose(back.tile_fs[0], [0, -75e-6, 0], rtol=0, atol=1e-20)
    np.testing.assert_allclose(back.tile_ss[0], [-75e-6, 0, 0], rtol=0, atol=1e-20)
    assert back.distance == 0.2


def flat(whole):
    for panel in detector_of(whole)["panels"]:
        panel["origin"][2] -= 200
    del detector_of(whole)["hierarchy"]


def test_list_without_groups(path):
    back = read_dials(edited(path, flat))
    assert back.distance == pytest.approx(0.2, rel=1e-15)
    np.testing.assert_allclose(back.tile_corners, small().tile_corners, rtol=0, atol=1e-16)
    edited(path, lambda whole: whole.update(detector=[detector_of(whole)["panels"]]))
    assert read_dials(path).n_tiles == 2


def test_panels_that_are_images_of_their_own(path):
    def change(whole):
        for panel in detector_of(whole)["panels"]:
            panel["raw_image_offset"] = [0, 0]

    assert read_dials(edited(path, change)).detector == small().detector
    edited(path, lambda whole: [p.pop("raw_image_offset") for p in detector_of(whole)["panels"]])
    assert read_dials(path).detector == small().detector


def test_masks_are_cut_to_the_panel(path):
    def change(whole):
        first, second = detector_of(whole)["panels"]
        first["mask"] = [[-5, 3, 4, 6], [2000, 0, 3000, 5], [7, 7, 7, 9]]
        second["mask"] = [[1000, 500, 4000, 4000.0]]

    assert read_dials(edited(path, change)).bad_regions == (
        BadRegion("bad_mask0", 0, (3, 6), (0, 4)),
        BadRegion("bad_mask1", 1, (500, 512), (1000, 1024)),
    )


def test_masks_that_are_noise(path):
    many = [[0, 0, 1, 1]] * (2**18 + 1)
    edited(path, lambda whole: detector_of(whole)["panels"][0].update(mask=many))
    with pytest.warns(GeometryWarning, match="more than 262144 separate blocks .* is left out"):
        assert read_dials(path).bad_regions == ()


def test_several_detectors(path):
    def change(whole):
        whole["detector"].insert(0, {"panels": detector_of(whole)["panels"][:1]})
        whole["experiment"][0]["detector"] = 1

    with pytest.warns(GeometryWarning, match="there are 2 detectors; number 1 is read"):
        assert read_dials(edited(path, change)).n_tiles == 2


def test_beams(path):
    edited(path, lambda whole: whole["beam"][0].update(direction=[0.1, 0, 1]))
    with pytest.warns(GeometryWarning, match="not along z"):
        read_dials(path)
    edited(path, lambda whole: whole["beam"][0].update(direction=[0, 0, 1.0]))
    edited(path, lambda whole: whole["beam"][0].pop("wavelength"))  # polychromatic
    assert read_dials(path).photon_energy is None
    edited(path, lambda whole: whole["experiment"][0].pop("beam"))
    assert read_dials(path).photon_energy is None


def test_upstream(path):
    edited(path, lambda whole: detector_of(whole)["hierarchy"].update(origin=[0, 0, 200]))
    with pytest.warns(GeometryWarning, match="not downstream"):
        back = read_dials(path)
    assert back.distance is None
    assert back.tile_corners[0, 2] == -0.2


def test_names_are_optional(path):
    edited(path, lambda whole: [p.pop("name") for p in detector_of(whole)["panels"]])
    assert read_dials(path, detector="generic").detector.tile_names == ("p0", "p1")


def test_recognised(path):
    assert is_dials(path, b'\xef\xbb\xbf {"__id__" :  "ExperimentList"')
    assert not is_dials(path, b'{"__id__": "Scan"}')
    assert not is_dials(path, b'[{"__id__": "ExperimentList"}]')
    assert not is_dials(path, b'; "__id__": "ExperimentList"')
    assert not is_dials(path, b"")


def test_mixed_layout_is_in_the_note(tmp_path):
    write_dials(geometry("mixed"), tmp_path / "a.expt")
    assert read_dials(tmp_path / "a.expt").detector == mixed_pitches().detector
    back = read_dials(edited(tmp_path / "a.expt", lambda whole: None))
    assert back.detector.tile_names == mixed_pitches().detector.tile_names
    assert back.data_shape == (1, 115, 50)


# -- Files that lie -------------------------------------------------------------------------


def panel(**values):
    return lambda whole: detector_of(whole)["panels"][1].update(values)


def node(**values):
    return lambda whole: detector_of(whole)["hierarchy"].update(values)


PANEL, ROOT = "detector[0].panels[1]", "detector[0].hierarchy"


@pytest.mark.parametrize(
    ("change", "key", "said"),
    [
        (panel(origin=[0, 0]), f"{PANEL}.origin", r"expected 3 numbers, found \[0, 0\]"),
        (panel(origin=None), f"{PANEL}.origin", "found none"),
        (panel(origin=[0, "0", 0]), f"{PANEL}.origin", "expected a number, found '0'"),
        (panel(origin=[0, True, 0]), f"{PANEL}.origin", "expected a number, found True"),
        (panel(origin=[0, 1e300, 0]), f"{PANEL}.origin", "expected a number"),
        (panel(origin=[0, 10**400, 0]), f"{PANEL}.origin", "expected a number"),
        (panel(fast_axis=[0, 0, 0]), f"{PANEL}.fast_axis", "at right angles"),
        (panel(fast_axis=[1, 1, 0]), f"{PANEL}.fast_axis", "at right angles"),
        (panel(pixel_size=[0.1, 0]), f"{PANEL}.image_size", "expected pixels"),
        (panel(image_size=[0, 5]), f"{PANEL}.image_size", "expected pixels"),
        (panel(image_size=[5.5, 5]), f"{PANEL}.image_size", "2 whole numbers"),
        (panel(image_size=[1 << 40, 5]), f"{PANEL}.image_size", "2 whole numbers"),
        (panel(image_size=[10**8, 10**8]), None, "pixels, more than"),
        (panel(raw_image_offset=[-1, 0]), f"{PANEL}.raw_image_offset", "2 whole numbers"),
        (panel(mask=[[1, 2, 3]]), f"{PANEL}.mask[0]", "4 whole numbers"),
        (panel(mask="x"), f"{PANEL}.mask", "list of rectangles"),
        (node(origin="x"), f"{ROOT}.origin", "expected 3 numbers"),
        (node(children={}), f"{ROOT}.children", "expected a list"),
        (node(children=[]), "detector[0].panels[0]", "in no group"),
        (node(children=[1]), f"{ROOT}.children[0]", "a group or a panel"),
        (node(children=[{"panel": 0}, {"panel": 0}]), f"{ROOT}.children[0].panel", "each once"),
        (node(children=[{"panel": 2}]), f"{ROOT}.children[0].panel", "number of a panel"),
        (node(children=[{"panel": 0.0}]), f"{ROOT}.children[0].panel", "number of a panel"),
        (lambda whole: whole.update(detector=[{"panels": []}]), None, "list of panels"),
        (lambda whole: whole.update(detector=[7]), None, "list of panels"),
        (lambda whole: whole.update(detector=[[7]]), "detector[0].panels[0]", "a panel"),
        (lambda whole: whole.update(detector={}), "experiment[0].detector", "one of the models"),
        (lambda whole: whole["experiment"][0].update(detector=3), None, "found 3"),
        (lambda whole: whole["experiment"][0].pop("detector"), "detector", "no detector"),
        (lambda whole: whole.update(experiment=[]), "experiment", "no experiment"),
        (lambda whole: whole["beam"][0].update(wavelength=0), "beam[0].wavelength", "in Å"),
        (lambda whole: whole["beam"][0].update(wavelength="x"), "beam[0].wavelength", "a number"),
        (lambda whole: whole.update(__id__="Other"), None, "ExperimentList"),
    ],
)
def test_files_that_lie(path, change, key, said):
    edited(path, change)
    with pytest.raises(GeometryFileError, match=said) as caught:
        read_dials(path)
    assert caught.value.path == str(path)
    if key is not None:
        assert caught.value.key == key


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"", "no JSON"),
        (b'{"__id__": "ExperimentList",\n"a": ]', r"a\.expt:2: no JSON"),
        (b'{"__id__": "ExperimentList", "a": NaN}', "NaN is no number"),
        (b'{"__id__": "ExperimentList", "a": ' + b"[" * 100_000, "nested too deeply"),
        (b'{"__id__": "ExperimentList", "a": ' + b"9" * 10_000 + b"}", "no JSON"),
        (b'{"__id__": "ExperimentList", "a": "\xff"}', "no UTF-8 text"),
        (b"[1]", "ExperimentList"),
        (b" " * (1 << 26) + b"{}", "larger than 64 MiB"),
    ],
)
def test_no_json(path, text, said):
    path.write_bytes(text)
    with pytest.raises(GeometryFileError, match=said):
        read_dials(path)


def test_huge_exponents(path):
    path.write_text(path.read_text().replace('"wavelength": 1.5', '"wavelength": 1e999999999'))
    with pytest.raises(GeometryFileError, match="number out of all range"):
        read_dials(path)


def test_note_that_does_not_fit(path):
    edited(path, lambda whole: whole.update(geomlib_layout='{"detector": "AGIPD-1M"}'))
    with pytest.warns(GeometryWarning, match="note on the layout"):
        assert read_dials(path).detector == small().detector


def test_no_file(tmp_path):
    with pytest.raises(GeometryFileError, match="there is no such file"):
        read_dials(tmp_path / "none.expt")


@pytest.mark.parametrize("seed", range(3))
def test_damaged_files(path, seed):
    whole = path.read_bytes()
    rng = np.random.default_rng(seed)
    for cut in range(60):
        damaged = np.frombuffer(whole, dtype=np.uint8).copy()
        damaged[rng.integers(len(whole), size=3)] = rng.integers(32, 127, size=3)
        path.write_bytes(damaged[: rng.integers(len(whole)) if cut % 3 == 0 else None])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", GeometryWarning)
            try:
                read_dials(path)
            except GeometryFileError as problem:
                assert problem.path == str(path)  # noqa: PT017
