"""The formats that geometries are read from and written to.

Formats are found by name, and nothing of a format is imported before it is used: what recognises a
file looks at its suffix, its first bytes and, in HDF5 files, a few keys. Other packages add formats
by an entry point in the group ``geomlib.formats`` that is a `Format`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from importlib.metadata import entry_points
from inspect import signature
from os import PathLike, fspath
from pathlib import Path
from typing import Any, cast

from geomlib import checks
from geomlib.detector import Detector
from geomlib.errors import GeometryError, GeometryFileError, system_error, warn
from geomlib.formats import hdf5
from geomlib.formats.losses import EVERYTHING, Content, Declared, LossReport, measure, refuse
from geomlib.geometry import Geometry

#: How much of a file `Format.recognise` is given.
FIRST_BYTES = 65536
#: Group of the entry points of other packages that add formats.
ENTRY_POINTS = "geomlib.formats"


@dataclass(frozen=True)
class Format:
    """A file format.

    Parameters
    ----------
    name : str
        How users call it.
    suffixes : tuple of str
        Of its files, with the dot, lower case.
    recognise : str
        ``recognise(path, first_bytes) -> bool``: cheap, and by content. As all functions here it
        is given as ``"module:function"``, and imported at first use.
    reader, writer : str or None
        ``reader(path, *, detector=None, **options) -> Geometry`` and
        ``writer(geometry, path, *, …) -> None``; None for what cannot be done.
    text : bool
        Whether its files are text.
    holds : set of str
        What of a geometry its files hold besides the positions of tiles; see `losses.Content`.
    suffix_decides : bool
        Whether a suffix alone says that a file is to be written in this format.
    float32 : bool
        Whether each pixel's position is rounded to float32 in its files.
    needs_detector : bool
        Whether its files do not say what detector they are about, so that reading one needs it.
    write_options : str, optional
        What has the writer's options as its parameters, if not the writer.
    """

    name: str
    suffixes: tuple[str, ...]
    recognise: str
    reader: str | None
    writer: str | None
    text: bool
    holds: frozenset[Content] = EVERYTHING
    suffix_decides: bool = True
    float32: bool = False
    needs_detector: bool = False
    write_options: str | None = None

    def recognises(self, path: Path, first_bytes: bytes) -> bool:
        """Tell whether a file, of which the first bytes are given, is of this format."""
        return bool(_load(self.recognise)(path, first_bytes))

    def read(
        self, path: str | PathLike[str], *, detector: Detector | str | None = None, **options: Any
    ) -> Geometry:
        """Read a geometry from a file of this format."""
        if self.reader is None:
            raise GeometryFileError(f"{self.name!r} files are written only, not read", path=path)
        self._check_options("read", path, options, self.read_options())
        return cast(Geometry, _load(self.reader)(path, detector=detector, **options))

    def read_options(self) -> set[str]:
        """Names of the options of the reader."""
        return set() if self.reader is None else _keywords(_load(self.reader)) - {"detector"}

    def write(
        self,
        geometry: Geometry,
        path: str | PathLike[str],
        *,
        allow_loss: bool = False,
        **options: Any,
    ) -> LossReport:
        """Write a geometry to a file of this format; as `write_geometry`, but without warnings."""
        if self.writer is None:
            raise GeometryFileError(f"{self.name!r} files are read only, not written", path=path)
        self._check_options("write", path, options, self.write_option_names())
        writer = _load(self.writer)

        def write(where: Path) -> None:
            writer(geometry, where, **options)

        def read(where: Path) -> Geometry:
            return self.read(where, detector=geometry.detector if self.needs_detector else None)

        target = Path(path)
        report = measure(
            geometry,
            Declared(self.name, self.holds, self.float32),
            target,
            write,
            None if self.reader is None else read,
        )
        if not allow_loss:
            refuse(report, target)
        write(target)
        return report

    def write_option_names(self) -> set[str]:
        """Names of the options of the writer."""
        takes = self.write_options or self.writer
        return set() if takes is None else _keywords(_load(takes))

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


@lru_cache(maxsize=1)
def _add_others() -> None:
    """Make the formats of other packages known; one that fails does not keep the rest away."""
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
    file = checks.path("path", path)
    fmt = _format_to_write(file) if format is None else format_named(format)
    report = fmt.write(geometry, file, allow_loss=checks.flag("allow_loss", allow_loss), **options)
    if not allow_loss:
        for message in report.messages():
            warn(f"{file}: {message}")
    return report


def formats_of_suffix(suffix: str) -> list[Format]:
    """Every format whose files have a suffix, and that can be written."""
    return [fmt for fmt in formats() if suffix.lower() in fmt.suffixes and fmt.writer is not None]


def format_of_suffix(suffix: str) -> Format | None:
    """Return the format that a suffix alone says a file is to be written in; None without one."""
    fitting = [fmt for fmt in formats_of_suffix(suffix) if fmt.suffix_decides]
    return fitting[0] if len(fitting) == 1 else None


def _format_to_write(path: Path) -> Format:
    suffix = path.suffix.lower()
    decided = format_of_suffix(suffix)
    if decided is not None:
        return decided
    if fitting := formats_of_suffix(suffix):
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
    # Those of other packages are looked for only where ours do not know the file.
    for known in (lambda: tuple(_FORMATS.values()), formats):
        for fmt in known():
            if fmt.recognises(path, first):
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


_HERE = "geomlib.formats"
#: Files that say where tiles are, with a note on the layout of the data for geomlib.
_TILES: frozenset[Content] = frozenset(
    {
        "distance",
        "name of the detector",
        "names of tiles",
        "wide border pixels",
        "layout of the data",
    }
)
_FLAT: frozenset[Content] = frozenset({"hexagons", "layout of the data"})

register(
    Format(
        "crystfel",
        (".geom",),
        f"{_HERE}.crystfel.connect:is_crystfel",
        f"{_HERE}.crystfel.read:read_crystfel",
        f"{_HERE}.crystfel.write:write_crystfel",
        text=True,
        # Hexagons are known again by their layout; what CrystFEL makes of them the writer says.
        holds=EVERYTHING - {"name of the detector", "wide border pixels"},
        write_options=f"{_HERE}.crystfel.options:Options",
    )
)
register(
    Format(
        "euxfel",
        (".h5", ".hdf5"),
        f"{_HERE}.euxfel:is_euxfel_geometry",
        f"{_HERE}.euxfel:read_euxfel",
        f"{_HERE}.euxfel:write_euxfel",
        text=False,
        holds=_FLAT,
        # Several formats are HDF5: the caller says which one to write.
        suffix_decides=False,
    )
)
register(
    Format(
        "pyfai",
        (".h5", ".hdf5", ".nxs"),
        "geomlib.integration.pyfai_files:is_pyfai_detector_file",
        "geomlib.integration.pyfai_files:read_pyfai",
        "geomlib.integration.pyfai_files:write_pyfai",
        text=False,
        holds=_TILES - {"distance"} | {"hexagons", "bad pixels"},
        suffix_decides=False,
        float32=True,
    )
)
register(
    Format(
        "poni",
        (".poni",),
        "geomlib.integration.pyfai_files:is_poni",
        "geomlib.integration.pyfai_files:read_poni_geometry",
        "geomlib.integration.pyfai_files:write_poni_geometry",
        text=True,
        holds=_TILES | {"hexagons", "bad pixels", "photon energy"},
        float32=True,
    )
)
register(
    Format(
        "nxmx",
        (".nxs",),
        f"{_HERE}.nxmx:is_nxmx",
        f"{_HERE}.nxmx:read_nxmx",
        f"{_HERE}.nxmx_write:write_nxmx",
        text=False,
        holds=_TILES | {"photon energy", "bad pixels"},
    )
)
register(
    Format(
        "dials",
        (".expt",),
        f"{_HERE}.dials:is_dials",
        f"{_HERE}.dials:read_dials",
        f"{_HERE}.dials_write:write_dials",
        text=True,
        holds=_TILES | {"photon energy", "bad pixels"},
    )
)
register(
    Format(
        "psana",
        (".data",),
        f"{_HERE}.psana:is_psana",
        f"{_HERE}.psana:read_psana",
        f"{_HERE}.psana:write_psana",
        text=True,
        holds=_TILES,
    )
)
register(
    Format(
        "cxi",
        (".cxi",),
        f"{_HERE}.cxi:is_cxi",
        f"{_HERE}.cxi:read_cxi",
        f"{_HERE}.cxi:write_cxi",
        text=False,
        holds=_TILES | {"photon energy", "bad pixels"},
    )
)
register(
    Format(
        "dragonfly",
        (".h5",),
        f"{_HERE}.dragonfly:is_dragonfly",
        None,
        f"{_HERE}.dragonfly:write_dragonfly",
        text=False,
        holds=frozenset({"distance", "bad pixels", "no_index flags", "hexagons"}),
        suffix_decides=False,
    )
)
register(
    Format(
        "pixelmap",
        (".h5", ".hdf5"),
        f"{_HERE}.pixel_map_file:recognise_pixel_map",
        f"{_HERE}.pixel_map:read_pixel_map",
        f"{_HERE}.pixel_map_write:write_pixel_map",
        text=False,
        holds=_TILES | {"photon energy", "hexagons"},
        suffix_decides=False,
        float32=True,
    )
)
register(
    Format(
        "quadrants",
        (".csv", ".json", ".yaml", ".yml", ".txt"),
        f"{_HERE}.quadrants:recognise_quadrants",
        f"{_HERE}.quadrants:read_quadrants",
        f"{_HERE}.quadrants:write_quadrants",
        text=True,
        holds=_FLAT,
        suffix_decides=False,
        needs_detector=True,
    )
)
