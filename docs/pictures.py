"""Makes every picture of the README and the docs, from examples and simulated data.

Run ``python -m docs.pictures``; it writes ``docs/pictures/*.png``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from PIL import Image

import geomlib
from docs.integration_pictures import draw_misplaced, draw_rings
from docs.runs_pictures import draw_powder
from geomlib.detectors import EXAMPLE_NAMES
from geomlib.simulate import choose_defects, even_powder, simulate_frames

FOLDER = Path(__file__).parent / "pictures"
#: Where the simulated detectors stand, in metres, and the photon energy in eV.
DISTANCE, ENERGY = 0.35, 9300.0


def main() -> None:
    """Write all pictures."""
    mpl.use("Agg")
    FOLDER.mkdir(exist_ok=True)
    draw_first_picture()
    for name in EXAMPLE_NAMES:
        save(geomlib.example_geometry(name).inspect(), f"inspect-{name.lower()}", dots=80)
    draw_comparison()
    draw_hexagons()
    draw_split()
    save(draw_rings(), "integrate-rings", dots=80)
    save(draw_misplaced(), "integrate-misplaced", dots=80)
    save(draw_powder(), "runs-powder", dots=80)
    total = sum(path.stat().st_size for path in FOLDER.glob("*.png"))
    print(f"{FOLDER}: {len(list(FOLDER.glob('*.png')))} pictures, {total / 1e6:.2f} MB")


def draw_first_picture() -> None:
    """Draw the picture of the README: the mean of a simulated AGIPD-1M train."""
    geom = geomlib.example_geometry("AGIPD-1M")
    frames = simulate_frames(
        geom,
        16,
        distance=DISTANCE,
        photon_energy=ENERGY,
        seed=1,
        defects=choose_defects(geom, seed=1),
        dtype=np.float32,
    )
    image = geomlib.assemble_data(frames, geom, reduce="mean")
    save(image.plot(title="AGIPD-1M, mean of 16 frames"), "agipd", dots=100)
    image.save_png(FOLDER / "agipd-render.png", max_size=420, norm="sqrt", cmap="magma")


def draw_comparison() -> None:
    """Draw what a refinement of module positions may give: shifts of some 50 µm, one rotation."""
    geom = geomlib.example_geometry("AGIPD-1M")
    shifts = np.random.default_rng(4).normal(scale=30e-6, size=(16, 3))
    refined = geom.offset(shifts).rotate((0, 0, 0.1), modules=6)
    save(geom.compare(refined), "compare", dots=80)


def draw_hexagons() -> None:
    """Draw the hexagons of a DSSC where a ring crosses the edge of a module near the beam."""
    geom = geomlib.example_geometry("DSSC-1M")
    rings = even_powder(geom, distance=DISTANCE, rings=20)
    frames = simulate_frames(geom, 16, distance=DISTANCE, seed=2, pattern=rings)
    image = geomlib.assemble_data(frames, geom, reduce="mean")
    _, ax = plt.subplots(figsize=(6, 5.2), layout="compressed")
    image.plot(ax=ax, hexagons=True, units="mm", modules=0)
    ax.set_xlim(-6, -13)
    ax.set_ylim(4, 10)
    save(ax, "dssc-hexagons", dots=90)


def draw_split() -> None:
    """Draw what methods make of hexagons: a corner of a DSSC module that stands at an angle."""
    geom = geomlib.example_geometry("DSSC-1M").rotate((0, 0, 4), modules=0)
    rings = even_powder(geom, distance=DISTANCE, rings=40)
    frames = simulate_frames(geom, 64, distance=DISTANCE, seed=2, pattern=rings)
    mean = geomlib.assemble_data(frames, geom, reduce="mean")
    data = geomlib.dismantle_image(mean, geom)
    _, axes = plt.subplots(1, 3, figsize=(10, 3.6), layout="compressed", sharex=True, sharey=True)
    options: dict[str, dict[str, Any]] = {
        'method="snap"': {"method": "snap"},
        'method="nearest"': {"method": "nearest"},
        'method="split", oversample=2': {"method": "split", "oversample": 2},
    }
    for ax, (title, chosen) in zip(axes, options.items(), strict=True):
        image = geomlib.assemble_data(data, geom, **chosen)
        image.plot(ax=ax, units="mm", colorbar=False, title=title)
    axes[0].set_xlim(-4, -14)
    axes[0].set_ylim(6, 15)
    save(axes[0], "split", dots=90)


def save(ax: Axes, name: str, dots: int) -> None:
    """Write a figure with a palette of 256 colours, which makes it a third as large."""
    figure = ax.figure
    figure.set_dpi(dots)
    figure.canvas.draw()
    pixels = np.asarray(figure.canvas.buffer_rgba())[..., :3]
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    # Of all methods, this one keeps rare colours: the cross at the beam is a few red pixels.
    small = picture.quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    small.save(FOLDER / f"{name}.png", optimize=True)
    plt.close(figure)


if __name__ == "__main__":
    main()
