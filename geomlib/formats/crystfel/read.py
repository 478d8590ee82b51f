"""`read_crystfel`: from a ``.geom`` file to a `Geometry`."""

from __future__ import annotations

import os
from os import PathLike
from pathlib import Path

import numpy as np

from geomlib.detector import Detector, FloatArray
from geomlib.errors import GeometryError, GeometryFileError, system_error, warn
from geomlib.formats.crystfel import beam
from geomlib.formats.crystfel.acceptance import rejection_summary
from geomlib.formats.crystfel.document import MAX_BYTES, Document, quoted
from geomlib.formats.crystfel.doubts import note_doubts
from geomlib.formats.crystfel.members import group_members, meaningful_groups
from geomlib.formats.crystfel.panels import PanelView
from geomlib.formats.crystfel.regions import bad_regions
from geomlib.formats.crystfel.stored import stored_tiles
from geomlib.formats.recognise import Recognised, recognise
from geomlib.geometry import Geometry
from geomlib.metadata import Source
from geomlib.movement import motor_shape


def read_crystfel(path: str | PathLike[str], *, detector: Detector | str | None = None) -> Geometry:
    """Read a CrystFEL ``.geom`` file.

    Takes what people's files hold, also where the current CrystFEL does not, and says so in a
    warning; raises an error for what cannot give a right position.

    Parameters
    ----------
    path : str or path-like
        The file.
    detector : Detector or str, optional
        The detector that it describes, instead of recognising it by its panels; ``"generic"`` to
        take the layout of the data as it is in the file.

    Returns
    -------
    Geometry
        With ``clen`` as its distance, where that is a number, and ``coffset`` in z. Where panels
        have a ``clen`` of their own, the first one's is the distance, differences are in z.

    Raises
    ------
    GeometryFileError
        If the file cannot be read or is malformed; it names file, line and key.
    GeometryError
        If the panels do not fit the `detector` that is asked for.

    Warns
    -----
    GeometryWarning
        If versions of CrystFEL reject the file (which, and why), and if it holds something
        doubtful.
    """
    return _described(Document.parse(_read_bytes(Path(path)), path), detector)


def parse_crystfel(text: str, *, detector: Detector | str | None = None) -> Geometry:
    """Read the text of a CrystFEL ``.geom`` file; otherwise as `read_crystfel`."""
    return _described(Document.parse(text.encode("utf-8", "surrogateescape")), detector)


def _described(document: Document, detector: Detector | str | None) -> Geometry:
    """Make a geometry, and warn of what is doubtful in its text."""
    view = PanelView(document)
    geometry = geometry_of(view, detector)
    for message in (_doubts(view), rejection_summary(view)):
        if message:
            where = document.path or "the text"
            warn(f"{where}: {message}")
    return geometry


def geometry_of(view: PanelView, detector: Detector | str | None = None) -> Geometry:
    """Make the geometry that a document describes; see `read_crystfel`.

    Doubts are noted in `PanelView.doubts`, not warned about.
    """
    try:
        return _geometry(view, detector)
    except GeometryFileError:
        raise
    except GeometryError as error:
        raise view.document.error(str(error)) from error


def _geometry(view: PanelView, detector: Detector | str | None) -> Geometry:
    document = view.document
    if not view.panels:
        raise document.error("found no panel: no line such as 'p0/corner_x = …'")
    stored = stored_tiles(view)
    # Not used here, but a wrong number is an error wherever it stands.
    _ = view.adu, view.max_adu, view.flags
    found = recognise(stored, detector)
    tiles, whole = found.tiles, found.detector
    order = np.argsort(tiles)
    distances = beam.distances(view)
    corners = stored.corners.copy()
    corners[:, 2] = view.coffset + _clen_differences(distances)
    return Geometry(
        whole,
        corners[order],
        stored.ss[order],
        stored.fs[order],
        distance=distances[0],
        photon_energy=beam.photon_energy(view),
        bad_regions=bad_regions(view, tiles, whole.tile_bounds),
        no_index=tuple(int(t) for t, bad in zip(tiles, view.no_index, strict=True) if bad),
        groups=_groups(view, found),
        data_path=view.data[0] if "data" in view.panels[view.names[0]] else None,
        mask_path=view.masks[0][0].data if 0 in view.masks[0] else None,
        motor_positions=(
            beam.motor_positions(view, motor_shape(whole)) if whole.motors is not None else None
        ),
        source=Source(document.path, "crystfel", document.to_bytes()),
    )


def _read_bytes(path: Path) -> bytes:
    try:
        with path.open("rb", buffering=0) as file:
            # One byte too many tells the parser of a file that is too large.
            return file.read(min(os.fstat(file.fileno()).st_size, MAX_BYTES) + 1)
    except OSError as error:
        raise system_error(error, path, "read") from error


def _clen_differences(distances: list[float | None]) -> FloatArray:
    first = distances[0]
    if first is None:
        return np.zeros(len(distances))
    return np.array([0.0 if d is None else d - first for d in distances])


def _groups(view: PanelView, found: Recognised) -> dict[str, tuple[int, ...]] | None:
    tile_of = dict(zip(view.panels, found.tiles.tolist(), strict=True))
    groups = {
        name: tuple(sorted(tile_of[panel] for panel in panels))
        for name, panels in meaningful_groups(group_members(view), len(tile_of)).items()
    }
    return groups or None


def _doubts(view: PanelView) -> str:
    note_doubts(view)
    for key, axis in (("fs", "x"), ("ss", "y")):
        if key in view.common_keys:
            continue
        name = next(name for name, keys in view.panels.items() if key not in keys)
        view.doubts.append(f"panel {quoted(name)} has no {key}, taken as {axis}")
    if any(dims.index("fs") < dims.index("ss") for dims in set(view.dimensions)):
        view.doubts.append("the data has fs before ss: swap these axes of it")
    if not view.doubts:
        return ""
    rest = len(view.doubts) - 5
    return "; ".join(view.doubts[:5]) + (f"; and {rest} more" if rest > 0 else "")
