"""NXmx and experiment lists in dxtbx and DIALS: every tile is where geomlib says."""

import json
import subprocess
from pathlib import Path

import h5py
import numpy as np
import pytest

from geomlib.formats.dials import read_dials
from geomlib.formats.dials_write import write_dials
from geomlib.formats.nxmx_write import write_nxmx
from tests.formats.geometries import DISTANCE, ENERGY, NAMES, geometry

pytestmark = pytest.mark.clients

PYTHON = "/usr/bin/python3"
SCRIPT = Path(__file__).with_name("dxtbx_panels.py")
# dxtbx counts in mm, in some ten operations on numbers below 1000: 1e-12 mm.
ROUNDING = 1e-14
FLIP = np.array([-1, 1, -1])


def run(*command, cwd=None):
    done = subprocess.run(
        [str(part) for part in command],
        capture_output=True, text=True, cwd=cwd, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module", autouse=True)
def dxtbx():
    command = [PYTHON, "-c", "import dxtbx; print(dxtbx.__file__)"]
    if not Path(PYTHON).exists() or subprocess.run(command, capture_output=True).returncode:
        pytest.skip(f"dxtbx is not installed for {PYTHON}: run tests/clients/install.sh as root")


def numbered_data(path):
    """Give every pixel of the one frame of a file its own number."""
    with h5py.File(path, "r+") as file:
        data = file["/entry/data/data"]
        data[0] = np.arange(data[0].size, dtype=np.int32).reshape(data.shape[1:])


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """For each geometry the two files, and what dxtbx finds in them."""
    folder = tmp_path_factory.mktemp("dxtbx")
    paths = []
    for name in NAMES:
        write_nxmx(geometry(name), folder / f"{name}.nxs")
        numbered_data(folder / f"{name}.nxs")
        write_dials(geometry(name), folder / f"{name}.expt")
        paths += [folder / f"{name}.nxs", folder / f"{name}.expt"]
    found = json.loads(run(PYTHON, SCRIPT, *paths).splitlines()[-1])
    return {(Path(path).stem, Path(path).suffix): (path, said) for path, said in found.items()}


def panels_in_order(known, path, said):
    """Panels of dxtbx in the order of the tiles of the geometry."""
    if path.endswith(".nxs"):
        with h5py.File(path) as file:
            names = file["/entry/instrument/ELE_D0/geomlib/tiles"].asstr()[()].split()
        names = [f"/entry/instrument/ELE_D0/{name}" for name in names]
    else:
        names = list(known.detector.tile_names)
    by_name = {panel["name"]: panel for panel in said["panels"]}
    assert sorted(by_name) == sorted(names)
    assert len(said["panels"]) == known.n_tiles
    return [by_name[name] for name in names]


def lab(vectors):
    """From imgCIF axes and mm to metres in the lab."""
    return FLIP * np.array(vectors) * 1e-3


@pytest.mark.parametrize("suffix", [".nxs", ".expt"])
@pytest.mark.parametrize("name", NAMES)
def test_dxtbx_finds_every_tile(files, name, suffix):
    known = geometry(name)
    path, said = files[name, suffix]
    panels = panels_in_order(known, path, said)
    from_sample = np.array([0, 0, DISTANCE])
    last = known.tile_outlines()[:, 2] + from_sample
    errors = {
        "corner": lab([p["origin"] for p in panels]) - (known.tile_corners + from_sample),
        "last corner": lab([p["last"] for p in panels]) - last,
        "ss": lab([p["slow"] for p in panels]) - known.tile_ss,
        "fs": lab([p["fast"] for p in panels]) - known.tile_fs,
    }
    largest = {what: 1e6 * np.abs(error).max() for what, error in errors.items()}
    print(
        f"{name}{suffix}: {len(panels)} panels, largest error in µm: "
        + ", ".join(f"{what} {error:.1e}" for what, error in largest.items())
    )
    # One step of a pixel, times the pixels of a tile, is in "last corner".
    assert max(largest.values()) < 1e6 * ROUNDING
    assert said["direction"] == [0, 0, 1]
    assert 12398.419843320026 / said["wavelength"] == pytest.approx(ENERGY, rel=1e-14)
    if suffix == ".nxs":
        assert said["format"] == "FormatNXmx"


@pytest.mark.parametrize("suffix", [".nxs", ".expt"])
@pytest.mark.parametrize("name", NAMES)
def test_dxtbx_takes_the_right_data_and_mask(files, name, suffix):
    known = geometry(name)
    path, said = files[name, suffix]
    _, n_ss, width = known.data_shape
    bad = known.bad_pixels()
    for tile, panel in enumerate(panels_in_order(known, path, said)):
        module, ss0, ss1, fs0, fs1 = known.detector.tile_bounds[tile].tolist()
        assert panel["size"] == [fs1 - fs0, ss1 - ss0]
        masked = np.flatnonzero(bad[known.detector.tile_slice(tile)]).tolist()
        # dxtbx 3.11 would not load a file with a mask of which tiles are narrower parts.
        seen = suffix == ".expt" or name in ("AGIPD-1M", "pnCCD")
        assert panel["masked"] == (masked if seen else [])
        if suffix == ".nxs":
            first, last = module * n_ss + ss0, module * n_ss + ss1 - 1
            assert panel["first_value"] == first * width + fs0
            assert panel["last_value"] == last * width + fs1 - 1
        else:
            assert panel["offset"] == [fs0, module * n_ss + ss0]


def test_groups(files):
    # Root, rail, quadrant, module, tile; the list has no rail of its own.
    assert files["AGIPD-1M", ".nxs"][1]["depth"] == 5
    assert files["AGIPD-1M", ".expt"][1]["depth"] == 3
    assert files["LPD-1M", ".expt"][1]["depth"] == 3
    assert files["JUNGFRAU-4M", ".expt"][1]["depth"] == 2


@pytest.mark.parametrize("suffix", [".nxs", ".expt"])
@pytest.mark.parametrize("name", NAMES)
def test_dials_show(files, name, suffix):
    path, _ = files[name, suffix]
    said = run("dials.show", path)
    assert said.count("Panel:") == geometry(name).n_tiles


@pytest.mark.parametrize("name", NAMES)
def test_what_dials_writes_is_read(files, name, tmp_path):
    """DIALS imports a NeXus file and writes a list, without the note on the layout of the data."""
    known = geometry(name)
    path, said = files[name, ".nxs"]
    run("dials.import", path, cwd=tmp_path)
    back = read_dials(tmp_path / "imported.expt", detector="generic")
    order = [panel["name"] for panel in panels_in_order(known, path, said)]
    tiles = [back.detector.tile_names.index(panel) for panel in order]
    error = max(
        np.abs(np.array(b)[tiles] - a).max() for a, b in zip(known.tiles, back.tiles, strict=True)
    )
    print(f"{name}: imported.expt, largest error {1e6 * error:.1e} µm")
    assert error < ROUNDING
    assert back.distance == pytest.approx(DISTANCE, rel=1e-15)
    assert back.photon_energy == pytest.approx(ENERGY, rel=1e-14)


@pytest.mark.parametrize("name", ["AGIPD-1M", "mixed"])
def test_a_list_that_dxtbx_wrote_again(files, name, tmp_path):
    path, _ = files[name, ".expt"]
    script = (
        "import sys; from dxtbx.model.experiment_list import ExperimentListFactory as F;"
        "F.from_json_file(sys.argv[1], check_format=False).as_json(sys.argv[2])"
    )
    run(PYTHON, "-c", script, path, tmp_path / "again.expt")
    text = (tmp_path / "again.expt").read_text()
    assert "geomlib" not in text
    known, back = geometry(name), read_dials(tmp_path / "again.expt", detector="generic")
    assert back.detector.tile_names == known.detector.tile_names
    for ours, theirs in zip(known.tiles, back.tiles, strict=True):
        np.testing.assert_allclose(theirs, ours, rtol=0, atol=ROUNDING)
    # Of the data of no tile, which is bad too, the last rows are gone with the note.
    (region,) = back.bad_regions
    assert region.tile == known.bad_regions[0].tile == 1
    assert np.diff([region.ss, region.fs]).tolist() == [[3], [5]]
