"""Tiles and modules that are tilted out of the plane in which the others lie."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from geomlib.checking.findings import Finding, Severity, counted
from geomlib.checking.nominal import Nominal
from geomlib.checking.tiles import names_of
from geomlib.coordinates import BoolArray
from geomlib.detector import FloatArray
from geomlib.geometry import Geometry

#: Degrees by which tiles may be tilted to the plane of most of them. In the corpus
#: (docs/check.md) modules of an AGIPD are by 0.27, tiles to those of their module by less than
#: 0.001.
TILT_LIMIT = 3.0
#: So many tiles are tried as those that lie in the plane of most: enough to find it.
_TRIED = 200
_BEAM = np.array([0.0, 0.0, 1.0])
#: Degrees to the beam from which a whole detector is mentioned. 11 (a JUNGFRAU on an arm).
_ARM = 30.0
_MEND = "look at the angles about x and y, and at z of fs and ss: elsewhere they are others"


def check_planes(geometry: Geometry, nominal: Nominal | None) -> Iterator[Finding]:
    """Check that tiles lie in one plane; for known detectors those of each module, and modules.

    Where modules are free, or the detector is not known, they may have been tilted on purpose: a
    curved detector, or one of several parts. It is doubtful where most lie in one plane.
    """
    normals = _normals(geometry)
    usual = _usual(normals)
    if flat_tiles(geometry).any():
        yield from _detector(usual)
    if nominal is None:
        yield from _tiles(geometry, _tilt(normals, usual))
        return
    modules = geometry.detector.tile_modules
    used = np.unique(modules)
    of_module = np.zeros((geometry.n_modules, 3))
    for module in used:
        of_module[module] = _usual(normals[modules == module], like=usual)
    yield from _tiles_in_modules(geometry, nominal, _tilt(normals, of_module[modules]))
    whole = _usual(of_module[used])
    yield from _modules(geometry, nominal, _tilt(of_module[modules], whole))


def flat_tiles(geometry: Geometry) -> BoolArray:
    """Tell which tiles lie in the plane of most, shape (n_tiles,): none in a curved detector."""
    normals = _normals(geometry)
    flat = _tilt(normals, _usual(normals)) <= TILT_LIMIT
    return np.asarray(flat if 2 * flat.sum() >= len(flat) else np.zeros_like(flat))


def _normals(geometry: Geometry) -> FloatArray:
    """Return the unit vector across each tile, shape (n_tiles, 3)."""
    across = np.cross(geometry.tile_fs, geometry.tile_ss)
    return np.asarray(across / np.linalg.norm(across, axis=1, keepdims=True))


def _usual(normals: FloatArray, like: FloatArray = _BEAM) -> FloatArray:
    """Mean normal of the tiles in the plane of most; of two such planes, that nearer ``like``."""
    tried = normals[:: -(-len(normals) // _TRIED)]
    along = tried @ normals.T
    near = np.abs(along) > np.cos(np.radians(TILT_LIMIT))
    votes = near.sum(axis=1).astype(np.float64)
    votes += np.abs(tried @ like) / 2  # less than a tile counts
    best = int(votes.argmax())
    # Mirrored tiles have the opposite normal, and the same plane.
    mean = (normals * np.sign(along[best])[:, np.newaxis])[near[best]].mean(axis=0)
    return np.asarray(mean / np.linalg.norm(mean))


def _tilt(normals: FloatArray, usual: FloatArray) -> FloatArray:
    """Degrees between planes, 0 to 90."""
    along = np.abs((normals * usual).sum(axis=1))
    return np.asarray(np.degrees(np.arccos(np.minimum(along, 1))))


def _detector(usual: FloatArray) -> Iterator[Finding]:
    tilt = float(_tilt(usual[np.newaxis], _BEAM)[0])
    if tilt > _ARM:
        yield Finding(
            "note",
            "tilted-detector",
            f"the whole detector is tilted by {tilt:.0f}° from across the beam, along which "
            "images are seen",
            "right if it stands on an arm",
        )


def _tiles(geometry: Geometry, tilt: FloatArray) -> Iterator[Finding]:
    """Tiles of a detector that is not known."""
    off = tilt > TILT_LIMIT
    if not off.any():
        return
    n, most = int(off.sum()), tilt.max()
    if 2 * n < geometry.n_tiles:
        said = f"{_are_tilted(n, 'tile', most)} out of the plane of the others"
        names = names_of(geometry, off)
        yield Finding("warning", "tilted-tiles", said, _MEND, names)
    else:
        said = f"tiles lie in several planes, tilted to each other by up to {most:.0f}°"
        yield Finding(
            "note",
            "tilted-tiles",
            f"{said}: right if the detector is curved, or its parts stand on arms",
        )


def _tiles_in_modules(geometry: Geometry, nominal: Nominal, tilt: FloatArray) -> Iterator[Finding]:
    off = tilt > TILT_LIMIT
    if off.any():
        said = _are_tilted(int(off.sum()), "tile", tilt.max())
        yield Finding(
            "error" if nominal.certain else "note",
            "tilted-tiles",
            f"{said} out of the plane of the others of the module",
            _MEND,
            names_of(geometry, off),
        )


def _modules(geometry: Geometry, nominal: Nominal, tilt: FloatArray) -> Iterator[Finding]:
    """Modules to each other, given the tilt of each tile's module."""
    off = tilt > TILT_LIMIT
    if not off.any():
        return
    detector = geometry.detector
    wrong, used = (np.unique(detector.tile_modules[tiles]) for tiles in (off, slice(None)))
    severity: Severity = "warning" if 2 * len(wrong) < len(used) else "note"
    severity = "error" if nominal.groups else severity
    which = ", ".join(detector.module_names[module] for module in wrong)
    yield Finding(
        severity,
        "tilted-modules",
        f"{_are_tilted(len(wrong), 'module', tilt.max())} out of the plane of the others: {which}",
        "right if they were mounted so" if severity == "note" else _MEND,
        names_of(geometry, off),
    )


def _are_tilted(number: int, noun: str, most: float) -> str:
    by = f"is tilted by {most:.0f}°" if number == 1 else f"are tilted by up to {most:.0f}°"
    return f"{counted(number, noun)} {by}"
