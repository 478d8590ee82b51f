"""Options that several commands share, and how geometry files are read for them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from geomlib.errors import GeometryError, GeometryFileError

if TYPE_CHECKING:
    from geomlib.geometry import Geometry

_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?"
_PAIR = re.compile(rf"\(?\s*({_NUMBER})\s*,\s*({_NUMBER})\s*\)?")

QuadPositions = Annotated[
    str | None,
    typer.Option(
        "--quad-positions",
        metavar="X,Y X,Y X,Y X,Y",
        help="Positions of the quadrants, for HDF5 geometry files of LPD and DSSC: in mm.",
    ),
]


def parse_quad_positions(text: str) -> list[tuple[float, float]]:
    """Read four positions: ``11.4,299 -11.5,8 254.5,-16 278.5,275``, brackets allowed.

    Raises
    ------
    GeometryError
        If the text is anything else.
    """
    pairs = [(float(x), float(y)) for x, y in _PAIR.findall(text)]
    if len(pairs) != 4 or re.sub(r"[\s,;\[\]()]+", "", _PAIR.sub("", text)):
        raise GeometryError(
            f"--quad-positions must be four positions such as "
            f"'11.4,299 -11.5,8 254.5,-16 278.5,275', not {text!r}"
        )
    return pairs


def read_geometry_file(path: Path, quad_positions: str | None = None) -> Geometry:
    """Read a geometry file, with the quadrant positions given on the command line."""
    from geomlib.formats import read_geometry

    if quad_positions is None:
        try:
            return read_geometry(path)
        except GeometryFileError as problem:
            if "quad_positions" not in problem.message:
                raise
            raise GeometryFileError(
                "the file has no quadrant positions; give them: --quad-positions "
                "'X,Y X,Y X,Y X,Y', in millimetres",
                path=path,
                key=problem.key,
            ) from problem
    positions = parse_quad_positions(quad_positions)
    with format_options(path):
        return read_geometry(path, quad_positions=positions)


@contextmanager
def format_options(path: Path) -> Iterator[None]:
    """Turn the complaint of a format about an option that it does not have into an error.

    Raises
    ------
    GeometryError
        Instead of the TypeError of a call with an unknown keyword.
    """
    try:
        yield
    except TypeError as problem:
        unknown = re.search(r"unexpected keyword argument '(\w+)'", str(problem))
        if unknown is None:
            raise
        option = unknown[1].replace("_", "-")
        raise GeometryError(f"{path}: files of its format have no option --{option}") from problem


def check_output(path: Path, suffixes: tuple[str, ...], hint: str = "") -> str:
    """Return the suffix of a file to be written, before any work is done for it.

    Raises
    ------
    GeometryError
        If the suffix is none of those known, or its folder does not exist.
    """
    suffix = path.suffix.lower()
    if suffix not in suffixes:
        raise GeometryError(
            f"{path}: the suffix decides what is written, and must be one of "
            f"{', '.join(suffixes)}{hint}"
        )
    if path.is_dir():
        raise GeometryError(f"{path} is a folder")
    if not path.parent.is_dir():
        raise GeometryError(f"{path}: there is no folder {path.parent}")
    return suffix
