"""EXtra-geom's calls, answered by EXtra-geom and by the replacement for it.

    python -m benchmarks.compat [--quick]

Each number is how many times faster the replacement is: the ratio of two medians, taken in turns in
one run. Images are of float32. EXtra-geom uses one thread; the replacement, where it may choose,
the processors that there are, and one in the column that says so.
"""

from __future__ import annotations

import argparse
import tempfile
import warnings
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers import extra_geom_geometry
from benchmarks.tables import Table
from benchmarks.timing import describe_machine, medians
from geomlib.compat import extra_geom as replacement

DETECTORS = ("AGIPD-1M", "LPD-1M", "DSSC-1M", "JUNGFRAU-4M")
QUICK = ("DSSC-1M",)
FRAMES = 64
Call = Callable[[Any], object]


def pair(name: str) -> tuple[Any, Any]:
    """Return the same geometry in EXtra-geom and in the replacement."""
    old = extra_geom_geometry(name)
    cls = getattr(replacement, type(old).__name__)
    tiles = [
        [type(cls.example().modules[0][0])(**vars(tile)) for tile in module]
        for module in old.modules
    ]
    return old, cls(cls(tiles).geometry)


def ratio(old: Any, new: Any, call: Call, repeats: int) -> float:
    """How many times faster a call of the replacement is."""
    times = medians({"old": lambda: call(old), "new": lambda: call(new)}, repeats)
    return times["old"] / times["new"]


class OneThread:
    """What stands for a pool of one thread; EXtra-geom gets none."""

    _max_workers = 1


def images(name: str, frames: int, repeats: int) -> dict[str, float]:
    """Ratios of `position_modules`."""
    old, new = pair(name)
    leading = (frames,) if frames > 1 else ()
    data = np.random.default_rng(0).random((*leading, *old.expected_data_shape), dtype=np.float32)
    out = old.output_array_for_position(leading)
    single = OneThread()
    plain = {
        "old": lambda: old.position_modules(data),
        "new": lambda: new.position_modules(data),
        "one": lambda: new.position_modules(data, threadpool=single),
    }
    times = medians(plain, repeats)
    reused = {
        "old": lambda: old.position_modules(data, out=out),
        "new": lambda: new.position_modules(data, out=out),
        "one": lambda: new.position_modules(data, out=out, threadpool=single),
    }
    with_out = medians(reused, repeats)
    return {
        "1 thread": times["old"] / times["one"],
        "all threads": times["old"] / times["new"],
        "`out=`, 1 thread": with_out["old"] / with_out["one"],
        "`out=`, all threads": with_out["old"] / with_out["new"],
    }


def other_calls(name: str, folder: Path) -> dict[str, tuple[Call, int]]:
    """Return the calls to compare, and how often to make them."""
    geometry = extra_geom_geometry(name)
    data = np.random.default_rng(0).random(geometry.expected_data_shape, dtype=np.float32)
    image, _ = geometry.position_modules(data)
    path = folder / f"{name}.geom"
    known = {"clen": 0.2, "adu_per_ev": 0.0075, "photon_energy": 9300}
    geometry.write_crystfel_geom(path, **known)
    rng = np.random.default_rng(1)
    modules, n_ss, n_fs = geometry.expected_data_shape
    points = rng.integers(0, modules, 10_000), rng.random(10_000) * n_ss, rng.random(10_000) * n_fs
    calls: dict[str, tuple[Call, int]] = {
        "`from_crystfel_geom`": (lambda g: type(g).from_crystfel_geom(path), 15),
        "`write_crystfel_geom`": (lambda g: g.write_crystfel_geom(folder / "out", **known), 15),
        "`offset`": (lambda g: g.offset((1e-3, 0)), 25),
        "`get_pixel_positions`": (lambda g: g.get_pixel_positions(), 9),
        "`to_distortion_array`": (lambda g: g.to_distortion_array(), 5),
        "`to_pyfai_detector`": (lambda g: g.to_pyfai_detector(), 5),
        "`take_modules`": (lambda g: g.take_modules(image), 25),
    }
    if name != "DSSC-1M":
        calls["`data_coords_to_positions`, 10 000"] = (
            lambda g: g.data_coords_to_positions(*points), 25,
        )  # fmt: skip
    if name not in ("DSSC-1M", "JUNGFRAU-4M"):
        # A geometry that was not met before, and one that was.
        steps = (1e-6 * number for number in count(1))

        def interpolate_moved(geom: Any) -> object:
            moved = geom.offset((next(steps), 0), modules=np.s_[:1])
            return moved.position_modules_interpolate(data)

        calls["`position_modules_interpolate`, first"] = (interpolate_moved, 3)
        calls["`position_modules_interpolate`, again"] = (
            lambda g: g.position_modules_interpolate(data), 3,
        )  # fmt: skip
    return calls


def print_images(detectors: Sequence[str], quick: bool) -> None:
    for frames, repeats in ((1, 41), (FRAMES, 5)):
        what = "one frame" if frames == 1 else f"{frames} frames"
        table = Table(f"`position_modules`, {what}: times faster than EXtra-geom", "detector")
        for name in detectors:
            table.add(
                name, images(name, 4 if quick and frames > 1 else frames, 5 if quick else repeats)
            )


def print_others(detectors: Sequence[str], quick: bool) -> None:
    table = Table("Other calls: times faster than EXtra-geom", "call")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        calls = {detector: other_calls(detector, folder) for detector in detectors}
        pairs = {detector: pair(detector) for detector in detectors}
        labels = dict.fromkeys(label for of_one in calls.values() for label in of_one)
        for label in labels:
            row = {}
            for detector in detectors:
                if label in calls[detector]:
                    call, repeats = calls[detector][label]
                    row[detector] = ratio(*pairs[detector], call, 2 if quick else repeats)
                else:
                    row[detector] = float("nan")
            table.add(label, row)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one detector, few repetitions")
    quick = parser.parse_args(arguments).quick
    # What a file of DSSC cannot hold is no news here.
    warnings.simplefilter("ignore")
    print(describe_machine())
    detectors = QUICK if quick else DETECTORS
    print_images(detectors, quick)
    print_others(detectors, quick)


if __name__ == "__main__":
    main()
