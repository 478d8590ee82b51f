"""``geomlib convert``: a geometry file from one format or layout to another."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from geomlib.cli.console import stdout
from geomlib.cli.options import Invert, QuadPositions, check_folder, read_geometry_file
from geomlib.errors import GeometryError


def convert(
    source: Annotated[
        Path, typer.Argument(metavar="IN", help="A geometry file.", show_default=False)
    ],
    target: Annotated[
        Path, typer.Argument(metavar="OUT", help="The file to write.", show_default=False)
    ],
    to: Annotated[
        str | None,
        typer.Option(
            "--to", "--format", metavar="FORMAT", help="Format to write; default: by the suffix."
        ),
    ] = None,
    layout: Annotated[
        str | None,
        typer.Option(
            help="Layout of the data for .geom: vcxi (a module axis) or cheetah (stacked)."
        ),
    ] = None,
    distance: Annotated[float | None, typer.Option(help="Detector distance, in metres.")] = None,
    energy: Annotated[float | None, typer.Option(help="Photon energy, in eV.")] = None,
    adu_per_ev: Annotated[
        float | None, typer.Option("--adu-per-ev", help="Detector counts an eV, for .geom.")
    ] = None,
    quad_positions: QuadPositions = None,
    invert: Invert = False,
) -> None:
    """Write a geometry file in another format, or in another layout of its data.

    OUT may be IN: it is replaced when all is written, and stays as it was after an error.

    Example: geomlib convert lpd.h5 lpd.geom --distance 0.2 --energy 9300 --adu-per-ev 0.001
    """
    from geomlib.formats import write_geometry

    fmt = _format_to_write(target, to)
    check_folder(target)
    geometry = read_geometry_file(source, quad_positions, invert)
    changes = {"distance": distance, "photon_energy": energy}
    geometry = geometry.replace(**{k: v for k, v in changes.items() if v is not None})
    options: dict[str, Any] = {"layout": layout, "adu_per_ev": adu_per_ev}
    given = {name: value for name, value in options.items() if value is not None}
    write_geometry(geometry, target, format=fmt, **given)
    stdout().print(f"{target}: {geometry!r}", markup=False, soft_wrap=True)


def _format_to_write(target: Path, wanted: str | None) -> str:
    """Name of the format to write, as asked for or by the suffix."""
    from geomlib.formats.registry import formats, formats_of_suffix, known_formats

    if wanted is not None:
        if wanted not in {fmt.name for fmt in formats()}:
            raise GeometryError(f"--to {wanted}: no such format; there are {known_formats()}")
        return wanted
    fitting = formats_of_suffix(target.suffix)
    if len(fitting) == 1 and fitting[0].suffix_decides:
        return fitting[0].name
    choices = " or ".join(f"--to {fmt.name}" for fmt in fitting or formats())
    raise GeometryError(f"{target}: the suffix does not say what to write; add {choices}")
