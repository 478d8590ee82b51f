"""What files say of quadrant positions: CSV, JSON and the YAML of EXtra-foam.

CSV as geoAssembler writes it (with a header and rows ``q1`` … ``q4``) or copies it (four lines
``x,y``); JSON as EXtra-foam keeps it (a list of pairs) or as geomlib writes it (an object that says
detector and unit); YAML as EXtra-foam is configured with.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from geomlib.detector import Detector, FloatArray
from geomlib.errors import GeometryError, GeometryFileError
from geomlib.formats.quadrant_pattern import (
    DETECTORS,
    detector_with_quadrants,
    likely_interpretations,
    unit_length,
)

#: Larger than any such file; a configuration of EXtra-foam has 3 KiB.
MAX_BYTES = 1 << 18
#: Key of the JSON object that geomlib writes.
KEY = "quad_positions"
_YAML_KEY = re.compile(r"^\s*QUAD_POSITIONS\s*:", re.MULTILINE)
_LABEL = re.compile(r"q?([1-4])", re.IGNORECASE)
#: Deeper nested than any such file.
_DEEPEST = 32
#: What stands for nothing in YAML, which has texts alone here.
_NOTHING = ("", "~", "null", "Null", "NULL")
#: Larger numbers than this are no positions of quadrants, in whatever unit.
_LARGEST = 1e9


class QuadrantFile(NamedTuple):
    """What a file says.

    Attributes
    ----------
    positions : ndarray, shape (4, 2)
        x and y of the quadrants, in the unit of the file.
    detector : Detector or None
        Whose quadrants they are.
    unit : float or None
        In metres.
    geometry_file : str or None
        The file with the positions of the modules in their quadrants.
    distance, photon_energy : float or None
        In metres and eV.
    swapped : bool
        Whether the columns of a CSV file are Y and X: geoAssembler 0.6.0 wrote such files, with
        numbers that are no positions.
    labelled : bool
        Whether it has the header that geoAssembler writes.
    """

    positions: FloatArray
    detector: Detector | None = None
    unit: float | None = None
    geometry_file: str | None = None
    distance: float | None = None
    photon_energy: float | None = None
    swapped: bool = False
    labelled: bool = False


def parse(text: str, path: Path, wanted: Detector | None) -> QuadrantFile:
    """Find the quadrant positions in a text.

    Parameters
    ----------
    text : str
        Content of a file.
    path : Path
        The file, for messages.
    wanted : Detector or None
        The detector to look for, where there are several.

    Raises
    ------
    GeometryFileError
        If there are none.
    """
    if text.lstrip()[:1] in ("{", "["):
        return _parse_json(text, path)
    if _YAML_KEY.search(text):
        return _parse_yaml(text, path, wanted)
    return _parse_csv(text, path)


def seems_right(text: str) -> bool:
    """Tell whether a file that begins with this text holds quadrant positions."""
    start = text.lstrip()[:1]
    if start == "{":
        return f'"{KEY}"' in text
    if start != "[" and _YAML_KEY.search(text):
        return True
    try:
        stated = parse(text, Path(), None)
    except GeometryError:
        return False
    # Four pairs of numbers can be anything; under a header they are not.
    return stated.labelled or any(likely_interpretations(stated.positions, None, None))


# -- CSV --------------------------------------------------------------------------------------


def _parse_csv(text: str, path: Path) -> QuadrantFile:
    columns: tuple[int, int] | None = None
    labelled = False
    found: dict[int, tuple[float, float]] = {}
    for number, cells in _rows(text):
        header = [cell.lower() for cell in cells]
        if not found and columns is None and "x" in header and "y" in header:
            columns, labelled = (header.index("x"), header.index("y")), True
            continue
        quadrant, pair = _row(cells, columns, len(found) + 1, path, number)
        if quadrant in found or len(found) == 4:
            what = f"a second position of q{quadrant}" if quadrant in found else "a fifth position"
            raise GeometryFileError(f"found {what}; expected four", path=path, line=number)
        found[quadrant] = pair
    if sorted(found) != [1, 2, 3, 4]:
        raise GeometryFileError(
            f"found {len(found)} positions of quadrants; expected four lines 'x,y', as "
            "geoAssembler writes them, or JSON or YAML with quad_positions",
            path=path,
        )
    positions = np.array([found[quadrant] for quadrant in (1, 2, 3, 4)])
    swapped = columns is not None and columns[1] < columns[0]
    return QuadrantFile(positions, swapped=swapped, labelled=labelled)


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """Lines that are neither empty nor comments, with their numbers, cut into cells."""
    for number, line in enumerate(text.splitlines(), 1):
        content = line.partition("#")[0].strip()
        if content:
            separator = next((mark for mark in ",;\t" if mark in content), None)
            yield number, [cell.strip().strip('"') for cell in content.split(separator)]


def _row(
    cells: list[str], columns: tuple[int, int] | None, place: int, path: Path, line: int
) -> tuple[int, tuple[float, float]]:
    """Quadrant, by its label if there is one, and position."""
    label = _LABEL.fullmatch(cells[0]) if len(cells) == 3 else None
    quadrant = int(label[1]) if label else place
    x, y = columns or (len(cells) - 2, len(cells) - 1)
    if len(cells) in (2, 3) and max(x, y) < len(cells) and (label or len(cells) == 2):
        try:
            return quadrant, (_number(cells[x]), _number(cells[y]))
        except ValueError:
            pass
    shown = ",".join(cells)[:60]
    raise GeometryFileError(
        f"found {shown!r}; expected the position of a quadrant, 'x,y' or 'q1,x,y', finite numbers",
        path=path,
        line=line,
    )


def _number(value: object) -> float:
    """Return a number; those of YAML and CSV are texts."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(value)
    number = float(value)
    if not abs(number) < _LARGEST:
        raise ValueError(value)
    return number


