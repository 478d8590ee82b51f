"""European XFEL HDF5 geometry files: LPD-1M and DSSC-1M.

Three levels of positions in millimetres, which add up: ``/Q1/Position`` (optional),
``/Q1/M1/Position`` and ``/Q1/M1/T01/Position``. The sum is a corner of the tile, and not that of
its first pixel: for LPD the one with the highest x and y, for DSSC the one with the lowest. The
file holds nothing else: the orientation of the tiles and the size of the pixels are those of the
detector.
"""

from __future__ import annotations

from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import numpy.typing as npt

from geomlib import checks
from geomlib.detector import Detector, FloatArray
from geomlib.detectors.common import flat_quadrants, warn_about_unit
from geomlib.detectors.dssc import DSSC_1M, ORIENTATIONS, PITCH_FS, PITCH_SS
from geomlib.detectors.lpd import LPD_1M
from geomlib.errors import GeometryError, GeometryFileError, warn
from geomlib.formats import hdf5
from geomlib.formats.layout import wanted_detectors
from geomlib.geometry import Geometry
from geomlib.metadata import Source
from geomlib.units import length_unit

if TYPE_CHECKING:
    import h5py

MILLIMETRE = 1e-3
_QUADRANTS = 4
_MODULES = 4  # a quadrant
_DETECTORS = {LPD_1M.n_tiles // 16: LPD_1M, DSSC_1M.n_tiles // 16: DSSC_1M}
#: Chunks of the two numbers of a position are tiny; a claim above this is not to be believed.
_LARGEST_CHUNK = 1 << 16
#: Larger numbers than this are no positions of tiles, in whatever unit.
_LARGEST_POSITION = 1e9


def read_euxfel(
    path: str | PathLike[str],
    *,
    quad_positions: npt.ArrayLike | None = None,
    unit: float | str = MILLIMETRE,
    invert: bool = False,
    detector: str | Detector | None = None,
) -> Geometry:
    """Read an LPD-1M or DSSC-1M geometry from a European XFEL HDF5 geometry file.

    Parameters
    ----------
    path : str or path-like
        The file. The number of tiles in a module tells the detector.
    quad_positions : array_like, shape (4, 2), optional
        x and y of the quadrants, as for `lpd_1m` and `dssc_1m`; they replace those in the file.
        Needed where the file has none.
    unit : float or str
        Unit of the positions, in the file and in `quad_positions`: in metres, or its name, ``"m"``,
        ``"mm"``, ``"um"`` or ``"pixels"``.
    invert : bool
        The positions in the file count downwards and to the right, as in the first files for
        LPD: change their sign. `quad_positions` are never inverted.
    detector : str or Detector, optional
        The detector that is expected, ``"LPD-1M"`` or ``"DSSC-1M"``.

    Returns
    -------
    Geometry

    Raises
    ------
    GeometryFileError
        If the file is not of this format, a position is missing or not finite, the quadrants have
        no position, or another detector is expected.
    GeometryError
        If `quad_positions` are not four pairs of finite numbers, or another argument is not as
        described.

    Warns
    -----
    GeometryWarning
        If positions look inverted, or in another unit, or tiles lie on top of each other.
    """
    length = length_unit("unit", unit)
    wanted_detectors(detector)
    invert = checks.flag("invert", invert)
    quads = None if quad_positions is None else flat_quadrants(quad_positions)
    name = fspath(checks.path("path", path))
    found, own, modules, tiles = _read_file(name, quads, detector)
    length = found.pixel_size[1] if length is None else length
    if invert:
        modules, tiles = -modules, -tiles
        own = own if quads is not None else -own
    points = (own[:, np.newaxis, np.newaxis] + modules[:, :, np.newaxis] + tiles) * length
    geometry = _from_points(found, points.reshape(-1, 2), name)
    if _runs_backwards(found, tiles):
        warn(_inverted_message(name, invert))
    else:
        warn_about_unit(geometry, length)
    if stacked := _stacked_tiles(geometry):
        warn(f"{name}: impossible positions: {stacked}; the positions are used as they are")
    return geometry


def write_euxfel(geometry: Geometry, path: str | PathLike[str]) -> None:
    """Write a geometry as a European XFEL HDF5 geometry file, quadrant positions included.

    The file is written whole or not at all.

    Parameters
    ----------
    geometry : Geometry
        Of an LPD-1M or DSSC-1M.
    path : str or path-like
        The file; an older one is replaced.

    Raises
    ------
    GeometryError
        If the format has no room for this detector.
    """
    detector = geometry.detector
    if detector not in (LPD_1M, DSSC_1M):
        raise GeometryError(
            "the European XFEL HDF5 geometry format holds LPD-1M and DSSC-1M, not "
            f"{detector.name}; write it as CrystFEL .geom"
        )
    points = _points(geometry).reshape(_QUADRANTS, _MODULES, -1, 2) / MILLIMETRE
    extreme = np.max if detector == LPD_1M else np.min
    modules = extreme(points, axis=2)
    quads = extreme(modules, axis=1)
    with hdf5.created(path) as file:
        file["DetectorDescription"] = detector.name
        for q in range(_QUADRANTS):
            quadrant = hdf5.new_group(file, f"Q{q + 1}")
            quadrant["Position"] = quads[q]
            for m in range(_MODULES):
                module = hdf5.new_group(quadrant, f"M{m + 1}")
                module["Position"] = modules[q, m] - quads[q]
                for t, point in enumerate(points[q, m]):
                    hdf5.new_group(module, f"T{t + 1:02}")["Position"] = point - modules[q, m]


# -- Positions of tiles ---------------------------------------------------------------------


def _points(geometry: Geometry) -> FloatArray:
    """Corner of each tile that the format stores, in metres, shape (n_tiles, 2)."""
    outlines = geometry.tile_outlines()[..., :2]
    if geometry.detector == LPD_1M:
        return cast(FloatArray, outlines.max(axis=1))
    return cast(FloatArray, outlines.min(axis=1))


def _from_points(detector: Detector, points: FloatArray, path: str | None) -> Geometry:
    """Build the geometry of flat tiles from the stored corners, in metres."""
    n_ss, n_fs = (int(n) for n in detector.tile_shapes[0])
    corners, ss, fs = (np.zeros((detector.n_tiles, 3)) for _ in range(3))
    corners[:, :2] = points
    if detector == LPD_1M:
        fs[:, 0], ss[:, 1] = detector.pixel_size[1], detector.pixel_size[0]
        corners -= n_ss * ss + n_fs * fs
    else:
        sides = np.repeat(np.array(ORIENTATIONS), detector.n_tiles // _QUADRANTS, axis=0)
        fs[:, 0], ss[:, 1] = sides[:, 0] * PITCH_FS, sides[:, 1] * PITCH_SS
        corners -= np.where(sides[:, :1] < 0, n_fs * fs, 0) + np.where(
            sides[:, 1:] < 0, n_ss * ss, 0
        )
    return Geometry(detector, corners, ss, fs, source=Source(path, "euxfel") if path else None)


def _runs_backwards(detector: Detector, tiles: FloatArray) -> bool:
    """Tell whether tiles follow each other against the order that they have in every module."""
    # The order in a module is fixed by its hardware: that of a module at any place will do.
    flat = _nominal_offsets(detector)
    spread = tiles - tiles.mean(axis=2, keepdims=True)
    agreement = np.sign((spread * flat).sum(axis=(2, 3)))
    return bool(agreement.sum() < 0)


def _nominal_offsets(detector: Detector) -> FloatArray:
    """Directions of the tiles from the middle of each module, shape (4, 4, tiles, 2)."""
    origin = _from_points(detector, np.zeros((detector.n_tiles, 2)), None)
    starts = detector.tile_bounds[:, [1, 3]]
    places = starts[:, :1] * origin.tile_ss + starts[:, 1:] * origin.tile_fs
    places = places[:, :2].reshape(_QUADRANTS, _MODULES, -1, 2)
    return cast(FloatArray, places - places.mean(axis=2, keepdims=True))


def _inverted_message(path: str, invert: bool) -> str:
    if invert:
        return (
            f"{path}: inverted, the tiles run the wrong way; read it without invert=True (--invert)"
        )
    return (
        f"{path}: the tiles run the wrong way: the positions seem to count downwards and to the "
        "right, as in the first files for LPD; read it with invert=True (--invert)"
    )


def _stacked_tiles(geometry: Geometry) -> str:
    """Describe tiles that lie on others of their quadrant by more than half; empty if none do."""
    outlines = geometry.tile_outlines()[..., :2]
    low = outlines.min(axis=1).reshape(_QUADRANTS, -1, 2)
    high = outlines.max(axis=1).reshape(_QUADRANTS, -1, 2)
    shared = np.minimum(high[:, :, np.newaxis], high[:, np.newaxis]) - np.maximum(
        low[:, :, np.newaxis], low[:, np.newaxis]
    )
    area = np.prod(np.clip(shared, 0, None), axis=-1)
    own = np.prod(high - low, axis=-1)[:, :, np.newaxis]
    same = np.eye(area.shape[1], dtype=bool)
    stacked = ((area > 0.5 * own) & ~same).any(axis=2).reshape(_QUADRANTS * _MODULES, -1)
    parts = [
        f"{count} of {stacked.shape[1]} tiles of Q{m // 4 + 1}/M{m % 4 + 1} lie on other tiles"
        for m, count in enumerate(stacked.sum(axis=1))
        if count
    ]
    return ", ".join(parts)


# -- Reading HDF5 that is not to be trusted -------------------------------------------------


def is_euxfel_geometry(path: Path, first_bytes: bytes) -> bool:
    """Tell whether a file is HDF5 and has positions of modules."""
    return hdf5.recognised(path, first_bytes, _has_modules)


def _has_modules(file: h5py.File) -> bool:
    import h5py

    quadrant = file["Q1"] if hdf5.is_here(file, "Q1") else None
    return isinstance(quadrant, h5py.Group) and hdf5.is_here(quadrant, "M1")


def _recognise(file: h5py.File, path: str) -> Detector:
    module = hdf5.group(hdf5.group(file, "Q1"), "M1")
    count = sum(1 for name in hdf5.members(module) if name[:1] == "T" and name[1:].isdigit())
    if count not in _DETECTORS:
        known = " or ".join(f"{n} ({d.name})" for n, d in _DETECTORS.items())
        raise GeometryFileError(
            f"module Q1/M1 has {count} tiles; expected {known}", path=path, key="/Q1/M1"
        )
    return _DETECTORS[count]


def _check_expected(found: Detector, expected: str | Detector | None, path: str) -> None:
    if expected is None or expected == found or str(expected).lower() == found.name.lower():
        return
    name = expected.name if isinstance(expected, Detector) else expected
    raise GeometryFileError(f"this is a {found.name} geometry, not {name}", path=path)


def _quadrant_positions(file: h5py.File, path: str) -> FloatArray:
    groups = [hdf5.group(file, f"Q{q + 1}") for q in range(_QUADRANTS)]
    if not any(hdf5.has(group, "Position") for group in groups):
        raise GeometryFileError(
            "the file has no quadrant positions; give them: "
            "read_geometry(path, quad_positions=[(x, y), …]), four pairs in millimetres",
            path=path,
            key="/Q1/Position",
        )
    return np.stack([_position(group) for group in groups])


def _module_positions(file: h5py.File, detector: Detector) -> tuple[FloatArray, FloatArray]:
    """Read the positions of modules, shape (4, 4, 2), and of tiles in them, (4, 4, tiles, 2)."""
    count = detector.n_tiles // detector.n_modules
    modules = np.empty((_QUADRANTS, _MODULES, 2))
    tiles = np.empty((_QUADRANTS, _MODULES, count, 2))
    for q in range(_QUADRANTS):
        quadrant = hdf5.group(file, f"Q{q + 1}")
        for m in range(_MODULES):
            module = hdf5.group(quadrant, f"M{m + 1}")
            modules[q, m] = _position(module)
            for t in range(count):
                tiles[q, m, t] = _position(hdf5.group(module, f"T{t + 1:02}"))
    return modules, tiles


def _read_file(
    path: str, quads: FloatArray | None, expected: str | Detector | None
) -> tuple[Detector, FloatArray, FloatArray, FloatArray]:
    """Detector, and positions of quadrants (those given, if any), modules and tiles."""
    with hdf5.opened(path) as file:
        found = _recognise(file, path)
        _check_expected(found, expected, path)
        modules, tiles = _module_positions(file, found)
        own = _quadrant_positions(file, path) if quads is None else quads
    return found, own, modules, tiles


def _position(group: h5py.Group) -> FloatArray:
    """Read x and y of one ``Position``."""
    data = hdf5.dataset(group, "Position")
    problem = None
    if data.shape not in ((2,), (3,)):
        problem = f"expected two numbers, found {data.dtype} of shape {data.shape}"
    elif data.chunks is not None and np.prod(data.chunks, dtype=float) > _LARGEST_CHUNK:
        problem = f"claims chunks of {data.chunks} for {data.shape[0]} numbers"
    if problem is not None:
        raise hdf5.error(group, "Position", problem)
    value = np.asarray(data[()], dtype=np.float64)[:2]
    if not (np.abs(value) < _LARGEST_POSITION).all():
        raise hdf5.error(group, "Position", f"expected two positions, found {value.tolist()}")
    return value
