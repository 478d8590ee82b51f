"""Running commands in this process, and a small detector for them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from geomlib.cli import main

#: Two tiles side by side, 3 pixels apart, each a module of 8 × 10 pixels of 100 µm.
SMALL_GEOM = """\
clen = 0.1
photon_energy = 9300
adu_per_eV = 0.001
res = 10000
data = /entry/data
dim0 = %
dim1 = 0
dim2 = ss
dim3 = fs
rigid_group_left = b
rigid_group_right = a
rigid_group_collection_sides = left,right

a/min_ss = 0
a/max_ss = 7
a/min_fs = 0
a/max_fs = 9
a/fs = x
a/ss = y
a/corner_x = -12
a/corner_y = -4
b/dim1 = 1
b/min_ss = 0
b/max_ss = 7
b/min_fs = 0
b/max_fs = 9
b/fs = x
b/ss = y
b/corner_x = 1
b/corner_y = -4
"""


def small_geometry(folder: Path) -> Path:
    path = folder / "small.geom"
    path.write_text(SMALL_GEOM)
    return path


def small_frames(n: int, dtype: str = "float32") -> np.ndarray:
    """Frames (n, modules, ss, fs) of the small detector."""
    return np.random.default_rng(3).integers(0, 1000, (n, 2, 8, 10)).astype(dtype)


def assembled(frames: np.ndarray, gap: float = np.nan) -> np.ndarray:
    """Assemble frames of the small detector by hand, (…, 8, 23)."""
    out = np.full((*frames.shape[:-3], 8, 23), gap, dtype=frames.dtype)
    out[..., :10] = frames[..., 0, :, :]
    out[..., 13:] = frames[..., 1, :, :]
    return out


def run(*arguments: object) -> int:
    """Run a command and return its exit code."""
    with pytest.raises(SystemExit) as left:
        main([str(argument) for argument in arguments])
    return int(left.value.code or 0)


def run_wrong(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """Run a command that must fail: exit code 2, nothing on stdout, one line on stderr."""
    assert run(*arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = captured.err.splitlines()
    errors = [line for line in lines if line.startswith("error: ")]
    assert len(errors) == 1, captured.err
    assert all(line.startswith(("error: ", "warning: ")) for line in lines), captured.err
    return errors[0]
