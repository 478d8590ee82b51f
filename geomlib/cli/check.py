"""``geomlib check``: what is likely to be wrong in a geometry file, and safe mends of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from geomlib.cli.console import one_line, stdout
from geomlib.cli.options import (
    DetectorName,
    Invert,
    QuadPositions,
    ReadingHints,
    read_geometry_file,
)
from geomlib.errors import GeometryError, GeometryFileError

if TYPE_CHECKING:
    from rich.console import Console

    from geomlib.checking import Finding, Reading, Report
    from geomlib.detector import Detector

_COLOURS = {"error": "bold red", "warning": "bold yellow", "note": "cyan"}


def check(
    file: Annotated[Path, typer.Argument(help="A geometry file.", show_default=False)],
    fix: Annotated[
        bool, typer.Option("--fix", help="Make the safe mends of a .geom file, and show them.")
    ] = False,
    diff: Annotated[
        bool, typer.Option("--diff", help="Show what --fix would change, and change nothing.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    read_as: Annotated[
        str | None,
        typer.Option("--from", metavar="FORMAT", help="Its format; default: by the content."),
    ] = None,
    detector: DetectorName = None,
    quad_positions: QuadPositions = None,
    invert: Invert = False,
) -> None:
    """Look for mistakes in a geometry file; for .geom, also what other programs make of it.

    The exit code is 0 if the file is clean (notes do not count), 1 if there are errors or
    warnings, 2 if it cannot be read.

    Example: geomlib check agipd.geom --diff
    """
    hints = ReadingHints(quad_positions, invert, detector, read_as)
    changes: tuple[str, ...] = ()
    unwritten = None
    try:
        options = hints.options()
        fmt = _format(file, read_as)
        changes, change, unwritten = _mended(file, fmt, options.get("detector"), fix, diff)
        report = _report(file, hints, fmt, options)
    except GeometryError as problem:
        if as_json:
            _print_json(_as_dict(file, problem, changes))
        if changes and isinstance(problem, GeometryFileError):
            message = f"{problem.message} (--fix mends that: {'; '.join(changes)})"
            raise GeometryFileError(
                message, path=problem.path, line=problem.line, key=problem.key
            ) from problem
        raise
    if as_json:
        written = fix and bool(changes) and unwritten is None
        mends = {"changes": list(changes), "diff": change, "written": written}
        _print_json({**report.as_dict(), "unreadable": None, "mends": mends})
    else:
        _print(report, file)
        _print_mends(changes, change, fix and unwritten is None)
    if unwritten is not None:
        raise unwritten
    raise typer.Exit(0 if report.is_clean else 1)


def _format(file: Path, name: str | None) -> str:
    from geomlib.formats.registry import format_named, format_of

    return (format_of(file) if name is None else format_named(name)).name


def _mended(
    file: Path, fmt: str, detector: Detector | str | None, fix: bool, diff: bool
) -> tuple[tuple[str, ...], str, GeometryError | None]:
    """Safe mends of a .geom file, written if that is asked for, and what they change.

    Last, why they could not be written: findings come first.
    """
    from geomlib.checking.mend import mend, read_document, unified_diff, write_mended

    if fmt != "crystfel":
        if fix or diff:
            raise GeometryFileError("only .geom files can be mended (--fix, --diff)", path=file)
        return (), "", None
    document = read_document(file)
    try:
        mended = mend(document, detector)
    except GeometryFileError:
        return (), "", None  # it cannot be read: the check says so
    unwritten = None
    if fix:
        try:
            write_mended(mended, file)
        except GeometryError as problem:
            unwritten = problem
    change = unified_diff(document, mended.document) if fix or diff else ""
    return mended.changes, change, unwritten


def _report(file: Path, hints: ReadingHints, fmt: str, options: dict[str, Any]) -> Report:
    from geomlib.checking import check_geometry

    try:
        return check_geometry(file, format=fmt, **options)
    except GeometryFileError as problem:
        if "quad_positions" in problem.message and hints.quad_positions is None:
            read_geometry_file(file, hints)  # says which option is missing
        raise


# -- What is printed ----------------------------------------------------------------------


def _print_json(content: dict[str, Any]) -> None:
    # ASCII: every terminal and file takes it.
    typer.echo(json.dumps(content, indent=2))


def _as_dict(file: Path, problem: GeometryError, changes: tuple[str, ...]) -> dict[str, Any]:
    """Return what a file that cannot be read has for a report."""
    where = {name: getattr(problem, name, None) for name in ("line", "key")}
    message = getattr(problem, "message", str(problem))
    unreadable = {"message": message, **where}
    mends = {"changes": list(changes), "diff": "", "written": False}
    return {
        "file": str(file),
        "clean": False,
        "findings": [],
        "readers": [],
        "unreadable": unreadable,
        "mends": mends,
    }


def _print(report: Report, file: Path) -> None:
    from rich.text import Text

    console = stdout()
    for finding in report:
        _print_finding(console, finding, file)
    if not report.findings:
        console.print(Text(f"{file}: nothing found", "green"), soft_wrap=True)
    if report.readers:
        _print_readers(console, report.readers)


def _print_finding(console: Console, finding: Finding, file: Path) -> None:
    """Print a finding as compilers do: file, line, severity, message; then how to mend it."""
    from rich.text import Text

    from geomlib.checking.findings import listed

    line = "" if finding.line is None else f":{finding.line}"
    about = listed(finding.tiles) or finding.key
    said = f"{f'[{about}] ' if about else ''}{finding.message}"
    text = Text(f"{one_line(f'{file}{line}:')} ")
    text.append(finding.severity, _COLOURS[finding.severity])
    text.append(f": {one_line(said)}")
    text.append(f" ({finding.code})", "dim")
    console.print(text, soft_wrap=True)
    if finding.mend:
        console.print(Text(f"    mend: {one_line(finding.mend)}"), soft_wrap=True)


def _print_readers(console: Console, readers: tuple[Reading, ...]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("reader", no_wrap=True)
    table.add_column("reads it", no_wrap=True)
    table.add_column("why not, or what it takes otherwise without a word", overflow="fold")
    for reading in readers:
        remarks = "; ".join(map(one_line, reading.wrong or reading.reasons))
        colour = "green" if reading.accepts else "red"
        if reading.wrong_positions:
            colour = "yellow"
        said = Text("yes" if reading.accepts else "no", colour)
        table.add_row(reading.reader, said, Text(remarks))
    console.print()
    console.print(table)


def _print_mends(changes: tuple[str, ...], change: str, fix: bool) -> None:
    from rich.text import Text

    console = stdout()
    if not changes:
        return
    what = "mended" if fix else "can be mended safely"
    hint = "" if fix else " (--diff shows it, --fix does it)"
    console.print()
    console.print(Text(f"{what}{hint}:"), soft_wrap=True)
    for message in changes:
        console.print(Text(f"  {message}"), soft_wrap=True)
    for line in change.split("\n") if change else ():
        colour = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], "")
        visible = line.replace("\t", "    ").encode("utf-8", "backslashreplace").decode()
        shown = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in visible)
        console.print(Text(shown, colour), soft_wrap=True)
