"""``geomlib convert``."""

import h5py
import numpy as np
import pytest

from geomlib import example_geometry, read_geometry, write_geometry
from geomlib.formats.euxfel import write_euxfel
from tests.cli.command import run, run_wrong, small_geometry
from tests.shared import SHARED_DATA, needs_shared_data


def test_hdf5_to_crystfel(tmp_path, capsys):
    geometry = example_geometry("LPD-1M")
    write_euxfel(geometry, tmp_path / "lpd.h5")
    beam = ["--distance", 0.2, "--energy", 9300, "--adu-per-ev", 0.001]
    assert run("convert", tmp_path / "lpd.h5", tmp_path / "lpd.geom", *beam) == 0
    assert capsys.readouterr().err == ""
    read = read_geometry(tmp_path / "lpd.geom")
    assert read.detector == geometry.detector
    assert (read.distance, read.photon_energy) == (0.2, 9300)
    np.testing.assert_allclose(read.tile_corners, geometry.tile_corners, atol=1e-12)
    assert "adu_per_eV = 0.001" in (tmp_path / "lpd.geom").read_text()


def test_layout_of_the_data(tmp_path):
    geometry = example_geometry("AGIPD-1M").replace(distance=0.2, photon_energy=9300)
    write_geometry(geometry, tmp_path / "a.geom", adu_per_ev=0.001, layout="vcxi")
    assert run("convert", tmp_path / "a.geom", tmp_path / "b.geom", "--layout", "cheetah") == 0
    text = (tmp_path / "b.geom").read_text()
    assert "max_ss = 8191" in text
    assert read_geometry(tmp_path / "b.geom") == read_geometry(tmp_path / "a.geom").replace(
        data_path=read_geometry(tmp_path / "b.geom").data_path
    )


def test_a_new_distance_changes_its_line_only(tmp_path):
    source = small_geometry(tmp_path)
    assert run("convert", source, tmp_path / "b.geom", "--distance", 0.25) == 0
    old, new = source.read_text().splitlines(), (tmp_path / "b.geom").read_text().splitlines()
    assert [(a, b) for a, b in zip(old, new, strict=True) if a != b] == [
        ("clen = 0.1", "clen = 0.25")
    ]


def test_crystfel_to_hdf5_needs_the_format(tmp_path, capsys):
    geometry = example_geometry("DSSC-1M").replace(distance=0.2, photon_energy=9300)
    with pytest.warns(UserWarning, match=r".*"):
        write_geometry(geometry, tmp_path / "a.geom", adu_per_ev=0.001)
    error = run_wrong(capsys, "convert", tmp_path / "a.geom", tmp_path / "b.h5")
    assert "several kinds of files end with '.h5': say --to euxfel or --to pyfai or" in error
    assert run("convert", tmp_path / "a.geom", tmp_path / "b.h5", "--to", "euxfel") == 0
    read = read_geometry(tmp_path / "b.h5")
    np.testing.assert_allclose(read.tile_corners, geometry.tile_corners, atol=1e-12)


def test_what_cannot_be_converted(tmp_path, capsys):
    source = small_geometry(tmp_path)
    run_wrong(capsys, "convert", source, tmp_path / "b.h5", "--to", "euxfel")
    error = run_wrong(capsys, "convert", source, tmp_path / "b.xyz")
    assert "the suffix '.xyz' does not say how to write" in error
    assert "give --to: 'crystfel' (.geom), 'euxfel' (.h5, .hdf5)" in error
    error = run_wrong(capsys, "convert", source, tmp_path / "b.geom", "--to", "nope")
    assert "--to nope is not known; there are 'crystfel'" in error
    run_wrong(capsys, "convert", source, tmp_path / "b.geom", "--layout", "nope")
    error = run_wrong(capsys, "convert", source, tmp_path / "no" / "b.geom")
    assert error == f"error: {tmp_path / 'no' / 'b.geom'}: there is no folder {tmp_path / 'no'}"
    run_wrong(capsys, "convert", tmp_path / "nope.geom", tmp_path / "b.geom")
    run_wrong(capsys, "convert", source, tmp_path / "b.geom", "--distance", "nan")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["small.geom"]


def test_an_option_that_a_format_does_not_have(tmp_path, capsys):
    positions = "11.4,299 -11.5,8 254.5,-16 278.5,275"
    error = run_wrong(capsys, "info", small_geometry(tmp_path), "--quad-positions", positions)
    assert "small.geom: to read 'crystfel' files there is no option '--quad-positions'" in error
    write_euxfel(example_geometry("LPD-1M"), tmp_path / "a.h5")
    command = ["convert", tmp_path / "a.h5", tmp_path / "b.h5", "--to", "euxfel"]
    error = run_wrong(capsys, *command, "--layout", "vcxi")
    assert "b.h5: to write 'euxfel' files there is no option '--layout'" in error


@needs_shared_data
def test_inverted_positions(tmp_path):
    """The two files hold the same detector with opposite signs."""
    files, quads = SHARED_DATA / "euxfel_h5", "11.4,299 -11.5,8 254.5,-16 278.5,275"
    for name, options in (("lpd_mar_18", ["--invert"]), ("lpd_mar_18_axesfixed", [])):
        arguments = [files / f"{name}.h5", tmp_path / f"{name}.geom", "--quad-positions", quads]
        beam = ["--distance", 0.2, "--energy", 9300, "--adu-per-ev", 0.001]
        assert run("convert", *arguments, *beam, *options) == 0
    inverted, fixed = (
        read_geometry(tmp_path / f"{name}.geom").tile_corners
        for name in ("lpd_mar_18", "lpd_mar_18_axesfixed")
    )
    np.testing.assert_allclose(inverted, fixed, rtol=0, atol=1e-12)


