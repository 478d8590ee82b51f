"""How long a fresh process takes to its first image.

    python -m benchmarks.first_use [--quick]

Each row is a process of its own: imports, then a frame of an AGIPD-1M (or eight) assembled. With an
empty folder for what the compiler keeps ("cold", which compiles), and with what that run left there
("warm", the median of several). Times are in seconds; those of numpy and numba, which nobody can
save, stand next to them.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile

from benchmarks.tables import Table
from benchmarks.timing import describe_machine

#: What the first image is, by name: arguments of `assemble_data` after the geometry.
USES = {
    "snap": "data[0], geom",
    "snap, 8 frames": "data, geom",
    "nearest": "data[0], geom, method='nearest'",
    "mean of 8 frames": "data, geom, reduce='mean'",
    "dark, gain and mask": "data, geom, dark=data[0], gain=data[0], mask=data[0] < 0",
    "split": "data[0], geom, method='split'",
}
QUICK = ("nearest",)

PROCESS = """
import json, sys, time
start = time.perf_counter()
laps = {}
def lap(name, begin):
    laps[name] = time.perf_counter() - begin
begin = time.perf_counter()
import numpy as np
lap("numpy", begin)
begin = time.perf_counter()
import geomlib
lap("geomlib", begin)
begin = time.perf_counter()
import numba
lap("numba", begin)
begin = time.perf_counter()
geom = geomlib.example_geometry("AGIPD-1M")
lap("geometry", begin)
data = np.ones((8, *geom.data_shape), "f4")
begin = time.perf_counter()
geomlib.assemble_data(USE)
lap("first image", begin)
begin = time.perf_counter()
geomlib.assemble_data(USE)
lap("second image", begin)
laps["all of it"] = time.perf_counter() - start - laps["second image"]
print(json.dumps(laps))
"""


def measure(use: str, folder: str) -> dict[str, float]:
    """Run one process, with a folder for what the compiler keeps."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": folder, "NUMBA_DISABLE_JIT": "0"}
    command = [sys.executable, "-c", PROCESS.replace("USE", use)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    laps: dict[str, float] = json.loads(done.stdout)
    return laps


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one use, fewer processes")
    arguments = parser.parse_args()
    print(describe_machine())
    table = Table("Seconds from the start of Python to a first image", "what, compiled")
    for name in QUICK if arguments.quick else USES:
        with tempfile.TemporaryDirectory() as folder:
            table.add(f"{name}, cold", measure(USES[name], folder))
            several = [measure(USES[name], folder) for _ in range(3 if arguments.quick else 7)]
            laps = {lap: statistics.median(one[lap] for one in several) for lap in several[0]}
            table.add(f"{name}, warm", laps)


if __name__ == "__main__":
    main()
