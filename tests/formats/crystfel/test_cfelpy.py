"""`to_cfelpyutils`: as cfelpyutils reads the file, and right where it does not."""

import io
import math
import warnings

import numpy as np
import pytest
from cfelpyutils.geometry import (
    apply_geometry_to_data,
    compute_pix_maps,
    compute_visualization_pix_maps,
    load_crystfel_geometry,
)

from geomlib.detectors import EXAMPLE_NAMES, example_geometry
from geomlib.errors import GeometryWarning
from geomlib.formats.crystfel.cfelpy import to_cfelpyutils
from geomlib.formats.crystfel.document import Document
from geomlib.formats.crystfel.panels import PanelView
from geomlib.formats.crystfel.read import geometry_of
from geomlib.formats.crystfel.write import crystfel_text
from geomlib.metadata import BadRegion
from tests.shared import SHARED_DATA, needs_shared_data

FILES = sorted((SHARED_DATA / "crystfel").glob("*.geom"))
# cfelpyutils has the signs of two elements of the inverse matrix wrong, its search for the nearest
# corner passes over the first one, and `no_index = 0` sets the flag.
DIFFERENT = {"yfs", "xss", "furthest_in_panel", "furthest_in_fs", "furthest_in_ss", "no_index"}
# Only in some files, each for the reason given in the test that allows them.
SOMETIMES = {
    "data",
    "clen",
    "clen_from",
    "photon_energy",
    "photon_energy_from",
    "photon_energy_scale",
    "rigid_groups",
    *("fsx", "ssy", "xfs", "yss", "furthest_out_fs"),
}

TOP = "res = 10000\n"
A = """
a/min_fs = 0
a/max_fs = 9
a/min_ss = 0
a/max_ss = 19
a/corner_x = -12.5
a/corner_y = 3
"""
B = A.replace("a/", "b/").replace("-12.5", "10")


def read(text):
    return geometry_of(PanelView(Document.parse(text.encode("utf-8", "surrogateescape"))))


def same(ours, theirs):
    if isinstance(ours, float) and isinstance(theirs, float) and math.isnan(ours):
        return math.isnan(theirs)
    return ours == theirs


def differences(ours, theirs):
    """Names of the values that differ, anywhere in the structures."""
    found = set()
    for own, other in ((ours.detector, theirs.detector), (ours.beam, theirs.beam)):
        assert set(own) == set(other)
        found |= {key for key in own if key not in ("panels", "bad") and own[key] != other[key]}
    if ours.hdf5_peak_path != theirs.hdf5_peak_path:
        found.add("hdf5_peak_path")
    for part in ("panels", "bad"):
        assert list(ours.detector[part]) == list(theirs.detector[part])
        for name, own in ours.detector[part].items():
            other = theirs.detector[part][name]
            assert set(own) == set(other)
            found |= {key for key in own if not same(own[key], other[key])}
    return found


@needs_shared_data
@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_real_files(path):
    text = path.read_bytes().decode("utf-8", "surrogateescape")
    ours = to_cfelpyutils(read(text))
    try:
        with path.open() as file:
            theirs = load_crystfel_geometry(file)
    except (ValueError, RuntimeError, ZeroDivisionError):
        return  # it cannot read the file; we can
    allowed = DIFFERENT | {key for key in SOMETIMES if has_reason(key, PanelView(Document(text)))}
    assert differences(ours, theirs) <= allowed


def has_reason(key, view):
    """Tell whether cfelpyutils has a value wrong in this file, by the rules of the spec."""
    if key == "data":  # it has no default
        return any("data" not in keys for keys in view.panels.values())
    if key.startswith("clen"):  # it knows no units
        return any(text and " " in text for text in view.clen)
    if key.startswith("photon_energy"):  # nor here, and no wavelength
        return any(" " in view.value(index) for index in view.beam)
    if key == "rigid_groups":  # it knows no group_ lines
        return not any(view.document.assignments[i].key.startswith("rigid") for i in view.groups)
    # A vector that names one axis keeps the other from the default.
    return any((view.text("fs", panel) or "").endswith("+y") for panel in view.panels)


@needs_shared_data
def test_most_real_files_can_be_compared():
    compared = 0
    for path in FILES:
        try:
            load_crystfel_geometry(str(path))
        except (ValueError, RuntimeError, ZeroDivisionError):
            continue
        compared += 1
    assert compared > 100


@pytest.mark.filterwarnings("ignore:.*hexagon")
@pytest.mark.parametrize("name", EXAMPLE_NAMES)
def test_built_geometries(name):
    geometry = example_geometry(name)
    ss0 = int(geometry.detector.tile_bounds[0, 1])
    geometry = geometry.rotate((0, 0, 10)).replace(
        distance=0.2,
        photon_energy=9000,
        bad_regions=[
            BadRegion("bad_a", tile=0, ss=(ss0, ss0 + 2), fs=(3, 5)),
            BadRegion("bad_b", x=(0, 1e-3), y=(-1e-3, 0)),
        ],
        no_index=[1],
        mask_path="/mask",
    )
    ours = to_cfelpyutils(geometry)
    text = crystfel_text(geometry, layout="cheetah", adu_per_ev=1)
    theirs = load_crystfel_geometry(io.StringIO(text))
    assert differences(ours, theirs) <= DIFFERENT - {"no_index"} | {"adu_per_eV"}
    assert math.isnan(next(iter(ours.detector["panels"].values()))["adu_per_eV"])
    assert [p["no_index"] for p in ours.detector["panels"].values()][:2] == [False, True]


