"""The formats that geometries are read from and written to.

Formats are found by name, and nothing of a format is imported before it is used: what recognises a
file looks at its suffix and first bytes only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from inspect import signature
from os import PathLike, fspath
from pathlib import Path
from typing import Any, cast

from geomlib import checks
from geomlib.detector import Detector
from geomlib.errors import GeometryError, GeometryFileError, system_error
from geomlib.formats.crystfel.connect import is_crystfel
from geomlib.geometry import Geometry

#: How much of a file `Format.recognise` is given.
FIRST_BYTES = 65536
_HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"


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
    write_options : str, optional
        ``"module:name"`` of what has the writer's options as its parameters, if not the writer.
    """

    name: str
    suffixes: tuple[str, ...]
    recognise: Callable[[Path, bytes], bool]
    reader: str
    writer: str
    text: bool
    suffix_decides: bool = True
    write_options: str | None = None

    def read(
        self, path: str | PathLike[str], *, detector: Detector | str | None = None, **options: Any
    ) -> Geometry:
        """Read a geometry from a file of this format."""
        self._check_options("read", path, options, self.read_options())
        return cast(Geometry, _load(self.reader)(path, detector=detector, **options))

    def read_options(self) -> set[str]:
        """Names of the options of the reader."""
        return _keywords(_load(self.reader)) - {"detector"}

    def write(self, geometry: Geometry, path: str | PathLike[str], **options: Any) -> None:
        """Write a geometry to a file of this format."""
        writer = _load(self.writer)
        takes = writer if self.write_options is None else _load(self.write_options)
        self._check_options("write", path, options, _keywords(takes))
        writer(geometry, path, **options)

    def _check_options(
        self, verb: str, path: str | PathLike[str], options: dict[str, Any], known: set[str]
    ) -> None:
        if unknown := sorted(set(options) - known):
            has = f"the options are {', '.join(sorted(known))}" if known else "there are no options"
            raise GeometryFileError(
                f"to {verb} {self.name!r} files there is no option {unknown[0]!r}; {has}", path=path
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
    fmt = _FORMATS.get(checks.text("format", name))
    if fmt is None:
        raise GeometryError(f"format={name!r} is not known; there are {known_formats()}")
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
    file = checks.path("path", path)
    return (chosen or format_of(file)).read(file, detector=detector, **options)


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
    file = checks.path("path", path)
    fmt = _format_to_write(file) if format is None else format_named(format)
    fmt.write(geometry, file, **options)


def formats_of_suffix(suffix: str) -> list[Format]:
    """Every format whose files have a suffix."""
    return [fmt for fmt in formats() if suffix.lower() in fmt.suffixes]


def _format_to_write(path: Path) -> Format:
    suffix = path.suffix.lower()
    fitting = formats_of_suffix(suffix)
    if len(fitting) == 1 and fitting[0].suffix_decides:
        return fitting[0]
    if fitting:
        choices = " or ".join(f"format={fmt.name!r}" for fmt in fitting)
        raise GeometryError(
            f"several kinds of files end with {suffix!r}: say {choices} to write {fspath(path)!r}"
        )
    ending = f"the suffix {suffix!r}" if suffix else "a name without a suffix"
    raise GeometryError(
        f"{ending} does not say how to write {fspath(path)!r}; give format=…: {known_formats()}"
    )


def _first_bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            first = file.read(FIRST_BYTES)
    except OSError as error:
        raise system_error(error, path, "read") from error
    if not first.strip():
        raise GeometryFileError("is empty; expected a geometry", path=path)
    return first


def format_of(path: str | PathLike[str]) -> Format:
    """Recognise the format of a file, by its content.

    Raises
    ------
    GeometryFileError
        If the file cannot be read or holds no geometry.
    """
    return _recognise(Path(path), _first_bytes(Path(path)))


def _recognise(path: Path, first: bytes) -> Format:
    for fmt in formats():
        if fmt.recognise(path, first):
            return fmt
    for fmt in formats():
        if path.suffix.lower() in fmt.suffixes and fmt.text and _is_text(first):
            return fmt
    if first.startswith(_HDF5_SIGNATURE):
        raise GeometryFileError(
            "no geometry in this HDF5 file: those of European XFEL have /Q1/M1; for data use "
            "open_frames (`geomlib assemble`)",
            path=path,
        )
    raise GeometryFileError(
        f"no geometry that is known: found {_describe(first)}; known are {known_formats()}",
        path=path,
    )


def _is_text(first: bytes) -> bool:
    return b"\0" not in first[:1024]


def _describe(first: bytes) -> str:
    if not _is_text(first):
        return f"binary data that begins with {first[:8]!r}"
    line = first.strip().splitlines()[0][:60].decode("utf-8", "replace")
    return f"text that begins with {line!r}"


def known_formats() -> str:
    """Names and suffixes of all formats, for messages."""
    return ", ".join(f"{fmt.name!r} ({', '.join(fmt.suffixes)})" for fmt in formats())


def _keywords(function: Callable[..., object]) -> set[str]:
    """Names of the options of a reader or writer, or of the fields of a class of options."""
    parameters = signature(function).parameters.values()
    whole = isinstance(function, type)
    return {p.name for p in parameters if whole or p.kind is p.KEYWORD_ONLY}


def _load(place: str) -> Callable[..., object]:
    module, _, name = place.partition(":")
    return cast(Callable[..., object], getattr(import_module(module), name))


def _is_euxfel(path: Path, first: bytes) -> bool:
    if not first.startswith(_HDF5_SIGNATURE):
        return False
    from geomlib.formats.euxfel import is_euxfel_geometry

    return is_euxfel_geometry(path)


register(
    Format(
        "crystfel",
        (".geom",),
        is_crystfel,
        "geomlib.formats.crystfel.read:read_crystfel",
        "geomlib.formats.crystfel.write:write_crystfel",
        text=True,
        write_options="geomlib.formats.crystfel.options:Options",
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
