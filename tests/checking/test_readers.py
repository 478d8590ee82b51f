"""What other programs make of the real files, against those programs."""

import gzip
import re
import warnings

import numpy as np
import pytest

from geomlib import GeometryError, example_geometry, write_geometry
from geomlib.checking.check import check_document
from geomlib.checking.mend import read_document
from geomlib.checking.readers import extra_geom_class, readings
from geomlib.errors import GeometryWarning, quiet
from geomlib.formats.crystfel.document import Document
from geomlib.formats.crystfel.panels import PanelView
from geomlib.formats.crystfel.read import geometry_of
from tests.formats.crystfel.samples import (
    FOLDER,
    HEAD,
    REAL_FILES,
    SMALL,
    changed,
    panel,
    reference,
)
from tests.shared import needs_shared_data

pytestmark = needs_shared_data

ROUNDING = 1e-12
#: Classes of EXtra-geom that read .geom files.
CLASSES = (
    *("AGIPD_1MGeometry", "AGIPD_500K2GGeometry", "LPD_1MGeometry", "LPD_MiniGeometry"),
    *("DSSC_1MGeometry", "JUNGFRAUGeometry", "PNCCDGeometry", "Epix100Geometry"),
    "Epix10KGeometry",
)


def found(name):
    """View, geometry, and readings by program, of a real file."""
    return of_text((FOLDER / name).read_text(encoding="utf-8"))


def of_text(text):
    view = PanelView(Document(text))
    geometry = geometry_of(view)
    return view, geometry, {r.reader.rpartition(" ")[0]: r for r in readings(view, geometry)}


@pytest.mark.parametrize("name", REAL_FILES)
def test_crystfel(name):
    view = PanelView(read_document(FOLDER / name))
    by_name = {r.reader: r for r in readings(view, geometry_of(view))}
    expected = reference()[name]
    for version, verdict in expected["crystfel"].items():
        reading = by_name[f"CrystFEL {version}"]
        assert reading.accepts == (verdict == "accepted")
        assert bool(reading.reasons) != reading.accepts
    newest = by_name["CrystFEL 0.12"]
    if newest.accepts:
        said = any(message.startswith("Panel group 'all'") for message in expected["messages_0.12"])
        assert said == any("no panel groups" in text for text in newest.wrong)


@pytest.mark.parametrize("name", REAL_FILES)
def test_cfelpyutils(name):
    oracle = pytest.importorskip("cfelpyutils.geometry")
    view, geometry, by_name = found(name)
    reading = by_name["cfelpyutils"]
    try:
        theirs = oracle.load_crystfel_geometry(str(FOLDER / name))
    except (RuntimeError, ValueError):
        assert not reading.accepts
        return
    assert reading.accepts
    said = "; ".join(reading.wrong)
    panels = list(theirs.detector["panels"].values())
    vectors = [[[p[f"{v}{axis}"] for axis in "xyz"] for p in panels] for v in ("fs", "ss")]
    corners = [[p["cnx"], p["cny"]] for p in panels]
    places = np.column_stack([view.corners, view.fs, view.ss])
    assert reading.wrong_positions == (not (np.column_stack([corners, *vectors]) == places).all())
    more = sum(p["no_index"] and not ours for p, ours in zip(panels, view.no_index, strict=True))
    counted = re.search(r"as true for (\d+) panel", said)
    assert (int(counted[1]) if counted else 0) == more
    distance = geometry.distance
    assert ("the distance is" in said) == (distance not in (None, panels[0]["clen"]))
    energy = geometry.photon_energy
    assert (
        "the photon energy is" in said and "passes over" not in said.partition("energy")[0]
    ) == (
        energy is not None and energy != theirs.beam["photon_energy"]
    ) or "electron_voltage" in said
    assert ("looks for the data" in said) == ([p["data"] for p in panels] != view.data)


def extra_geom_reading(name, path):
    import extra_geom

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return getattr(extra_geom, name).from_crystfel_geom(str(path))


@pytest.mark.parametrize("name", REAL_FILES)
def test_extra_geom(name):
    pytest.importorskip("extra_geom")
    _, geometry, by_name = found(name)
    reading = by_name["EXtra-geom"]
    # A file without a class of its own is read by none.
    chosen = extra_geom_class(geometry)
    readers = []
    for other in CLASSES if chosen is None else [chosen.name]:
        try:
            readers.append(extra_geom_reading(other, FOLDER / name))
        except (KeyError, ValueError, RuntimeError):
            continue
    assert reading.accepts == bool(readers)
    if not readers:
        return
    tiles = [tile for module in readers[0].modules for tile in module]
    left_out = len(tiles) < geometry.n_tiles
    assert left_out == any("leaves out" in text for text in reading.wrong)
    off = max(
        np.abs(ours[: len(tiles)] - [getattr(tile, attribute) for tile in tiles]).max()
        for ours, attribute in (
            (geometry.tile_corners, "corner_pos"),
            (geometry.tile_ss, "ss_vec"),
            (geometry.tile_fs, "fs_vec"),
        )
    )
    assert reading.wrong_positions == (off > ROUNDING)


def test_lines_that_are_passed_over():
    _, _, by_name = of_text(SMALL + "p0/coffset=0.5\n")
    old, cfel = by_name["CrystFEL"], by_name["cfelpyutils"]  # of CrystFEL, the newest is last
    assert old.wrong == ()
    assert cfel.wrong_positions
    assert "passes over 1 line without spaces around '=' (13)" in cfel.wrong
    report = check_document(Document(SMALL + "p0/coffset=0.5\n"))
    readers = {reading.reader: reading for reading in report.readers}
    assert readers["CrystFEL 0.9.1"].wrong_positions
    assert not readers["CrystFEL 0.10.2"].wrong
    assert [f.code for f in report if f.severity == "warning"] == ["misread", "misread"]


