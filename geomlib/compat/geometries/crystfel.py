"""``.geom`` files, and what ``metadata["crystfel"]`` says of them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from operator import index
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt

from geomlib import checks
from geomlib.atomic import replacing
from geomlib.compat.geometries.motors import motors_to_geom, read_motors_from_geom
from geomlib.detector import Detector
from geomlib.errors import GeometryError, GeometryFileError, quiet
from geomlib.formats import read_geometry
from geomlib.formats.crystfel.document import Document
from geomlib.formats.crystfel.groups import free_name
from geomlib.formats.crystfel.numerals import in_pixels
from geomlib.formats.crystfel.panels import PanelView
from geomlib.formats.crystfel.write import crystfel_text
from geomlib.geometry import Geometry
from geomlib.metadata import BadRegion
from geomlib.movement import motor_shape

if TYPE_CHECKING:
    from geomlib.compat.geometries.base import DetectorGeometryBase

AnyGeometry = TypeVar("AnyGeometry", bound="DetectorGeometryBase")
Metadata = dict[str, Any]
NDArray = npt.NDArray[Any]
#: Axes of the data in virtual CXI files of European XFEL.
DIMS: tuple[str | int, ...] = ("frame", "modno", "ss", "fs")
#: What cfelpyutils, and with it EXtra-geom, has for what a file does not say.
_ABSENT: Metadata = {
    **{"data": "", "mask": ""},
    **{"adu_per_eV": math.nan, "clen": math.nan, "photon_energy": 0.0},
}
_PANEL = re.compile(r"p(\d+)a(\d+)")
_DIM_LINE = re.compile(r"^([^;=\n/]*/)?dim\d+ = (\S+)$", re.MULTILINE)
_MOTOR_LINE = re.compile(r"^;XGEOM MOTOR[^\n]*\n", re.MULTILINE)
#: What is a number, or a place in the data files; and numbers to write in the place of texts.
_NUMBERS = {"clen": 1.0, "photon_energy": 1e4}
_AXES_COMMENT = re.compile(r"^; The axes of the data are .*$", re.MULTILINE)
_AXIS_NAMES = {"%": "frame", "ss": "ss", "fs": "fs"}


# -- Reading --------------------------------------------------------------------------------


def read(cls: type[AnyGeometry], filename: str | PathLike[str]) -> AnyGeometry:
    """Read a ``.geom`` file; see `DetectorGeometryBase.from_crystfel_geom`."""
    # The number of modules of some detectors is known only once the file is read.
    wanted = cls._of_modules(1) if cls.n_modules else None
    geometry = read_geometry(filename, format="crystfel", detector=wanted)
    fitting = cls._of_modules(geometry.n_modules)
    if fitting is not None and fitting != geometry.detector:
        with quiet():
            geometry = read_geometry(filename, format="crystfel", detector=fitting)
        if geometry.n_tiles != fitting.n_tiles:
            raise GeometryFileError(
                f"has {geometry.n_tiles} of the {fitting.n_tiles} tiles of {fitting.name}; "
                "geomlib.read_geometry reads parts of a detector",
                path=filename,
            )
    geom = cls(geometry, filename=filename)
    text = None if geometry.source is None else geometry.source.text
    # geomlib knows which detectors have motors; there, any file may tell of some.
    if geometry.motor_positions is None and text is not None and b";XGEOM MOTORS=" in text:
        with suppress(GeometryError):
            geom.motor_positions = read_motors_from_geom(text.decode("utf-8", "replace"))
    return geom


def metadata_of(geometry: Geometry) -> Metadata:
    """Return what a geometry holds besides positions; empty if that is nothing."""
    found: Metadata = {
        "data": geometry.data_path,
        "mask": geometry.mask_path,
        "adu_per_eV": _adu_per_ev(geometry),
        "clen": geometry.distance,
        "photon_energy": geometry.photon_energy,
    }
    from_file = geometry.source is not None and geometry.source.format == "crystfel"
    if not from_file and not geometry.bad_regions and all(v is None for v in found.values()):
        return {}
    said = {key: _ABSENT[key] if value is None else value for key, value in found.items()}
    return {"crystfel": {**said, "bad": bad_of(geometry)}}


def _adu_per_ev(geometry: Geometry) -> float | None:
    source = geometry.source
    if source is None or source.format != "crystfel" or source.text is None:
        return None
    scale, unit = PanelView(Document.parse(source.text, source.path)).adu[0]
    return None if unit != "eV" or math.isnan(scale) else float(scale)


def bad_of(geometry: Geometry) -> dict[str, dict[str, Any]]:
    """Bad regions as cfelpyutils has them: x and y in pixels; ss and fs inclusive, of a module."""
    return {name: _bad_entry(geometry, region) for name, region in _by_name(geometry).items()}


def _by_name(geometry: Geometry) -> dict[str, BadRegion]:
    """Give the parts of a region that spans several tiles, which share its name, a number each."""
    regions: dict[str, BadRegion] = {}
    for region in geometry.bad_regions:
        regions[free_name(region.name, regions)] = region
    return regions


def _bad_entry(geometry: Geometry, region: BadRegion) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "panel": "",
        **dict.fromkeys(("min_x", "max_x", "min_y", "max_y"), math.nan),
        **dict.fromkeys(("min_fs", "max_fs", "min_ss", "max_ss"), 0),
        "is_fsss": region.tile is not None,
    }
    if region.tile is not None and region.ss is not None and region.fs is not None:
        detector = geometry.detector
        module = int(detector.tile_modules[region.tile])
        entry["panel"] = f"p{module}a{region.tile - detector.tiles_of(module).start}"
        for axis, (first, end) in (("ss", region.ss), ("fs", region.fs)):
            entry[f"min_{axis}"], entry[f"max_{axis}"] = first, end - 1
    for axis, limits in (("x", region.x), ("y", region.y)):
        if limits is not None:
            pitch = geometry.detector.pixel_size[1]
            entry[f"min_{axis}"], entry[f"max_{axis}"] = (in_pixels(v, pitch) for v in limits)
    return entry


# -- Writing --------------------------------------------------------------------------------


def write(
    geom: DetectorGeometryBase,
    filename: str | PathLike[str],
    given: Metadata,
    dims: Sequence[str | int],
    nquads: int | None,
) -> None:
    """Write a ``.geom`` file; see `DetectorGeometryBase.write_crystfel_geom`."""
    axes = _checked_dims(dims)
    for key in _NUMBERS:
        if isinstance(given[key], str):
            _check_text(key, given[key])
        elif given[key] is not None:
            checks.number(key, given[key], positive=True)
    metadata = geom.metadata.get("crystfel", {})
    values = {
        key: _known(metadata.get(key)) if value is None else value for key, value in given.items()
    }
    # CrystFEL takes a place in the data files too, and energies with a unit.
    texts = {key: values[key] for key in _NUMBERS if isinstance(values[key], str)}
    # Numbers in their place for now, so that nobody is asked to fill them in.
    numbers = {key: _NUMBERS[key] for key in texts}
    geometry = _described(geom, values | numbers, metadata.get("bad"), nquads)
    adu = values["adu_per_eV"]
    layout = _layout(axes)
    if layout is not None:
        text = crystfel_text(geometry, adu_per_ev=adu, **layout)
    else:
        # Axes that geomlib's writer does not have: a new text, in which they are named anew.
        plain = "vcxi" if "modno" in axes else "cheetah"
        text = crystfel_text(geometry.replace(source=None), adu_per_ev=adu, layout=plain)
        text = _with_axes(text, axes)
    for key, said in texts.items():
        text = _with_text(text, key, said)
    if (motors := getattr(geom, "motor_positions", None)) is not None:
        text = _with_motors(text, geometry, motors)
    with replacing(filename) as temporary:
        Path(temporary).write_bytes(text.encode("utf-8", "surrogateescape"))


def _described(
    geom: DetectorGeometryBase, values: Metadata, bad: Any, nquads: int | None
) -> Geometry:
    """Return the geometry with all that the file is to say."""
    geometry = geom.geometry
    changes: Metadata = {
        "distance": values["clen"],
        "photon_energy": values["photon_energy"],
        "data_path": values["data"] or None,
        "mask_path": values["mask"] or None,
    }
    motors: NDArray | None = getattr(geom, "motor_positions", None)
    has_motors = geometry.detector.motors is not None
    if motors is not None and has_motors and np.shape(motors) == motor_shape(geometry.detector):
        changes["motor_positions"] = motors
    wanted, before, regions = bad or {}, bad_of(geometry), _by_name(geometry)
    # NaN is not equal to itself, but its text is.
    if repr(wanted) != repr(before):
        changes["bad_regions"] = [
            regions[name]
            if repr(entry) == repr(before.get(name))
            else _checked_region(geometry, name, entry)
            for name, entry in wanted.items()
        ]
    if nquads is not None:
        changes["groups"] = _groups(geometry.detector, index(nquads))
    return geometry.replace(**changes)


def _known(value: Any) -> Any:
    """Return what metadata say, or None for what stands for an unknown number: NaN, and 0 or -1."""
    unknown = isinstance(value, int | float | np.number) and not value > 0
    return None if unknown else value


def _check_text(key: str, value: str) -> None:
    if not value.strip() or re.search(r"[\r\n;]", value):
        raise GeometryError(f"{key} must be a number or a text of one line, not {value!r}")


def _with_text(text: str, key: str, value: str) -> str:
    """Let a key that has a number have a text instead.

    Raises
    ------
    GeometryError
        If the file has the key for panels alone.
    """
    new, count = re.subn(
        # With the comment that geomlib puts behind a number, which would be wrong.
        rf"^({key}[ \t]*=[ \t]*)[^;\r\n]*?(?:  ; eV|  ; detector distance in metres)?"
        r"(?=[ \t]*(?:;|\r|\n|$))",
        lambda match: match[1] + value.strip(),
        text,
        flags=re.MULTILINE,
    )
    if not count:
        raise GeometryError(f"the file has no line '{key} = …' for {value!r} but for panels")
    return new


def _with_motors(text: str, geometry: Geometry, positions: NDArray) -> str:
    """Add positions of motors that geomlib's writer does not know of."""
    if geometry.motor_positions is not None and np.array_equal(geometry.motor_positions, positions):
        return text
    return motors_to_geom(positions) + _MOTOR_LINE.sub("", text)


