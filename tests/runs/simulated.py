"""Small simulated runs whose answers are known."""

from typing import NamedTuple

import h5py
import numpy as np

from geomlib.detectors import example_geometry
from geomlib.runs import Run, open_run
from geomlib.simulate import even_powder, simulate_frames, write_euxfel_file

#: Smallest module size of a European XFEL detector with trains × pulses in one axis.
SMALL = example_geometry("AGIPD-500K").replace(distance=0.3, photon_energy=9300)
DEAD = 3


class Simulated(NamedTuple):
    """A run in a file, and its frames; NaN where a module is missing."""

    folder: str
    run: Run
    frames: np.ndarray


def simulate_run(folder, geometry=SMALL, n=70, per_train=10, dead=(DEAD,), seed=3, **options):
    """Write frames of rings, with noise, to a file of a run."""
    folder.mkdir(exist_ok=True)
    pattern = even_powder(geometry, rings=4)
    frames = simulate_frames(geometry, n, seed=seed, dtype=np.float32, pattern=pattern)
    path = folder / "CORR-R0001-SIM00-S00000.h5"
    write_euxfel_file(
        path, frames, geometry, frames_per_train=per_train, missing_modules=dead, **options
    )
    frames[:, list(dead)] = np.nan
    return Simulated(str(folder), open_run(folder), frames)


def tiny_run(folder, n=150, per_train=10, values=None):
    """Write a run of constant frames of one module: quick, compressed, exact in float32."""
    folder.mkdir(exist_ok=True)
    geometry = example_geometry("ePix10K").replace(distance=0.2, photon_energy=9300)
    levels = np.arange(n, dtype=np.float32) if values is None else np.asarray(values, np.float32)
    with h5py.File(folder / "stack.h5", "w") as file:
        shape = (n, *geometry.data_shape)
        data = file.create_dataset("entry/data", shape, "f4", chunks=(1, *shape[1:]))
        for k, level in enumerate(levels):
            data[k] = level
        file["entry/train_id"] = 1000 + np.arange(n) // per_train
        file["entry/pulse_id"] = np.arange(n) % per_train
        file["entry/cell_id"] = 2 * (np.arange(n) % per_train)
    return geometry, open_run(folder / "stack.h5", geometry)
