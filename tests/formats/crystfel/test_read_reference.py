"""Every value that CrystFEL's own parser reads from the real files, to the last digit."""

import math
import warnings

import numpy as np
import pytest

from geomlib.errors import GeometryWarning
from geomlib.formats.crystfel.beam import beam_lines
from geomlib.formats.crystfel.document import Document
from geomlib.formats.crystfel.members import group_members
from geomlib.formats.crystfel.panels import PanelView
from geomlib.formats.crystfel.read import read_crystfel
from geomlib.formats.crystfel.regions import file_regions
from geomlib.formats.crystfel.stored import recognise_panels
from geomlib.geometry import Geometry
from tests.formats.crystfel.samples import FOLDER, REAL_FILES, reference
from tests.shared import needs_shared_data

pytestmark = [needs_shared_data, pytest.mark.parametrize("name", REAL_FILES)]

FLAG_NUMBERS = {"lessthan": 3, "morethan": 2, "equal": 1}
# CODATA values as CrystFEL has them (2006, and an older elementary charge).
CRYSTFEL_HC = 6.62606896e-34 * 299792458 / 1.60217733e-19


def view_of(name: str) -> PanelView:
    return PanelView(Document.parse((FOLDER / name).read_bytes(), name))


def read(name: str) -> Geometry:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GeometryWarning)
        return read_crystfel(FOLDER / name)


def numbers(values):
    return [float(v) for v in values]


def directions(panel):
    """Vectors of a panel; files without them count x and y, as CrystFEL 0.9.1 did."""
    fs, ss = numbers(panel["fs"]), numbers(panel["ss"])
    return [1.0, 0.0, 0.0] if math.isnan(fs[0]) else fs, [0.0, 1.0, 0.0] if math.isnan(
        ss[0]
    ) else ss


def test_panels(name):
    view, panels = view_of(name), reference()[name]["panels"]
    assert list(view.names) == [p["name"] for p in panels]
    assert view.corners.tolist() == [numbers([p["cnx"], p["cny"]]) for p in panels]
    assert view.pitch.tolist() == numbers(p["pixel_pitch"] for p in panels)
    assert view.coffset.tolist() == numbers(p["coffset"] for p in panels)
    assert view.fs.tolist() == [directions(p)[0] for p in panels]
    assert view.ss.tolist() == [directions(p)[1] for p in panels]
    keys = ("min_ss", "max_ss", "min_fs", "max_fs")
    assert view.bounds.tolist() == [[p[key] for key in keys] for p in panels]
    assert [list(dims) for dims in view.dimensions] == [p["dims"] for p in panels]
    assert view.data == [p["data"] for p in panels]


def test_adu_masks_and_flags(name):
    view, panels = view_of(name), reference()[name]["panels"]
    np.testing.assert_array_equal([a for a, _ in view.adu], numbers(p["adu_scale"] for p in panels))
    assert view.max_adu == numbers(p["max_adu"] for p in panels)
    assert view.no_index == [bool(p["bad"]) for p in panels]
    assert [
        {str(n): {"n": n, "data": m.data, "file": m.file, "good": m.good, "bad": m.bad}}
        for masks in view.masks
        for n, m in masks.items()
    ] == [{n: mask} for p in panels for n, mask in p["masks"].items()]
    flags = [[[FLAG_NUMBERS[kind], value] for kind, value in each] for each in view.flags]
    # CrystFEL keeps the value in single precision on its way to an integer, and overflows there.
    as_crystfel = [
        [[k, int(np.float32(v)) if np.float32(v) < 2**31 else -(2**31)] for k, v in each]
        for each in flags
    ]
    assert as_crystfel == [p["flags"] for p in panels]


