"""Geometry files of psana in psana itself: every pixel is where geomlib says."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from geomlib.detectors import generic
from geomlib.formats.psana import read_psana, write_psana
from geomlib.formats.psana_segments import SEGMENTS
from tests.formats.geometries import NAMES, geometry
from tests.shared import SHARED_DATA, needs_shared_data

pytestmark = pytest.mark.clients

# An environment of its own, next to the one that runs the tests.
ENVIRONMENT = Path(sys.prefix) / "clients" / "psana"
PYTHON = ENVIRONMENT / "bin" / "python"
SCRIPT = Path(__file__).with_name("psana_centres.py")
# psana counts in µm up to 1e6, with sines of right angles that are 1e-16 off: a few 1e-10 µm.
ROUNDING = 2e-9


@pytest.fixture(scope="module", autouse=True)
def psana():
    """Install psana, where it is missing; it needs the headers of Kerberos."""
    if not PYTHON.exists():
        subprocess.run([sys.executable, "-m", "venv", ENVIRONMENT], check=True)
    if subprocess.run([PYTHON, "-c", "import psana"], capture_output=True).returncode:
        install = [PYTHON, "-m", "pip", "install", "--quiet", "psana", "mpich"]
        if subprocess.run(install, capture_output=True).returncode:
            pytest.skip("psana cannot be installed; on Debian it needs apt-get install libkrb5-dev")


def mixed_pitch():
    """Two modules of two tiles, one of 200 × 100 µm pixels and one of 50 × 75 µm."""
    flat = generic(
        [(0, 0), (0, 0.01), (0.05, 0), (0.05, 0.01)], (20, 30), (2e-4, 1e-4), tiles_per_module=2
    )
    ss, fs = flat.tile_ss.copy(), flat.tile_fs.copy()
    ss[2:] *= 0.25
    fs[2:] *= 0.75
    return flat.replace(tile_ss=ss, tile_fs=fs, distance=0.2).rotate((0.5, 0.3, -0.4))


def centres_in_psana(*paths):
    subprocess.run([PYTHON, SCRIPT, *paths], check=True, timeout=600)
    return [np.load(path.with_suffix(".npy")) for path in paths]


def from_sample(known):
    """Centres of all pixels of the data, µm from the sample."""
    away = np.array([0, 0, known.distance or 0])
    return 1e6 * (known.pixel_positions() + away)


@pytest.mark.parametrize("name", ["mixed pitch", *(name for name in NAMES if name != "mixed")])
def test_psana_finds_every_pixel(name, tmp_path):
    known = mixed_pitch() if name == "mixed pitch" else geometry(name)
    path = tmp_path / "a.data"
    write_psana(known, path)
    (theirs,) = centres_in_psana(path)
    # psana has an array for each tile, in the order of the tiles.
    centres = from_sample(known)
    ours = np.stack([centres[known.detector.tile_slice(t)] for t in range(known.n_tiles)])
    assert theirs.shape == ours.shape
    error = np.abs(theirs - ours).max()
    print(f"{name}: {theirs.size // 3} pixels, largest error {error:.1e} µm")
    assert error < ROUNDING


@needs_shared_data
@pytest.mark.parametrize(
    "path", sorted((SHARED_DATA / "psana").glob("*.data")), ids=lambda p: p.stem
)
def test_real_files(path, tmp_path):
    copied = Path(shutil.copy(path, tmp_path))
    (theirs,) = centres_in_psana(copied)
    compare(read_psana(path), theirs, path.stem)


@pytest.mark.parametrize("name", sorted(SEGMENTS))
def test_every_segment(name, tmp_path):
    path = tmp_path / "a.data"
    path.write_text(f"IP 0 CAM 0 0 0 -100000 90 0 0 0 0 0\nCAM 0 {name} 0 10 20 30 0 0 0 1 2 3\n")
    (theirs,) = centres_in_psana(path)
    compare(read_psana(path), theirs, name)


def compare(known, theirs, name):
    ours = from_sample(known)
    assert theirs.shape == ours.shape
    error = np.abs(theirs - ours).max(axis=-1)
    inside = np.ones(ours.shape[:3], dtype=bool)
    if known.detector.name.startswith("JUNGFRAU"):
        # JUNGFRAU:V2 has the centres of double pixels in their middles, half a pixel further out.
        for tile, wide in enumerate((known.detector.wide_edges > 0).astype(int)):
            part = inside[known.detector.tile_slice(tile)]
            part[: wide[0]], part[part.shape[0] - wide[1] :] = False, False
            part[:, : wide[2]], part[:, part.shape[1] - wide[3] :] = False, False
        assert error[~inside].max() < 37.5 * np.sqrt(2) + ROUNDING
    print(f"{name}: {inside.sum()} pixels, largest error {error[inside].max():.1e} µm")
    assert error[inside].max() < ROUNDING
