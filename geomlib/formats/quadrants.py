"""Files of quadrant positions: CSV, JSON and YAML, for AGIPD-1M, LPD-1M and DSSC-1M.

They hold four pairs x, y and nothing else: modules stand in their quadrants as they nominally do,
or as in the geometry file that a configuration of EXtra-foam names. Other programs' files say
neither the detector nor the unit; geomlib's own JSON does.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from os import PathLike, fspath
from pathlib import Path
from typing import Any

import numpy as np

from geomlib import checks
from geomlib.atomic import replacing
from geomlib.detector import Detector, FloatArray
from geomlib.errors import GeometryError, GeometryFileError, system_error, warn
from geomlib.formats import hdf5
from geomlib.formats.crystfel.read import read_crystfel
from geomlib.formats.euxfel import read_euxfel
from geomlib.formats.quadrant_pattern import (
    BUILDERS,
    MILLIMETRE,
    Interpretation,
    describe,
    detector_with_quadrants,
    likely_interpretations,
    unit_length,
    unit_name,
    usual_unit,
)
from geomlib.formats.quadrant_text import KEY, MAX_BYTES, QuadrantFile, parse, seems_right
from geomlib.formats.text_files import read_text
from geomlib.geometry import Geometry
from geomlib.metadata import Source

#: Files are written with the shortest numbers that are right to this, in metres.
_ROUNDING = 1e-15


def recognise_quadrants(path: Path, first_bytes: bytes) -> bool:
    """Tell whether a file that begins with some bytes holds quadrant positions."""
    if b"\0" in first_bytes:
        return False
    return seems_right(first_bytes.decode("utf-8-sig", "replace"))


def read_quadrants(
    path: str | PathLike[str],
    *,
    detector: Detector | str | None = None,
    unit: float | str | None = None,
    geometry_file: str | PathLike[str] | None = None,
) -> Geometry:
    """Read the positions of four quadrants, and build a geometry from them.

    Parameters
    ----------
    path : str or path-like
        CSV as geoAssembler writes it (header ``,X,Y`` and rows ``q1`` … ``q4``, or four lines
        ``x,y``); JSON, a list of four ``[x, y]`` or an object with ``quad_positions`` and perhaps
        ``detector`` and ``unit``; or a YAML configuration of EXtra-foam, with ``QUAD_POSITIONS``
        of a detector. The content decides, not the suffix.
    detector : Detector or str, optional
        ``"AGIPD-1M"``, ``"LPD-1M"`` or ``"DSSC-1M"``; by default the file tells, or the pattern of
        the four positions. Needed where a configuration has several.
    unit : float or str, optional
        Unit of the positions: metres a unit, or ``"pixels"``, ``"mm"``, ``"um"`` or ``"m"``. By
        default what the file says, else what the detector's users have: pixels for AGIPD-1M,
        millimetres for LPD-1M and DSSC-1M.
    geometry_file : str or path-like, optional
        A European XFEL HDF5 file with the places of the modules in their quadrants, to which
        positions of LPD-1M and DSSC-1M mostly belong; or a CrystFEL file, which has those of the
        quadrants, too. By default the ``GEOMETRY_FILE`` of a
        configuration, relative to its folder, if it is there.

    Returns
    -------
    Geometry
        With nominal gaps where there is no geometry file; with the distance and photon energy that
        the file states.

    Raises
    ------
    GeometryFileError
        If the file cannot be read, holds no four positions, those of several detectors, or does
        not tell the detector.
    GeometryError
        If `detector` has no quadrants, or `unit` is none.

    Warns
    -----
    GeometryWarning
        If the positions fit only in another unit, or with the sign of old LPD files; they are
        taken so. If ``GEOMETRY_FILE`` is not there, or does not fit the positions.
    """
    file = checks.path("path", path)
    wanted = None if detector is None else detector_with_quadrants(detector)
    stated = parse(read_text(file, MAX_BYTES), file, wanted)
    if wanted is not None and stated.detector is not None and stated.detector != wanted:
        raise GeometryFileError(
            f"holds quadrants of {stated.detector.name}, not of {wanted.name}", path=file
        )
    meaning = _interpretation(stated, wanted or stated.detector, unit, file)
    positions = stated.positions * meaning.sign
    modules = _geometry_file(stated, geometry_file, file)
    geometry = None if modules is None else _from_file(modules, positions, meaning, file)
    if geometry is None:
        # In the usual unit, since the nominal gaps of AGIPD-1M are in the unit that is given.
        usual = positions * (meaning.unit / usual_unit(meaning.detector))
        geometry = BUILDERS[meaning.detector.name](usual)
        geometry = geometry.replace(source=Source(fspath(file), "quadrants"))
    return geometry.replace(
        distance=stated.distance or geometry.distance,
        photon_energy=stated.photon_energy or geometry.photon_energy,
    )


# -- What the positions are -------------------------------------------------------------------


def _interpretation(
    stated: QuadrantFile, detector: Detector | None, unit: float | str | None, path: Path
) -> Interpretation:
    """Decide on detector, unit and sign, and warn of what is unusual."""
    length = stated.unit if unit is None else unit_length(unit, detector)
    if unit is not None and length is None:
        # In pixels: of AGIPD-1M, whose users alone have them.
        length = unit_length(unit, detector_with_quadrants("AGIPD-1M"))
    if stated.detector is not None and stated.unit is not None and unit is None:
        return Interpretation(stated.detector, stated.unit)
    usual, unusual = likely_interpretations(stated.positions, detector, length)
    if len(usual) == 1:
        if stated.swapped:
            warn(f"{path}: has Y before X; its columns are taken by their names")
        return usual[0]
    if stated.swapped:
        raise GeometryFileError(
            "has the columns Y, X, and numbers that are no positions of quadrants: geoAssembler "
            "0.6.0 wrote such files; write it anew with a later version",
            path=path,
            line=1,
        )
    if not usual and len(unusual) == 1 and (unit is None or unusual[0].sign < 0):
        warn(f"{path}: positions of {describe(unusual[0])}? They are taken so")
        return unusual[0]
    if detector is None:
        raise GeometryFileError(_not_told(usual + unusual), path=path)
    return Interpretation(detector, length or usual_unit(detector))


def _not_told(found: list[Interpretation]) -> str:
    if found:
        likely = " or ".join(describe(meaning) for meaning in found)
        said = f"the positions look like those of {likely}"
    else:
        said = "the positions fit neither AGIPD-1M in pixels nor LPD-1M or DSSC-1M in mm"
    return f"{said}; say which detector with detector='AGIPD-1M', 'LPD-1M' or 'DSSC-1M', and unit="


# -- The geometry file of a configuration -----------------------------------------------------


def _geometry_file(
    stated: QuadrantFile, given: str | PathLike[str] | None, path: Path
) -> Path | None:
    """Return the file with the modules that is given, or named in a configuration and there."""
    if given is not None:
        return checks.path("geometry_file", given)
    if stated.geometry_file is None:
        return None
    place = path.parent / checks.path("GEOMETRY_FILE", stated.geometry_file)
    if place.is_file():
        return place
    warn(
        f"{path}: GEOMETRY_FILE {stated.geometry_file} is not there; the modules are put at "
        "their nominal places in the quadrants"
    )
    return None


def _from_file(place: Path, positions: FloatArray, meaning: Interpretation, path: Path) -> Geometry:
    """Geometry of a file, with its quadrants moved where its format leaves that open."""
    name = meaning.detector.name
    if _is_hdf5(place):
        quads = positions * (meaning.unit / MILLIMETRE)
        geometry = read_euxfel(place, detector=name, quad_positions=quads)
        return geometry.replace(source=Source(fspath(path), "quadrants"))
    geometry = read_crystfel(place, detector=name)
    _compare(geometry, positions * meaning.unit, path, place)
    return geometry


def _is_hdf5(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(hdf5.SIGNATURE)) == hdf5.SIGNATURE
    except OSError as problem:
        raise system_error(problem, path, "read") from None


def _compare(geometry: Geometry, metres: FloatArray, path: Path, place: Path) -> None:
    """Warn of quadrants that a complete geometry has elsewhere; EXtra-foam too uses the latter."""
    away = float(np.abs(geometry.quad_positions(unit=1.0) - metres).max())
    if away > geometry.detector.pixel_size[1]:
        warn(
            f"{path}: QUAD_POSITIONS are up to {1e3 * away:.3g} mm from the quadrants of {place}, "
            "which are used"
        )


# -- Writing ----------------------------------------------------------------------------------


def write_quadrants(
    geometry: Geometry, path: str | PathLike[str], *, style: str | None = None
) -> None:
    """Write the positions of the quadrants of a geometry.

    The unit is that of the detector's users: pixels for AGIPD-1M, millimetres for LPD-1M and
    DSSC-1M. Numbers are the shortest that are right to 1e-15 m. Nothing of modules and tiles in
    the quadrants is written.

    Parameters
    ----------
    geometry : Geometry
        Of an AGIPD-1M, LPD-1M or DSSC-1M.
    path : str or path-like
        The file; an older one is replaced when all is written.
    style : {"csv", "lines", "json", "list", "yaml"}, optional
        ``"csv"``: with header and labels, as geoAssembler has it; ``"lines"``: four lines ``x,y``;
        ``"json"``: an object that says detector and unit; ``"list"``: the list of EXtra-foam;
        ``"yaml"``: a configuration that EXtra-foam reads. By default the suffix decides: .csv,
        .txt (lines), .json, .yaml, .yml.

    Raises
    ------
    GeometryError
        If the detector has no quadrants, `style` is none of these, or the suffix does not tell it.
    """
    file = checks.path("path", path)
    chosen = _STYLE_OF_SUFFIX.get(file.suffix.lower()) if style is None else style
    if not isinstance(chosen, str) or chosen not in _STYLES:
        found = f"the suffix {file.suffix!r}" if style is None else f"style={style!r}"
        raise GeometryError(f"{found} is no way to write quadrants; there are {list(_STYLES)}")
    if geometry.detector.quadrants is None:
        raise GeometryError(f"{geometry.detector.name} has no quadrants to write")
    detector = detector_with_quadrants(geometry.detector)
    content = _STYLES[chosen](geometry, _shortest(geometry, usual_unit(detector)), detector)
    with replacing(file) as temporary:
        temporary.write_text(content, encoding="ascii", newline="\n")


def _shortest(geometry: Geometry, unit: float) -> list[list[float]]:
    """Positions as numbers without the noise of sums: 11.4, not 11.399999999999999."""
    metres = geometry.quad_positions(unit=1.0)
    if not np.isfinite(metres).all():
        raise GeometryError("a quadrant has no tile, and so no position")
    return [[_short(float(value), unit) for value in pair] for pair in metres]


def _short(value: float, unit: float) -> float:
    exact = value / unit
    for digits in range(17):
        if abs(round(exact, digits) * unit - value) <= _ROUNDING:
            return round(exact, digits) + 0.0  # no -0.0
    return exact


def _csv(geometry: Geometry, positions: list[list[float]], detector: Detector) -> str:
    rows = [f"q{q},{x!r},{y!r}" for q, (x, y) in enumerate(positions, 1)]
    return "\n".join([",X,Y", *rows, ""])


def _lines(geometry: Geometry, positions: list[list[float]], detector: Detector) -> str:
    return "".join(f"{x!r},{y!r}\n" for x, y in positions)


def _list(geometry: Geometry, positions: list[list[float]], detector: Detector) -> str:
    return json.dumps(positions) + "\n"


def _json(geometry: Geometry, positions: list[list[float]], detector: Detector) -> str:
    said: dict[str, Any] = {
        "detector": detector.name,
        "unit": unit_name(usual_unit(detector), detector),
        KEY: positions,
    }
    if geometry.distance is not None:
        said["distance_m"] = geometry.distance
    if geometry.photon_energy is not None:
        said["photon_energy_eV"] = geometry.photon_energy
    lines = [f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in said.items()]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _yaml(geometry: Geometry, positions: list[list[float]], detector: Detector) -> str:
    import yaml

    block: dict[str, Any] = {
        "QUAD_POSITIONS": {
            f"{axis}{q}": value
            for q, pair in enumerate(positions, 1)
            for axis, value in zip("xy", pair, strict=True)
        }
    }
    if geometry.distance is not None:
        block["SAMPLE_DISTANCE"] = geometry.distance
    if geometry.photon_energy is not None:
        block["PHOTON_ENERGY"] = geometry.photon_energy / 1000
    # EXtra-foam reads no configuration without a type of its source; 1 is its default, the bridge.
    said = {"SOURCE": {"DEFAULT_TYPE": 1}, "DETECTOR": {detector.name[:-3]: block}}
    return str(yaml.safe_dump(said, sort_keys=False, indent=4))


_STYLES: dict[str, Callable[[Geometry, list[list[float]], Detector], str]] = {
    "csv": _csv,
    "lines": _lines,
    "json": _json,
    "list": _list,
    "yaml": _yaml,
}
_STYLE_OF_SUFFIX = {
    ".csv": "csv",
    ".txt": "lines",
    ".json": "json",
    ".yaml": "yaml",
    ".yml": "yaml",
}
