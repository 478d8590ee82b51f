"""NXmx as nxmx, scippnexus and pynxtools read it; dxtbx is in `tests.clients`."""

import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from geomlib.formats.nxmx_write import write_nxmx
from tests.formats.geometries import DISTANCE, ENERGY, NAMES, geometry

DETECTOR = "/entry/instrument/ELE_D0"
# Positions are below 1 m and go through ten or so operations, some in millimetres: 1e-15 m.
ROUNDING = 1e-14
VALID = "valid according to the `NXmx` application definition."

nxmx = pytest.importorskip("nxmx", reason="the client nxmx is not installed")
snx = pytest.importorskip("scippnexus", reason="the client scippnexus is not installed")


@pytest.fixture(params=NAMES)
def written(request, tmp_path):
    """A geometry, its file, and the names of the groups of its tiles."""
    known = geometry(request.param)
    write_nxmx(known, tmp_path / "a.nxs")
    with h5py.File(tmp_path / "a.nxs") as file:
        names = file[f"{DETECTOR}/geomlib/tiles"].asstr()[()].split()
    assert len(names) == known.n_tiles
    return known, tmp_path / "a.nxs", names


def assert_tiles(found, known):
    """Corner, ss and fs of each tile, shape (n, 3, 3), metres from the sample."""
    corners = known.tile_corners + np.array([0, 0, DISTANCE])
    expected = np.stack([corners, known.tile_ss, known.tile_fs], axis=1)
    np.testing.assert_allclose(found, expected, rtol=0, atol=ROUNDING)


def test_nxmx(written):
    known, path, names = written
    with h5py.File(path) as file:
        (entry,) = nxmx.NXmx(file).entries
        (instrument,) = entry.instruments
        (detector,) = instrument.detectors
        found = {module.path.rsplit("/", 1)[-1]: module for module in detector.modules}
        tiles = []
        for name in names:
            fast, slow = found[name].fast_pixel_direction, found[name].slow_pixel_direction
            chain = nxmx.get_dependency_chain(fast.depends_on)
            corner = nxmx.get_cumulative_transformation(chain)[0, :3, 3] * 1e-3
            steps = [axis[()].to("m").magnitude[0] * axis.vector for axis in (slow, fast)]
            tiles.append([corner, *steps])
        assert_tiles(tiles, known)
        wavelength = instrument.beams[0].incident_wavelength.to("m").magnitude
        # The Planck constant times the speed of light is exact; the rest is rounding.
        assert 1.2398419843320026e-06 / wavelength == pytest.approx(ENERGY, rel=1e-14)
        modules, n_ss, n_fs = known.data_shape
        mask = detector.pixel_mask
        if mask is None:  # of tiles that are narrower than the data
            mask = file[f"{DETECTOR}/pixel_mask_2"]
            assert known.detector.tile_shapes[:, 1].min() < n_fs
        assert mask.shape == (modules * n_ss, n_fs)
        masked = mask[()].reshape(known.data_shape) != 0
        np.testing.assert_array_equal(masked, known.bad_pixels())
        for tile, name in enumerate(names):
            module, ss0, ss1, fs0, fs1 = known.detector.tile_bounds[tile]
            assert found[name].data_origin.tolist() == [module * n_ss + ss0, fs0]
            assert found[name].data_size.tolist() == [ss1 - ss0, fs1 - fs0]


def test_scippnexus(written):
    known, path, names = written
    with snx.File(path) as file:
        axes = file[f"{DETECTOR}/transformations"][()]
        built = {name: axis.build().value for name, axis in axes.items()}
        stands = {name: axis.depends_on.value.rsplit("/", 1)[-1] for name, axis in axes.items()}
        tiles = []
        for name in names:
            module = file[f"{DETECTOR}/{name}"][()]
            corner, place = np.zeros(3), name
            while place != ".":
                corner, place = corner + built[place], stands[place]
            slow, fast = module["slow_pixel_direction"], module["fast_pixel_direction"]
            assert fast.depends_on.value == f"{DETECTOR}/transformations/{name}"
            tiles.append([corner, slow.build().value, fast.build().value])
    assert_tiles(tiles, known)


def validate(path, *options):
    """What ``pynx validate`` prints; its exit status is 0 in any case."""
    pytest.importorskip("pynxtools", reason="the client pynxtools is not installed")
    command = [Path(sys.executable).with_name("pynx"), "validate", *options, path]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    return (done.stdout + done.stderr).splitlines()


@pytest.mark.parametrize("name", ["AGIPD-1M", "LPD-1M"])
def test_validator(name, tmp_path):
    path = tmp_path / "a.nxs"
    write_nxmx(geometry(name, bad_regions=False), path)
    assert validate(path) == [f"The entry `entry` in file `{path}` is {VALID}"]


def test_validator_and_masks(tmp_path):
    path = tmp_path / "a.nxs"
    # The definition has pixel_mask_2 in the text on pixel_mask only: undocumented for pynxtools.
    write_nxmx(geometry("mixed"), path)
    assert validate(path, "--ignore-undocumented")[-1].endswith(f" is {VALID}")
    # pynxtools 0.16 takes the pixel_mask of NXmx for the mask of a field "pixel".
    write_nxmx(geometry("pnCCD"), path)
    complaint, _ = validate(path)
    assert "Reserved suffix '_mask' was used in /entry/instrument/ELE_D0/pixel_mask" in complaint


def test_validator_finds_what_is_wrong(tmp_path):
    write_nxmx(geometry("pnCCD", bad_regions=False), tmp_path / "a.nxs")
    with h5py.File(tmp_path / "a.nxs", "r+") as file:
        del file[f"{DETECTOR}/p0a0/fast_pixel_direction"].attrs["vector"]
    said = " ".join(validate(tmp_path / "a.nxs"))
    assert "NOT valid" in said
    assert "vector" in said
