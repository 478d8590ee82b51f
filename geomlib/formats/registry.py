"""The formats that geometries are read from and written to.

Formats are found by name, and nothing of a format is imported before it is used: what recognises a
file looks at its suffix, its first bytes and, in HDF5 files, a few keys. Other packages add formats
by an entry point in the group ``geomlib.formats`` that is a `Format`.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import entry_points
from os import PathLike, fspath
from pathlib import Path
from threading import RLock
from typing import Any

from geomlib import checks
from geomlib.detector import Detector
from geomlib.errors import GeometryError, GeometryFileError, system_error, warn
from geomlib.formats import hdf5
from geomlib.formats.format import Format
from geomlib.formats.known import KNOWN
from geomlib.formats.losses import LossReport
from geomlib.geometry import Geometry

#: How much of a file `Format.recognise` is given.
FIRST_BYTES = 65536
#: Group of the entry points of other packages that add formats.
ENTRY_POINTS = "geomlib.formats"


_FORMATS: dict[str, Format] = {fmt.name: fmt for fmt in KNOWN}


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


_lock = RLock()
_state = {"others": False}


def _add_others() -> None:
    """Make the formats of other packages known; one that fails does not keep the rest away."""
    with _lock:
        if _state["others"]:
            return
        _state["others"] = True
        _load_others()


def _load_others() -> None:
    for point in entry_points(group=ENTRY_POINTS):
        try:
            fmt = point.load()
            if not isinstance(fmt, Format):
                raise TypeError(f"expected a Format, found {type(fmt).__name__}")
            register(fmt)
        except Exception as problem:
            warn(f"the format {point.name!r} ({point.value}) is left out: {problem}")


def formats() -> Iterator[Format]:
    """Every format that is known, in the order in which files are tried."""
    _add_others()
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
        _add_others()
        fmt = _FORMATS.get(name)
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
    geometry: Geometry,
    path: str | PathLike[str],
    *,
    format: str | None = None,
    allow_loss: bool = False,
    distance: float | None = None,
    photon_energy: float | None = None,
    **options: Any,
) -> LossReport:
    """Write a geometry to a file.

    Parameters
    ----------
    geometry : Geometry
        What to write.
    path : str or path-like
        The file. It is replaced at the end: a failed write leaves an old file whole.
    format : str, optional
        Name of the format; by default the suffix decides (``.geom``: CrystFEL).
    allow_loss : bool
        Write also what moves tiles by more than 1 µm, and do not warn of what is lost.
    distance, photon_energy : float, optional
        Instead of those of the geometry, in metres and eV.
    **options
        Options of the format's writer.

    Returns
    -------
    LossReport
        What the file does not hold; false where it holds all.

    Raises
    ------
    GeometryLossError
        If tiles would be more than 1 µm away for whoever reads the file; it has the report.
    GeometryError
        If there is no such format, the suffix does not decide it, or the format cannot hold the
        geometry at all.

    Warns
    -----
    GeometryWarning
        What the file does not hold.
    """
    if not isinstance(geometry, Geometry):
        raise GeometryError(f"geometry must be a Geometry, not {type(geometry).__name__}")
    beam = {"distance": distance, "photon_energy": photon_energy}
    geometry = geometry.replace(
        **{name: value for name, value in beam.items() if value is not None}
    )
    file = checks.path("path", path)
    fmt = format_to_write(file, format)
    report = fmt.write(geometry, file, allow_loss=checks.flag("allow_loss", allow_loss), **options)
    if not allow_loss:
        for message in report.messages():
            warn(f"{file}: {message}")
    return report


def format_to_write(path: str | PathLike[str], name: str | None = None) -> Format:
    """Return the format that a file is to be written in.

    Parameters
    ----------
    path : str or path-like
        The file; its suffix decides where `name` does not.
    name : str, optional
        Name of the format.

    Raises
    ------
    GeometryError
        If there is no such format, or the suffix does not decide it.
    """
    if name is not None:
        return format_named(name)
    suffix = Path(path).suffix.lower()
    fitting = [fmt for fmt in formats() if suffix in fmt.suffixes and fmt.writer is not None]
    deciding = [fmt for fmt in fitting if fmt.suffix_decides]
    if len(deciding) == 1:
        return deciding[0]
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
    ours = tuple(_FORMATS.values())
    for fmt in ours:
        if fmt.recognises(path, first):
            return fmt
    # Those of other packages are looked for only where ours do not know the file.
    for fmt in formats():
        if fmt not in ours and _recognises(fmt, path, first):
            return fmt
    suffix = path.suffix.lower()
    likely = [fmt for fmt in formats() if suffix in fmt.suffixes and fmt.text]
    if len(likely) == 1 and _is_text(first):
        # Its reader says better than we what is wrong with the file.
        return likely[0]
    if first.startswith(hdf5.SIGNATURE):
        with hdf5.opened(path):
            # A damaged file is known by no key; that it is damaged is said here.
            pass
        raise GeometryFileError(
            "no geometry in this HDF5 file: those of European XFEL have /Q1/M1, of NeXus "
            "an NXdetector_module, of pyFAI pixel_corners, of CXI corner_position, pixel maps x "
            "and y; for data use open_frames (`geomlib assemble`)",
            path=path,
        )
    raise GeometryFileError(
        f"no geometry that is known: found {_describe(first)}; known are {known_formats()}",
        path=path,
    )


def _recognises(fmt: Format, path: Path, first: bytes) -> bool:
    """Ask a format of another package, whose faults do not keep a file from being read."""
    try:
        return fmt.recognises(path, first)
    except Exception as problem:
        warn(f"the format {fmt.name!r} fails to look at {path}: {problem}")
        return False


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
