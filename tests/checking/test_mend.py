"""Safe mends: what each changes, what it leaves alone, and what is not mended."""

import numpy as np
import pytest

from geomlib import GeometryFileError, example_geometry, read_geometry, write_geometry
from geomlib.checking import check_document, mend
from geomlib.checking.mend import read_document, unified_diff, write_mended
from geomlib.formats.crystfel.document import Document
from geomlib.formats.crystfel.panels import PanelView
from geomlib.formats.crystfel.read import geometry_of
from tests.formats.crystfel.samples import HEAD, SMALL, changed, panel

#: `SMALL` with vectors that need no mend.
GOOD = SMALL.replace("fs = x", "fs = +1.0x +0.0y").replace("ss = y", "ss = +0.0x +1.0y")
REGION = "bad_a/min_fs = 0\nbad_a/max_fs = 3\nbad_a/min_ss = 0\nbad_a/max_ss = 3\n"


def mended(text):
    return mend(Document(text)).document.text


def lines(text):
    """Lines that a mend takes out, and lines that it adds."""
    old, new = text.splitlines(), mended(text).splitlines()
    return [x for x in old if x not in new], [x for x in new if x not in old]


def test_nothing_to_mend():
    result = mend(Document(GOOD))
    assert result.document.text == GOOD
    assert result.changes == ()
    assert unified_diff(Document(GOOD), result.document) == ""


@pytest.mark.parametrize(
    ("text", "out", "new"),
    [
        (SMALL, ["p0/fs = x", "p0/ss = y"], ["p0/fs = +1.0x +0.0y", "p0/ss = +0.0x +1.0y"]),
        (GOOD.replace("+0.0x +1.0y", "+1.0y -0.02z"),
         ["p0/ss = +1.0y -0.02z"], ["p0/ss = +0.0x +1.0y -0.02z"]),
        (GOOD.replace("res = 5000", "res=5000 ; pitch"),
         ["res=5000 ; pitch"], ["res = 5000 ; pitch"]),
        (GOOD.replace("max_fs = 9", "max_fs = 9.0"), ["p0/max_fs = 9.0"], ["p0/max_fs = 9"]),
        (GOOD + "p0/no_index = 0\n", ["p0/no_index = 0"], []),
        (GOOD + "p0/no_index = 1\n", [], []),
        (GOOD.replace("= 9000", "= 9 keV"), ["photon_energy = 9 keV"], ["photon_energy = 9000"]),
        (GOOD.replace("photon_energy = 9000", "wavelength = 1.5 A"), ["wavelength = 1.5 A"],
         ["photon_energy = 8265.613228880018  ; was wavelength = 1.5 A"]),
        (GOOD.replace("= 0.1", "= 100 mm"), ["clen = 100 mm"], ["clen = 0.1"]),
        (GOOD.replace("clen = 0.1\n", "") + "p0/clen = 0.1\n", ["p0/clen = 0.1"], ["clen = 0.1"]),
        (GOOD + "coffset = 0.1\n", ["coffset = 0.1"], [";coffset = 0.1"]),
        (GOOD + REGION, [], ["bad_a/panel = p0"]),
        (GOOD + "# by hand\n", ["# by hand"], [";# by hand"]),
        ("\ufeff" + GOOD, ["\ufeffclen = 0.1"], ["clen = 0.1"]),
        ("rigid_group_a = p0\nrigid_group_collection_c = a,b\n" + GOOD,
         ["rigid_group_collection_c = a,b"], ["rigid_group_collection_c = a"]),
    ],
)  # fmt: skip
def test_single_mends(text, out, new):
    assert lines(text) == (out, new)
    view, after = (PanelView(Document(each)) for each in (text, mended(text)))
    assert geometry_of(view) == geometry_of(after)


def test_missing_vectors():
    text = GOOD.replace("p0/fs = +1.0x +0.0y\n", "")
    assert lines(text) == ([], ["fs = +1.0x +0.0y"])


def test_clen_moves_before_the_panels_with_its_comment():
    text = GOOD.replace("clen = 0.1\n", "") + "clen = 0.1 ; as measured\n"
    assert mended(text).splitlines()[3] == "clen = 0.1 ; as measured"
    assert [r.accepts for r in check_document(Document(mended(text))).readers[:4]] == [True] * 4


def test_group_lines():
    text = GOOD + panel("p1", fs="+1.0x +0.0y", ss="+0.0x +1.0y", corner_x=40,
                        min_ss=5, max_ss=9)  # fmt: skip
    late = text + "group_all = p0, p1\n"
    assert mended(late).splitlines()[4] == "group_all = p0,p1"
    assert check_document(Document(mended(late))).findings == ()


