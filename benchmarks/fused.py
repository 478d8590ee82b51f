"""What is done to the numbers on the way, and parts of images.

    python -m benchmarks.fused [--quick] [--frames N] [--detector NAME]

Dark, gain and mask in the same pass, windows of the image, and binning; each next to the same
without, and to EXtra-geom with numpy. C is `np.copyto` of the module stack on one thread. All times
of a table are taken in turn, in the same process. Everything of geomlib is on two threads unless a
column says otherwise; EXtra-geom and numpy use one.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import geomlib
from benchmarks.assemble import NAMES, SLOW, Row, numbers
from benchmarks.peers import extra_geom_geometry
from benchmarks.tables import Table
from benchmarks.timing import describe_machine, medians

#: Sides of windows, as parts of that of the image: areas of 1, 1/2, 1/4 and 1/16.
WINDOWS = {"whole image": (1.0, 1.0), "1/2": (0.5, 1.0), "1/4": (0.5, 0.5), "1/16": (0.25, 0.25)}
BINNINGS = (2, 4, 8)


def treated(name: str, frames: int, repeats: int) -> dict[str, Row]:
    """Dark, gain and a mask, static or for each frame: uint16 to float32."""
    geometry, peer = geomlib.example_geometry(name), extra_geom_geometry(name)
    raw = numbers(geometry, frames, "u2")
    rng = np.random.default_rng(1)
    dark, gain = (rng.random(geometry.data_shape, "f4") for _ in range(2))
    bad = rng.random(geometry.data_shape) < 0.01
    flags = np.broadcast_to(bad.astype("u4"), raw.shape).copy()
    copy, out = np.empty_like(raw), geomlib.output_array(geometry, (frames,))
    values = np.empty(raw.shape, "f4")
    cases: dict[str, dict[str, Any]] = {
        "nothing": {},
        "mask": {"mask": bad},
        "mask of flags for each frame": {"mask": flags, "mask_bits": 1},
        "dark and gain": {"dark": dark, "gain": gain},
        "dark, gain and mask": {"dark": dark, "gain": gain, "mask": bad},
    }

    def with_numpy(given: dict[str, Any]) -> None:
        np.copyto(values, raw)
        if "dark" in given:
            np.subtract(values, dark, out=values)
            np.multiply(values, gain, out=values)
        if "mask" in given:
            np.copyto(values, np.nan, where=np.asarray(given["mask"], dtype=bool))
        peer.position_modules(values, out=out)

    todo: dict[str, Callable[[], object]] = {"C": partial(np.copyto, copy, raw)}
    for label, given in cases.items():
        for threads in (1, 2):
            todo[f"{label}, {threads}"] = partial(
                geomlib.assemble_data, raw, geometry, out=out, threads=threads, **given
            )
        if peer is not None:
            todo[f"{label}, peer"] = partial(with_numpy, given)
    times = medians(todo, repeats, {key: SLOW for key in todo if key.endswith("peer")})
    rows = {}
    for label in cases:
        keys = {f"geomlib, {n} thread" + "s" * (n > 1): f"{label}, {n}" for n in (1, 2)}
        keys["numpy, EXtra-geom"] = f"{label}, peer"
        rows[label] = {k: times.get(v, np.nan) / times["C"] for k, v in keys.items()}
    return rows


def windows(name: str, frames: int, repeats: int) -> dict[str, Row]:
    """Windows about the middle of the image: float32."""
    geometry = geomlib.example_geometry(name)
    data = numbers(geometry, frames, "f4")
    copy = np.empty_like(data)
    n_y, n_x = geomlib.output_array(geometry).shape
    todo: dict[str, Callable[[], object]] = {"C": partial(np.copyto, copy, data)}
    areas = {}
    for label, (along_y, along_x) in WINDOWS.items():
        h, w = int(n_y * along_y), int(n_x * along_x)
        region = np.s_[(n_y - h) // 2 : (n_y + h) // 2, (n_x - w) // 2 : (n_x + w) // 2]
        shape = (frames, region[0].stop - region[0].start, region[1].stop - region[1].start)
        areas[label] = shape[1] * shape[2] / (n_y * n_x)
        out = np.empty(shape, "f4")
        for threads in (1, 2):
            todo[f"{label}, {threads}"] = partial(
                geomlib.assemble_data, data, geometry, out=out, region=region, threads=threads
            )
    times = medians(todo, repeats)
    rows: dict[str, Row] = {}
    for label, area in areas.items():
        row = {"area": area}
        for threads in (1, 2):
            time, whole = times[f"{label}, {threads}"], times[f"whole image, {threads}"]
            suffix = f"{threads} thread" + "s" * (threads > 1)
            row |= {f"time / C, {suffix}": time / times["C"]}
            row |= {f"time / whole, {suffix}": time / whole}
        rows[label] = row
    return rows


def binned(name: str, frames: int, repeats: int) -> dict[str, Row]:
    """Means of blocks of pixels, without gaps and NaN: float32."""
    geometry, peer = geomlib.example_geometry(name), extra_geom_geometry(name)
    data = numbers(geometry, frames, "f4")
    copy, whole = np.empty_like(data), geomlib.output_array(geometry, (frames,))
    n_y, n_x = whole.shape[1:]

    def bin_with_numpy(side: int) -> None:
        shape = (frames, n_y // side, side, n_x // side, side)
        blocks = whole[:, : n_y // side * side, : n_x // side * side].reshape(shape)
        good = ~np.isnan(blocks)
        count = good.sum(axis=(2, 4))
        total = np.sum(blocks, axis=(2, 4), where=good)
        np.divide(total, count, out=np.full(total.shape, np.nan, "f4"), where=count > 0)

    def in_full(side: int) -> None:
        geomlib.assemble_data(data, geometry, out=whole, threads=2)
        bin_with_numpy(side)

    def with_peer(side: int) -> None:
        peer.position_modules(data, out=whole)
        bin_with_numpy(side)

    todo: dict[str, Callable[[], object]] = {"C": partial(np.copyto, copy, data)}
    for side in BINNINGS:
        for threads in (1, 2):
            todo[f"{side}, {threads}"] = partial(
                geomlib.assemble_data, data, geometry, binning=side, threads=threads
            )
        todo[f"{side}, full"] = partial(in_full, side)
        if peer is not None:
            todo[f"{side}, peer"] = partial(with_peer, side)
    slow = {key: 3 for key in todo if key.endswith(("full", "peer"))}
    times = medians(todo, repeats, slow)
    keys = {
        "geomlib, 1 thread": "1",
        "geomlib, 2 threads": "2",
        "assembled in full, then numpy": "full",
        "EXtra-geom, then numpy": "peer",
    }
    rows = {}
    for side in BINNINGS:
        row = {k: times.get(f"{side}, {v}", np.nan) / times["C"] for k, v in keys.items()}
        row["× faster than in full"] = times[f"{side}, full"] / times[f"{side}, 2"]
        rows[f"{side} × {side}"] = row
    return rows


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer frames and rounds")
    parser.add_argument("--frames", type=int)
    parser.add_argument("--detector", choices=NAMES, default="AGIPD-1M")
    arguments = parser.parse_args()
    name, frames = arguments.detector, arguments.frames or (8 if arguments.quick else 64)
    repeats = 2 if arguments.quick else 11
    print(describe_machine())
    for measure, title, first in (
        (treated, "uint16 into float32, treated on the way; time / C", "treatment"),
        (windows, "windows of the image, float32", "area"),
        (binned, "binning, float32; time / C", "blocks"),
    ):
        table = Table(f"{name}, {frames} frames: {title}", first)
        for label, row in measure(name, frames, repeats).items():
            table.add(label, row)


if __name__ == "__main__":
    main()
