"""The entry point: commands put together, errors and warnings made readable."""

from __future__ import annotations

import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, NoReturn

import typer

from geomlib._version import __version__
from geomlib.cli import assemble, check, convert, demo, info, inspect, integrate, run, warmup
from geomlib.cli.console import error, show_warning
from geomlib.errors import GeometryError, GeometryWarning

#: Environment variable; set to anything, a fault of geomlib shows where it happened.
DEBUG = "GEOMLIB_DEBUG"

app = typer.Typer(
    name="geomlib",
    help="Where every pixel of a multi-module X-ray detector is.",
    invoke_without_command=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(info.info)
app.command()(check.check)
app.command()(inspect.inspect)
app.command()(assemble.assemble)
app.command()(integrate.integrate)
app.add_typer(run.app, name="run")
app.command()(convert.convert)
app.command()(demo.demo)
app.command()(warmup.warmup)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"geomlib {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and leave with its exit code: 0, or 2 after an error.

    `geomlib check` leaves with 1 where it finds something.

    A batch system's SIGTERM ends it with 143, without half-written files.

    Parameters
    ----------
    arguments : sequence of str, optional
        Default: those of the process.
    """
    with warnings.catch_warnings(), _terminable():
        warnings.simplefilter("always", GeometryWarning)
        warnings.showwarning = show_warning
        sys.exit(_run(sys.argv[1:] if arguments is None else list(arguments)))


@contextmanager
def _terminable() -> Iterator[None]:
    """Make an exception of SIGTERM, so that what was begun is cleaned up."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def leave(number: int, _frame: object) -> NoReturn:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _run(arguments: list[str]) -> int:
    try:
        code = app(args=arguments, prog_name="geomlib", standalone_mode=False, obj=arguments)
    except (GeometryError, OSError) as problem:
        error(str(problem))
    except MemoryError:
        error("not enough memory; fewer frames (--frames) or a reduction (--reduce) need less")
    except (typer.Abort, KeyboardInterrupt):
        error("stopped")
        return 130
    except Exception as problem:
        error(_unforeseen(problem))
    else:
        return code if isinstance(code, int) else 0
    return 2


def _unforeseen(problem: Exception) -> str:
    # Mistakes in the use of a command come as exceptions that typer does not name in public.
    describe = getattr(problem, "format_message", None)
    if describe is not None:
        return f"{describe()} (geomlib --help and geomlib COMMAND --help say what there is)"
    if os.environ.get(DEBUG):
        raise problem
    return (
        f"a fault of geomlib: {type(problem).__name__}: {problem} "
        f"({DEBUG}=1 in the environment shows where)"
    )
