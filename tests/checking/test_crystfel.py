"""Checks of the text of .geom files, one by one."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from geomlib import GeometryFileError, check_geometry, example_geometry, write_geometry
from geomlib.checking import check_document, mend
from geomlib.formats.crystfel.document import Document
from tests.checking.test_cfelpyutils import LINES
from tests.formats.crystfel.samples import HEAD, PANEL, SMALL, changed, panel


def findings(text):
    return check_document(Document(text)).findings


def found(text):
    return [(f.severity, f.code, f.line, f.key) for f in findings(text)]


def test_a_clean_file():
    report = check_document(Document(SMALL))
    assert report.findings == ()
    assert report.is_clean
    assert [r.accepts for r in report.readers] == [True, True, True, True, False]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (changed("photon_energy = 9000\n", ""), ("warning", "no-energy", None, "photon_energy")),
        (changed("clen = 0.1\n", ""), ("warning", "no-distance", None, "clen")),
        (changed("adu_per_eV = 1\n", ""), ("warning", "no-adu-scale", None, "adu_per_eV")),
        (SMALL + "p0/clen = 0.1\n", ("warning", "clen-of-panels", 13, "p0/clen")),
        (SMALL + "coffset = 0.1\n", ("warning", "trailing-default", 13, "coffset")),
        (SMALL + "group_all = p0\n", ("note", "trailing-default", 13, "group_all")),
        (SMALL + "# hello\n", ("warning", "stray-line", 13, None)),
        (changed("= 9000", "= 9000  eV"), ("warning", "quantity", 2, "photon_energy")),
        (changed("= 9000", "= 9"), ("error", "energy", 2, "photon_energy")),
        (changed("clen = 0.1", "clen = 200"), ("error", "distance", 1, "clen")),
        (changed("clen = 0.1", "clen = 10 cm"), ("warning", "doubtful", 1, "clen")),
        (changed("clen = 0.1", "clen = $CLEN"), ("warning", "doubtful", 1, "clen")),
        (changed("= 9000", "= beam_energy"), ("note", "doubtful", 2, "photon_energy")),
        ("clem = 3\n" + SMALL, ("warning", "doubtful", 1, "clem")),
        (SMALL + "p0/corner_x = 7\n", ("note", "repeated-key", 13, "p0/corner_x")),
        ("mask_bad = 1\n" + SMALL, ("warning", "mask", 1, "mask0_badbits")),
        (changed("fs = x", "fs = 0.5x"), ("note", "step-length", 11, "p0/fs")),
        (
            changed("fs = x", "fs = 0.5x").replace("ss = y", "ss = 0.5y"),
            ("error", "step-length", 11, "p0/fs"),
        ),
    ],
)
def test_findings(text, expected):
    codes = found(text)
    if expected[1] == "mask":
        assert [code[:2] for code in codes] == [expected[:2]]
    else:
        assert codes == [expected]


def test_places_in_the_data_are_no_missing_values():
    text = changed("= 9000", "= /LCLS/photon_energy").replace("clen = 0.1", "clen = /LCLS/z")
    assert found(text) == []


def test_many_reasons_of_a_kind_are_one_finding():
    text = HEAD + "".join(panel(f"p{n}") for n in range(3))
    text += "".join(f"p{n}/clen = 0.{n + 1}\n" for n in range(3))
    text += "bad_a/min_fs = 0\nbad_a/panel = zz\n".replace("zz", "p0")
    regions = "".join(
        f"bad_{n}/min_fs = 0\nbad_{n}/max_fs = 99\nbad_{n}/min_ss = 0\nbad_{n}/max_ss = 1\n"
        f"bad_{n}/panel = p0\n"
        for n in range(4)
    )
    (finding,) = [f for f in findings(text + regions) if f.code == "bad-region"]
    assert "(and 3 more of this kind)" in finding.message


def test_rows_that_count_through_modules(tmp_path):
    path = tmp_path / "a.geom"
    geometry = example_geometry("AGIPD-1M").replace(distance=0.2, photon_energy=9300)
    write_geometry(geometry, path, adu_per_ev=0.001, layout="vcxi")
    assert check_geometry(path).is_clean
    lines = []
    for line in path.read_text().splitlines():
        key, _, value = line.partition(" = ")
        if key.endswith(("min_ss", "max_ss")):
            module = int(key.split("p")[1].split("a")[0])
            line = f"{key} = {int(value) + 512 * module}"
        lines.append(line)
    path.write_text("\n".join(lines))
    (finding,) = check_geometry(path)
    assert (finding.severity, finding.code) == ("warning", "rows-through-modules")
    assert "all 16 modules (up to 8191)" in finding.message
    assert finding.tiles[0] == finding.key.partition("/")[0] == "p1a0"


def test_tiles_have_the_names_of_panels():
    text = HEAD.replace("5000", "13333.3333333333333")
    for row in range(2):
        for column in range(4):
            text += panel(
                f"north{row}{column}",
                min_ss=256 * row, max_ss=256 * row + 255,
                min_fs=256 * column, max_fs=256 * column + 255,
                corner_x=258 * column + (40 if (row, column) == (1, 3) else 0),
                corner_y=258 * row,
            )  # fmt: skip
    (finding,) = findings(text)
    assert (finding.code, finding.tiles) == ("tile-gap", ("north13",))
    assert finding.key == "north13/corner_x"
    assert text.splitlines()[finding.line - 1] == "north13/corner_x = 814"


def test_unreadable(tmp_path):
    with pytest.raises(GeometryFileError, match="no such file"):
        check_geometry(tmp_path / "no.geom")
    path = tmp_path / "a.geom"
    path.write_text(changed("-2.5", "abc"))
    with pytest.raises(GeometryFileError, match=r"a\.geom:10 \[p0/corner_y\]"):
        check_geometry(path)


@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.lists(st.sampled_from(LINES), max_size=6), st.data())
def test_spoilt_files_are_checked_or_refused(lines, data):
    text = (HEAD + PANEL + panel("p1", corner_x=40)).splitlines()
    for line in lines:
        text.insert(data.draw(st.integers(0, len(text))), line)
    newline = data.draw(st.sampled_from(["\n", "\r\n", "\r"]))
    document = Document(newline.join(text) + data.draw(st.sampled_from(["", newline])))
    try:
        before = check_document(document)
    except GeometryFileError:
        return
    mended = mend(document)
    after = check_document(mended.document)
    assert before.as_dict()
    for old, new in zip(before.readers, after.readers, strict=True):
        assert old.wrong_positions or not new.wrong_positions
        assert new.accepts or not old.accepts


# -- Names of panels, distances -----------------------------------------------------------


def test_panels_with_the_same_corner(tmp_path):
    """Each is named, and it is the one whose data is concerned."""
    geometry = example_geometry("AGIPD-1M").replace(distance=0.2, photon_energy=9300.0)
    corners = geometry.tile_corners.copy()
    corners[1] = corners[0]
    wrong = geometry.replace(tile_corners=corners)
    path = tmp_path / "dup.geom"
    write_geometry(wrong, path, adu_per_ev=0.001)
    for what in (path, wrong):
        tiles = {f.code: f.tiles for f in check_geometry(what) if f.severity != "note"}
        assert tiles["overlapping-tiles"] == ("p0a0", "p0a1")
        assert tiles["tile-gap"] == ("p0a1",)


@pytest.mark.parametrize("text", ["nan", "-0.2", "inf", "20 cm"])
def test_distances_that_are_none(text):
    """Each is said once."""
    report = check_document(Document(changed("clen = 0.1", f"clen = {text}")))
    doubts = [(f.severity, f.line) for f in report if f.code == "doubtful"]
    assert doubts == [("warning", 1)]
