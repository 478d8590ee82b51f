"""The formats that geometries are read from and written to.

Formats are found by name, and nothing of a format is imported before it is used: what recognises a
file looks at its suffix and first bytes only.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from inspect import signature
from os import PathLike, fspath
from pathlib import Path
from typing import Any, cast

from geomlib.detector import Detector
from geomlib.errors import GeometryError, GeometryFileError
from geomlib.geometry import Geometry

#: How much of a file `Format.recognise` is given.
FIRST_BYTES = 65536
_HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
# A key of a panel in a text file; geometries begin with comments and top-level keys, so all of the
# first bytes count.
_CRYSTFEL_LINE = re.compile(
    rb"^[ \t]*(?:[^;=/\s]+[ \t]*/)?"
    rb"(?:(?:min|max)_(?:fs|ss)|corner_[xy]|clen|coffset|photon_energy|adu_per_(?:eV|photon)|dim\d)"
    rb"[ \t]*=",
    re.MULTILINE,
)


@dataclass(frozen=True)
class Format:
    """A file format.

    Parameters
    ----------
    name : str
        How users call it.
    suffixes : tuple of str
        Of its files, with the dot, lower case.
    recognise : callable
        ``recognise(path, first_bytes) -> bool``: cheap, and by content.
    reader, writer : str
        ``"module:function"``, imported at first use:
        ``reader(path, *, detector=None, **options) -> Geometry``,
        ``writer(geometry, path, **options)``.
    text : bool
        Whether its files are text.
    suffix_decides : bool
        Whether a suffix alone says that a file is to be written in this format.
    """

    name: str
    suffixes: tuple[str, ...]
    recognise: Callable[[Path, bytes], bool]
    reader: str
    writer: str
    text: bool
    suffix_decides: bool = True

    def read(
        self, path: str | PathLike[str], *, detector: Detector | str | None = None, **options: Any
    ) -> Geometry:
        """Read a geometry from a file of this format."""
        reader = _load(self.reader)
        self._check_options(reader, "read", options)
        return cast(Geometry, reader(path, detector=detector, **options))

    def write(self, geometry: Geometry, path: str | PathLike[str], **options: Any) -> None:
        """Write a geometry to a file of this format."""
        writer = _load(self.writer)
        self._check_options(writer, "write", options)
        writer(geometry, path, **options)

    def _check_options(
        self, function: Callable[..., object], verb: str, options: dict[str, Any]
    ) -> None:
        parameters = signature(function).parameters.values()
        known = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY and p.name != "detector"]
        if unknown := sorted(set(options) - set(known)):
            has = f"the options are {', '.join(known)}" if known else "there are no options"
            raise GeometryError(
                f"to {verb} {self.name!r} files there is no option {unknown[0]!r}; {has}"
            )


_FORMATS: dict[str, Format] = {}


def register(fmt: Format) -> None:
    """Make a format known.

    Raises
    ------
    GeometryError
        If there is one of that name already.
    """
    if fmt.name in _FORMATS:
        raise GeometryError(f"there is a format {fmt.name!r} already")
    _FORMATS[fmt.name] = fmt


def formats() -> Iterator[Format]:
    """Every format that is known, in the order in which files are tried."""
    return iter(tuple(_FORMATS.values()))


def format_named(name: str) -> Format:
    """Return a format by its name.

    Raises
    ------
    GeometryError
        If there is none; the message lists those that there are.
    """
    fmt = _FORMATS.get(name)
    if fmt is None:
        raise GeometryError(f"format={name!r} is not known; there are {_known()}")
    return fmt


def read_geometry(
    path: str | PathLike[str],
    *,
    format: str | None = None,
    detector: Detector | str | None = None,
    **options: Any,
) -> Geometry:
    """Read a geometry from a file.

    Parameters
    ----------
    path : str or path-like
        The file.
    format : str, optional
        Name of its format, such as ``"crystfel"``; recognised by content if not given.
    detector : Detector or str, optional
        The detector that it describes, where it is not to be recognised.
    **options
        Options of the format's reader.

    Returns
    -------
    Geometry

    Raises
    ------
    GeometryFileError
        If the file cannot be read or holds no geometry.
    GeometryError
        If there is no such format.

    Examples
    --------
    >>> import geomlib
    >>> geom = geomlib.read_geometry("agipd.geom")  # doctest: +SKIP
    """
    chosen = None if format is None else format_named(format)
    file = Path(path)
    first = _first_bytes(file)
    return (chosen or _recognise(file, first)).read(path, detector=detector, **options)


def write_geometry(
    geometry: Geometry, path: str | PathLike[str], *, format: str | None = None, **options: Any
) -> None:
    """Write a geometry to a file.

    Parameters
    ----------
    geometry : Geometry
        What to write.
    path : str or path-like
        The file. It is replaced at the end: a failed write leaves an old file whole.
    format : str, optional
        Name of the format; by default the suffix decides (``.geom``: CrystFEL).
    **options
        Options of the format's writer.

    Raises
    ------
    GeometryError
        If there is no such format, the suffix does not decide it, or the format cannot hold the
        geometry.
    """
    if not isinstance(geometry, Geometry):
        raise GeometryError(f"geometry must be a Geometry, not {type(geometry).__name__}")
    fmt = _format_to_write(Path(path)) if format is None else format_named(format)
    fmt.write(geometry, path, **options)


def _format_to_write(path: Path) -> Format:
    suffix = path.suffix.lower()
    fitting = [fmt for fmt in formats() if suffix in fmt.suffixes]
    if len(fitting) == 1 and fitting[0].suffix_decides:
        return fitting[0]
    if fitting:
        choices = " or ".join(f"format={fmt.name!r}" for fmt in fitting)
        raise GeometryError(
            f"several kinds of files end with {suffix!r}: say {choices} to write {fspath(path)!r}"
        )
    ending = f"the suffix {suffix!r}" if suffix else "a name without a suffix"
    raise GeometryError(
        f"{ending} does not say how to write {fspath(path)!r}; give format=…: {_known()}"
    )


def _first_bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            first = file.read(FIRST_BYTES)
    except FileNotFoundError as error:
        raise GeometryFileError("there is no such file", path=path) from error
    except IsADirectoryError as error:
        raise GeometryFileError("is a folder; expected a geometry file", path=path) from error
    except OSError as error:
        raise GeometryFileError(f"cannot be read: {error.strerror or error}", path=path) from error
    if not first.strip():
        raise GeometryFileError("is empty; expected a geometry", path=path)
    return first


def _recognise(path: Path, first: bytes) -> Format:
    for fmt in formats():
        if fmt.recognise(path, first):
            return fmt
    for fmt in formats():
        if path.suffix.lower() in fmt.suffixes and fmt.text and _is_text(first):
            return fmt
    raise GeometryFileError(
        f"no geometry that is known: found {_describe(first)}; known are {_known()}", path=path
    )


def _is_text(first: bytes) -> bool:
    return b"\0" not in first[:1024]


def _describe(first: bytes) -> str:
    if first.startswith(_HDF5_SIGNATURE):
        return "an HDF5 file without a geometry"
    if not _is_text(first):
        return f"binary data that begins with {first[:8]!r}"
    line = first.strip().splitlines()[0][:60].decode("utf-8", "replace")
    return f"text that begins with {line!r}"


def _known() -> str:
    return ", ".join(f"{fmt.name!r} ({', '.join(fmt.suffixes)})" for fmt in formats())


def _load(place: str) -> Callable[..., object]:
    module, _, name = place.partition(":")
    return cast(Callable[..., object], getattr(import_module(module), name))


def _is_crystfel(path: Path, first: bytes) -> bool:
    return _is_text(first) and _CRYSTFEL_LINE.search(first) is not None


def _is_euxfel(path: Path, first: bytes) -> bool:
    return first.startswith(_HDF5_SIGNATURE)


register(
    Format(
        "crystfel",
        (".geom",),
        _is_crystfel,
        "geomlib.formats.crystfel.read:read_crystfel",
        "geomlib.formats.crystfel.write:write_crystfel",
        text=True,
    )
)
register(
    Format(
        "euxfel",
        (".h5", ".hdf5"),
        _is_euxfel,
        "geomlib.formats.euxfel:read_euxfel",
        "geomlib.formats.euxfel:write_euxfel",
        text=False,
        # Several formats are HDF5: the caller says which one to write.
        suffix_decides=False,
    )
)