def test_beam_and_distance(name):
    view, expected = view_of(name), reference()[name]
    geom = read(name)
    lines = beam_lines(view)
    if lines:
        assert (lines[-1].value, lines[-1].unit) == (
            expected["wavelength_from"],
            expected["wavelength_unit"],
        )
    else:
        assert expected["wavelength_from"] is None
    wavelength = float(expected["wavelength_m"])
    if math.isnan(wavelength) or lines[-1].key == "electron_voltage":
        assert geom.photon_energy is None
    else:
        # The constants differ by 2e-7.
        assert geom.photon_energy == pytest.approx(CRYSTFEL_HC / wavelength, rel=1e-6)
    assert view.text("clen") == expected["clen_from"]
    if not math.isnan(float(expected["clen_m"])):
        # CrystFEL gives the mean over the panels, coffset included.
        mean = geom.distance + np.mean(view.coffset)
        assert mean == pytest.approx(expected["clen_m"], rel=1e-12)
    assert view.text("detector_shift_x") == expected["shift_x_from"]
    assert view.text("detector_shift_y") == expected["shift_y_from"]
    assert float(view.text("bandwidth") or 1e-8) == expected["bandwidth"]
    assert view.text("peak_list") == expected["peak_list"]
    assert view.document.preamble == (expected["preamble"] or "")


def test_bad_regions(name):
    view, expected = view_of(name), reference()[name]["bad"]
    found = file_regions(view)
    assert [region.name for region in found] == [bad["name"] for bad in expected]
    for region, bad in zip(found, expected, strict=True):
        if bad["is_fsss"]:
            keys = ("min_ss", "max_ss", "min_fs", "max_fs")
            only = view.names[0] if len(view.names) == 1 else None
            panel = region.panel or only
            assert panel == bad["panel"]
            # CrystFEL counts from the first pixel of the panel, where it knows the panel.
            ss, fs = (0, 0) if panel is None else view.bounds[view.names.index(panel), [0, 2]]
            expected_limits = [bad[key] + (ss if "ss" in key else fs) for key in keys]
            assert list(region.data) == expected_limits
        else:
            keys = ("min_x", "max_x", "min_y", "max_y")
            assert region.lab == tuple(float(bad[key]) for key in keys)


def test_groups(name):
    view, expected = view_of(name), reference()[name]["groups"]
    if not any(view.key(index).startswith("group_") for index in view.groups):
        return
    members = {}
    for group, names in expected.items():
        flat = [panel for member in names for panel in members.get(member, [member])]
        members[group] = flat
    found = group_members(view)
    assert {group: list(found[group]) for group in members} == members


def test_pixel_positions(name):
    geom, row = read(name), reference()[name]
    view = view_of(name)
    tiles = dict(zip(view.names, recognise_panels(view, geom.detector).tiles.tolist(), strict=True))
    assert sorted(tiles.values()) == list(range(geom.n_tiles))
    first = read_clen(view, view.names[0])
    for panel in row["panels"]:
        tile, pitch = tiles[panel["name"]], panel["pixel_pitch"]
        fs, ss = (np.array(v) for v in directions(panel))
        z = panel["coffset"] + (read_clen(view, panel["name"]) - first)
        corner = np.array([panel["cnx"] * pitch, panel["cny"] * pitch, z])
        _, rows, columns = geom.detector.tile_slice(tile)
        shape = (panel["max_ss"] - panel["min_ss"] + 1, panel["max_fs"] - panel["min_fs"] + 1)
        assert (rows.stop - rows.start, columns.stop - columns.start) == shape
        s = np.array([0, shape[0]])
        for i in s:
            for j in (0, shape[1]):
                expected = corner + i * (ss * pitch) + j * (fs * pitch)
                found = geom.tile_corners[tile] + i * geom.tile_ss[tile] + j * geom.tile_fs[tile]
                assert found.tolist() == expected.tolist()


def read_clen(view, panel):
    """Camera length of a panel; 0 where it is a place in the data files."""
    text = view.text("clen", panel) or view.text("clen") or "0"
    number, _, unit = text.partition(" ")
    try:
        return float(number) * (1e-3 if unit == "mm" else 1.0)
    except ValueError:
        return 0.0
