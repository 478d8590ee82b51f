"""``geomlib demo``, with fewer frames than it has by itself."""

import sys

import numpy as np
import pytest
from extra_data import H5File
from extra_data.components import AGIPD1M
from PIL import Image

import geomlib
from geomlib.cli import demo
from geomlib.data import open_frames
from geomlib.simulate import choose_defects, two_theta
from geomlib.simulate.frames import default_pattern
from tests.cli.command import run, run_wrong

pytestmark = pytest.mark.jit


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("demo") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo, "FRAMES", 8)
        assert run("demo", "--output", path) == 0
    return path


@pytest.fixture(scope="module")
def geometry(folder):
    return geomlib.read_geometry(folder / "agipd.geom")


def test_files(folder):
    assert sorted(p.name for p in folder.iterdir()) == ["agipd.geom", "agipd.png", "agipd_train.h5"]


def test_geometry_file(geometry):
    assert geometry.detector.name == "AGIPD-1M"
    assert (geometry.distance, geometry.photon_energy) == (demo.DISTANCE, demo.PHOTON_ENERGY)
    expected = geomlib.example_geometry("AGIPD-1M")
    np.testing.assert_allclose(geometry.tile_corners, expected.tile_corners, atol=1e-12)


def test_extra_data_reads_the_train(folder):
    with H5File(folder / "agipd_train.h5") as run_file:
        data = AGIPD1M(run_file, min_modules=1)
        assert data.get_array("image.data").shape == (15, 1, 8, 512, 128)


def test_the_mean_has_its_rings_where_they_belong(folder, geometry):
    stack = open_frames(folder / "agipd_train.h5", geometry)
    assert len(stack.missing_modules) == 1
    data = stack.read(range(8))
    angles = two_theta(geometry)
    pattern = default_pattern(geometry)
    counted = np.nan_to_num(data.mean(axis=0))
    defects = choose_defects(geometry, seed=demo.SEED)
    counted[tuple(defects.hot_pixels.T)] = 0
    for ring in pattern.ring_two_theta[:4]:
        # Centre of gravity of the ring above its surroundings, in bins of a tenth of its width.
        near = np.abs(angles - ring) < 4 * pattern.ring_width
        good = near & (counted > 0)
        bins = np.round((angles[good] - ring) / (0.1 * pattern.ring_width)).astype(int)
        profile = np.bincount(bins + 40, counted[good]) / np.maximum(np.bincount(bins + 40), 1)
        assert abs(profile[30:51].argmax() - 10) <= 4
        assert profile[35:46].mean() > 1.3 * profile[[*range(5), *range(-5, 0)]].mean()


def test_the_picture(folder, geometry):
    """Gaps and the missing module are grey, the dead tile is the darkest, rings the brightest."""
    with Image.open(folder / "agipd.png") as picture:
        pixels = np.asarray(picture.convert("RGB")).astype(int)
    defects = choose_defects(geometry, seed=demo.SEED)
    data = np.zeros(geometry.data_shape, dtype="f4")
    data[defects.missing_modules[0]] = 1
    data[geometry.detector.tile_slice(defects.dead_tiles[0])] = 2
    bright = np.abs(two_theta(geometry) - default_pattern(geometry).ring_two_theta[1]) < 0.05
    bright[list(defects.missing_modules)] = False
    data[bright] = 3
    kind = np.nan_to_num(geomlib.assemble_data(data, geometry).data, nan=1)[::-1, ::-1]
    assert pixels.shape == (*kind.shape, 3)
    brightness = pixels.sum(axis=-1)
    grey = (pixels.max(axis=-1) == pixels.min(axis=-1)) & (brightness < 300)
    np.testing.assert_array_equal(grey, kind == 1)
    assert np.median(brightness[kind == 3]) > 1.4 * np.median(brightness[kind == 0])
    assert np.median(brightness[kind == 2]) < np.median(brightness[kind == 0])


def test_what_it_prints(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(demo, "FRAMES", 1)
    assert run("demo", "-o", tmp_path) == 0
    printed = " ".join(capsys.readouterr().out.split())
    for words in (
        "1 × 16 × 512 × 128 float32",
        "missing modules: 4",
        "1256 × 1092 pixels",
        "18.46°",
        "100 hot pixels",
        "peak memory",
        "agipd.png",
    ):
        assert words in printed


def test_peak_memory_is_in_bytes():
    peak = demo.peak_memory()
    assert np.isnan(peak) if sys.platform == "win32" else 2e7 < peak < 1e12


def test_an_output_that_is_no_folder(tmp_path, capsys):
    (tmp_path / "file").touch()
    for name in ("file", "file/sub"):
        error = run_wrong(capsys, "demo", "--output", tmp_path / name)
        assert f"--output {tmp_path / name} cannot be made a folder: " in error
