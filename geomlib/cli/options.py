"""Options that several commands share, and how geometry files are read for them."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from geomlib.errors import GeometryError, GeometryFileError

if TYPE_CHECKING:
    from geomlib.detector import Detector
    from geomlib.geometry import Geometry

_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?"
_PAIR = re.compile(rf"\(?\s*({_NUMBER})\s*,\s*({_NUMBER})\s*\)?")
#: Farther from the beam, in millimetres, than any quadrant is.
_FAR = 100_000.0

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
    if max(abs(value) for pair in pairs for value in pair) > _FAR:
        raise GeometryError(
            f"--quad-positions must be in millimetres, at most {_FAR:g} from the beam, not {text!r}"
        )
    return pairs


Invert = Annotated[
    bool,
    typer.Option("--invert", help="Positions in an HDF5 geometry file have both signs inverted."),
]


DetectorName = Annotated[
    str | None,
    typer.Option(
        "--detector",
        metavar="NAME|FILE",
        help="The detector that a geometry file is about, where the file does not say; or a "
        "geometry file of it.",
    ),
]


ReadOptions = Annotated[
    list[str] | None,
    typer.Option(
        "--read",
        metavar="NAME=VALUE",
        help="Any other option for reading the geometry file, such as reference=centre for a "
        "pixel map; may be repeated.",
    ),
]


def parse_option(text: str) -> tuple[str, Any]:
    """Split ``name=value``; values are numbers, true, false, null or, if they are no JSON, text.

    Raises
    ------
    GeometryError
        If it is none.
    """
    name, equals, value = text.partition("=")
    if not equals or not name.strip().isidentifier():
        raise GeometryError(f"{text!r} is no option: expected NAME=VALUE")
    try:
        return name.strip(), json.loads(value)
    except (ValueError, RecursionError):
        return name.strip(), value


class ReadingHints(NamedTuple):
    """What the command line says about a geometry file to be read.

    Attributes
    ----------
    quad_positions : str, optional
        Four positions, see `parse_quad_positions`.
    invert : bool
        Positions in the file have their signs inverted.
    detector : str, optional
        Name of the detector, or a geometry file of it.
    format : str, optional
        Name of the format.
    more : sequence of str, optional
        Other options of the reader, as ``name=value``.
    """

    quad_positions: str | None = None
    invert: bool = False
    detector: str | None = None
    format: str | None = None
    more: Sequence[str] | None = None

    def options(self) -> dict[str, Any]:
        """Return the same as options of `read_geometry`."""
        options = dict(parse_option(text) for text in self.more or ())
        if self.invert:
            options["invert"] = True
        if self.quad_positions is not None:
            options["quad_positions"] = parse_quad_positions(self.quad_positions)
        if self.detector is not None:
            options["detector"] = _detector(self.detector)
        return options


def _detector(given: str) -> Detector | str:
    if not Path(given).is_file():
        return given
    from geomlib.formats import read_geometry

    return read_geometry(given).detector


NO_HINTS = ReadingHints()


def read_geometry_file(path: Path, hints: ReadingHints = NO_HINTS) -> Geometry:
    """Read a geometry file, with the options given on the command line."""
    return _read(path, hints.options(), hints.format)


def read_geometry_files(paths: Sequence[Path], hints: ReadingHints = NO_HINTS) -> list[Geometry]:
    """Read geometry files of possibly different formats: an option is for those that have it."""
    from geomlib.formats.registry import format_of

    given = hints.options()
    known = [format_of(path).read_options() | {"detector"} for path in paths]
    nobodys = given.keys() - set().union(*known)
    return [
        _read(path, {name: given[name] for name in given if name in names | nobodys})
        for path, names in zip(paths, known, strict=True)
    ]


def _read(path: Path, options: dict[str, Any], format: str | None = None) -> Geometry:
    from geomlib.formats import read_geometry

    try:
        return read_geometry(path, format=format, **options)
    except GeometryFileError as problem:
        # A European XFEL HDF5 file without them, not one that holds nothing else.
        if "quad_positions" in options or problem.key != "/Q1/Position":
            raise
        raise GeometryFileError(
            "the file has no quadrant positions; give them: --quad-positions "
            "'X,Y X,Y X,Y X,Y', in millimetres",
            path=path,
            key=problem.key,
        ) from problem


def check_output(path: Path, suffixes: tuple[str, ...], inputs: Sequence[Path] = ()) -> str:
    """Return the suffix of a file to be written, before any work is done for it.

    Raises
    ------
    GeometryError
        If the suffix is none of those known, its folder does not exist, or it is one of the
        `inputs`, or lies in one that is the folder of a run.
    """
    suffix = path.suffix.lower()
    if suffix not in suffixes:
        raise GeometryError(
            f"{path}: the suffix decides what is written, and must be one of {', '.join(suffixes)}"
        )
    if path.is_dir():
        raise GeometryError(f"{path} is a folder")
    check_folder(path)
    for given in inputs:
        if path.exists() and any(path.samefile(file) for file in _files(given)):
            raise GeometryError(
                f"--output {path} is the same file as the input {given}, which would be lost"
                if not given.is_dir()
                else f"--output {path} is one of the data files in {given}, which would be lost"
            )
    return suffix


def check_folder(path: Path) -> None:
    """Refuse a file to be written to a folder that does not exist.

    Raises
    ------
    GeometryError
        If there is no such folder.
    """
    if not path.parent.is_dir():
        raise GeometryError(f"{path}: there is no folder {path.parent}")


def _files(path: Path) -> list[Path]:
    """Return a file, or what a folder holds of a run; nothing where there is nothing."""
    if path.is_dir():
        return [file for file in path.glob("*.h5") if file.exists()]
    return [path] if path.exists() else []