def test_a_line_that_does_not_matter():
    _, _, by_name = of_text(SMALL + "p0/coffset=0\n")
    assert not by_name["cfelpyutils"].wrong_positions
    assert by_name["cfelpyutils"].wrong


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (changed("fs = x", "fs = +y").replace("ss = y", "ss = -x"), "fs of 1 panel is another"),
        (changed("clen = 0.1", "clen = 100 mm"), "the distance is -1, from '100mm'"),
        ("clen = /a b/c mm\n" + changed("clen = 0.1\n", ""), "looks for the distance at '/ab/cmm'"),
        (changed("photon_energy = 9000", "wavelength = 1.0 A"), "the photon energy is 0 eV"),
        (changed("photon_energy = 9000", "photon_energy = /a eV"), "photon energy at '/aeV'"),
        (SMALL + "p0/no_index = false\n", "no_index = 0 (false) as true for 1 panel"),
        ("mask = /m\n" + SMALL + "p0/mask_bad = 0x3\n", "good 0x0, bad 0x0 instead of 0x0, 0x3"),
        ("flag_equal = 3\n" + SMALL, "passes over flag_…"),
        ("data = /entry 1/data\n" + SMALL, "'/entry1/data' instead of '/entry 1/data'"),
    ],
)
def test_what_cfelpyutils_gets_wrong(text, said):
    _, _, by_name = of_text(text)
    reading = by_name["cfelpyutils"]
    assert reading.accepts
    assert said in "; ".join(reading.wrong)


def test_what_extra_geom_loses(tmp_path):
    import extra_geom

    tiles = "".join(
        panel(f"p{row}{column}", min_ss=256 * row, max_ss=256 * row + 255, min_fs=256 * column,
              max_fs=256 * column + 255, corner_x=258 * column, corner_y=258 * row)
        for row in range(2) for column in range(4)
    )  # fmt: skip
    text = HEAD.replace("5000", "13333.3333333333333").replace("per_eV", "per_photon") + tiles
    text = text.replace("clen = 0.1", "clen = /LCLS/z").replace("= 9000", "= /LCLS/energy")
    _, _, by_name = of_text(text + "p00/no_index = 1\n")
    reading = by_name["EXtra-geom"]
    assert reading.accepts
    said = "; ".join(reading.wrong)
    for part in ("no_index", "clen = -1", "photon_energy = 0.0", "adu_per_eV = nan"):
        assert part in said
    path = tmp_path / "jf.geom"
    path.write_text(text)
    extra_geom.JUNGFRAUGeometry.from_crystfel_geom(str(path)).write_crystfel_geom(
        str(tmp_path / "out.geom"), nquads=0
    )
    written = (tmp_path / "out.geom").read_text()
    assert "clen = -1" in written
    assert "photon_energy = 0.0" in written
    assert "adu_per_eV = nan" in written


#: Mistakes for which a detector is not recognised: what is replaced, by what, how often.
MISTAKES = {
    "size of pixels": (r"^res = .*$", "res = 9090", 1),
    "ten times": (r"^res = (.*)$", r"res = \g<1>0", 1),
    "one column more": (r"^(\w+/max_fs) = 127$", r"\1 = 128", 1),
    "one column more of all": (r"^(\w+/max_fs) = 255$", r"\1 = 256", 0),
    "other modules": (r"/dim1 = \d+", "/dim1 = 0", 0),
    "other rows": (r"^(p0a1/min_ss) = .*$", r"\1 = 3", 1),
}


@pytest.mark.parametrize("mistake", MISTAKES)
@pytest.mark.parametrize(
    ("detector", "reader"),
    [
        ("AGIPD-1M", "AGIPD_1MGeometry"),
        ("LPD-1M", "LPD_1MGeometry"),
        ("DSSC-1M", "DSSC_1MGeometry"),
        ("JUNGFRAU-4M", "JUNGFRAUGeometry"),
    ],
)
def test_extra_geom_of_detectors_that_are_not_recognised(detector, reader, mistake, tmp_path):
    """EXtra-geom looks at nothing but the first pixels of panels."""
    pytest.importorskip("extra_geom")
    path = tmp_path / "a.geom"
    geometry = example_geometry(detector).replace(distance=0.2, photon_energy=9300.0)
    with quiet():
        write_geometry(geometry, path, adu_per_ev=0.001, allow_loss=True)
    old, new, count = MISTAKES[mistake]
    path.write_text(re.sub(old, new, path.read_text(), count=count, flags=re.MULTILINE))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", GeometryWarning)
            view, geometry, by_name = of_text(path.read_text())
    except GeometryError:
        return  # geomlib does not read it
    reading = by_name["EXtra-geom"]
    try:
        theirs = extra_geom_reading(reader, path)
    except KeyError:
        assert not reading.accepts
        return
    assert reading.accepts
    n_read = sum(map(len, theirs.modules))
    assert any("leaves out" in text for text in reading.wrong) == (n_read < len(view.names))
    if extra_geom_class(geometry) is None:
        assert f"{reader} reads it" in reading.wrong[0]


def test_reference_is_there():
    assert len(REAL_FILES) == 131
    with gzip.open(FOLDER / "expected.jsonl.gz") as lines:
        assert sum(1 for _ in lines) == 131
