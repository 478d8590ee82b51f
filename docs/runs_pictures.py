"""Picture of a virtual powder, for ``docs/runs.md``."""

from __future__ import annotations

import tempfile
from pathlib import Path

import h5py
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

import geomlib
from geomlib.simulate import choose_defects, lab6_powder, simulate_frames, write_euxfel_file

#: Where the simulated detector stands, in metres, and the photon energy in eV.
DISTANCE, ENERGY = 0.35, 9300.0
#: Of so many frames one in so many is a hit.
FRAMES, HITS = 96, 6


def draw_powder() -> Axes:
    """Draw the mean of all frames of a run, and of its hits; a module is dead."""
    geom = geomlib.example_geometry("AGIPD-1M").replace(distance=DISTANCE, photon_energy=ENERGY)
    defects = choose_defects(geom, hot_pixels=0, dead_tiles=1, missing_modules=1, seed=6)
    pattern = lab6_powder(geom, photon_energy=ENERGY)
    hits = simulate_frames(
        geom, FRAMES // HITS, seed=2, pattern=pattern, defects=defects, dtype=np.float32
    )
    frames = np.random.default_rng(3).poisson(0.05, (FRAMES, *geom.data_shape)).astype(np.float32)
    frames[::HITS] = hits
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "r0001"
        folder.mkdir()
        write_euxfel_file(
            folder / "CORR-R0001-AGIPD00-S00000.h5", frames, geom, frames_per_train=32,
            missing_modules=defects.missing_modules,
        )  # fmt: skip
        run = geomlib.open_run(folder)
        geomlib.reduce_run(run, geom, f"{name}/all.h5")
        geomlib.reduce_run(run, geom, f"{name}/hits.h5", threshold=3, min_pixels=5000)
        images = [_image(f"{name}/{which}.h5") for which in ("all", "hits")]
        with h5py.File(f"{name}/hits.h5") as file:
            score = file["entry/score/score"][()]
            hit = file["entry/score/hit"][()] != 0
    return _draw(images, score, hit)


def _image(path: str) -> np.ndarray:
    with h5py.File(path) as file:
        image: np.ndarray = file["entry/mean/data"][()]
    return image


def _draw(images: list[np.ndarray], score: np.ndarray, hit: np.ndarray) -> Axes:
    _, (left, middle, right) = plt.subplots(
        1, 3, figsize=(13, 4.2), layout="constrained", width_ratios=(1, 1, 1.1)
    )
    for ax, image, title in (
        (left, images[0], f"mean of all {len(hit)} frames"),
        (middle, images[1], f"mean of the {hit.sum()} hits"),
    ):
        # Front view: x to the left.
        ax.imshow(image[:, ::-1], origin="lower", cmap="viridis", vmin=0, vmax=6)
        ax.set(title=title, xticks=[], yticks=[])
    numbers = np.arange(len(hit))
    right.plot(numbers[~hit], score[~hit], ".", label="no hit")
    right.plot(numbers[hit], score[hit], "o", label="hit")
    right.axhline(5000, color="0.6", lw=1)
    right.set(xlabel="frame", ylabel="pixels over 3 photons", title="score")
    right.legend(loc="center right")
    return left