def _checked_region(geometry: Geometry, name: str, entry: Mapping[str, Any]) -> BadRegion:
    try:
        return _region(geometry, name, entry)
    except KeyError as missing:
        raise GeometryError(
            f"bad region {name!r} of metadata['crystfel'] has no {missing}"
        ) from None


def _region(geometry: Geometry, name: str, entry: Mapping[str, Any]) -> BadRegion:
    if not entry["is_fsss"]:
        pitch = geometry.detector.pixel_size[1]
        x, y = ((entry[f"min_{a}"] * pitch, entry[f"max_{a}"] * pitch) for a in "xy")
        return BadRegion(name, x=x, y=y)
    match = _PANEL.fullmatch(entry["panel"])
    module, number = (int(n) for n in match.groups()) if match else (-1, 0)
    tiles = geometry.detector.tiles_of(module) if match else range(0)
    if number >= len(tiles):
        raise GeometryError(
            f"bad region {name!r} of metadata['crystfel']: panel must be a tile such as 'p0a0', "
            f"not {entry['panel']!r}"
        )
    ss, fs = ((int(entry[f"min_{a}"]), int(entry[f"max_{a}"]) + 1) for a in ("ss", "fs"))
    return BadRegion(name, tiles[number], ss, fs)


def _groups(detector: Detector, nquads: int) -> dict[str, list[int]]:
    """Name the tiles of each module ``p0`` …, and of each of so many equal parts ``q0`` …."""
    n = detector.n_modules
    if nquads and n % nquads:
        raise GeometryError(f"nquads={nquads} does not divide {n} modules")
    parts = np.split(np.arange(n), nquads) if nquads else []
    quads = {
        f"q{q}": [t for module in part for t in detector.tiles_of(int(module))]
        for q, part in enumerate(parts)
    }
    return quads | {f"p{m}": list(detector.tiles_of(m)) for m in range(n)}


