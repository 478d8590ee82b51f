"""``geomlib inspect``: a picture of where the tiles are."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from geomlib.cli.console import stdout
from geomlib.cli.options import (
    DetectorName,
    Invert,
    QuadPositions,
    ReadingHints,
    ReadOptions,
    check_output,
    read_geometry_files,
)

_SUFFIXES = (".png", ".svg", ".pdf")


class Units(StrEnum):
    """Units of the axes."""

    PX = "px"
    MM = "mm"
    M = "m"


def inspect(
    file: Annotated[Path, typer.Argument(help="A geometry file.", show_default=False)],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The picture: .png, .svg or .pdf.")
    ] = Path("geometry.png"),
    compare: Annotated[
        Path | None,
        typer.Option(help="Another geometry file: draw how far its tiles are from those of FILE."),
    ] = None,
    units: Annotated[Units, typer.Option(help="Units of the axes.")] = Units.PX,
    dpi: Annotated[
        int, typer.Option(min=20, max=1000, help="Pixels an inch of the picture.")
    ] = 120,
    quad_positions: QuadPositions = None,
    invert: Invert = False,
    detector: DetectorName = None,
    read: ReadOptions = None,
) -> None:
    """Draw where the tiles of a detector are, in front view (x to the left).

    Example: geomlib inspect agipd.geom -o agipd.png
    """
    files = [file] if compare is None else [file, compare]
    check_output(output, _SUFFIXES, files)
    geometry, *others = read_geometry_files(
        files, ReadingHints(quad_positions, invert, detector, more=read)
    )
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from geomlib.atomic import replacing

    figure = Figure(figsize=(9, 9), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    if others:
        geometry.compare(others[0], ax=axes, units=units.value)
    else:
        geometry.inspect(ax=axes, units=units.value)
    with replacing(output) as temporary:
        figure.savefig(temporary, format=output.suffix[1:].lower(), dpi=dpi)
    stdout().print(f"{output}", markup=False, soft_wrap=True)
