"""What commands print: results on stdout, the rest on stderr."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from geomlib.data.images import Progress


#: Width of what is no terminal.
_WIDE = 10_000


def error(message: str) -> None:
    """Print an error as one line on stderr."""
    _line("error", message, typer.colors.RED)


def warning(message: str) -> None:
    """Print a warning as one line on stderr."""
    _line("warning", message, typer.colors.YELLOW)


def _line(kind: str, message: str, colour: str) -> None:
    typer.secho(f"{kind}:", fg=colour, bold=True, err=True, nl=False)
    typer.echo(f" {one_line(message)}", err=True)


# What the library says to its callers, and what that is in the shell.
_IN_THE_SHELL = (
    ("Pass unit=1e-3 for millimetres, unit=1 for metres.", "In the shell they are millimetres."),
    ("give them as arguments, or edit", "give --distance, --energy and --adu-per-ev, or edit"),
    ("adu_per_ev must be", "--adu-per-ev must be"),
    ("adu_per_ev or adu_per_photon", "ADU scale"),
    ("invert=True (--invert)", "--invert"),
    ("dataset=… (--dataset)", "--dataset"),
    ("open_frames (`geomlib assemble`)", "`geomlib assemble`"),
    ("pass distance=…", "give --distance"),
    ("pass energy=…, in eV, or wavelength=…,", "give --energy, in eV, or --wavelength,"),
    ("pass energy (in eV) or wavelength (in", "give --energy (in eV) or --wavelength (in"),
    ("(unit='2th_deg', 'r_mm')", "(--unit 2th_deg or r_mm)"),
    ("pass photon_energy=…, in eV", "give --energy, in eV"),
    ("pass photon_energy=… in eV", "give --energy, in eV"),
    ("geom.replace(distance=…)", "--distance"),
    ("right detector=?", "right --detector?"),
    ("pass allow_loss=True", "give --allow-loss"),
    ("give format=…", "give --to"),
    ("option 'reference'", "option '--reference'"),
    ("option 'quad_positions'", "option '--quad-positions'"),
    ("option 'adu_per_ev'", "option '--adu-per-ev'"),
    ("option 'layout'", "option '--layout'"),
    ("option 'invert'", "option '--invert'"),
)


def in_the_shell(message: str) -> str:
    """Return a message of the library in words of the shell."""
    for said, meant in _IN_THE_SHELL:
        message = message.replace(said, meant)
    message = re.sub(r"format='(\w+)'", r"--to \1", message)
    message = re.sub(r"\b[Pp]ass detector=", "give --detector ", message)
    return re.sub(r"\b([Pp]ass|or) (\w+)=(?=['…\s,]|$)(?!… \(--)", _as_read_option, message)


def _as_read_option(found: re.Match[str]) -> str:
    start = "or" if found[1] == "or" else "give"
    return f"{start} --read {found[2]}="


def one_line(message: str) -> str:
    """Return a message in words of the shell, without line breaks or what moves the cursor."""
    message = in_the_shell(message)
    visible = "".join(
        c if c.isprintable() or c.isspace() else "\N{REPLACEMENT CHARACTER}" for c in message
    )
    return re.sub(r"\s+", " ", visible).strip()


def show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Print a warning; takes the place of `warnings.showwarning`."""
    warning(str(message))


def stdout() -> Console:
    """Return the console for results."""
    from rich.console import Console

    # A pipe has no width: what reads it wants whole lines.
    return Console(highlight=False, width=None if sys.stdout.isatty() else _WIDE)


@contextmanager
def progress_bar(what: str, total: int) -> Iterator[Progress]:
    """Show a progress bar on stderr, if that is a terminal.

    Yields
    ------
    callable
        To be called with the number of steps done since the last call.
    """
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = (*Progress.get_default_columns()[:-1], MofNCompleteColumn(), TimeRemainingColumn())
    bar = Progress(
        *columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()
    )
    with bar:
        task = bar.add_task(what, total=total)
        yield lambda steps: bar.advance(task, steps)
