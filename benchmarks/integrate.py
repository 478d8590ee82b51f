"""Azimuthal integration of stacks, next to pyFAI and to copying.

    python -m benchmarks.integrate [--quick] [--frames N] [TABLE ...]

C is `np.copyto` of the module stack on one thread. pyFAI integrates frame by frame with the fastest
of its methods in Cython for each way of splitting, with an integrator that was built once; its
loops use all processors that OpenMP finds (OMP_NUM_THREADS limits them). All times of a row are
taken in turn, in the same process, and their medians compared.

Tables: `stack` (AGIPD-1M, curves of 1000 bins), `cake` (1000 × 360 bins), `detectors`, `robust`
(medians and clipping), `plan` (what is worked out once) and `memory`; default all.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import geomlib
from benchmarks.tables import Table
from benchmarks.timing import describe_machine, medians

ENERGY, DISTANCE = 9300.0, 0.2
#: pyFAI's ways to add up, in Cython; of these the fastest is its time.
ALGORITHMS = ("csr", "csc", "histogram")
SPLITS = ("no", "bbox", "full")
#: What this project set out for: × faster than pyFAI, curves of AGIPD-1M.
REACH = {"no": 8.0, "bbox": 4.0, "full": 4.0}
Calls = dict[str, Callable[[], object]]


def geometry(name: str) -> geomlib.Geometry:
    """Return an example that knows its distance and photon energy."""
    return geomlib.example_geometry(name).replace(distance=DISTANCE, photon_energy=ENERGY)


def frames_of(geom: geomlib.Geometry, count: int, dtype: str = "f4") -> np.ndarray:
    """Make frames of counts."""
    shape = (count, *geom.data_shape)
    return np.random.default_rng(0).poisson(20, shape).astype(dtype)


def pyfai_calls(
    geom: geomlib.Geometry, data: np.ndarray, split: str, npt: int, npt_azim: int | None = None
) -> Calls:
    """Make calls that integrate a few frames with each of pyFAI's algorithms."""
    calls: Calls = {}
    for algorithm in ALGORITHMS:
        ai: Any = geomlib.to_pyfai_integrator(geom)
        shape, method = ai.detector.shape, (split, algorithm, "cython")
        bins = (npt,) if npt_azim is None else (npt, npt_azim)
        call = ai.integrate1d if npt_azim is None else ai.integrate2d
        options = {"method": method, "unit": "q_A^-1"}

        calls[algorithm] = partial(_each, call, data.reshape(-1, *shape), bins, options)
    return calls


def _each(call: Any, images: np.ndarray, bins: tuple[int, ...], options: dict[str, Any]) -> None:
    for image in images:
        call(image, *bins, **options)


