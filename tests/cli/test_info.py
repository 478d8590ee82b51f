"""``geomlib info``."""

import re

import h5py
import pytest

from geomlib import example_geometry, write_geometry
from geomlib.formats.euxfel import write_euxfel
from tests.cli.command import run, run_wrong, small_geometry
from tests.shared import SHARED_DATA, needs_shared_data


def rows(capsys):
    """What was printed, as a dictionary; continued lines are joined."""
    found: dict[str, str] = {}
    name = ""
    for line in capsys.readouterr().out.splitlines():
        match = re.match(r"(\S+(?: \S+)*)  +(\S.*)", line)
        if match and not line.startswith(" "):
            name = match[1]
            found[name] = match[2].strip()
        else:
            found[name] = f"{found.get(name, '')} {line.strip()}".strip()
    return found


def test_what_a_file_says(tmp_path, capsys):
    path = small_geometry(tmp_path)
    path.write_text(
        path.read_text() + "bad_edge/panel = a\nbad_edge/min_fs = 0\n"
        "bad_edge/max_fs = 0\nbad_edge/min_ss = 0\nbad_edge/max_ss = 7\n"
    )
    assert run("info", path) == 0
    found = rows(capsys)
    assert found["detector"] == "generic"
    assert found["data"] == "2 modules × 8 × 10 pixels (slow scan, fast scan)"
    assert found["tiles"] == "2, of 8 × 10 pixels"
    assert found["pixel size"] == "100 µm"
    assert found["extent"] == "x -1.20 … 1.10 mm, y -0.40 … 0.40 mm, z 0.00 … 0.00 mm"
    assert found["distance"] == "0.1 m"
    assert found["photon energy"] == "9300 eV"
    assert found["bad regions"] == "1: bad_edge"
    assert found["data path"] == "/entry/data"
    assert re.match(r"\d+: .*left", found["groups"])
    assert "small.geom (crystfel)" in found["source"].replace(" ", "").replace("(", " (")


@pytest.mark.parametrize("name", ["AGIPD-1M", "JUNGFRAU-4M", "pnCCD", "ePix100"])
def test_detectors_are_recognised(name, tmp_path, capsys):
    path = tmp_path / "a.geom"
    geometry = example_geometry(name).replace(distance=0.25, photon_energy=9300)
    write_geometry(geometry, path, adu_per_ev=0.001)
    assert run("info", path) == 0
    found = rows(capsys)
    assert found["detector"] == name
    assert found["tiles"].startswith(f"{geometry.n_tiles}, of ")
    assert found["distance"] == "0.25 m"


def test_doubts_are_findings_and_no_failure(tmp_path, capsys):
    path = small_geometry(tmp_path)
    path.write_text(path.read_text().replace("clen = 0.1\n", ""))
    assert run("info", path) == 0
    found = rows(capsys)
    assert found["distance"] == "not known"
    assert found["findings"] != "none"
    assert "clen" in found["findings"]


def test_hdf5_geometry(tmp_path, capsys):
    write_euxfel(example_geometry("DSSC-1M"), tmp_path / "dssc.h5")
    assert run("info", tmp_path / "dssc.h5") == 0
    found = rows(capsys)
    assert found["detector"] == "DSSC-1M"
    assert found["pixel size"] == "hexagons of 204.4 × 236 µm"


@needs_shared_data
def test_quadrant_positions_on_the_command_line(capsys):
    path = SHARED_DATA / "euxfel_h5/lpd_mar_18_axesfixed.h5"
    positions = "11.4,299 -11.5,8 254.5,-16 278.5,275"
    assert run("info", path, "--quad-positions", positions) == 0
    assert rows(capsys)["detector"] == "LPD-1M"
    assert "give them: --quad-positions 'X,Y X,Y X,Y X,Y'" in run_wrong(capsys, "info", path)


@pytest.mark.parametrize("text", ["1,2 3,4", "1,2 3,4 5,6 7,8 9", "a,b c,d e,f g,h", "1 2 3 4"])
def test_what_are_no_quadrant_positions(text, tmp_path, capsys):
    error = run_wrong(capsys, "info", small_geometry(tmp_path), "--quad-positions", text)
    assert "must be four positions such as" in error


def test_what_is_no_geometry(tmp_path, capsys):
    (tmp_path / "a.geom").write_text("hello world\n")
    assert "a.geom" in run_wrong(capsys, "info", tmp_path / "a.geom")
    assert "nope.geom" in run_wrong(capsys, "info", tmp_path / "nope.geom")
    run_wrong(capsys, "info", tmp_path)


def test_a_pipe_gets_whole_lines(tmp_path, capsys):
    folder = tmp_path / ("long" * 30)
    folder.mkdir()
    path = small_geometry(folder)
    path.write_text(path.read_text().replace("clen = 0.1", "clen = abc") + "a/cofset = 1\n")
    assert run("info", path) == 0
    lines = capsys.readouterr().out.splitlines()
    assert f"source       {path} (crystfel)".split() in [line.split() for line in lines]
    assert [line.split()[0] for line in lines].count("findings") == 1
    finding = next(line for line in lines if line.startswith("findings"))
    assert "line 1 [clen]: 'abc' is no distance" in finding
    assert "a/cofset" in finding
    assert str(path) not in finding
    assert all(line == line.rstrip() for line in lines)


def test_data_are_no_geometry(tmp_path, capsys):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["data"] = [1.0]
    error = run_wrong(capsys, "info", tmp_path / "a.h5")
    assert "no geometry in this HDF5 file" in error
    assert error.endswith("for data use `geomlib assemble`")


def test_quadrants_far_away_are_refused_and_in_another_unit_told(tmp_path, capsys):
    write_euxfel(example_geometry("LPD-1M"), tmp_path / "a.h5")
    far = "1e300,0 0,0 0,0 0,0"
    error = run_wrong(capsys, "info", tmp_path / "a.h5", "--quad-positions", far)
    assert "must be in millimetres, at most 100000 from the beam" in error
    metres = "0.0114,0.299 -0.0115,0.008 0.2545,-0.016 0.2785,0.275"
    assert run("info", tmp_path / "a.h5", "--quad-positions", metres) == 0
    findings = rows(capsys)["findings"]
    assert findings.endswith("In the shell they are millimetres.")
    assert "unit=" not in findings
