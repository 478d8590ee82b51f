"""How long true-shape assembly takes: the plan, once, and then each frame.

    python -m benchmarks.split [--quick]

C is `np.copyto` of one frame of float32 on one thread. EXtra-geom works everything out anew in each
call of `position_modules_interpolate`; what a further frame costs it is the difference between
calls with few frames and one. All times of a row are taken in turn, in the same process.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

import geomlib
from benchmarks.peers import extra_geom_geometry
from benchmarks.timing import describe_machine, medians
from geomlib.assembly import split
from geomlib.assembly.inputs import as_stack

#: Turned by some tenths of a degree and moved by a part of a pixel, as refined geometries are: data
#: pixels then overlap four image pixels each, and not one.
CASES = (("AGIPD-1M", 0.0), ("AGIPD-1M", 0.3), ("DSSC-1M", 0.0), ("DSSC-1M", 0.3))
#: Frames of the long call.
FRAMES = 12


def row(name: str, angle: float, repeats: int) -> dict[str, float]:
    """Time one detector; seconds."""
    geometry = geomlib.example_geometry(name)
    peer = None if name == "DSSC-1M" else extra_geom_geometry(name)
    if angle:
        turn, shift = (0, 0, angle), (33e-6, 47e-6, 0)
        geometry = geometry.rotate(turn).offset(shift)
        peer = None if peer is None else peer.rotate(turn).offset(shift)
    data = np.random.default_rng(0).random((FRAMES, *geometry.data_shape), dtype=np.float32)
    copy = np.empty_like(data[0])
    stack = as_stack(data, geometry.detector)
    plan = geomlib.split_plan(geometry)
    image = np.empty((FRAMES, *plan.grid.shape), dtype=np.float32)

    def build(threads: int) -> None:
        split._make_plan.cache_clear()
        geomlib.split_plan(geometry, threads=threads)

    def run(values: Any, threads: int) -> None:
        split.run_split(plan, stack, None, image, values, None, threads)

    todo: dict[str, Callable[[], object]] = {
        "C": lambda: np.copyto(copy, data[0]),
        "plan, 1 thread": lambda: build(1),
        "plan, 2 threads": lambda: build(2),
        "intensity, 1 thread": lambda: run("intensity", 1),
        "counts, 1 thread": lambda: run("counts", 1),
        "counts, 2 threads": lambda: run("counts", 2),
    }
    if peer is not None:
        todo["EXtra-geom, one frame"] = lambda: peer.position_modules_interpolate(data[0])
        todo["EXtra-geom, more"] = lambda: peer.position_modules_interpolate(data)
    times = medians(todo, repeats)
    for key in ("intensity, 1 thread", "counts, 1 thread", "counts, 2 threads"):
        times[key] /= FRAMES
    one, more = (times.pop(f"EXtra-geom, {n}", np.nan) for n in ("one frame", "more"))
    times["EXtra-geom, a call"] = one
    times["EXtra-geom, a further frame"] = (more - one) / (FRAMES - 1)
    return times


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one detector, fewer rounds")
    arguments = parser.parse_args()
    # Of the libraries that EXtra-geom calls.
    warnings.simplefilter("ignore", DeprecationWarning)
    print(describe_machine())
    print("float32; plans in ms; a frame in ms and, in brackets, as a multiple of C\n")
    header: list[str] = []
    for name, angle in CASES[:2] if arguments.quick else CASES:
        times = row(name, angle, 3 if arguments.quick else 9)
        if not header:
            header = list(times)
            print("| detector | turned by | " + " | ".join(header) + " |")
            print("|---" * (len(header) + 2) + "|")
        cells = [f"{1e3 * times[key]:.2f} ({times[key] / times['C']:.0f})" for key in header]
        print(f"| {name} | {angle:g}° | " + " | ".join(cells).replace("nan (nan)", "–") + " |")


if __name__ == "__main__":
    main()
