"""Interleaved medians, and a line that says what they were taken on."""

from __future__ import annotations

import os
import platform
import random
import statistics
import time
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path

PACKAGES = ("geomlib", "numpy", "numba", "cfelpyutils", "extra-geom", "pyFAI")


def medians(
    todo: Mapping[str, Callable[[], object]], repeats: int, slow: Mapping[str, int] | None = None
) -> dict[str, float]:
    """Median time of each call in seconds, after one call to warm up.

    The calls take turns, each round in another random order: in a fixed one, what follows a call
    that streams past the caches would find them cold every time.

    Parameters
    ----------
    todo : mapping of str to callable
        The calls.
    repeats : int
        Rounds.
    slow : mapping of str to int, optional
        Calls that are made in so many of the rounds only.
    """
    times: dict[str, list[float]] = {name: [] for name in todo}
    rounds = {name: min(repeats, (slow or {}).get(name, repeats)) for name in todo}
    for call in todo.values():
        call()
    order, rng = list(todo), random.Random(0)
    for number in range(repeats):
        rng.shuffle(order)
        for name in order:
            if number < rounds[name]:
                times[name].append(seconds(todo[name]))
    return {name: statistics.median(values) for name, values in times.items()}


def seconds(call: Callable[[], object]) -> float:
    """Time one call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def describe_machine() -> str:
    """Processor, number of processors that may be used, and versions of what is compared."""
    model = platform.processor()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [s for s in cpuinfo.read_text().splitlines() if s.startswith("model name")]
        model = names[0].partition(":")[2].strip() if names else model
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    caches = _caches()
    versions = []
    for package in PACKAGES:
        try:
            versions.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            versions.append(f"{package} absent")
    return f"{model}, {count} processors{caches}; Python {platform.python_version()}; " + ", ".join(
        versions
    )


def _caches() -> str:
    """Sizes of the caches of the first processor, where the system tells them."""
    sizes = []
    for index in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        try:
            kind, level, size = ((index / n).read_text().strip() for n in ("type", "level", "size"))
        except OSError:
            continue
        if kind != "Instruction":
            sizes.append(f"L{level} {size}")
    return f", {', '.join(sizes)}" if sizes else ""
