"""Pictures of azimuthal integration, for ``docs/integration.md``."""

from __future__ import annotations

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

import geomlib
from geomlib.simulate import choose_defects, simulate_frames

#: Where the simulated detector stands, in metres, and the photon energy in eV.
DISTANCE, ENERGY = 0.35, 9300.0


def draw_rings() -> Axes:
    """Draw a powder and its curve: as a mean, and as a median, which hot pixels do not move."""
    geom = geomlib.example_geometry("AGIPD-1M").replace(distance=DISTANCE, photon_energy=ENERGY)
    frames = simulate_frames(
        geom, 16, seed=1, defects=choose_defects(geom, seed=1), dtype=np.float32
    )
    image = geomlib.assemble_data(frames, geom, reduce="mean")
    _, (left, right) = plt.subplots(
        1, 2, figsize=(11, 4.2), layout="constrained", width_ratios=(1, 1.6)
    )
    image.plot(ax=left, units="mm", title="mean of 16 frames")
    data = geomlib.dismantle_image(image, geom)
    for method, label in (("mean", 'method="mean"'), ("median", 'method="median"')):
        curve = geomlib.integrate1d(data, geom, 700, method=method)
        curve.plot(right, label=label)
    right.set_title("integrated, 700 bins")
    return left


def draw_misplaced() -> Axes:
    """Draw cakes of a powder with a quadrant where the geometry says, and 3 mm away from there."""
    geom = geomlib.example_geometry("AGIPD-1M").replace(distance=DISTANCE, photon_energy=ENERGY)
    frames = simulate_frames(geom, 32, seed=1, dtype=np.float32)
    mean = frames.mean(axis=0)
    wrong = geom.offset((-2e-3, 2e-3), group="q0")
    _, axes = plt.subplots(1, 3, figsize=(12, 4), layout="constrained")
    for ax, used, title in (
        (axes[0], geom, "the right geometry"),
        (axes[1], wrong, "one quadrant 3 mm off"),
    ):
        cake = geomlib.integrate2d(mean, used, 400, 180, range=(0.15, 1.95))
        cake.plot(ax, title=title)
    for used, label in ((geom, "right"), (wrong, "one quadrant off")):
        geomlib.integrate1d(mean, used, 700, range=(0.15, 1.95)).plot(axes[2], label=label)
    axes[2].set_title("their curves")
    return axes[0]
