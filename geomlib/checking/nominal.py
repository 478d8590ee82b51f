"""Where the tiles of known detectors lie in an ideal one: what real ones are compared with."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from geomlib.coordinates import BoolArray
from geomlib.detector import Detector, FloatArray, IntArray
from geomlib.detectors import example_geometry
from geomlib.detectors.agipd import AGIPD_500K
from geomlib.detectors.jungfrau import jungfrau_detector
from geomlib.detectors.known_layouts import SLABS
from geomlib.geometry import Geometry

#: A tile further from its place in its module than this, in pixels, is doubtful. In the corpus of
#: real files (docs/check.md) the furthest is 1.6 (AGIPD, other gaps than today's).
TILE_LIMIT = 5.0


class _Kind(NamedTuple):
    """How the geometry of a known detector is built up.

    ``example`` is the name of an example geometry. ``whole``: modules have usual places in their
    quadrants, as well as tiles in modules. ``certain``: nothing else has this layout. ``limit``:
    pixels that a tile may be off.
    """

    example: str
    whole: bool = False
    certain: bool = True
    limit: float = TILE_LIMIT


_KINDS = {
    "AGIPD-1M": _Kind("AGIPD-1M", whole=True),
    "AGIPD-500K": _Kind("AGIPD-500K", whole=True),
    # Tiles of several modules are stacked like one, for low resolution.
    "AGIPD-module": _Kind("AGIPD-1M", certain=False),
    "LPD-1M": _Kind("LPD-1M", whole=True),
    "LPD-Mini": _Kind("LPD-Mini"),
    "DSSC-1M": _Kind("DSSC-1M", whole=True),
    # The halves of a pair of sensors are some 20 pixels further apart than tiles of one.
    "ePix100": _Kind("ePix100", limit=40.0),
}
_FAMILIES = {"JUNGFRAU": _Kind("JUNGFRAU-500K"), "ePix10K": _Kind("ePix10K")}


class Nominal(NamedTuple):
    """The places of a detector's tiles in an ideal one, in metres.

    Attributes
    ----------
    centres, ss, fs : ndarray, shape (n_tiles, 2)
        Centre and steps of each tile.
    groups : tuple of tuple of int
        Modules that lie in a fixed arrangement; empty where every module is free.
    names : tuple of str
        What those groups are called.
    certain : bool
        Whether nothing else has this layout of the data.
    limit : float
        How far a tile may be from its place, in pixels.
    """

    centres: FloatArray
    ss: FloatArray
    fs: FloatArray
    groups: tuple[tuple[int, ...], ...]
    names: tuple[str, ...]
    certain: bool
    limit: float


def base_name(detector: Detector) -> str:
    """Name of a detector without ``(part)`` or ``(trimmed)``."""
    return detector.name.split(" (")[0]


def nominal_of(detector: Detector) -> Nominal | None:
    """Return the ideal places of the tiles of a known detector; None for any other."""
    name = base_name(detector)
    kind = _KINDS.get(name) or _FAMILIES.get(name.split("-")[0])
    if kind is None:
        return None
    ideal = example_geometry(kind.example)
    # Where modules are free, all are like the first one.
    whole = kind.whole and ideal.n_modules == detector.n_modules
    match = _holding_tiles(detector, ideal.detector, whole)
    if match is None:
        return None
    first = ideal.detector.tile_bounds[match][:, [1, 3]]
    middle = (detector.tile_bounds[:, [1, 3]] + detector.tile_bounds[:, [2, 4]]) / 2 - first
    ss, fs = ideal.tile_ss[match, :2], ideal.tile_fs[match, :2]
    centres = ideal.tile_corners[match, :2] + middle[:, :1] * ss + middle[:, 1:] * fs
    groups, names = _groups(ideal.detector) if whole else ((), ())
    return Nominal(centres, ss, fs, groups, names, kind.certain, kind.limit)


def _holding_tiles(detector: Detector, ideal: Detector, whole: bool) -> IntArray | None:
    """Tile of the ideal detector that holds each tile; None if one lies in none of them."""
    bounds = detector.tile_bounds.copy()
    if not whole:
        bounds[:, 0] = 0
    match = np.empty(len(bounds), dtype=np.int64)
    known = ideal.tile_bounds
    for row, (module, ss0, ss1, fs0, fs1) in enumerate(bounds):
        inside = (
            (known[:, 0] == module)
            & (known[:, 1] <= ss0)
            & (ss1 <= known[:, 2])
            & (known[:, 3] <= fs0)
            & (fs1 <= known[:, 4])
        )
        found = np.flatnonzero(inside)
        if len(found) != 1:
            return None
        match[row] = found[0]
    return match


def _groups(ideal: Detector) -> tuple[tuple[tuple[int, ...], ...], tuple[str, ...]]:
    if ideal.quadrants is None:
        return (tuple(range(ideal.n_modules)),), ("the detector",)
    names = tuple(f"quadrant {q + 1}" for q in range(len(ideal.quadrants.modules)))
    return ideal.quadrants.modules, names


# -- Detectors that a layout looks like -------------------------------------------------------

#: Layouts that only one detector has, so that another pixel size is a mistake.
_DISTINCT = ("AGIPD-1M", "LPD-1M", "DSSC-1M", "ePix100", "ePix10K")


@lru_cache(maxsize=1)
def _known_detectors() -> tuple[Detector, ...]:
    modules = [example_geometry(name).detector for name in _DISTINCT]
    return (*modules, AGIPD_500K, *(jungfrau_detector(n) for n in (1, 2, 6, 8, 32)))


def look_alike(geometry: Geometry) -> tuple[str, tuple[float, float]] | None:
    """Find the known detector whose data is cut in the same way, whatever the size of pixels.

    Parameters
    ----------
    geometry : Geometry
        One whose detector is not known.

    Returns
    -------
    (str, (float, float)) or None
        Its name and the pitch of its pixels along ss and fs, metres.
    """
    detector = geometry.detector
    places = _stacked(detector)
    for known in _known_detectors():
        if known.n_tiles == detector.n_tiles and places == _stacked(known):
            return known.name, known.pixel_size
    if detector.n_modules == 1:
        # Some images of different detectors have the same size.
        slabs = [slab for slab in SLABS if slab.shape == detector.data_shape[1:]]
        if len(slabs) == 1:
            return slabs[0].name, (slabs[0].pitch, slabs[0].pitch)
    return None


#: Of a file with a few wrong panels, the part that is right.
_NEARLY = 0.75


def near_known(geometry: Geometry) -> tuple[BoolArray, str] | None:
    """Find a known detector with as many tiles, of which a few only are cut otherwise.

    Parameters
    ----------
    geometry : Geometry
        One whose detector is not known.

    Returns
    -------
    (ndarray of bool, str) or None
        Which tiles are cut otherwise, shape (n_tiles,), and the name of the detector.
    """
    detector = geometry.detector
    for known in _known_detectors():
        if known.n_tiles != detector.n_tiles or known.n_tiles < 4:
            continue
        if known.n_modules == detector.n_modules:
            ours, theirs = (each.tile_bounds.tolist() for each in (detector, known))
            there = set(map(tuple, theirs))
        else:
            ours = detector.tile_bounds[:, 1:].tolist()
            there = set(_stacked(known))
        odd = np.array([tuple(row) not in there for row in ours])
        if 0 < odd.sum() <= (1 - _NEARLY) * len(odd):
            return odd, known.name
    return None


def _stacked(detector: Detector) -> frozenset[tuple[int, ...]]:
    """Bounds of all tiles, with modules stacked along slow scan."""
    bounds = detector.tile_bounds.copy()
    bounds[:, 1:3] += bounds[:, :1] * detector.data_shape[1]
    return frozenset(map(tuple, bounds[:, 1:].tolist()))
