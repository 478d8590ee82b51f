"""How long snapped assembly takes, as a ratio to copying the same module stack.

    python -m benchmarks.assemble [--quick] [--frames N] [TABLE ...]

C is `np.copyto` of the module stack on one thread. All times of a row are taken in turn, in the
same process, and their medians compared: on a shared machine only such ratios mean anything.

Tables: `stack` (float32, `out=`), `frame` (one frame, the same again and again, which stays in the
cache), `next` (frames from memory, a call each, as in a loop over a run), `convert` (uint16 to
float32 on the way), `allocate` (without `out=`) and `dismantle` (the way back); default all.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np

import geomlib
from benchmarks.peers import extra_geom_geometry
from benchmarks.tables import Table
from benchmarks.timing import describe_machine, medians

NAMES = ("AGIPD-1M", "LPD-1M", "DSSC-1M", "JUNGFRAU-4M")
#: Of two threads, float32: the ratios to C that this project set out for.
REACH = {"AGIPD-1M": 1.6, "LPD-1M": 1.1, "DSSC-1M": 1.2, "JUNGFRAU-4M": 1.2}
#: The same for one frame on one thread.
REACH_FRAME = {"AGIPD-1M": 1.7, "LPD-1M": 1.3, "DSSC-1M": 1.3, "JUNGFRAU-4M": 1.3}
#: Rounds in which the slow peers take part, at most.
SLOW = 7
#: Frames that are assembled one after the other, a call each, before another program's turn.
IN_A_ROW = 16
Row = dict[str, float]


def numbers(geometry: geomlib.Geometry, frames: int, dtype: str) -> np.ndarray:
    """Make frames of whole numbers."""
    shape = (frames, *geometry.data_shape)
    return np.random.default_rng(0).integers(0, 1000, shape, dtype="u2").astype(dtype, copy=False)


def ratios(todo: dict[str, Callable[[], object]], repeats: int) -> Row:
    """Take times of calls, as multiples of that of C, the copy; and C itself."""
    slow = {name: max(SLOW, repeats // 5) for name in todo if name.startswith("EXtra-geom")}
    times = medians(todo, repeats, slow)
    unit = times["C"]
    return {name: time / unit for name, time in times.items()} | {"C, ms": 1e3 * unit}


def stack(name: str, frames: int, repeats: int) -> Row:
    """Many frames of float32, into an array that is used again and again."""
    geometry, peer = geomlib.example_geometry(name), extra_geom_geometry(name)
    data = numbers(geometry, frames, "f4")
    copy, out = np.empty_like(data), geomlib.output_array(geometry, (frames,))
    half = frames // 2
    assemble = partial(geomlib.assemble_data, data, geometry, out=out)
    with ThreadPoolExecutor(2) as pool:

        def copy_in_two_threads() -> None:
            list(pool.map(np.copyto, (copy[:half], copy[half:]), (data[:half], data[half:])))

        todo: dict[str, Callable[[], object]] = {
            "C": partial(np.copyto, copy, data),
            "copy, 2 threads": copy_in_two_threads,
            "geomlib, 1 thread": partial(assemble, threads=1),
            "geomlib, 2 threads": partial(assemble, threads=2),
        }
        if peer is not None:
            todo["EXtra-geom"] = partial(peer.position_modules, data, out=out)
            todo["EXtra-geom, pool of 2"] = partial(
                peer.position_modules, data, out=out, threadpool=pool
            )
        row = ratios(todo, repeats)
    return row | {"reach, 2 threads": REACH[name]}


def frame(name: str, _frames: int, repeats: int) -> Row:
    """One frame of float32, on one thread, in the cache."""
    geometry, peer = geomlib.example_geometry(name), extra_geom_geometry(name)
    data = numbers(geometry, 1, "f4")[0]
    copy, out = np.empty_like(data), geomlib.output_array(geometry)
    todo: dict[str, Callable[[], object]] = {
        "C": partial(np.copyto, copy, data),
        "geomlib, 1 thread": partial(geomlib.assemble_data, data, geometry, out=out, threads=1),
    }
    if peer is not None:
        todo["EXtra-geom"] = partial(peer.position_modules, data, out=out)
    return ratios(todo, 20 * repeats) | {"reach": REACH_FRAME[name]}


def following(name: str, frames: int, repeats: int) -> Row:
    """Frames of float32 on one thread, a call each, from memory to memory."""
    geometry, peer = geomlib.example_geometry(name), extra_geom_geometry(name)
    data = numbers(geometry, frames, "f4")
    copy, out = np.empty_like(data), geomlib.output_array(geometry, (frames,))

    def each(work: Callable[[int], object]) -> Callable[[], object]:
        indices = itertools.cycle(range(frames))

        def some() -> None:
            for _ in range(IN_A_ROW):
                work(next(indices))

        return some

    todo = {
        "C": each(lambda i: np.copyto(copy[i], data[i])),
        "geomlib, 1 thread": each(
            lambda i: geomlib.assemble_data(data[i], geometry, out=out[i], threads=1)
        ),
    }
    if peer is not None:
        todo["EXtra-geom"] = each(lambda i: peer.position_modules(data[i], out=out[i]))
    row = ratios(todo, 4 * repeats)
    row["C, ms"] /= IN_A_ROW
    return row | {"reach": REACH_FRAME[name]}


def convert(name: str, frames: int, repeats: int) -> Row:
    """uint16 to float32 on the way, next to float32; C is that of float32."""
    geometry, peer = geomlib.example_geometry(name), extra_geom_geometry(name)
    raw = numbers(geometry, frames, "u2")
    data = raw.astype("f4")
    copy, out = np.empty_like(data), geomlib.output_array(geometry, (frames,))
    todo: dict[str, Callable[[], object]] = {"C": partial(np.copyto, copy, data)}
    for label, given in (("uint16", raw), ("float32", data)):
        for threads in (1, 2):
            todo[f"{label}, {threads} thread" + "s" * (threads > 1)] = partial(
                geomlib.assemble_data, given, geometry, out=out, threads=threads
            )
    if peer is not None:
        todo["EXtra-geom, uint16"] = partial(peer.position_modules, raw, out=out)
    return ratios(todo, repeats)


def allocate(name: str, frames: int, repeats: int) -> Row:
    """Without `out=`: each call makes its image."""
    geometry, peer = geomlib.example_geometry(name), extra_geom_geometry(name)
    data = numbers(geometry, frames, "f4")
    copy = np.empty_like(data)
    todo: dict[str, Callable[[], object]] = {"C": partial(np.copyto, copy, data)}
    for threads in (1, 2):
        todo[f"geomlib, {threads} thread" + "s" * (threads > 1)] = partial(
            geomlib.assemble_data, data, geometry, threads=threads
        )
    if peer is not None:
        todo["EXtra-geom"] = partial(peer.position_modules, data)
    row = ratios(todo, repeats)
    return row | {"× faster": row.get("EXtra-geom", np.nan) / row["geomlib, 2 threads"]}


def dismantle(name: str, frames: int, repeats: int) -> Row:
    """Way back, next to the way there; EXtra-geom has none."""
    geometry = geomlib.example_geometry(name)
    data = numbers(geometry, frames, "f4")
    copy, out = np.empty_like(data), geomlib.output_array(geometry, (frames,))
    geomlib.assemble_data(data, geometry, out=out)
    todo: dict[str, Callable[[], object]] = {"C": partial(np.copyto, copy, data)}
    for threads in (1, 2):
        label = f"{threads} thread" + "s" * (threads > 1)
        there = partial(geomlib.assemble_data, data, geometry, out=out, threads=threads)
        back = partial(geomlib.dismantle_image, out, geometry, out=copy, threads=threads)
        todo |= {f"assemble, {label}": there, f"dismantle, {label}": back}
    return ratios(todo, repeats)


TABLES: dict[str, tuple[Callable[[str, int, int], Row], str]] = {
    "stack": (stack, "{} frames of float32, `out=` given; time / C"),
    "frame": (frame, "The same frame again and again, float32, one thread, `out=`; time / C"),
    "next": (
        following,
        "A call for each of {} frames from memory, float32, one thread, `out=`; time / C",
    ),
    "convert": (convert, "{} frames of uint16 into float32, `out=` given; time / C of float32"),
    "allocate": (allocate, "{} frames of float32, without `out=`; time / C"),
    "dismantle": (dismantle, "{} frames of float32, there and back, `out=` given; time / C"),
}


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tables", nargs="*", help=", ".join(TABLES))
    parser.add_argument("--quick", action="store_true", help="fewer frames and rounds")
    parser.add_argument("--frames", type=int)
    arguments = parser.parse_args()
    frames = arguments.frames or (16 if arguments.quick else 64)
    print(describe_machine())
    for key in arguments.tables or TABLES:
        measure, title = TABLES[key]
        table = Table(title.format(frames), "detector")
        for name in NAMES:
            table.add(name, measure(name, frames, 4 if arguments.quick else 15))


if __name__ == "__main__":
    main()
