"""``geomlib warmup``: compile everything ahead."""

from __future__ import annotations

from typing import Annotated

import typer

from geomlib.cli.console import progress_bar, stdout, warning


def warmup(
    parts: Annotated[
        list[str] | None,
        typer.Argument(
            help="What for: assemble, treat, reduce, nearest, split. Default all.",
            show_default=False,
        ),
    ] = None,
    dtypes: Annotated[
        list[str] | None,
        typer.Option(
            "--dtype",
            help="Of the data; can be repeated. Default float32, uint16, int16, float64.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Compile the loops ahead, so that a first image takes no longer than later ones.

    It takes some minutes, once for each version of geomlib, processor and folder of the cache
    (NUMBA_CACHE_DIR in the environment names another); what is there already is kept.

    Example: geomlib warmup assemble reduce --dtype uint16
    """
    from numba import config

    from geomlib import compile_ahead

    console = stdout()
    if config.DISABLE_JIT:
        warning("the compiler is switched off (NUMBA_DISABLE_JIT): there is nothing to compile")
        return
    count = len(compile_ahead.steps(parts, dtypes))
    with progress_bar("compiling", count) as progress:
        done = compile_ahead.warmup(parts, dtypes, progress=progress)
    found = f", {done.found} found compiled" if done.found else ""
    console.print(f"{done.compiled} loops compiled{found}, in {done.seconds:.1f} s", markup=False)
    if done.folder is None:
        warning(
            "they are lost with this process, since no folder can be written to: name one with "
            "NUMBA_CACHE_DIR in the environment"
        )
    else:
        console.print(f"kept in {done.folder}", markup=False, soft_wrap=True)
