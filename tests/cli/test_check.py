"""``geomlib check``."""

import json
from importlib import import_module

import pytest

from geomlib import GeometryFileError, example_geometry, write_geometry
from geomlib.formats.euxfel import write_euxfel
from tests.cli.command import run, run_wrong, small_geometry
from tests.formats.crystfel.samples import SMALL, changed

GOOD = SMALL.replace("fs = x", "fs = +1.0x +0.0y").replace("ss = y", "ss = +0.0x +1.0y")


def written(folder, text):
    path = folder / "a.geom"
    path.write_text(text)
    return path


def test_a_clean_file(tmp_path, capsys):
    path = written(tmp_path, GOOD)
    assert run("check", path) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert out.splitlines()[0] == f"{path}: nothing found"
    rows = [line.split() for line in out.splitlines() if line.startswith(("Cryst", "cfel", "EX"))]
    assert [(row[0], row[2]) for row in rows] == [
        ("CrystFEL", "yes"),
        ("CrystFEL", "yes"),
        ("CrystFEL", "yes"),
        ("cfelpyutils", "yes"),
        ("EXtra-geom", "no"),
    ]
    assert "mended" not in out


def test_findings_name_file_and_line(tmp_path, capsys):
    path = written(tmp_path, GOOD.replace("clen = 0.1", "clen = 200"))
    assert run("check", path) == 1
    first, second = capsys.readouterr().out.splitlines()[:2]
    assert first == (
        f"{path}:1: error: [clen] a distance of 200 m is no detector's: it is in metres (distance)"
    )
    assert second == "    mend: look at its unit; if 200 mm are meant, it is 0.2 m"


def test_notes_are_clean(tmp_path, capsys):
    assert run("check", written(tmp_path, GOOD + "p0/corner_x = -6\n")) == 0
    assert ":13: note: [p0] 1 key of p0 given again" in capsys.readouterr().out


def test_diff_changes_nothing(tmp_path, capsys):
    path = written(tmp_path, SMALL)
    assert run("check", path, "--diff") == 0
    out = capsys.readouterr().out
    assert "can be mended safely" in out
    assert "\n-p0/fs = x\n" in out
    assert "\n+p0/fs = +1.0x +0.0y\n" in out
    assert path.read_text() == SMALL


def test_fix(tmp_path, capsys):
    path = written(tmp_path, SMALL + "coffset = 0.1\n# by hand\n")
    assert run("check", path) == 1
    assert "--fix does it" in capsys.readouterr().out
    assert path.read_text() == SMALL + "coffset = 0.1\n# by hand\n"
    assert run("check", path, "--fix") == 0  # nothing remains
    out = capsys.readouterr().out
    assert "mended:" in out
    assert "\n+;# by hand\n" in out
    assert path.read_text() == GOOD + ";coffset = 0.1\n;# by hand\n"
    assert run("check", path, "--fix") == 0
    assert "mended" not in capsys.readouterr().out


def test_a_fix_that_cannot_be_written(tmp_path, capsys, monkeypatch):
    """Findings come first."""
    path = written(tmp_path, SMALL.replace("clen = 0.1", "clen = 200"))

    def refuse(mended, path):
        raise GeometryFileError("permission denied", path=path)

    # By its name geomlib.checking.mend is a function.
    monkeypatch.setattr(import_module("geomlib.checking.mend"), "write_mended", refuse)
    assert run("check", path, "--fix") == 2
    out, err = capsys.readouterr()
    assert "a distance of 200 m" in out
    assert "can be mended safely" in out
    assert err == f"error: {path}: permission denied\n"
    assert run("check", path, "--fix", "--json") == 2
    assert json.loads(capsys.readouterr().out)["mends"]["written"] is False


def test_json_has_the_same_keys_always(tmp_path, capsys):
    good, bad = written(tmp_path, GOOD), tmp_path / "bad.geom"
    bad.write_text(changed("-2.5", "abc"))
    keys = []
    for path in (good, bad):
        run("check", path, "--json")
        keys.append(set(json.loads(capsys.readouterr().out)))
    assert keys[0] == keys[1] == {
        *("file", "clean", "findings", "readers", "unreadable", "mends"),
    }  # fmt: skip


def test_what_remains_after_a_fix(tmp_path, capsys):
    path = written(tmp_path, changed("photon_energy = 9000\n", ""))
    assert run("check", path, "--fix") == 1
    assert "no photon_energy" in capsys.readouterr().out
    assert "+1.0x +0.0y" in path.read_text()


def test_a_file_that_only_a_mend_makes_readable(tmp_path, capsys):
    path = written(tmp_path, GOOD.replace("+0.0y", "-1e-4y").replace("+0.0x", "+1e-4x"))
    assert "--fix" in run_wrong(capsys, "check", path)
    assert run("check", path, "--fix") == 0
    assert "p0/fs = +1.0x -0.0001y" in path.read_text()