def test_pixel_maps_hold_every_pixel():
    geometry = example_geometry("AGIPD-1M").rotate((0, 0, 3)).replace(distance=0.2)
    maps = compute_pix_maps(to_cfelpyutils(geometry).detector)
    # cfelpyutils: first corners of the pixels, in pixels, and modules stacked along slow scan.
    expected = geometry.pixel_positions("corner").reshape(8192, 128, 3) / 200e-6
    np.testing.assert_allclose(maps.x, expected[..., 0], rtol=1e-6, atol=1e-4)
    np.testing.assert_allclose(maps.y, expected[..., 1], rtol=1e-6, atol=1e-4)
    np.testing.assert_allclose(maps.z, 0.2, rtol=1e-6)


def test_pictures():
    geometry = example_geometry("ePix10K")
    detector = to_cfelpyutils(geometry).detector
    with warnings.catch_warnings():
        # cfelpyutils casts negative numbers to unsigned ones.
        warnings.simplefilter("ignore", RuntimeWarning)
        image = apply_geometry_to_data(np.ones((352, 384)), detector)
        maps = compute_visualization_pix_maps(detector)
    assert image.sum() == 352 * 384
    assert maps.x.shape == (352, 384)


def test_layout_on_request():
    geometry = example_geometry("JUNGFRAU-1M")
    panels = to_cfelpyutils(geometry, layout="vcxi").detector["panels"]
    assert panels["p1a0"]["dim_structure"] == ["%", 1, "ss", "fs"]
    assert panels["p1a0"]["orig_min_ss"] == 0
    assert to_cfelpyutils(geometry).detector["panels"]["p1a0"]["orig_min_ss"] == 512


# -- Where cfelpyutils is wrong -------------------------------------------------------------


def both(text):
    return to_cfelpyutils(read(text)), load_crystfel_geometry(io.StringIO(text))


def first(geometry):
    return geometry.detector["panels"]["a"]


def test_flags_that_are_off():
    ours, theirs = both(TOP + "no_index = 0\n" + A)
    assert first(theirs)["no_index"] is True
    assert first(ours)["no_index"] is False


def test_vectors_that_name_one_axis():
    ours, theirs = (first(each) for each in both(TOP + A + "a/fs = +y\na/ss = -0.5x\n"))
    assert (ours["fsx"], ours["fsy"], ours["ssx"], ours["ssy"]) == (0, 1, -0.5, 0)
    assert (theirs["fsx"], theirs["fsy"], theirs["ssx"], theirs["ssy"]) == (1, 1, -0.5, 1)


def test_units():
    text = TOP + "clen = 50 mm\nphoton_energy = 9 keV\n" + A
    ours = to_cfelpyutils(read(text))
    assert (first(ours)["clen"], first(ours)["clen_from"]) == (0.05, "")
    assert ours.beam["photon_energy"] == 9000
    with pytest.raises(ValueError, match="9keV"):
        load_crystfel_geometry(io.StringIO(text))
    ours, theirs = both(text.replace("9 keV", "/e keV").replace("50 mm", "/z mm"))
    assert ours.beam["photon_energy_from"] == "/e"
    assert ours.beam["photon_energy_scale"] == 1000
    assert theirs.beam["photon_energy_from"] == "/ekeV"
    assert (first(ours)["clen"], first(ours)["clen_from"]) == (-1, "/z")
    assert first(theirs)["clen_from"] == "/zmm"
    ours, theirs = both(text.replace("photon_energy = 9 keV", "wavelength = 1.0 A"))
    assert ours.beam["photon_energy"] == pytest.approx(12398.42, abs=0.01)
    assert theirs.beam["photon_energy"] == 0


def test_inverse_matrix():
    text = TOP + A + "a/fs = +0.8x +0.6y\na/ss = -0.6x +0.8y\n"
    ours, theirs = (first(geometry) for geometry in both(text))
    forward = np.array([[ours["fsx"], ours["ssx"]], [ours["fsy"], ours["ssy"]]])
    inverse = [[ours["xfs"], ours["yfs"]], [ours["xss"], ours["yss"]]]
    np.testing.assert_allclose(inverse @ forward, np.eye(2), atol=1e-15)
    wrong = [[theirs["xfs"], theirs["yfs"]], [theirs["xss"], theirs["yss"]]]
    assert abs(wrong @ forward - np.eye(2)).max() > 0.5


def test_nearest_corner():
    ours, theirs = both(TOP + A.replace("-12.5", "1"))
    assert (ours.detector["furthest_in_panel"], ours.detector["furthest_in_fs"]) == ("a", 0)
    assert theirs.detector["furthest_in_panel"] == ""
    assert ours.detector["furthest_out_fs"] == theirs.detector["furthest_out_fs"] == 10


def test_masks_of_panels():
    text = TOP + "mask = /m\nmask_bad = 0x3\n" + A
    ours, theirs = both(text)
    assert ours.detector["mask_bad"] == theirs.detector["mask_bad"] == 3
    ours, theirs = both(text + "a/mask_bad = 0x5\n")
    assert (ours.detector["mask_bad"], theirs.detector["mask_bad"]) == (5, 3)
    with pytest.warns(GeometryWarning, match="different mask_bad"):
        to_cfelpyutils(read(text + B + "b/mask_bad = 0x5\n"))


def test_incomplete_bad_regions():
    text = TOP + A + "bad_a/min_x = 3\nbad_b/panel = a\nbad_c/min_ss = 2\n"
    ours = to_cfelpyutils(read(text)).detector["bad"]
    assert list(ours) == ["bad_a", "bad_c"]  # as in cfelpyutils, which refuses bad_b
    assert math.isnan(ours["bad_a"]["max_x"])
    assert ours["bad_c"]["is_fsss"]
    assert ours["bad_c"]["min_ss"] == 2


def test_hexagons():
    with pytest.warns(GeometryWarning, match="hexagon"):
        to_cfelpyutils(example_geometry("DSSC-1M"))
