"""`check_geometry`: all checks of a geometry or a geometry file."""

from __future__ import annotations

import re
from os import PathLike
from pathlib import Path
from typing import Any

from geomlib import checks
from geomlib.checking.arrangement import check_arrangement
from geomlib.checking.corners import FOLLOW, check_corners
from geomlib.checking.crystfel import check_text, located, misreadings, with_panel_names
from geomlib.checking.experiment import check_experiment, check_presence
from geomlib.checking.findings import Finding, Report, by_gravity
from geomlib.checking.mend import read_document
from geomlib.checking.quadrants import check_quadrants
from geomlib.checking.readers import readings
from geomlib.checking.tiles import check_tiles
from geomlib.detector import Detector
from geomlib.errors import GeometryError, collected
from geomlib.formats.crystfel.document import Document
from geomlib.formats.crystfel.panels import PanelView
from geomlib.formats.crystfel.read import geometry_of
from geomlib.formats.registry import format_named, format_of, read_geometry
from geomlib.geometry import Geometry

#: What quadrants in the wrong unit bring about.
_FOLLOW_FROM_QUADRANTS = ("overlapping-tiles", "far-tiles", "quadrant-order", "far-from-beam")

#: Parts of warnings of readers about what is usual in a format, if not good.
_HARMLESS = (
    "those of the corner or the centre of a pixel",  # no pixel map of another program says it
    "is read; for another one",
    "; the first is read",
    "detectors; number",
)


def check_geometry(
    geometry: Geometry | str | PathLike[str],
    *,
    format: str | None = None,
    detector: Detector | str | None = None,
    **options: Any,
) -> Report:
    """Look for what is likely to be wrong in a geometry or a geometry file.

    Parameters
    ----------
    geometry : Geometry, str or path-like
        The geometry, or a file in any format that `read_geometry` reads. Of a ``.geom`` file the
        text is checked as well, and what other programs make of it.
    format : str, optional
        Of a file: the name of its format, if it is not to be recognised.
    detector : Detector or str, optional
        Of a file: the detector that it describes, if it is not to be recognised.
    **options
        Of a file: options of the format's reader.

    Returns
    -------
    Report
        Findings, errors first; `Report.is_clean` if there is no error and no warning.

    Raises
    ------
    GeometryFileError
        If the file cannot be read.
    GeometryError
        If the geometry is neither a `Geometry` nor a path, or an option is wrong.

    Examples
    --------
    >>> import geomlib
    >>> geom = geomlib.example_geometry("AGIPD-1M")
    >>> [finding.code for finding in geomlib.check_geometry(geom.replace(distance=200.0))]
    ['distance', 'no-energy']
    """
    if isinstance(geometry, Geometry):
        if format is not None or detector is not None or options:
            raise GeometryError("format, detector and options are for files, not for a Geometry")
        return Report(None, _sorted(geometry, list(check_presence(geometry))))
    path = checks.path("geometry", geometry)
    chosen = format_of(path) if format is None else format_named(format)
    if chosen.name == "crystfel" and not options:
        return check_document(read_document(path), detector)
    with collected() as messages:
        found = read_geometry(path, format=chosen.name, detector=detector, **options)
    doubts = [_doubt(message, path) for message in messages]
    return Report(str(path), _sorted(found, [*doubts, *check_presence(found)]))


def _doubt(message: str, path: Path) -> Finding:
    """Make a finding of a warning of a reader, which may begin with ``path [key]:``."""
    match = re.match(rf"{re.escape(str(path))}(?: \[(.+?)\])?: ", message)
    key, said = (match[1], message[match.end() :]) if match else (None, message)
    harmless = any(part in said for part in _HARMLESS)
    return Finding("note" if harmless else "warning", "doubtful", said, key=key)


def check_document(document: Document, detector: Detector | str | None = None) -> Report:
    """Check the text of a ``.geom`` file; otherwise as `check_geometry`."""
    view = PanelView(document)
    geometry = geometry_of(view, detector)
    readers = readings(view, geometry)
    text = [*check_text(view, geometry), *misreadings(readers)]
    findings = _sorted(with_panel_names(view, geometry), text)
    return Report(document.path, tuple(located(view, finding) for finding in findings), readers)


def _sorted(geometry: Geometry, others: list[Finding]) -> tuple[Finding, ...]:
    """Make the checks of a geometry, and sort them together with other findings."""
    found = [*check_tiles(geometry), *check_arrangement(geometry), *check_experiment(geometry)]
    causes = list(check_corners(geometry))
    follow: tuple[str, ...] = FOLLOW
    if not causes:
        causes, follow = list(check_quadrants(geometry)), _FOLLOW_FROM_QUADRANTS
    if causes:
        found = [finding for finding in found if finding.code not in follow]
    return by_gravity([*causes, *found, *others])
