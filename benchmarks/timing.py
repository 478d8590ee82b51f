"""Interleaved medians, and a line that says what they were taken on."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path


def medians(todo: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Median time of each call in seconds; the calls take turns, after one call to warm up."""
    times: dict[str, list[float]] = {name: [] for name in todo}
    for call in todo.values():
        call()
    for _ in range(repeats):
        for name, call in todo.items():
            start = time.perf_counter()
            call()
            times[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in times.items()}


def describe_machine() -> str:
    """Processor, number of processors that may be used, and versions of what is compared."""
    model = platform.processor()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [s for s in cpuinfo.read_text().splitlines() if s.startswith("model name")]
        model = names[0].partition(":")[2].strip() if names else model
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    versions = []
    for package in ("geomlib", "numpy", "numba", "cfelpyutils", "extra-geom", "pyFAI"):
        try:
            versions.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            versions.append(f"{package} absent")
    return f"{model}, {count} processors; Python {platform.python_version()}; " + ", ".join(
        versions
    )