# -- Axes of the data -----------------------------------------------------------------------


def _checked_dims(dims: Sequence[str | int]) -> tuple[str | int, ...]:
    """Return the axes, checked.

    Raises
    ------
    GeometryError
        If one is missing, there twice, or no axis.
    """
    axes = tuple(axis if isinstance(axis, str) else index(axis) for axis in dims)
    names = [axis for axis in axes if isinstance(axis, str)]
    known = {"frame", "modno", "ss", "fs"}
    if set(names) - known or len(set(names)) != len(names) or known - {"modno"} - set(names):
        raise GeometryError(
            "dims must hold 'frame', 'ss', 'fs', perhaps 'modno', each once, and numbers for other "
            f"axes, not {tuple(dims)!r}"
        )
    return axes


def _layout(axes: tuple[str | int, ...]) -> Metadata | None:
    """Options of geomlib's writer for some axes; None if it has none."""
    if axes == DIMS:
        return {"layout": "vcxi"}
    if axes == ("frame", "ss", "fs"):
        return {"layout": "cheetah"}
    if len(axes) == 5 and axes[:2] + axes[3:] == DIMS and isinstance(axes[2], int):
        return {"gain_axis": axes[2]}
    return None


def _with_axes(text: str, axes: tuple[str | int, ...]) -> str:
    """Give the axes in a new text other numbers, and add those of which one index counts."""

    def renumbered(match: re.Match[str]) -> str:
        panel, value = match[1] or "", match[2]
        return f"{panel}dim{axes.index(_AXIS_NAMES.get(value, 'modno'))} = {value}"

    fixed = [f"dim{n} = {axis}\n" for n, axis in enumerate(axes) if isinstance(axis, int)]
    said = ", ".join(map(str, axes))
    text = _AXES_COMMENT.sub(f"; The axes of the data are {said}.", text)
    text = _DIM_LINE.sub(renumbered, text)
    first = re.search(r"^dim", text, re.MULTILINE)
    start = first.start() if first else 0
    return text[:start] + "".join(fixed) + text[start:]
