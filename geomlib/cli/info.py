"""``geomlib info``: what a geometry file says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from geomlib.cli.console import one_line, stdout
from geomlib.cli.options import (
    DetectorName,
    Invert,
    QuadPositions,
    ReadingHints,
    ReadOptions,
    read_geometry_file,
)
from geomlib.errors import collected

if TYPE_CHECKING:
    from geomlib.geometry import Geometry

#: Groups named in full; more of them are counted.
_LISTED = 12


def info(
    file: Annotated[Path, typer.Argument(help="A geometry file.", show_default=False)],
    quad_positions: QuadPositions = None,
    invert: Invert = False,
    detector: DetectorName = None,
    read: ReadOptions = None,
) -> None:
    """Say what a geometry file holds: detector, tiles, beam, groups, and what is doubtful in it.

    Example: geomlib info agipd.geom
    """
    with collected() as doubts:
        geometry = read_geometry_file(
            file, ReadingHints(quad_positions, invert, detector, more=read)
        )
    findings = [one_line(doubt.removeprefix(f"{file}: ")) for doubt in doubts]
    _print(describe(geometry), findings)


def _print(rows: list[tuple[str, str]], findings: list[str]) -> None:
    """Print a table on a terminal, and a line for each row elsewhere."""
    from rich.table import Table
    from rich.text import Text

    console = stdout()
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    colour = "yellow" if findings else "green"
    names = ["findings", *[""] * (len(findings) - 1)]
    found = list(zip(names, findings or ["none"], strict=True))
    if console.is_terminal:
        for name, value in rows:
            table.add_row(name, Text(value))
        for name, value in found:
            table.add_row(name, Text(value, style=colour))
        console.print(table)
        return
    width = max(len(name) for name, _ in rows)
    for name, value in [*rows, *found]:
        console.print(f"{name:<{width}}  {value}", markup=False, soft_wrap=True)


def describe(geometry: Geometry) -> list[tuple[str, str]]:
    """Say what a geometry is, as rows of a name and a text."""
    from geomlib.detector import describe_pitch

    detector = geometry.detector
    modules, ss, fs = geometry.data_shape
    shape = "hexagons of " if detector.pixel_shape == "hexagon" else ""
    rows = [
        ("detector", detector.name),
        ("data", f"{_count(modules, 'module')} × {ss} × {fs} pixels (slow scan, fast scan)"),
        ("tiles", f"{geometry.n_tiles}, of {_tile_sizes(geometry)} pixels"),
        ("pixel size", shape + describe_pitch(detector.pixel_size)),
        *_extent(geometry),
        ("distance", _quantity(geometry.distance, "m")),
        ("photon energy", _quantity(geometry.photon_energy, "eV")),
        ("groups", _groups(geometry)),
    ]
    if geometry.bad_regions:
        names = [region.name for region in geometry.bad_regions]
        rows.append(("bad regions", f"{len(names)}: {_some(names)}"))
    if geometry.no_index:
        names = [detector.tile_names[t] for t in geometry.no_index]
        rows.append(("not indexed", f"{_count(len(names), 'tile')}: {_some(names)}"))
    if geometry.motor_positions is not None:
        rows.append(("motors", f"{geometry.motor_positions.tolist()} mm"))
    for name, path in (("data path", geometry.data_path), ("mask path", geometry.mask_path)):
        if path is not None:
            rows.append((name, path))
    if geometry.source is not None:
        rows.append(("source", f"{geometry.source.path} ({geometry.source.format})"))
    return rows


def _extent(geometry: Geometry) -> list[tuple[str, str]]:
    low, high = (
        getattr(geometry.tile_outlines().reshape(-1, 3), name)(axis=0) * 1e3
        for name in ("min", "max")
    )
    spans = [f"{axis} {a:.2f} … {b:.2f} mm" for axis, a, b in zip("xyz", low, high, strict=True)]
    return [("extent", ", ".join(spans))]


def _tile_sizes(geometry: Geometry) -> str:
    import numpy as np

    sizes = np.unique(geometry.detector.tile_shapes, axis=0)
    return _some([f"{ss} × {fs}" for ss, fs in sizes.tolist()])


def _groups(geometry: Geometry) -> str:
    groups = geometry.groups or {}
    return f"{len(groups)}: {_some(list(groups))}" if groups else "none"


def _some(names: list[str]) -> str:
    more = len(names) - _LISTED
    return ", ".join(names[:_LISTED]) + (f" and {more} more" if more > 0 else "")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"


def _quantity(value: float | None, unit: str) -> str:
    return "not known" if value is None else f"{value:.10g} {unit}"
