"""How long reading a .geom file takes, against cfelpyutils, for growing numbers of panels.

    python -m benchmarks.read_crystfel [--quick] [FILE ...]

Each side reads the same file in turn, so that both see the same machine; medians. Both on one
thread. Ours gives a Geometry with its detector recognised, theirs the parsed dictionaries.
"""

from __future__ import annotations

import argparse
import tempfile
import warnings
from functools import partial
from pathlib import Path

from benchmarks.tables import Table
from benchmarks.timing import describe_machine, medians
from geomlib.formats.crystfel.read import read_crystfel

REAL_FILE = "AGIPD_European-XFEL_EXtra-foam_agipd_mar18_v11.geom"
SHARED = Path(__file__).parents[2] / "shared" / "data" / "crystfel"
ROUNDS = 40


def synthetic(n_panels: int) -> str:
    """Write a file of AGIPD-like panels, 8 a module, with a module axis."""
    lines = [
        "clen = 0.1249",
        "photon_energy = 9300",
        "adu_per_eV = 0.0075",
        "res = 5000",
        "data = /entry_1/data_1/data",
        "dim0 = %",
        "",
    ]
    for panel in range(n_panels):
        module, tile = divmod(panel, 8)
        name = f"p{module}a{tile}"
        lines += [
            f"{name}/dim1 = {module}",
            f"{name}/dim2 = ss",
            f"{name}/dim3 = fs",
            f"{name}/min_fs = 0",
            f"{name}/min_ss = {64 * tile}",
            f"{name}/max_fs = 127",
            f"{name}/max_ss = {64 * tile + 63}",
            f"{name}/fs = -0.00{panel:04d}x -0.999995y",
            f"{name}/ss = +0.999995x -0.00{panel:04d}y",
            f"{name}/corner_x = {66.013 * tile - 512:.3f}",
            f"{name}/corner_y = {600 - 157.1 * (module % 16):.3f}",
            f"{name}/coffset = 0.000{panel:04d}",
            "",
        ]
    return "\n".join(lines)


def main() -> None:
    from cfelpyutils.geometry import load_crystfel_geometry

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    arguments = parser.parse_args()
    rounds = 5 if arguments.quick else ROUNDS
    print(describe_machine())
    table = Table("Reading a file, ms, 1 thread each; ratio: geomlib / cfelpyutils", "file")
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        files = list(arguments.files)
        if not files and SHARED.is_dir():
            files.append(SHARED / REAL_FILE)
        for n_panels in (128, 256, 1024):
            files.append(Path(folder) / f"synthetic_{n_panels}.geom")
            files[-1].write_text(synthetic(n_panels))
        for file in files:
            panels = read_crystfel(file).n_tiles
            todo = {
                "geomlib": partial(read_crystfel, file),
                "cfelpyutils": partial(load_crystfel_geometry, str(file)),
            }
            ours, theirs = (1e3 * seconds for seconds in medians(todo, rounds).values())
            size = file.stat().st_size / 1e3
            row = {"panels": panels, "kB": size, "geomlib": ours, "cfelpyutils": theirs}
            table.add(file.name[:42], row | {"ratio": ours / theirs})


if __name__ == "__main__":
    main()
