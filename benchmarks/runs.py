"""How long whole runs take: from files, in bounded memory, to a file.

    python -m benchmarks.runs [--quick] [--frames N]

The run is a simulated AGIPD-1M, corrected (float32), in one file that the system has in memory. C
is `np.copyto` of its bytes on one thread; "read" is h5py reading all of it. The peer reads trains
with EXtra-data and assembles them with EXtra-geom (or
adds them up with numpy), as its users do, and writes with h5py. All times of a table are taken in
turn, in one process. Output files are written anew each time.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np

import geomlib
from benchmarks.peers import extra_geom_geometry
from benchmarks.tables import Table
from benchmarks.timing import describe_machine, medians
from geomlib.simulate import write_euxfel_file

NAME = "AGIPD-1M"
PER_TRAIN = 32


@contextmanager
def simulated_run(n_frames: int) -> Iterator[Path]:
    """Write a run of noise to a temporary folder."""
    geometry = geomlib.example_geometry(NAME)
    folder = Path(tempfile.mkdtemp(prefix="geomlib-runs-"))
    try:
        rng = np.random.default_rng(0)
        frames = rng.normal(10, 3, (n_frames, *geometry.data_shape)).astype(np.float32)
        path = folder / "CORR-R0001-AGIPD00-S00000.h5"
        write_euxfel_file(path, frames, geometry, frames_per_train=PER_TRAIN)
        yield folder
    finally:
        shutil.rmtree(folder)


def read_all(path: Path) -> None:
    """Read every frame of every module."""
    with h5py.File(path) as file:
        found = [g["image/data"] for g in file["INSTRUMENT/SPB_DET_AGIPD1M-1/DET"].values()]
        room = np.empty((PER_TRAIN, *found[0].shape[1:]), found[0].dtype)
        for data in found:
            for first in range(0, len(data), PER_TRAIN):
                data.read_direct(room, np.s_[first : first + PER_TRAIN])


def peer_trains(folder: Path) -> Iterator[Any]:
    """Read trains with EXtra-data, (pulses, modules, ss, fs)."""
    from extra_data import RunDirectory, by_id
    from extra_data.components import AGIPD1M

    detector = AGIPD1M(RunDirectory(folder), raw=False)
    for train in detector.train_ids:
        data = detector.select_trains(by_id[[train]])["image.data"].ndarray()
        yield np.moveaxis(data, 0, 1)


def peer_assemble(folder: Path, peer: Any, output: Path) -> None:
    """Assemble a run with EXtra-geom."""
    shape = peer.output_array_for_position((1,)).shape[-2:]
    with h5py.File(output, "w") as file:
        images = file.create_dataset(
            "images", (0, *shape), "f4", chunks=(1, *shape), maxshape=(None, *shape)
        )
        for data in peer_trains(folder):
            image, _ = peer.position_modules(data)
            images.resize(len(images) + len(image), axis=0)
            images[-len(image) :] = image


def peer_mean(folder: Path, peer: Any, output: Path) -> None:
    """Average a run with numpy, and assemble that with EXtra-geom."""
    total, n = 0.0, 0
    for data in peer_trains(folder):
        total, n = total + np.nansum(data, axis=0, dtype=np.float64), n + len(data)
    image, _ = peer.position_modules(np.asarray(total / n))
    with h5py.File(output, "w") as file:
        file["mean"] = image


def rows(folder: Path, repeats: int, threads: tuple[int, ...]) -> dict[str, dict[str, float]]:
    """Time everything; returns the rows of the table."""
    geometry, peer = geomlib.example_geometry(NAME), extra_geom_geometry(NAME)
    run = geomlib.open_run(folder)
    data = run.frames()
    copy = np.empty_like(data)
    out = folder / "out"
    out.mkdir(exist_ok=True)
    wanted: dict[str, Any] = {"overwrite": True}
    beam = geometry.replace(distance=0.3, photon_energy=9300)
    integrator = geomlib.StackIntegrator(beam, 1000)
    todo: dict[str, Callable[[], object]] = {"C": partial(np.copyto, copy, data)}
    todo["read"] = partial(read_all, run.files[0])
    for n in threads:
        own = wanted | {"threads": n}
        todo[f"assemble_run, {n}"] = partial(
            geomlib.assemble_run, run, geometry, out / f"a{n}.h5", compress=False, **own
        )
        todo[f"assemble_run to zarr, {n}"] = partial(
            geomlib.assemble_run, run, geometry, out / f"a{n}.zarr", compress=False, **own
        )
        todo[f"integrate_run, {n}"] = partial(
            geomlib.integrate_run, run, integrator, out / f"i{n}.h5", **own
        )
        todo[f"reduce_run mean, {n}"] = partial(
            geomlib.reduce_run, run, geometry, out / f"m{n}.h5", "mean", **own
        )
        todo[f"reduce_run mean by pulse, {n}"] = partial(
            geomlib.reduce_run, run, geometry, out / f"p{n}.h5", "mean", by="pulse", **own
        )
        todo[f"reduce_run max of hits, {n}"] = partial(
            geomlib.reduce_run, run, geometry, out / f"h{n}.h5", "max", threshold=20, **own
        )
    if peer is not None:
        todo["EXtra-data, EXtra-geom: images"] = partial(
            peer_assemble, folder, peer, out / "peer.h5"
        )
        todo["EXtra-data, numpy: mean"] = partial(peer_mean, folder, peer, out / "peer-mean.h5")
    times = medians(todo, repeats)
    size = data.nbytes / 1e9
    return {
        name: {"time / C": t / times["C"], "s": t, "GB/s": size / t} for name, t in times.items()
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer frames and rounds")
    parser.add_argument("--frames", type=int)
    arguments = parser.parse_args()
    n_frames = arguments.frames or (64 if arguments.quick else 512)
    print(describe_machine())
    table = Table(f"{n_frames} frames of {NAME}, float32, from files; threads", "what")
    with simulated_run(n_frames) as folder:
        for name, row in rows(folder, *((1, (2,)) if arguments.quick else (5, (1, 2)))).items():
            table.add(name, row)


if __name__ == "__main__":
    main()
