"""The panels of a ``.geom`` document as tiles, and the detector that they are."""

from __future__ import annotations

import numpy as np

from geomlib.detector import Detector, FloatArray
from geomlib.formats.crystfel.document import quoted
from geomlib.formats.crystfel.panels import PanelView
from geomlib.formats.recognise import MAX_MODULES, Recognised, StoredTiles, recognise


def stored_tiles(view: PanelView) -> StoredTiles:
    """Return what a document says of its panels; z of the corners is still 0.

    Raises
    ------
    GeometryFileError
        If a number is missing or wrong, vectors span no pixel, or the data has too many modules.
    """
    corners, ss, fs = _vectors(view)
    slabs, axis = view.slabs
    if slabs.max() >= MAX_MODULES:
        name = view.names[int(slabs.argmax())]
        raise view.document.error(
            f"panel {name!r} lies in module {slabs.max()} of the data; "
            f"expected less than {MAX_MODULES}",
            max(view.panels[name].values()),
        )
    dims, module = view.dimensions[0], None
    if not axis and len(dims) > 1 and dims[0] == "%" and isinstance(dims[1], int):
        # One module of several: frames, then the module, as virtual CXI files have it.
        module = dims[1]
    bounds = view.bounds + np.array([0, 1, 0, 1])
    return StoredTiles(view.names, slabs, axis, bounds, corners, ss, fs, module)


def recognise_panels(view: PanelView, wanted: Detector | str | None = None) -> Recognised:
    """Find the detector that the panels of a document are; see `recognise`."""
    return recognise(stored_tiles(view), wanted)


def _vectors(view: PanelView) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Corner and step vectors of every panel, in metres; z of the corners is still 0."""
    # In the order of CrystFEL: a missing key is reported before a doubtful one.
    pitch = view.pitch[:, np.newaxis]
    _ = view.bounds
    corners = np.zeros((len(view.panels), 3))
    corners[:, :2] = view.corners * pitch
    ss, fs = view.ss * pitch, view.fs * pitch
    # The square of the area of a pixel, by Lagrange's identity.
    size = (fs * fs).sum(axis=1) * (ss * ss).sum(axis=1)
    flat = size - (fs * ss).sum(axis=1) ** 2
    wrong = np.flatnonzero(~(flat > 1e-12 * size))
    if len(wrong):
        name = view.names[int(wrong[0])]
        raise view.document.error(
            f"fs {quoted(view.text('fs', name) or 'x')} and "
            f"ss {quoted(view.text('ss', name) or 'y')} span no pixel",
            view.origin("fs", name),
        )
    return corners, ss, fs