# -- JSON -------------------------------------------------------------------------------------


def _parse_json(text: str, path: Path) -> QuadrantFile:
    try:
        content = json.loads(text)
    except RecursionError:
        raise GeometryFileError("is nested too deeply", path=path) from None
    except ValueError as problem:
        line = getattr(problem, "lineno", None)
        raise GeometryFileError(f"is no JSON: {problem}", path=path, line=line) from None
    if isinstance(content, list):
        return QuadrantFile(_positions(content, path, None))
    if KEY not in content:
        raise GeometryFileError(
            f"expected an object with {KEY!r}, or a list of four [x, y]", path=path
        )
    positions = _positions(content[KEY], path, KEY)
    try:
        named = content.get("detector")
        detector = None if named is None else detector_with_quadrants(named)
        unit = content.get("unit")
        length = None if unit is None else unit_length(unit, detector)
    except GeometryError as problem:
        raise GeometryFileError(str(problem), path=path) from None
    return QuadrantFile(
        positions,
        detector,
        length,
        distance=_positive(content, "distance_m", path, 1.0),
        photon_energy=_positive(content, "photon_energy_eV", path, 1.0),
    )


def _positions(value: object, path: Path, key: str | None) -> FloatArray:
    try:
        if not isinstance(value, list) or len(value) != 4:
            raise ValueError
        pairs = []
        for pair in value:
            if not isinstance(pair, list) or len(pair) != 2:
                raise ValueError
            pairs.append([_number(number) for number in pair])
    except (ValueError, OverflowError):
        raise GeometryFileError(
            f"expected four pairs [x, y] of finite numbers, found {str(value)[:60]}",
            path=path,
            key=key,
        ) from None
    return np.array(pairs)


def _positive(content: dict[str, Any], key: str, path: Path, unit: float) -> float | None:
    """Return a positive number in a unit, None where the file has none."""
    value = content.get(key)
    if value is None:
        return None
    try:
        number = _number(value) * unit
    except (ValueError, OverflowError):
        number = 0.0
    if not number > 0:
        raise GeometryFileError(f"expected a positive number, found {value!r}", path=path, key=key)
    return number


