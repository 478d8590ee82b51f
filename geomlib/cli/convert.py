"""``geomlib convert``: a geometry file from one format or layout to another."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from geomlib.cli.console import stdout
from geomlib.cli.options import (
    DetectorName,
    Invert,
    QuadPositions,
    ReadingHints,
    ReadOptions,
    check_folder,
    parse_option,
    read_geometry_file,
)
from geomlib.errors import GeometryError

if TYPE_CHECKING:
    from geomlib.formats.losses import LossReport
    from geomlib.geometry import Geometry


def convert(
    source: Annotated[
        Path | None, typer.Argument(metavar="IN", help="A geometry file.", show_default=False)
    ] = None,
    target: Annotated[
        Path | None, typer.Argument(metavar="OUT", help="The file to write.", show_default=False)
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(
            "--to", "--format", metavar="FORMAT", help="Format to write; default: by the suffix."
        ),
    ] = None,
    read_as: Annotated[
        str | None,
        typer.Option("--from", metavar="FORMAT", help="Format to read; default: by the content."),
    ] = None,
    allow_loss: Annotated[
        bool, typer.Option("--allow-loss", help="Write also what moves tiles by more than 1 µm.")
    ] = False,
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
    reference: Annotated[
        str | None,
        typer.Option(help="What a pixel map to be written says of a pixel: corner or centre."),
    ] = None,
    more: Annotated[
        list[str] | None,
        typer.Option(
            "--option",
            "-o",
            metavar="NAME=VALUE",
            help="Any other option of the format to write; may be repeated.",
        ),
    ] = None,
    detector: DetectorName = None,
    quad_positions: QuadPositions = None,
    invert: Invert = False,
    read: ReadOptions = None,
    formats: Annotated[
        bool, typer.Option("--formats", help="List the formats, and leave.")
    ] = False,
) -> None:
    """Write a geometry file in another format, or in another layout of its data.

    OUT may be IN: it is replaced when all is written, and stays as it was after an error. What OUT
    does not hold is measured by reading it back, and said; tiles that would move by more than 1 µm
    are refused.

    Example: geomlib convert lpd.h5 lpd.geom --distance 0.2 --energy 9300 --adu-per-ev 0.001
    """
    from geomlib.formats.losses import GeometryLossError
    from geomlib.formats.registry import format_to_write

    if formats:
        _list_formats()
        return
    if source is None or target is None:
        raise GeometryError("give two files: geomlib convert IN OUT")
    fmt = format_to_write(target, to)
    check_folder(target)
    hints = ReadingHints(quad_positions, invert, detector, read_as, read)
    geometry = read_geometry_file(source, hints)
    changes = {"distance": distance, "photon_energy": energy}
    geometry = geometry.replace(**{k: v for k, v in changes.items() if v is not None})
    options: dict[str, Any] = {"layout": layout, "adu_per_ev": adu_per_ev, "reference": reference}
    given = {name: value for name, value in options.items() if value is not None}
    given |= dict(parse_option(text) for text in more or ())
    try:
        report = fmt.write(geometry, target, allow_loss=allow_loss, **given)
    except GeometryLossError as problem:
        _print(geometry, problem.report)
        raise
    stdout().print(f"{target}: {geometry!r}", markup=False, soft_wrap=True)
    _print(geometry, report)


def _print(geometry: Geometry, report: LossReport) -> None:
    """Print what the file holds and what it does not, a line each."""
    from rich.table import Table
    from rich.text import Text

    rows = [_positions(report)]
    rows += [(name, "kept", "green") for name in report.kept]
    rows += [(name, "not in the file", "yellow") for name in report.lost]
    console = stdout()
    if console.is_terminal:
        table = Table(box=None, padding=(0, 2, 0, 2), show_header=False)
        for name, said, colour in rows:
            table.add_row(Text(name, style="bold"), Text(said, style=colour))
        console.print(table)
        return
    width = max(len(name) for name, _, _ in rows)
    for name, said, _ in rows:
        console.print(f"  {name:<{width}}  {said}", markup=False, soft_wrap=True)


def _positions(report: LossReport) -> tuple[str, str, str]:
    name = "positions of tiles"
    if report.displacement is None:
        return name, "not measured: nothing reads the file back as tiles", "yellow"
    if not report.moved:
        return name, "kept (largest displacement 0 µm)", "green"
    moved = f"{1e6 * report.moved:.4g}"
    return name, f"largest displacement {moved} µm ({report.tile})", "yellow"


def _list_formats() -> None:
    from rich.table import Table

    from geomlib.formats.losses import EVERYTHING
    from geomlib.formats.registry import formats

    table = Table("format", "files", "read", "write", "has no place for", box=None)
    for fmt in formats():
        missing = [str(content) for content in EVERYTHING if content not in fmt.holds]
        table.add_row(
            fmt.name,
            " ".join(fmt.suffixes),
            "yes" if fmt.reader else "–",
            "yes" if fmt.writer else "–",
            ", ".join(sorted(missing)) or "–",
        )
    stdout().print(table)
