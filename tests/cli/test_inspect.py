"""``geomlib inspect``."""

import pytest
from PIL import Image

from geomlib import example_geometry, write_geometry
from geomlib.formats.euxfel import write_euxfel
from tests.cli.command import run, run_wrong, small_geometry


def test_a_picture_of_the_size_asked_for(tmp_path, capsys):
    output = tmp_path / "a.png"
    assert run("inspect", small_geometry(tmp_path), "-o", output, "--dpi", 50) == 0
    assert capsys.readouterr().out.strip() == str(output)
    with Image.open(output) as picture:
        assert picture.size == (450, 450)
        assert len(picture.convert("RGB").getcolors(10**6)) > 10


@pytest.mark.parametrize("suffix", [".svg", ".pdf"])
def test_vector_formats(suffix, tmp_path):
    output = tmp_path / f"a{suffix}"
    assert run("inspect", small_geometry(tmp_path), "-o", output, "--units", "mm") == 0
    assert output.read_bytes()[:5] in (b"<?xml", b"%PDF-")


def test_comparison_of_two_files(tmp_path):
    geometry = example_geometry("JUNGFRAU-500K").replace(distance=0.1, photon_energy=9300)
    write_geometry(geometry, tmp_path / "a.geom", adu_per_ev=0.001)
    write_geometry(geometry.offset((1e-4, 0)), tmp_path / "b.geom", adu_per_ev=0.001)
    output = tmp_path / "a.png"
    code = run(
        "inspect", tmp_path / "a.geom", "--compare", tmp_path / "b.geom", "-o", output, "--dpi", 40
    )
    assert code == 0
    with Image.open(output) as picture:
        assert picture.size == (360, 360)


def test_options_are_for_the_file_that_takes_them(tmp_path, capsys):
    geometry = example_geometry("LPD-1M")
    write_euxfel(geometry, tmp_path / "a.h5")
    beam = {"distance": 0.2, "photon_energy": 9300, "adu_per_ev": 0.001}
    write_geometry(geometry, tmp_path / "b.geom", **beam)
    quads = ["--quad-positions", "11.4,299 -11.5,8 254.5,-16 278.5,275", "--dpi", 30]
    for one, other in (("a.h5", "b.geom"), ("b.geom", "a.h5")):
        names = [tmp_path / one, "--compare", tmp_path / other, "-o", tmp_path / "a.png"]
        assert run("inspect", *names, *quads) == 0
    capsys.readouterr()
    names = [tmp_path / "b.geom", "--compare", tmp_path / "b.geom", "-o", tmp_path / "c.png"]
    assert "no option '--quad-positions'" in run_wrong(capsys, "inspect", *names, *quads)


def test_comparison_of_different_detectors_is_refused(tmp_path, capsys):
    geometry = example_geometry("JUNGFRAU-500K").replace(distance=0.1, photon_energy=9300)
    write_geometry(geometry, tmp_path / "a.geom", adu_per_ev=0.001)
    small = small_geometry(tmp_path)
    output = tmp_path / "a.png"
    run_wrong(capsys, "inspect", tmp_path / "a.geom", "--compare", small, "-o", output)
    assert not output.exists()


def test_where_nothing_can_be_written(tmp_path, capsys):
    geometry = small_geometry(tmp_path)
    error = run_wrong(capsys, "inspect", geometry, "-o", tmp_path / "a.bmp")
    assert "must be one of .png, .svg, .pdf" in error
    error = run_wrong(capsys, "inspect", geometry, "-o", tmp_path / "no" / "a.png")
    assert "there is no folder" in error
    (tmp_path / "b.png").mkdir()
    assert "b.png is a folder" in run_wrong(capsys, "inspect", geometry, "-o", tmp_path / "b.png")


def test_the_geometry_file_is_not_overwritten(tmp_path, capsys):
    path = small_geometry(tmp_path).rename(tmp_path / "small.png")
    before = path.read_bytes()
    assert "is the same file as the input" in run_wrong(capsys, "inspect", path, "-o", path)
    other = small_geometry(tmp_path)
    command = ["inspect", other, "--compare", path, "-o", path]
    assert "is the same file as the input" in run_wrong(capsys, *command)
    assert path.read_bytes() == before
