"""How long reducing a stack over its frames takes, as a ratio to copying it.

    python -m benchmarks.reduce [--quick]

C is `np.copyto` of the stack on one thread. A row of geomlib is reduction and assembly together;
EXtra-geom assembles each frame, and numpy reduces the images. Stream order is (module, fs, ss,
pulse): there numpy makes a reordered copy first. All times of a table are taken in turn, in the
same process, and their medians compared; the peer, which is slow, is timed less often.
"""

from __future__ import annotations

import argparse
import functools
from collections.abc import Callable

import numpy as np

import geomlib
from benchmarks.peers import extra_geom_geometry
from benchmarks.timing import describe_machine, medians, seconds

HOWS = ("mean", "sum", "max", "min", "std")


def tables(name: str, frames: int, dtype: str, repeats: int) -> None:
    geometry = geomlib.example_geometry(name)
    rng = np.random.default_rng(0)
    data = rng.integers(0, 1000, (frames, *geometry.data_shape)).astype(dtype)
    stream = np.ascontiguousarray(data.transpose(1, 3, 2, 0))
    copy = np.empty_like(data)
    treated = {
        "mask": rng.random(geometry.data_shape) < 0.01,
        "dark": rng.random(geometry.data_shape, "f4"),
        "gain": rng.random(geometry.data_shape, "f4"),
    }
    todo: dict[str, Callable[[], object]] = {"C": lambda: np.copyto(copy, data)}
    assemble = functools.partial(geomlib.assemble_data, geometry=geometry)
    for threads in (1, 2):
        for how in HOWS:
            call = functools.partial(assemble, reduce=how, threads=threads)
            todo[f"{how}, {threads}"] = functools.partial(call, data)
            todo[f"{how}, {threads}, treated"] = functools.partial(call, data, **treated)
            todo[f"{how}, {threads}, stream"] = functools.partial(call, stream, axes="stream")
    times = medians(todo, repeats)
    unit = times["C"]
    peers = peer_times(name, data, stream, treated)
    print(f"\n{name}, {frames} frames of {dtype}; C = {1e3 * unit:.1f} ms\n")
    print(
        "| reduce | 1 thread | 2 threads | treated, 1 | treated, 2 | stream, 1 | stream, 2 | "
        "EXtra-geom + numpy | the same, treated | transposed copy + numpy |"
    )
    print("|---" * 10 + "|")
    for how in HOWS:
        keys = [f"{how}, {n}{kind}" for kind in ("", ", treated", ", stream") for n in (1, 2)]
        row = [times[key] / unit for key in keys]
        row += [peers[f"{how}{kind}"] / unit for kind in ("", ", treated", ", stream")]
        print(f"| {how} | " + " | ".join(f"{ratio:.2f}" for ratio in row) + " |")


def peer_times(
    name: str, data: np.ndarray, stream: np.ndarray, treated: dict[str, np.ndarray]
) -> dict[str, float]:
    """Seconds that EXtra-geom and numpy take, once each; NaN where EXtra-geom is missing."""
    peer = extra_geom_geometry(name)
    times = {}
    for how in HOWS:
        reduce = getattr(np, f"nan{how}")

        def images(given: np.ndarray, reduce: Callable[..., object] = reduce) -> None:
            assembled = [peer.position_modules(frame)[0] for frame in given.astype("f4")]
            with np.errstate(all="ignore"):
                reduce(np.stack(assembled), axis=0)

        def treat() -> np.ndarray:
            values = (data - treated["dark"]) * treated["gain"]
            values[:, treated["mask"]] = np.nan
            return values

        def reordered(reduce: Callable[..., object] = reduce) -> None:
            reduce(np.ascontiguousarray(stream.transpose(3, 0, 2, 1)), axis=0)

        calls = {"": lambda: images(data), ", treated": lambda: images(treat())}
        for kind, call in calls.items():
            times[how + kind] = np.nan if peer is None else seconds(call)
        times[f"{how}, stream"] = seconds(reordered)
    return times


def main() -> None:
    """Print the tables."""
    import warnings

    warnings.simplefilter("ignore", RuntimeWarning)  # numpy, of gaps: "mean of empty slice"
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer frames and repeats")
    parser.add_argument("--frames", type=int)
    parser.add_argument("--detector", default="AGIPD-1M")
    arguments = parser.parse_args()
    frames = arguments.frames or (16 if arguments.quick else 64)
    print(describe_machine())
    for dtype in ("float32", "uint16"):
        tables(arguments.detector, frames, dtype, 3 if arguments.quick else 9)


if __name__ == "__main__":
    main()