# -- YAML -------------------------------------------------------------------------------------


def _parse_yaml(text: str, path: Path, wanted: Detector | None) -> QuadrantFile:
    content = _load_yaml(text, path)
    section = content.get("DETECTOR") if isinstance(content, dict) else None
    if not isinstance(section, dict):
        raise GeometryFileError("expected a section DETECTOR", path=path, key="DETECTOR")
    blocks = {
        str(name): block
        for name, block in section.items()
        if isinstance(block, dict) and "QUAD_POSITIONS" in block
    }
    name = _chosen(list(blocks), path, wanted)
    block, key = {k: v for k, v in blocks[name].items() if v not in _NOTHING}, f"DETECTOR.{name}"
    file = block.get("GEOMETRY_FILE")
    if not isinstance(file, str | None):
        raise GeometryFileError(
            f"expected the name of a file, found {file!r}", path=path, key=f"{key}.GEOMETRY_FILE"
        )
    return QuadrantFile(
        _yaml_positions(blocks[name]["QUAD_POSITIONS"], path, f"{key}.QUAD_POSITIONS"),
        detector_with_quadrants(name),
        geometry_file=file,
        distance=_positive(block, "SAMPLE_DISTANCE", path, 1.0),
        photon_energy=_positive(block, "PHOTON_ENERGY", path, 1000.0),
    )


def _chosen(names: list[str], path: Path, wanted: Detector | None) -> str:
    """Name of the only detector that geomlib knows, or of the one that is wanted."""
    detectors = {}
    for name in names:
        for detector in DETECTORS:
            if name.lower() in (detector.name.lower(), detector.name[:-3].lower()):
                detectors[name] = detector
    fitting = [name for name, d in detectors.items() if wanted is None or d == wanted]
    if len(fitting) == 1:
        return fitting[0]
    if not names:
        raise GeometryFileError("no detector has QUAD_POSITIONS", path=path, key="DETECTOR")
    asked = "" if wanted is None else f", not of {wanted.name}"
    advice = "; choose one with detector=…" if wanted is None and len(detectors) > 1 else ""
    raise GeometryFileError(
        f"has quadrant positions of {', '.join(names)}{asked}{advice}", path=path, key="DETECTOR"
    )


def _yaml_positions(value: object, path: Path, key: str) -> FloatArray:
    try:
        if not isinstance(value, dict):
            raise ValueError
        return np.array([[_number(value[f"{axis}{q}"]) for axis in "xy"] for q in (1, 2, 3, 4)])
    except (KeyError, ValueError, OverflowError) as problem:
        what = f"no {problem.args[0]}" if isinstance(problem, KeyError) else repr(value)[:80]
        raise GeometryFileError(
            f"expected x1, y1 … x4, y4, finite numbers, found {what}", path=path, key=key
        ) from None


def _load_yaml(text: str, path: Path) -> Any:
    """Parse YAML into dictionaries, lists and texts: tags and numbers are not looked at."""
    import yaml

    try:
        depth = 0
        for event in yaml.parse(text, Loader=yaml.BaseLoader):
            if isinstance(event, yaml.AliasEvent):
                # Nested merges of them would grow without bounds.
                raise yaml.MarkedYAMLError(
                    problem="aliases are not read", problem_mark=event.start_mark
                )
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if depth > _DEEPEST:
                raise GeometryFileError("is nested too deeply", path=path)
        return yaml.load(text, Loader=yaml.BaseLoader)
    except GeometryFileError:
        raise
    except (yaml.YAMLError, ValueError, OverflowError) as problem:
        mark = getattr(problem, "problem_mark", None)
        raise GeometryFileError(
            f"is no YAML: {getattr(problem, 'problem', None) or problem}",
            path=path,
            line=None if mark is None else mark.line + 1,
        ) from None
