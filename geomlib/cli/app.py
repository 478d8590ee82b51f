"""The entry point: commands put together, errors and warnings made readable."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from typing import Annotated, NoReturn

import typer

from geomlib._version import __version__
from geomlib.cli import assemble, convert, demo, info, inspect
from geomlib.cli.console import error, show_warning
from geomlib.errors import GeometryError, GeometryWarning

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
app.command()(inspect.inspect)
app.command()(assemble.assemble)
app.command()(convert.convert)
app.command()(demo.demo)


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

    Parameters
    ----------
    arguments : sequence of str, optional
        Default: those of the process.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("always", GeometryWarning)
        warnings.showwarning = show_warning
        sys.exit(_run(sys.argv[1:] if arguments is None else list(arguments)))


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
        # Mistakes in the use of a command come as exceptions that typer does not name in public.
        describe = getattr(problem, "format_message", None)
        if describe is None:
            raise
        error(f"{describe()} (geomlib --help and geomlib COMMAND --help say what there is)")
    else:
        return code if isinstance(code, int) else 0
    return 2