def test_a_file_can_be_edited_in_place(tmp_path, capsys):
    path = small_geometry(tmp_path)
    before = path.read_text()
    assert run("convert", path, path, "--distance", 0.2) == 0
    assert path.read_text() == before.replace("clen = 0.1", "clen = 0.2")
    capsys.readouterr()
    run_wrong(capsys, "convert", path, path, "--distance", 0)
    assert path.read_text() == before.replace("clen = 0.1", "clen = 0.2")


def test_what_is_missing_is_told_in_words_of_the_shell(tmp_path, capsys):
    write_euxfel(example_geometry("LPD-1M"), tmp_path / "a.h5")
    assert run("convert", tmp_path / "a.h5", tmp_path / "b.geom") == 0
    error = capsys.readouterr().err
    assert "give --distance, --energy and --adu-per-ev, or edit" in error
    assert "adu_per" not in error
    command = ["convert", tmp_path / "a.h5", tmp_path / "c.geom", "--adu-per-ev", -1]
    assert "--adu-per-ev must be a positive, finite number" in run_wrong(capsys, *command)


# -- What is lost ---------------------------------------------------------------------------


def test_a_table_says_what_is_kept(tmp_path, capsys):
    source = small_geometry(tmp_path)
    assert run("convert", source, tmp_path / "b.poni") == 0
    out, err = capsys.readouterr()
    lines = [line.split("  ") for line in out.splitlines()]
    assert lines[0][0].startswith(f"{tmp_path / 'b.poni'}: <Geometry ")
    said = {parts[1].strip(): parts[-1].strip() for parts in lines[1:]}
    assert said["distance"] == said["photon energy"] == said["layout of the data"] == "kept"
    assert said["positions of tiles"].startswith("largest displacement ")
    assert said["positions of tiles"].endswith(" µm (a)")
    assert err == ""


def test_tiles_that_would_move_are_refused(tmp_path, capsys):
    geometry = example_geometry("LPD-1M").rotate((0, 0, 1)).replace(distance=0.2)
    write_geometry(geometry, tmp_path / "a.cxi")
    command = ["convert", tmp_path / "a.cxi", tmp_path / "b.h5", "--to", "euxfel"]
    assert run(*command) == 2
    out, err = capsys.readouterr()
    assert "not in the file" in out
    assert "give --allow-loss to write it all the same" in err
    assert not (tmp_path / "b.h5").exists()
    assert run(*command, "--allow-loss") == 0
    assert "largest displacement" in capsys.readouterr().out
    assert read_geometry(tmp_path / "b.h5").n_tiles == 256


def test_hints_for_reading_and_options_for_writing(tmp_path, capsys):
    geometry = example_geometry("AGIPD-500K").replace(distance=0.2, photon_energy=9000)
    write_geometry(geometry, tmp_path / "a.cxi")
    maps = [tmp_path / "m.h5", "--to", "pixelmap", "-o", "dtype=float64", "-o", "unit=pixels"]
    assert run("convert", tmp_path / "a.cxi", *maps, "--reference", "centre") == 0
    hints = ["--from", "pixelmap", "--detector", tmp_path / "a.cxi"]
    assert run("convert", tmp_path / "m.h5", tmp_path / "b.cxi", *hints) == 0
    back = read_geometry(tmp_path / "b.cxi")
    assert back.detector == geometry.detector
    # A sum of float64 in pixels, times the pitch: 3 roundings of numbers below 0.2 m.
    np.testing.assert_allclose(back.tile_corners, geometry.tile_corners, rtol=0, atol=1e-16)
    capsys.readouterr()
    error = run_wrong(capsys, "convert", tmp_path / "a.cxi", *maps, "-o", "dtype")
    assert "'dtype' is no option: expected NAME=VALUE" in error
    error = run_wrong(capsys, "convert", tmp_path / "a.cxi", *maps, "-o", "nope=1")
    assert "there is no option 'nope'; the options are dtype, reference, unit" in error
    error = run_wrong(capsys, "convert", tmp_path / "a.cxi")
    assert "geomlib convert IN OUT" in error


def test_options_for_reading(tmp_path, capsys):
    geometry = example_geometry("ePix10K").replace(distance=0.2, photon_energy=9000)
    write_geometry(geometry, tmp_path / "m.h5", format="pixelmap", dtype="float64")
    with h5py.File(tmp_path / "m.h5", "r+") as file:
        for name in list(file.attrs):
            del file.attrs[name]
        x = file["x"][()]
        for name in list(file):
            del file[name]
        file["x"], file["y"] = x, np.zeros_like(x)
        file["y"][...] = geometry.pixel_positions("corner")[0, ..., 1]
    command = ["convert", tmp_path / "m.h5", tmp_path / "b.data", "--distance", 0.2]
    assert run(*command) == 0
    assert "give --read reference='corner' or 'centre'" in capsys.readouterr().err
    assert run(*command, "--read", "reference=centre", "--read", "pixel_size=1e-4") == 0
    assert "reference" not in capsys.readouterr().err
    shift = read_geometry(tmp_path / "b.data").tile_corners - geometry.tile_corners
    # Corners taken for centres: half a pixel of 100 µm back along fs = -x and ss = -y.
    np.testing.assert_allclose(shift[:, :2], 50e-6, rtol=0, atol=1e-12)


def test_formats_are_listed(capsys):
    assert run("convert", "--formats") == 0
    lines = capsys.readouterr().out.splitlines()
    names = {line.split()[0]: line for line in lines[1:]}
    assert list(names)[:2] == ["crystfel", "euxfel"]
    assert "hexagons" in names["nxmx"]
    assert ".expt" in names["dials"]
    assert names["dragonfly"].split()[2:4] == ["–", "yes"]
