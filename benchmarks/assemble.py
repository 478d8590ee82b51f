"""How long snapped assembly takes, as a ratio to copying the same module stack.

    python -m benchmarks.assemble [--quick]

C is `np.copyto` of the module stack on one thread. All times of a row are taken in turn, in the
same process, and their medians compared: on a shared machine only such ratios mean anything.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

import geomlib
from benchmarks.timing import describe_machine, medians

NAMES = ("AGIPD-1M", "LPD-1M", "DSSC-1M", "JUNGFRAU-4M")


def extra_geom_geometry(name: str) -> Any:
    """Build the same geometry in EXtra-geom; None where EXtra-geom is not installed."""
    try:
        import extra_geom
    except ImportError:
        return None
    if name == "DSSC-1M":
        quads = geomlib.example_geometry(name).quad_positions()
        return extra_geom.DSSC_1MGeometry.from_quad_positions(quads)
    if name == "AGIPD-1M":
        quads = geomlib.example_geometry(name).quad_positions()
        return extra_geom.AGIPD_1MGeometry.from_quad_positions(quads)
    if name == "LPD-1M":
        quads = geomlib.example_geometry(name).quad_positions()
        return extra_geom.LPD_1MGeometry.from_quad_positions(quads)
    corners = geomlib.example_geometry(name).tile_outlines()[..., :2].reshape(8, -1, 2)
    return extra_geom.JUNGFRAUGeometry.from_module_positions(
        corners.min(axis=1) / 75e-6, [(-1, -1)] * 4 + [(1, 1)] * 4
    )


def row(name: str, frames: int, dtype: str, repeats: int) -> dict[str, float]:
    """Time one detector; ratios to C."""
    geometry = geomlib.example_geometry(name)
    data = np.random.default_rng(0).integers(0, 1000, (frames, *geometry.data_shape)).astype(dtype)
    copy = np.empty_like(data)
    out = geomlib.output_array(geometry, (frames,), dtype)
    half = frames // 2
    pool = ThreadPoolExecutor(2)

    def copy_in_two_threads() -> None:
        list(pool.map(np.copyto, (copy[:half], copy[half:]), (data[:half], data[half:])))

    todo: dict[str, Callable[[], object]] = {
        "C": lambda: np.copyto(copy, data),
        "copy, 2 threads": copy_in_two_threads,
        "geomlib, 1 thread": lambda: geomlib.assemble_data(data, geometry, out=out, threads=1),
        "geomlib, 2 threads": lambda: geomlib.assemble_data(data, geometry, out=out, threads=2),
    }
    peer = extra_geom_geometry(name)
    if peer is not None:
        todo["EXtra-geom"] = lambda: peer.position_modules(data, out=out)
        todo["EXtra-geom, pool of 2"] = lambda: peer.position_modules(
            data, out=out, threadpool=pool
        )
    times = medians(todo, repeats)
    pool.shutdown()
    return {key: value / times["C"] for key, value in times.items()} | {"C, ms": 1e3 * times["C"]}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer frames and repeats")
    parser.add_argument("--frames", type=int)
    parser.add_argument("--dtype", default="float32")
    arguments = parser.parse_args()
    frames = arguments.frames or (16 if arguments.quick else 64)
    print(describe_machine())
    print(f"{frames} frames of {arguments.dtype}, out= given; times as multiples of C\n")
    header: list[str] = []
    for name in NAMES:
        ratios = row(name, frames, arguments.dtype, 5 if arguments.quick else 15)
        if not header:
            header = list(ratios)
            print("| detector | " + " | ".join(header) + " |")
            print("|---" * (len(header) + 1) + "|")
        print(f"| {name} | " + " | ".join(f"{ratios[key]:.2f}" for key in header) + " |")


if __name__ == "__main__":
    main()