def test_json(tmp_path, capsys):
    path = written(tmp_path, changed("clen = 0.1", "clen = 200"))
    assert run("check", path, "--json") == 1
    found = json.loads(capsys.readouterr().out)
    assert found["file"] == str(path)
    assert not found["clean"]
    (finding,) = found["findings"]
    assert (finding["severity"], finding["code"], finding["line"], finding["key"]) == (
        *("error", "distance", 1, "clen"),
    )
    assert [reader["reader"] for reader in found["readers"]] == [
        *("CrystFEL 0.9.1", "CrystFEL 0.10.2", "CrystFEL 0.12", "cfelpyutils 2.2"),
        "EXtra-geom 1.17",
    ]
    assert found["mends"]["written"] is False
    assert len(found["mends"]["changes"]) == 1
    assert found["mends"]["diff"] == ""
    assert run("check", path, "--json", "--fix") == 1
    found = json.loads(capsys.readouterr().out)
    assert found["mends"]["written"] is True
    assert "+p0/fs = +1.0x +0.0y" in found["mends"]["diff"]


def test_json_of_what_cannot_be_read(tmp_path, capsys):
    path = written(tmp_path, changed("-2.5", "abc"))
    assert run("check", path, "--json") == 2
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert found["clean"] is False
    assert (found["findings"], found["readers"]) == ([], [])
    assert (found["unreadable"]["line"], found["unreadable"]["key"]) == (10, "p0/corner_y")
    assert err.startswith("error: ")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"hello", "found no panel"),
        (changed("-2.5", "abc").encode(), "p0/corner_y"),
    ],
)
def test_unreadable(content, said, tmp_path, capsys):
    path = tmp_path / "a.geom"
    path.write_bytes(content)
    assert said in run_wrong(capsys, "check", path)
    assert path.read_bytes() == content


def test_no_such_file(tmp_path, capsys):
    assert "no such file" in run_wrong(capsys, "check", tmp_path / "no.geom")


def test_other_formats(tmp_path, capsys):
    path = tmp_path / "lpd.h5"
    write_euxfel(example_geometry("LPD-1M"), path)
    assert run("check", path) == 0
    out = capsys.readouterr().out
    assert "note: the distance is not known" in out
    assert "reader" not in out
    assert "--fix" in run_wrong(capsys, "check", path, "--fix")
    quads = "11.4,299 -11.5,8 254.5,-16 14,275"
    assert run("check", path, "--quad-positions", quads) == 1
    assert "error: [p" in capsys.readouterr().out


def test_files_that_do_not_say_what_they_are_about(tmp_path, capsys):
    """``--detector`` takes a geometry file, as in the other commands; ``--from`` a format."""
    of_detector, path = tmp_path / "lpd.geom", tmp_path / "q.csv"
    geometry = example_geometry("LPD-1M").replace(distance=0.4, photon_energy=9300)
    write_geometry(geometry, of_detector, adu_per_ev=0.001)
    # Twice as far apart as quadrants are: this pattern says nothing of the detector.
    path.write_text("22.8,598\n-23,16\n509,-32\n557,550\n")
    assert "say which detector" in run_wrong(capsys, "check", path)
    assert run("check", path, "--detector", of_detector) == 1
    assert "(quadrants-unit)" in capsys.readouterr().out
    quads = geometry.quad_positions(unit=1e-3)
    path.write_text("".join(f"{x},{y}\n" for x, y in quads))
    for hints in (["--detector", of_detector], ["--from", "quadrants", "--detector", "LPD-1M"]):
        assert run("check", path, *hints) == 0
        assert "(no-energy)" in capsys.readouterr().out
    assert "is not known" in run_wrong(capsys, "check", path, "--from", "csv")
    assert "no panel" in run_wrong(capsys, "check", path, "--from", "crystfel")
    assert run("check", path, "--json", "--detector", "nobody") == 2
    assert json.loads(capsys.readouterr().out)["clean"] is False


def test_positions_with_both_signs_inverted(tmp_path, capsys):
    path = tmp_path / "lpd.h5"
    geometry = example_geometry("LPD-1M")
    write_euxfel(geometry.rotate((0, 0, 180)), path)
    assert run("check", path) == 1
    capsys.readouterr()
    quads = " ".join(f"{x:.3f},{y:.3f}" for x, y in geometry.quad_positions(unit=1e-3))
    assert run("check", path, "--invert", "--quad-positions", quads) == 0


def test_the_detector_can_be_named(tmp_path, capsys):
    path = tmp_path / "a.geom"
    geometry = example_geometry("JUNGFRAU-500K").replace(distance=0.2, photon_energy=9300)
    write_geometry(geometry, path, adu_per_ev=0.001)
    assert run("check", path, "--detector", "generic") == 0
    capsys.readouterr()
    assert "does not fit" in run_wrong(capsys, "check", path, "--detector", "AGIPD-1M")


def test_what_the_writers_write_is_clean(tmp_path, capsys):
    assert run("check", small_geometry(tmp_path)) == 0
    geometry = example_geometry("LPD-1M").replace(distance=0.4, photon_energy=9300)
    write_geometry(geometry, tmp_path / "b.geom", adu_per_ev=0.001)
    assert run("check", tmp_path / "b.geom") == 0
    assert "nothing found" in capsys.readouterr().out


def test_a_terminal_is_sent_nothing_that_moves_its_cursor(tmp_path, capsys):
    path = written(tmp_path, "p\x1b[2J = 3\n" + SMALL.replace("p0/", "p\x1b[0m/"))
    run("check", path, "--diff")
    assert "\x1b" not in capsys.readouterr().out
