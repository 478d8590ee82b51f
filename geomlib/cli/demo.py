"""``geomlib demo``: simulate one train of an AGIPD, then do the real job on its files."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from geomlib.cli.console import stdout
from geomlib.errors import GeometryError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from geomlib.simulate import Defects

#: Nominal set-up: rings of lanthanum hexaboride out to the corners of the detector.
DISTANCE, PHOTON_ENERGY = 0.125, 9300.0
FRAMES, SEED = 64, 2


def demo(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write to.")] = Path(
        "demo"
    ),
) -> None:
    """Simulate one AGIPD-1M train, write it as at European XFEL, and make a picture of it.

    Writes agipd_train.h5 (data), agipd.geom (geometry) and agipd.png (the mean of the train).

    Example: geomlib demo --output demo
    """
    from rich.table import Table

    console = stdout()
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        reason = problem.strerror or problem
        raise GeometryError(f"--output {output} cannot be made a folder: {reason}") from problem
    steps = Table("step", "result", "time", box=None, padding=(0, 2, 0, 0), header_style="bold")
    steps.columns[2].justify = "right"
    defects = _simulate(output, steps)
    _assemble(output, steps)
    console.print(steps)
    _summary(console, defects, output)


@contextmanager
def _step(steps: Table, name: str) -> Iterator[list[str]]:
    """Time a step; what it appends to the list is its result."""
    result: list[str] = []
    start = time.perf_counter()
    yield result
    steps.add_row(name, " ".join(result), f"{time.perf_counter() - start:.2f} s")


def _simulate(output: Path, steps: Table) -> Defects:
    """Write the geometry and the train."""
    from geomlib import example_geometry, write_geometry
    from geomlib.simulate import choose_defects, simulate_frames, write_euxfel_file

    geometry = example_geometry("AGIPD-1M").replace(distance=DISTANCE, photon_energy=PHOTON_ENERGY)
    with _step(steps, "simulate") as result:
        defects = choose_defects(geometry, seed=SEED)
        frames = simulate_frames(geometry, FRAMES, seed=SEED, defects=defects, dtype="float32")
        result.append(f"{_size(frames.shape)} {frames.dtype}, photons")
    with _step(steps, "write data") as result:
        path = output / "agipd_train.h5"
        write_euxfel_file(path, frames, geometry, missing_modules=defects.missing_modules)
        result.append(f"{path}, {path.stat().st_size / 1e6:.0f} MB")
    with _step(steps, "write geometry") as result:
        path = output / "agipd.geom"
        # Calibrated data counts photons: one a photon energy.
        write_geometry(geometry, path, adu_per_ev=1 / PHOTON_ENERGY)
        result.append(f"{path}")
    return defects


def _assemble(output: Path, steps: Table) -> None:
    """Do what a user does with the files."""
    from geomlib import assemble_data, read_geometry
    from geomlib.data import open_frames

    with _step(steps, "read geometry") as result:
        geometry = read_geometry(output / "agipd.geom")
        result.append(f"{geometry.detector.name}, {geometry.n_tiles} tiles,")
        result.append(f"{geometry.distance} m, {geometry.photon_energy} eV")
    with _step(steps, "read data") as result:
        stack = open_frames(output / "agipd_train.h5", geometry)
        frames = stack.read(fill=math.nan)
        result.append(f"{_size(frames.shape)} {frames.dtype}; missing modules:")
        result.append(", ".join(map(str, stack.missing_modules)))
    with _step(steps, "assemble one frame") as result:
        image = assemble_data(frames[0], geometry)
        result.append(f"{_size(image.shape)} pixels (with compiling, the first time)")
    with _step(steps, "assemble the train") as result:
        train = assemble_data(frames, geometry)
        result.append(f"{_size(train.shape)} pixels")
    with _step(steps, "assemble its mean") as result:
        mean = assemble_data(frames, geometry, reduce="mean")
        centre_y, centre_x = mean.centre
        result.append(f"{_size(mean.shape)} pixels, beam at ({centre_y:g}, {centre_x:g}) (y, x)")
    with _step(steps, "write picture") as result:
        mean.save_png(output / "agipd.png")
        result.append(f"{output / 'agipd.png'}")


def _summary(console: Console, defects: Defects, output: Path) -> None:
    from geomlib import example_geometry
    from geomlib.simulate.frames import default_pattern

    geometry = example_geometry("AGIPD-1M").replace(distance=DISTANCE, photon_energy=PHOTON_ENERGY)
    rings = default_pattern(geometry).ring_two_theta
    tiles = ", ".join(geometry.detector.tile_names[t] for t in defects.dead_tiles)
    modules = ", ".join(map(str, defects.missing_modules))
    lines = [
        f"{DISTANCE:g} m from the sample, {PHOTON_ENERGY:g} eV: rings of LaB6 at 2θ = "
        + ", ".join(f"{ring:.2f}°" for ring in rings),
        f"missing module {modules}, dead tile {tiles}, {len(defects.hot_pixels)} hot pixels",
        f"peak memory {peak_memory() / 1e6:.0f} MB",
        f"picture: {output / 'agipd.png'}",
    ]
    console.print("")
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)


def peak_memory() -> float:
    """Largest amount of memory that this process has used, in bytes; NaN where it is not told."""
    try:
        import resource
    except ImportError:  # Windows
        return float("nan")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Linux tells kibibytes, macOS bytes.
    return peak * (1 if sys.platform == "darwin" else 1024)


def _size(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape))
