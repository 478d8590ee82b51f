"""Geometry files of psana, the software of LCLS (``.data``).

Text of 13 columns, a line for each object: the name and number of what it is part of, its own name
and number, the position of its origin in µm, three angles of its design and three of its tilt, in
degrees. Objects are nested: ``IP`` (the interaction point), the detector in it, and so on down to
the segments, whose names say what pixels they have (`psana_segments`). Child to parent:
R = Rx · Ry · Rz of the sums of both kinds of angles, then the shift.

psana's frame is not that of the lab: (x, y, z) in the lab is (−y, −x, −z) in psana. It takes the
size of Z0 in ``IP`` and puts the detector downstream, whatever the sign (psana 4.3,
``GeometryAccess``). Segments are numbered by the order of the lines.

`read_psana`, `write_psana`, `is_psana`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from os import PathLike, fspath
from pathlib import Path
from typing import NamedTuple

import numpy as np

from geomlib import checks
from geomlib.atomic import replacing
from geomlib.detector import Detector, FloatArray
from geomlib.errors import GeometryError, GeometryFileError
from geomlib.formats.experiment import warn_about_beam
from geomlib.formats.layout import MARK, geometry_of_tiles, layout_text, wanted_detectors
from geomlib.formats.orthogonal import orthogonal_tiles
from geomlib.formats.psana_segments import known_segments, segment_named
from geomlib.formats.recognise import MAX_MODULES, StoredTiles
from geomlib.formats.text_files import ascii_json, read_text
from geomlib.geometry import Geometry

#: From psana's frame to the lab, and back: it is its own inverse.
LAB = np.array([[0.0, -1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, -1.0]])
MICROMETRE = 1e6  # in a metre
_COLUMNS = (
    "parent, its index, object, its index, X0, Y0, Z0 [µm], "
    "ROT-Z, ROT-Y, ROT-X, TILT-Z, TILT-Y, TILT-X [deg]"
)
_HEADER = (
    "# HDR PARENT IND OBJECT IND X0[um] Y0[um] Z0[um] ROT-Z ROT-Y ROT-X TILT-Z TILT-Y TILT-X[deg]"
)
#: More than the text of the largest detectors by far.
_LARGEST_FILE = 1 << 24
#: Larger numbers than this are neither positions in µm nor angles.
_LARGEST = 1e12
#: Digits after the point. A femtometre of position; angles that move the end of a tile of 100 mm by
#: less than that; pixel pitches that do so for 10 000 pixels.
_POSITION, _ANGLE, _PITCH = 9, 13, 12


class _Object(NamedTuple):
    """A line: an object, what it is part of, and where it is in there."""

    parent: tuple[str, int]
    own: tuple[str, int]
    origin: FloatArray
    angles: tuple[float, float, float]
    line: int


class _Placed(NamedTuple):
    """An object in the frame of psana: x ↦ rotation · x + origin, µm."""

    what: _Object
    rotation: FloatArray
    origin: FloatArray


# -- Reading --------------------------------------------------------------------------------


def read_psana(path: str | PathLike[str], *, detector: str | Detector | None = None) -> Geometry:
    """Read a geometry from a file of psana.

    Parameters
    ----------
    path : str or path-like
        The file.
    detector : str or Detector, optional
        The detector that it has to be, where it is not to be recognised.

    Returns
    -------
    Geometry
        A module for each segment, in the order of psana's data, if the file has no note of geomlib
        on the layout of the data. The distance is the size of Z0 in ``IP``; without it, or where it
        is 0, there is none.

    Raises
    ------
    GeometryFileError
        If the file cannot be read, a line is not as described above, a segment is not known, or
        objects are not parts of one whole.
    GeometryError
        If an argument is not as described.
    """
    name = fspath(checks.path("path", path))
    wanted_detectors(detector)
    lines = _lines(name)
    parsed = [_parse(line, number, name) for number, line in lines if not line.startswith("#")]
    if not parsed:
        raise GeometryFileError(f"no objects; expected lines of {_COLUMNS}", path=name)
    away = _away(parsed)
    placed = _place(parsed, away, name)
    stored = _tiles([leaf for leaf in placed if _is_segment(leaf.what)])
    return geometry_of_tiles(
        stored,
        path=name,
        format="psana",
        layout=_note(lines),
        detector=detector,
        distance=away / MICROMETRE or None,
    )


def is_psana(path: Path, first_bytes: bytes) -> bool:
    """Tell whether a file begins like a geometry file of psana: by its first line of columns."""
    for line in _split(first_bytes.decode("utf-8-sig", "replace")):
        text = line.strip()
        if text.startswith("#"):
            if text.lstrip("#").split()[:5] == _HEADER.split()[1:6]:
                return True
        elif text:
            return _is_line(text)
    return False


def _is_line(text: str) -> bool:
    """Tell whether a text is a line of this format, and not of a table of numbers."""
    try:
        thing = _parse(text, 1, "")
    except GeometryFileError:
        return False
    return any(name[:1].isalpha() for name in (thing.parent[0], thing.own[0]))


def _lines(path: str) -> list[tuple[int, str]]:
    """Numbered lines that are not empty."""
    numbered = enumerate(_split(read_text(path, _LARGEST_FILE, errors="replace")), start=1)
    return [(number, line.strip()) for number, line in numbered if line.strip()]


def _split(text: str) -> list[str]:
    """Cut a text into lines as psana does, and not where `str.splitlines` finds other ends."""
    return re.split("\r\n|\r|\n", text)


def _note(lines: list[tuple[int, str]]) -> str | None:
    for _, line in lines:
        text = line.lstrip("# ")
        if line.startswith("#") and text.startswith(MARK):
            return text.removeprefix(MARK).strip()
    return None


def _parse(line: str, number: int, path: str) -> _Object:
    words = line.split("#")[0].split()
    if len(words) != 13:
        raise GeometryFileError(
            f"found {len(words)} columns; expected 13: {_COLUMNS}", path=path, line=number
        )
    indices = [_index(word, number, path) for word in (words[1], words[3])]
    values = [_value(word, number, path) for word in words[4:]]
    z, y, x = (values[3 + i] + values[6 + i] for i in range(3))
    return _Object(
        (words[0], indices[0]),
        (words[2], indices[1]),
        np.array(values[:3]),
        (x, y, z),
        number,
    )


def _index(word: str, line: int, path: str) -> int:
    if not (word.isascii() and word.isdigit() and len(word) < 10):
        raise GeometryFileError(
            f"the index of an object is {word!r}; expected a whole number", path=path, line=line
        )
    return int(word)


def _value(word: str, line: int, path: str) -> float:
    try:
        value = float(word)
    except ValueError:
        value = math.nan
    if not abs(value) < _LARGEST:
        raise GeometryFileError(f"found {word!r}; expected a number", path=path, line=line)
    return value


def _is_segment(thing: _Object) -> bool:
    return segment_named(thing.own[0]) is not None


def _is_interaction_point(thing: tuple[str, int]) -> bool:
    return thing[0].startswith("IP")


def _away(objects: list[_Object]) -> float:
    """Distance of the first object in ``IP``, µm; 0 without one."""
    return next((abs(float(o.origin[2])) for o in objects if _is_interaction_point(o.parent)), 0.0)


def _place(objects: list[_Object], away: float, path: str) -> list[_Placed]:
    """Put every object where it is in the frame of the whole, segments in the order of the data.

    ``away`` is the distance of the origin from ``IP``, where there is one.
    """
    parts: dict[tuple[str, int], list[_Object]] = {}
    for thing in objects:
        parts.setdefault(thing.parent, []).append(thing)
    root = _root(objects, parts, path)
    placed = []
    # Parts are put on the stack from the last to the first: they are taken in the order of lines.
    stack = [(thing, np.eye(3), np.zeros(3)) for thing in reversed(parts[root])]
    while stack:
        thing, rotation, origin = stack.pop()
        shift = thing.origin.copy()
        if _is_interaction_point(thing.parent):
            shift[2] = away - abs(shift[2])
        here = _Placed(thing, rotation @ _rotation(thing.angles), origin + rotation @ shift)
        placed.append(here)
        inside = () if _is_segment(thing) else parts.get(thing.own, ())
        stack += [(part, here.rotation, here.origin) for part in reversed(inside)]
    return placed


def _root(
    objects: list[_Object], parts: dict[tuple[str, int], list[_Object]], path: str
) -> tuple[str, int]:
    """Find the object that all others are parts of, and check that they are."""
    known: dict[tuple[str, int], _Object] = {}
    for thing in objects:
        if _is_segment(thing):
            if thing.own in parts:
                raise _error(path, parts[thing.own][0], f"{_said(thing.own)} has no parts")
            continue
        if thing.own not in parts:
            raise _error(
                path,
                thing,
                f"{_said(thing.own)} has no parts and is no segment that is known; "
                f"known are {known_segments()}",
            )
        if thing.own in known:
            before = known[thing.own].line
            raise _error(path, thing, f"{_said(thing.own)} is defined in line {before} already")
        known[thing.own] = thing
    roots = [parent for parent in parts if parent not in known]
    if len(roots) == 1 and not _circles(known, roots[0]):
        return roots[0]
    if not roots or len(roots) == 1:
        raise GeometryFileError("objects are parts of each other, in a circle", path=path)
    raise GeometryFileError(
        f"expected parts of one object, found parts of {', '.join(map(_said, roots[:8]))}",
        path=path,
        line=parts[roots[1]][0].line,
    )


def _circles(known: dict[tuple[str, int], _Object], root: tuple[str, int]) -> bool:
    """Tell whether an object is not, however indirectly, part of the root."""
    safe = {root}
    for start in known:
        chain: list[tuple[str, int]] = []
        here = start
        while here not in safe and len(chain) <= len(known):
            chain.append(here)
            here = known[here].parent
        if here not in safe:
            return True
        safe.update(chain)
    return False


def _said(thing: tuple[str, int]) -> str:
    return f"{thing[0]} {thing[1]}"


def _error(path: str, thing: _Object, message: str) -> GeometryFileError:
    return GeometryFileError(message, path=path, line=thing.line)


def _tiles(leaves: list[_Placed]) -> StoredTiles:
    """Tiles in the lab of every segment: each is a slab of the data."""
    names, slabs, bounds, corners, ss, fs = [], [], [], [], [], []
    sizes = set()
    for slab, leaf in enumerate(leaves):
        segment = segment_named(leaf.what.own[0])
        assert segment is not None
        # A file can name a million segments; no detector is that large, and recognising says so.
        if slab > MAX_MODULES:
            break
        n = len(segment.bounds)
        sizes.add(segment.size)
        to_lab = LAB @ leaf.rotation
        names += [f"p{slab}a{tile}" for tile in range(n)]
        slabs += [slab] * n
        bounds.append(segment.bounds)
        corners.append(segment.corners @ to_lab.T + LAB @ leaf.origin)
        ss += [to_lab @ segment.ss * segment.pitch[0]] * n
        fs += [to_lab @ segment.fs * segment.pitch[1]] * n
    return StoredTiles(
        tuple(names),
        np.array(slabs),
        len(leaves) > 1,
        np.concatenate(bounds),
        np.concatenate(corners) / MICROMETRE,
        np.array(ss) / MICROMETRE,
        np.array(fs) / MICROMETRE,
        slab=sizes.pop() if len(sizes) == 1 else None,
    )


def _rotation(angles: tuple[float, float, float]) -> FloatArray:
    """Rx · Ry · Rz of angles about x, y and z in degrees; exact for right angles."""
    (cx, sx), (cy, sy), (cz, sz) = (_cosine_sine(angle) for angle in angles)
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return np.asarray(about_x @ about_y @ about_z)


def _cosine_sine(degrees: float) -> tuple[float, float]:
    rest = math.remainder(degrees, 90.0)
    quarters = round((degrees - rest) / 90.0) % 4
    c, s = math.cos(math.radians(rest)), math.sin(math.radians(rest))
    return ((c, s), (-s, c), (-c, -s), (s, -c))[quarters]


# -- Writing --------------------------------------------------------------------------------


def write_psana(
    geometry: Geometry, path: str | PathLike[str], *, mixed_sizes: bool = False
) -> None:
    """Write a geometry as a file of psana: tiles in modules, in quadrants, in a detector, in IP.

    Every tile becomes a segment of its own (``MTRX:V2``). psana then takes data of the shape
    (tiles, ss, fs). Tiles whose step vectors are not at right angles are replaced by the nearest
    that are. Read back, tiles are where they were, to 1e-14 m.

    Parameters
    ----------
    geometry : Geometry
        What to write.
    path : str or path-like
        The file; an older one is replaced.
    mixed_sizes : bool
        Write tiles of several sizes, too. psana itself cannot put them into one array.

    Raises
    ------
    GeometryError
        If tiles are not all of one size.
    """
    warn_about_beam(geometry)
    detector = geometry.detector
    if (
        not checks.flag("mixed_sizes", mixed_sizes)
        and len(np.unique(detector.tile_shapes, axis=0)) > 1
    ):
        raise GeometryError(
            f"{detector.name} has tiles of several sizes, which psana cannot put into one array; "
            "pass mixed_sizes=True to write them all the same"
        )
    with replacing(path) as temporary:
        text = ascii_json("\n".join([*_written(geometry), ""]))
        temporary.write_text(text, encoding="ascii", newline="\n")


def _written(geometry: Geometry) -> Iterator[str]:
    """Lines of the file. The note comes last: it can be longer than what recognising looks at."""
    detector = geometry.detector
    yield f"# DETECTOR {' '.join(detector.name.split())}"
    yield "# CALIB_TYPE geometry"
    yield "# Written by geomlib. (x, y, z) in the lab is (-y, -x, -z) here; the detector is in IP."
    yield _HEADER
    tiles = orthogonal_tiles(detector, geometry.tiles, max_skew=0.0)
    centres = geometry.tile_centres @ LAB * MICROMETRE
    here = np.array([0.0, 0.0, -MICROMETRE * (geometry.distance or 0.0)])
    yield _line(("IP", 0), ("DETECTOR", 0), here)
    for quadrant, modules in _quadrants(detector):
        parent, origin = ("DETECTOR", 0), np.zeros(3)
        if quadrant is not None:
            inside = [tile for module in modules for tile in detector.tiles_of(module)]
            origin = _rounded(centres[inside].mean(axis=0))
            yield _line(parent, ("QUAD", quadrant), origin)
            parent = ("QUAD", quadrant)
        for module in modules:
            inside = list(detector.tiles_of(module))
            middle = _rounded(centres[inside].mean(axis=0))
            yield _line(parent, ("MODULE", module), middle - origin)
            for number, tile in enumerate(inside):
                ss, fs = tiles.ss[tile], tiles.fs[tile]
                segment = (_matrix(detector.tile_shapes[tile], ss, fs), number)
                yield _line(("MODULE", module), segment, centres[tile] - middle, _angles(ss, fs))
    yield f"# {MARK} {layout_text(detector)}"


def _quadrants(detector: Detector) -> Iterator[tuple[int | None, list[int]]]:
    """Modules with tiles by quadrant; all at once where quadrants would change their order."""
    used = sorted(set(detector.tile_modules.tolist()))
    groups = list(detector.module_groups.values())
    if [module for group in groups for module in group] == used:
        yield from ((number, list(group)) for number, group in enumerate(groups))
    else:
        yield None, used


def _rounded(origin: FloatArray) -> FloatArray:
    """Round a position as it is written, so that what is relative to it does not feel it."""
    return np.asarray(np.round(origin, _POSITION))


def _matrix(shape: FloatArray, ss: FloatArray, fs: FloatArray) -> str:
    rows, columns = (int(n) for n in shape)
    height, width = (MICROMETRE * float(np.linalg.norm(step)) for step in (ss, fs))
    return f"MTRX:V2:{rows}:{columns}:{_number(height, _PITCH)}:{_number(width, _PITCH)}"


def _angles(ss: FloatArray, fs: FloatArray) -> tuple[float, float, float]:
    """Angles about x, y and z in degrees of a tile, from its steps in the lab at right angles."""
    x = LAB @ (fs / np.linalg.norm(fs))
    y = LAB @ (-ss / np.linalg.norm(ss))
    turn = np.stack([x, y, np.cross(x, y)], axis=1)
    about_y = math.atan2(turn[0, 2], math.hypot(turn[0, 0], turn[0, 1]))
    # A tile seen edge on has no angle about z: any will do, and x is then taken to fit.
    about_z = 0.0
    if math.hypot(turn[0, 0], turn[0, 1]) > 1e-6:
        about_z = math.atan2(-turn[0, 1], turn[0, 0])
    c, s = math.cos(about_z), math.sin(about_z)
    column = turn @ np.array([s, c, 0.0])
    about_x = math.atan2(column[2], column[1])
    return math.degrees(about_x), math.degrees(about_y), math.degrees(about_z)


def _line(
    parent: tuple[str, int],
    own: tuple[str, int],
    origin: FloatArray,
    angles: tuple[float, float, float] = (0.0, 0.0, 0.0),
) -> str:
    design = [90.0 * round(angle / 90.0) for angle in angles]
    tilt = [angle - right for angle, right in zip(angles, design, strict=True)]
    return "  ".join(
        [
            f"{_said(parent):<12} {_said(own):<28}",
            *(f"{_number(value, _POSITION):>18}" for value in origin),
            *(f"{_number(value, 0):>4}" for value in reversed(design)),
            *(f"{_number(value, _ANGLE):>18}" for value in reversed(tilt)),
        ]
    )


def _number(value: float, digits: int) -> str:
    text = f"{value:.{digits}f}"
    if digits:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text
