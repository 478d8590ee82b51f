"""How much memory assembling a long dataset takes: HDF5 in, HDF5 out.

    python -m benchmarks.memory [--quick] [--frames N] [--detector NAME]

The dataset is written first; each way of reading it then runs in a process of its own, whose
largest resident size is printed next to the size of the data. Peak memory must not grow with the
number of frames.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np

import geomlib
from benchmarks.timing import describe_machine

WAYS = ("nothing but imports", "HDF5 to HDF5", "HDF5, mean of all frames", "dask to HDF5")


def peak_mib() -> float:
    """Largest resident size of this process so far, in MiB."""
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


def write_frames(path: Path, geometry: geomlib.Geometry, n_frames: int) -> int:
    """Write frames of random whole numbers, 8 in a chunk; returns their size in bytes."""
    rng = np.random.default_rng(0)
    block = rng.integers(0, 1000, (8, *geometry.data_shape), dtype=np.uint16)
    with h5py.File(path, "w") as file:
        data = file.create_dataset(
            "data", (n_frames, *geometry.data_shape), "u2", chunks=(8, 1, *geometry.data_shape[1:])
        )
        for start in range(0, n_frames, 8):
            data[start : start + 8] = block[: n_frames - start]
        return int(data.size) * data.dtype.itemsize


def run(way: int, path: Path, name: str) -> None:
    """Do the work of one process, and print its peak memory."""
    geometry = geomlib.example_geometry(name)
    n_y, n_x = geomlib.output_array(geometry).shape
    start = time.perf_counter()
    with h5py.File(path) as file, h5py.File(path.with_suffix(".out.h5"), "w") as target:
        data = file["data"]
        images = (len(data), n_y, n_x)
        if way == 1:
            out = target.create_dataset("image", images, "f4", chunks=(1, n_y, n_x))
            geomlib.assemble_data(data, geometry, out=out)
        elif way == 2:
            target["image"] = geomlib.assemble_data(data, geometry, reduce="mean").data
        elif way == 3:
            import dask.array as da

            out = target.create_dataset("image", images, "f4", chunks=(1, n_y, n_x))
            lazy = da.from_array(data, chunks=(16, *geometry.data_shape))
            geomlib.assemble_data(lazy, geometry, out=out)
    print(f"| {WAYS[way]} | {peak_mib():.0f} | {time.perf_counter() - start:.1f} |")


def main() -> None:
    """Write the data, and measure each way in a child process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few frames")
    parser.add_argument("--frames", type=int)
    parser.add_argument("--detector", default="AGIPD-1M")
    parser.add_argument("--folder", help="where 10 GB of files may lie for a while")
    parser.add_argument("--way", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--path", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.way is not None:
        run(arguments.way, arguments.path, arguments.detector)
        return
    n_frames = arguments.frames or (64 if arguments.quick else 2000)
    geometry = geomlib.example_geometry(arguments.detector)
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        path = Path(folder) / "frames.h5"
        size = write_frames(path, geometry, n_frames)
        print(describe_machine())
        print(f"{n_frames} frames of {arguments.detector}, uint16: {size / 2**20:.0f} MiB\n")
        print("| | peak memory, MiB | s |\n|---|---|---|", flush=True)
        for way in range(len(WAYS)):
            command = [sys.executable, "-m", "benchmarks.memory", "--way", str(way)]
            command += ["--path", str(path), "--detector", arguments.detector]
            subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
