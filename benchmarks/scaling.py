"""What assembly costs against the size of the data: where it stops being in proportion.

    python -m benchmarks.scaling [--quick] [--most GIB]

Frames of an AGIPD-1M, and modules of a JUNGFRAU-like detector, from little to much; float32, into
an array that is used again and again. C is `np.copyto` of the same modules on one thread, in turn.
Sizes that need more memory than `--most` are left out.
"""

from __future__ import annotations

import argparse
from functools import partial

import numpy as np

import geomlib
from benchmarks.tables import Table
from benchmarks.timing import describe_machine, medians

FRAMES = (1, 2, 4, 8, 16, 64, 256, 1024)
MODULES = (1, 2, 4, 8, 16, 32)
#: Bytes for each byte of data: the data, their copy and the image with its gaps.
ROOM = 3.4


def modules(count: int) -> geomlib.Geometry:
    """Two columns of modules like those of a JUNGFRAU, as in one of 4 megapixels."""
    places = [(1060 * (n % 2), 550 * (n // 2)) for n in range(count)]
    return geomlib.detectors.jungfrau(places)


def row(geometry: geomlib.Geometry, frames: int, repeats: int) -> dict[str, float]:
    """Time one size."""
    shape = (frames, *geometry.data_shape)
    data = np.ones(shape, "f4")
    copy, out = np.empty_like(data), geomlib.output_array(geometry, (frames,))
    copy[...] = 0  # so that all of it is there before the first call
    assemble = partial(geomlib.assemble_data, data, geometry, out=out)
    times = medians(
        {
            "C": partial(np.copyto, copy, data),
            "geomlib, 1 thread": partial(assemble, threads=1),
            "geomlib, 2 threads": partial(assemble, threads=2),
            "geomlib, as many as it chooses": assemble,
        },
        repeats,
    )
    megapixels = data.size / 1e6
    return {
        "MB": data.nbytes / 1e6,
        "C, ms/Mpx": 1e3 * times["C"] / megapixels,
        "1 thread, ms/Mpx": 1e3 * times["geomlib, 1 thread"] / megapixels,
        "2 threads, ms/Mpx": 1e3 * times["geomlib, 2 threads"] / megapixels,
    } | {f"{key} / C": time / times["C"] for key, time in times.items() if key != "C"}


def rounds(n_bytes: int, quick: bool) -> int:
    """Return how often a size is measured: small ones more often."""
    return int(np.clip((2e8 if quick else 4e9) / n_bytes, 3, 25 if quick else 200))


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes, fewer rounds")
    parser.add_argument("--most", type=float, default=6.0, help="memory to use, in GiB")
    arguments = parser.parse_args()
    most = (1.0 if arguments.quick else arguments.most) * 2**30
    print(describe_machine())
    agipd = geomlib.example_geometry("AGIPD-1M")
    frames = [(f"{count}", agipd, count) for count in FRAMES]
    several = [(f"{count}", modules(count), 8) for count in MODULES]
    for title, first, cases in (
        ("Frames of an AGIPD-1M", "frames", frames),
        ("Modules like those of a JUNGFRAU, 8 frames", "modules", several),
    ):
        table = Table(title, first)
        for label, geometry, count in cases:
            n_bytes = 4 * count * int(np.prod(geometry.data_shape))
            if ROOM * n_bytes > most:
                print(f"({label} and more: left out, more than {most / 2**30:g} GiB)")
                break
            table.add(label, row(geometry, count, rounds(n_bytes, arguments.quick)))


if __name__ == "__main__":
    main()