def ratios(
    geom: geomlib.Geometry,
    count: int,
    repeats: int,
    split: str,
    npt: int,
    npt_azim: int | None = None,
) -> dict[str, float]:
    """Time per frame as multiples of C; and how much faster than pyFAI on as many threads."""
    data, raw = frames_of(geom, count), frames_of(geom, count, "u2")
    copy = np.empty_like(data)
    few = data[:: max(1, count // 4)][:4]
    peers = pyfai_calls(geom, few, split, npt, npt_azim)
    calls: Calls = {"C": partial(np.copyto, copy, data)}
    for threads in (1, 2):
        own = geomlib.StackIntegrator(geom, npt, npt_azim=npt_azim, split=split, threads=threads)
        calls[f"geomlib, {threads}"] = partial(own.integrate, data)
        calls[f"geomlib, {threads}, uint16"] = partial(own.integrate, raw)
    times = medians(calls | peers, repeats, dict.fromkeys(peers, max(2, repeats // 3)))
    unit = times["C"] / count
    row = {name: times[name] / count / unit for name in calls}
    best = min(peers, key=lambda name: times[name])
    row["pyFAI"] = times[best] / len(few) / unit
    row["× faster, 2"] = row["pyFAI"] / row["geomlib, 2"]
    row["C, ms a frame"] = 1e3 * unit
    # Not into the table.
    print(f"({split}: pyFAI's fastest is {best})", file=sys.stderr)
    return row


def stack(count: int, repeats: int) -> Table:
    """Curves of AGIPD-1M."""
    table = Table(f"AGIPD-1M, {count} frames of float32, curves of 1000 bins; time / C", "split")
    for split in SPLITS:
        row = ratios(geometry("AGIPD-1M"), count, repeats, split, 1000)
        table.add(split, row | {"reach": REACH[split]})
    return table


def cake(count: int, repeats: int) -> Table:
    """Cakes of AGIPD-1M."""
    table = Table(f"AGIPD-1M, {min(count, 16)} frames, cakes of 1000 × 360 bins; time / C", "split")
    for split in SPLITS:
        table.add(split, ratios(geometry("AGIPD-1M"), min(count, 16), repeats, split, 1000, 360))
    return table


def detectors(count: int, repeats: int) -> Table:
    """Curves of other detectors."""
    table = Table(f"{min(count, 16)} frames, curves of 1000 bins, split='no'; time / C", "detector")
    for name in ("LPD-1M", "DSSC-1M", "JUNGFRAU-4M"):
        table.add(name, ratios(geometry(name), min(count, 16), repeats, "no", 1000))
    return table


def robust(count: int, repeats: int) -> Table:
    """Medians and clipping, next to pyFAI's clipping."""
    geom = geometry("AGIPD-1M")
    data = frames_of(geom, min(count, 8))
    copy = np.empty_like(data)
    ai: Any = geomlib.to_pyfai_integrator(geom)

    def peer() -> None:
        for frame in data[:2]:
            ai.sigma_clip(
                frame.reshape(ai.detector.shape), 1000, unit="q_A^-1", error_model="azimuthal",
                method=("no", "csr", "cython"),
            )  # fmt: skip

    calls: Calls = {"C": partial(np.copyto, copy, data)}
    for method in ("sigma_clip", "median"):
        for threads in (1, 2):
            own = geomlib.StackIntegrator(geom, 1000, method=method, threads=threads)
            calls[f"{method}, {threads}"] = partial(own.integrate, data)
    times = medians(calls | {"peer": peer}, repeats)
    unit = times["C"] / len(data)
    table = Table(f"AGIPD-1M, {len(data)} frames, 1000 bins; time / C", "threads")
    for threads in (1, 2):
        row = {name: times[f"{name}, {threads}"] / len(data) / unit
               for name in ("sigma_clip", "median")}  # fmt: skip
        table.add(f"{threads}", row | {"pyFAI, sigma_clip": times["peer"] / 2 / unit})
    return table


def plan(_count: int, repeats: int) -> Table:
    """Time what is worked out once, and read from a file."""
    import tempfile
    from pathlib import Path

    from geomlib.integration.operator import make_operator

    table = Table("AGIPD-1M and DSSC-1M, 1000 bins: to build an integrator, s", "detector, split")
    for name in ("AGIPD-1M", "DSSC-1M"):
        for split in SPLITS:
            geom = geometry(name)
            times = []
            for _ in range(max(1, repeats // 5)):
                make_operator.cache_clear()
                start = time.perf_counter()
                own = geomlib.StackIntegrator(geom, 1000, split=split)
                times.append(time.perf_counter() - start)
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "plan.h5"
                own.save(path)
                start = time.perf_counter()
                geomlib.StackIntegrator.load(path, geom)
                read = time.perf_counter() - start
                size = path.stat().st_size / 1e6
            row = {"built": float(np.median(times)), "loaded": read, "file, MB": size}
            table.add(f"{name}, {split}", row)
    return table


def memory(count: int, _repeats: int) -> Table:
    """Peak memory beyond the plan and the input."""
    table = Table(f"AGIPD-1M, {count} frames: memory beyond plan and input, MiB", "split")
    geom = geometry("AGIPD-1M")
    data = frames_of(geom, count)
    for split in ("no", "bbox"):
        own = geomlib.StackIntegrator(geom, 1000, split=split, threads=2)
        own.integrate(data[:1])
        before = _resident()
        _reset_peak()
        result = own.integrate(data)
        grown, output = _peak() - before, 2 * result.intensity.nbytes / 2**20
        table.add(split, {"growth of the peak": grown, "the output itself": output})
    return table


def _status(key: str) -> float:
    from pathlib import Path

    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(key):
            return float(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _resident() -> float:
    return _status("VmRSS")


def _peak() -> float:
    return _status("VmHWM")


def _reset_peak() -> None:
    from contextlib import suppress
    from pathlib import Path

    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


TABLES: dict[str, Callable[[int, int], Table]] = {
    "stack": stack,
    "cake": cake,
    "detectors": detectors,
    "robust": robust,
    "plan": plan,
    "memory": memory,
}


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tables", nargs="*", help=", ".join(TABLES))
    parser.add_argument("--quick", action="store_true", help="fewer frames and rounds")
    parser.add_argument("--frames", type=int)
    arguments = parser.parse_args()
    count = arguments.frames or (8 if arguments.quick else 64)
    print(describe_machine())
    default = ("stack", "robust") if arguments.quick else tuple(TABLES)
    for key in arguments.tables or default:
        TABLES[key](count, 3 if arguments.quick else 9)


if __name__ == "__main__":
    main()
