"""How the data of a detector is laid out, for formats that say where tiles are and no more.

Formats that have no place for the cut of the data into modules carry it as one line of JSON, where
they have room for a remark: a comment, an extra key, a group of its own. Other programs pass over
it; positions never come from it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from geomlib.detector import Detector, Motors, Quadrants
from geomlib.errors import GeometryError, GeometryFileError, warn
from geomlib.formats.recognise import Recognised, StoredTiles, detectors_named, recognise
from geomlib.geometry import Geometry
from geomlib.metadata import BadRegion, Source

#: What marks the JSON of a layout where there is other text around.
MARK = "geomlib-layout"
#: Name of the dataset that holds it in HDF5 files.
LAYOUT_KEY = "geomlib_layout"


#: What else there is to know of a detector that geomlib does not know by name.
_FACTS = ("quadrants", "motors", "first_module_label", "calibration_rows", "cut_out")


def layout_text(detector: Detector) -> str:
    """Return the layout of a detector as one line of JSON: its name, where that says all."""
    if _known(detector.name) == detector:
        return json.dumps({"detector": detector.name})
    assert detector.wide_edges is not None
    said: dict[str, Any] = {
        "detector": detector.name,
        "data_shape": detector.data_shape,
        "pixel_size": detector.pixel_size,
        "module_names": detector.module_names,
        "tile_names": detector.tile_names,
        "tile_bounds": detector.tile_bounds.tolist(),
    }
    if detector.wide_edges.any():
        said["wide_edges"] = detector.wide_edges.tolist()
    if detector.pixel_shape == "hexagon":
        said["pixel_shape"] = "hexagon"
    said |= {name: getattr(detector, name) for name in _FACTS if getattr(detector, name)}
    return json.dumps(said, ensure_ascii=False)


def geometry_of_tiles(
    stored: StoredTiles,
    *,
    path: str,
    format: str,
    layout: str | None = None,
    detector: Detector | str | None = None,
    bad_blocks: Sequence[BadRegion] = (),
    **attributes: Any,
) -> Geometry:
    """Make a geometry of the tiles of a file, and find out what detector it is.

    Parameters
    ----------
    stored : StoredTiles
        What the file says.
    path, format : str
        The file, and the name of its format.
    layout : str, optional
        What `layout_text` wrote into it.
    detector : Detector or str, optional
        The detector that it has to be, instead of recognising it.
    bad_blocks : sequence of BadRegion
        Blocks of pixels not to be used. Their tiles are numbered as in the file, and rows and
        columns count from the first pixel of the tile.
    **attributes
        Of the geometry, such as ``distance``.

    Raises
    ------
    GeometryFileError
        If the tiles are not those of the `detector`, or there can be no such tiles.
    """
    try:
        found = _recognise(stored, path, layout, detector)
        order = np.argsort(found.tiles)
        return Geometry(
            found.detector,
            stored.corners[order],
            stored.ss[order],
            stored.fs[order],
            source=Source(path, format),
            bad_regions=_in_modules(bad_blocks, found),
            **attributes,
        )
    except GeometryFileError:
        raise
    except GeometryError as problem:
        raise GeometryFileError(str(problem), path=path) from problem


def _in_modules(blocks: Sequence[BadRegion], found: Recognised) -> tuple[BadRegion, ...]:
    """Bad regions, numbered as tiles and pixels of the detector, of blocks of tiles of a file."""
    bounds = found.detector.tile_bounds[found.tiles].tolist()
    return tuple(
        BadRegion(
            block.name,
            int(found.tiles[block.tile]),
            (block.ss[0] + bounds[block.tile][1], block.ss[1] + bounds[block.tile][1]),
            (block.fs[0] + bounds[block.tile][3], block.fs[1] + bounds[block.tile][3]),
        )
        for block in blocks
        if block.tile is not None and block.ss is not None and block.fs is not None
    )


def _recognise(
    stored: StoredTiles, path: str, layout: str | None, wanted: Detector | str | None
) -> Recognised:
    if wanted is None and layout is not None:
        found = _from_layout(stored, layout)
        if found is not None:
            return found
        warn(f"{path}: its note on the layout of the data does not fit its tiles, and is not used")
    try:
        return recognise(stored, wanted)
    except GeometryError:
        # The file may say nothing of the data: then its tiles are those of the detector, in order.
        for choice in wanted_detectors(wanted):
            if _fits(stored, choice):
                return Recognised(choice, np.arange(choice.n_tiles))
        raise


def wanted_detectors(wanted: Detector | str | None) -> list[Detector]:
    """Return the detectors that a reader is asked for; none where it is to take what there is.

    Raises
    ------
    GeometryError
        If there is no detector of that name, or it is neither a Detector nor a name.
    """
    if not isinstance(wanted, Detector | str | None):
        raise GeometryError(f"detector must be a Detector or its name, not {wanted!r}")
    if isinstance(wanted, str):
        return [] if wanted.lower() == "generic" else detectors_named(wanted)
    return [] if wanted is None else [wanted]


def detector_of_layout(layout: str) -> Detector | None:
    """Return the detector that `layout_text` described; None if that is damaged."""
    try:
        said = json.loads(layout)
        return _known(said["detector"]) if len(said) == 1 else _described(said)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def _from_layout(stored: StoredTiles, layout: str) -> Recognised | None:
    """Detector that a note describes; None if it is damaged, or not about these tiles."""
    detector = detector_of_layout(layout)
    if detector is None or not _fits(stored, detector):
        return None
    return Recognised(detector, np.arange(detector.n_tiles))


def _described(said: dict[str, Any]) -> Detector:
    facts = {name: said[name] for name in ("wide_edges", "pixel_shape", *_FACTS) if name in said}
    for name, kind in (("quadrants", Quadrants), ("motors", Motors)):
        if name in facts:
            facts[name] = kind(*facts[name])
    return Detector(
        said["detector"],
        said["data_shape"],
        said["tile_bounds"],
        said["pixel_size"],
        module_names=said["module_names"],
        tile_names=said["tile_names"],
        **facts,
    )


def _known(name: str) -> Detector | None:
    """Return the detector of geomlib of a name, None without one."""
    try:
        return detectors_named(name)[0]
    except GeometryError:
        return None


def _fits(stored: StoredTiles, detector: Detector) -> bool:
    """Tell whether the tiles of a file are as large as those of a detector, one after the other."""
    return np.array_equal(stored.sizes, detector.tile_shapes)
