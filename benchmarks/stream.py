"""How long frames in the order of live streams take: (module, fs, ss, pulse).

    python -m benchmarks.stream [--quick] [--pulses N]

C is `np.copyto` of the same bytes on one thread. The peer makes a reordered copy with numpy, as its
users do, and EXtra-geom assembles that. All times of a row are taken in turn, in the same process.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial

import numpy as np

import geomlib
from benchmarks.assemble import NAMES, SLOW
from benchmarks.peers import extra_geom_geometry
from benchmarks.tables import Table
from benchmarks.timing import describe_machine, medians


def row(name: str, pulses: int, dtype: str, repeats: int) -> dict[str, float]:
    """Time one detector and dtype."""
    geometry, peer = geomlib.example_geometry(name), extra_geom_geometry(name)
    modules, ss, fs = geometry.data_shape
    rng = np.random.default_rng(0)
    data = rng.integers(0, 1000, (modules, fs, ss, pulses), dtype="u2").astype(dtype, copy=False)
    copy, out = np.empty_like(data), geomlib.output_array(geometry, (pulses,), dtype)
    assemble = partial(geomlib.assemble_data, data, geometry, axes="stream", out=out)

    def reordered() -> None:
        peer.position_modules(np.ascontiguousarray(data.transpose(3, 0, 2, 1)), out=out)

    todo: dict[str, Callable[[], object]] = {
        "C": partial(np.copyto, copy, data),
        "geomlib, 1 thread": partial(assemble, threads=1),
        "geomlib, 2 threads": partial(assemble, threads=2),
    }
    key = "transposed copy, EXtra-geom"
    if peer is not None:
        todo[key] = reordered
    times = medians(todo, repeats, {key: SLOW})
    ratios = {label: time / times["C"] for label, time in times.items()}
    faster = ratios.get(key, np.nan) / ratios["geomlib, 2 threads"]
    return ratios | {"× faster": faster, "C, ms": 1e3 * times["C"]}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one detector and dtype, fewer rounds")
    parser.add_argument("--pulses", type=int, default=64)
    arguments = parser.parse_args()
    print(describe_machine())
    table = Table(f"{arguments.pulses} pulses in stream order; time / C", "detector, dtype")
    for name in NAMES[:1] if arguments.quick else NAMES:
        for dtype in ("uint16",) if arguments.quick else ("uint16", "float32"):
            measured = row(name, arguments.pulses, dtype, 2 if arguments.quick else 9)
            table.add(f"{name}, {dtype}", measured)


if __name__ == "__main__":
    main()