def test_vectors_with_exponents_become_readable():
    text = SMALL.replace("fs = x", "fs = +1.0x -2.5e-4y").replace("ss = y", "ss = 2.5E-4x +1y")
    with pytest.raises(GeometryFileError, match="without exponents"):
        check_document(Document(text))
    assert lines(text)[1] == ["p0/fs = +1.0x -0.00025y", "p0/ss = 0.00025x +1y"]


def test_what_is_not_safe_stays():
    # Panels with a clen that differs, groups that would be empty of sense, other errors.
    two = HEAD + "".join(
        panel(f"p{n}", f"clen = 0.{n + 1}", fs="+1.0x +0.0y", ss="+0.0x +1.0y", corner_x=40 * n)
        for n in range(2)
    )
    assert mended(two) == two
    with pytest.raises(GeometryFileError):
        mend(Document(changed("-2.5", "abc")))


def test_a_file_that_was_cut_off_stays_suspect(tmp_path):
    path = tmp_path / "a.geom"
    geometry = example_geometry("AGIPD-1M").replace(distance=0.2, photon_energy=9300)
    write_geometry(geometry, path, adu_per_ev=0.001)
    text = path.read_text()
    whole = text[: text.index("p3a0/", text.index("p2a7/corner_x"))]
    for cut in (whole, whole[: whole.rindex("p2a7/") + 6]):
        report = check_document(Document(mended(cut)))
        assert not report.is_clean
        assert "names 'p3a0', which is no panel" in " ".join(f.message for f in report)
    (missing,) = [f for f in report if f.code == "missing-tiles"]
    assert missing.message.startswith("only 24 tiles of AGIPD-1M, none of ")


def test_a_flag_that_overrides_another_stays():
    text = "no_index = 1\n" + GOOD + "p0/no_index = 0\n"
    assert mended(text) == text


def test_a_large_detector_gets_groups(tmp_path):
    path = tmp_path / "a.geom"
    geometry = example_geometry("AGIPD-1M").replace(distance=0.2, photon_energy=9300)
    write_geometry(geometry, path, adu_per_ev=0.001)
    with_groups = path.read_text()
    text = "".join(
        line for line in with_groups.splitlines(keepends=True) if not line.startswith("group_")
    )
    assert text != with_groups
    newest = check_document(Document(text)).readers[2]
    assert newest.accepts
    assert "no panel groups" in newest.wrong[0]
    assert check_document(Document(mended(text))).readers[2].wrong == ()
    (change,) = mend(Document(text)).changes
    assert change.startswith("groups of at most 64")


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_line_ends_and_comments_stay(newline, tmp_path):
    text = ("; first\n" + changed("res = 5000", "res=5000  ; µm") + "; last").replace("\n", newline)
    path = tmp_path / "a.geom"
    path.write_bytes(text.encode())
    document = read_document(path)
    write_mended(mend(document), path)
    after = path.read_bytes().decode()
    assert after.startswith(f"; first{newline}")
    assert after.endswith(f"{newline}; last")
    assert f"res = 5000  ; µm{newline}" in after
    assert after.count(newline) == text.count(newline)


def test_bytes_that_are_no_text_stay(tmp_path):
    path = tmp_path / "a.geom"
    path.write_bytes(b"; \xe9t\xe9\n" + SMALL.encode())
    document = read_document(path)
    result = mend(document)
    write_mended(result, path)
    assert path.read_bytes().startswith(b"; \xe9t\xe9\n")
    assert "+p0/fs = +1.0x +0.0y" in unified_diff(document, result.document)


def test_a_file_that_needs_nothing_is_not_written(tmp_path):
    path = tmp_path / "a.geom"
    path.write_text(GOOD)
    path.chmod(0o400)
    before = path.stat().st_mtime_ns
    write_mended(mend(read_document(path)), path)
    assert path.stat().st_mtime_ns == before


def test_mended_files_read_the_same(tmp_path):
    path = tmp_path / "a.geom"
    path.write_text(SMALL + "p0/no_index = false\n")
    before = read_geometry(path)
    write_mended(mend(read_document(path)), path)
    assert read_geometry(path) == before
    np.testing.assert_array_equal(read_geometry(path).tile_fs, before.tile_fs)


@pytest.mark.parametrize(
    ("old", "new"),
    [("photon_energy = 9000", "wavelength = 1.33 m"), ("clen = 0.1", "clen = 200000 mm")],
)
def test_what_a_check_calls_an_error_stays(old, new):
    """A unit that is wrong shows what was meant."""
    document = Document(changed(old, new))
    assert new in mend(document).document.text
    assert any(f.severity == "error" for f in check_document(document))
