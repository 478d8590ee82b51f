"""Which tiles a change concerns, and how rotations and motors move them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from geomlib import coordinates
from geomlib.detector import Detector, FloatArray, IntArray, Motors
from geomlib.errors import GeometryError

if TYPE_CHECKING:
    from geomlib.geometry import Geometry

Selection = int | slice | Sequence[int] | npt.NDArray[np.integer] | npt.NDArray[np.bool_]


class Selected(NamedTuple):
    """Tiles that a change concerns.

    Attributes
    ----------
    tiles : ndarray of int, shape (n,)
        Tile numbers in the detector.
    rows, columns : ndarray of int, shape (n,)
        For each: which of the selected modules, and which of the selected tiles in it.
    n_modules, n_columns : int
        How many modules, and tiles in each; ``n_columns`` is -1 where modules differ.
    """

    tiles: IntArray
    rows: IntArray
    columns: IntArray
    n_modules: int
    n_columns: int


class Choice(NamedTuple):
    """What the caller of a change selects: some tiles of some modules, or a group of tiles."""

    modules: Selection | None = None
    tiles: Selection | None = None
    group: str | None = None


def select(geometry: Geometry, choice: Choice) -> Selected:
    """Resolve which tiles a choice means."""
    detector = geometry.detector
    modules, tiles, group = choice
    if group is not None:
        if modules is not None or tiles is not None:
            raise GeometryError("give either group or modules and tiles, not both")
        groups = geometry.groups or {}
        if group not in groups:
            raise GeometryError(f"no group {group!r}; this geometry has {', '.join(groups)}")
        members = np.array(groups[group], dtype=np.int64)
        return Selected(members, np.zeros_like(members), np.arange(len(members)), 1, len(members))
    chosen, rows, columns = [], [], []
    numbers = _pick("modules", modules, detector.n_modules)
    counts = set()
    for row, module in enumerate(numbers):
        own = detector.tiles_of(int(module))
        picked = _pick("tiles", tiles, len(own))
        chosen.append(picked + own.start)
        rows.append(np.full(len(picked), row))
        columns.append(np.arange(len(picked)))
        counts.add(len(picked))
    return Selected(
        np.concatenate(chosen).astype(np.int64),
        np.concatenate(rows),
        np.concatenate(columns),
        len(numbers),
        counts.pop() if len(counts) == 1 else -1,
    )


def _pick(name: str, selection: Selection | None, n: int) -> IntArray:
    if selection is None:
        return np.arange(n)
    try:
        picked = np.atleast_1d(np.arange(n)[selection])
    except IndexError:
        picked = np.empty(0, dtype=np.int64)
    if picked.ndim != 1 or not len(picked) or len(set(picked.tolist())) != len(picked):
        raise GeometryError(
            f"{name} must select some of 0 … {n - 1}, each once, with a number, a slice or a "
            f"sequence; got {selection!r}"
        )
    return picked


def spread(
    name: str, values: npt.ArrayLike, selected: Selected, last: tuple[int, ...]
) -> FloatArray:
    """Give each selected tile its own vector, from one for all, one a module or one a tile."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim == 0 or array.shape[-1] not in last:
        raise GeometryError(
            f"{name} must hold {' or '.join(map(str, last))} numbers along its last axis, "
            f"got shape {array.shape}"
        )
    if not np.isfinite(array).all():
        raise GeometryError(f"{name} holds numbers that are not finite")
    leading = array.shape[:-1]
    if leading == ():
        return np.broadcast_to(array, (len(selected.tiles), array.shape[-1]))
    if leading == (selected.n_modules,):
        return array[selected.rows]
    if leading == (selected.n_modules, selected.n_columns):
        return array[selected.rows, selected.columns]
    columns = selected.n_columns if selected.n_columns >= 0 else "tiles"
    raise GeometryError(
        f"{name} has shape {array.shape}; expected one vector, or {selected.n_modules} (one a "
        f"module), or {selected.n_modules} × {columns} (one a tile)"
    )


Level = Literal["whole", "group", "module", "tile"]


def rotate(
    geometry: Geometry,
    angles: npt.ArrayLike,
    centre: npt.ArrayLike | None,
    choice: Choice,
    degrees: bool,
) -> coordinates.Tiles:
    """Return the arrays of a geometry after a rotation; see `Geometry.rotate`."""
    selected = select(geometry, choice)
    each = spread("angles", angles, selected, (3,))
    if degrees:
        each = np.deg2rad(each)
    if centre is None:
        fixed = centres(geometry, selected, rotation_level(np.ndim(angles), choice))
    else:
        fixed = spread("centre", centre, selected, (3,))
    matrices = rotation_matrices(each)
    turned = coordinates.Tiles(
        geometry.tile_corners.copy(), geometry.tile_ss.copy(), geometry.tile_fs.copy()
    )
    tiles = selected.tiles
    turned.corners[tiles] = apply(matrices, turned.corners[tiles] - fixed) + fixed
    turned.ss[tiles] = apply(matrices, turned.ss[tiles])
    turned.fs[tiles] = apply(matrices, turned.fs[tiles])
    return turned


def rotation_level(angles_ndim: int, choice: Choice) -> Level:
    """Tell whose centre stays in place in a rotation, when the caller does not say."""
    modules, tiles, group = choice
    if group is not None:
        return "group"
    if angles_ndim == 3 or not _is_everything(tiles):
        return "tile"
    if angles_ndim == 2 or not _is_everything(modules):
        return "module"
    return "whole"


def _is_everything(selection: Selection | None) -> bool:
    return selection is None or (isinstance(selection, slice) and selection == slice(None))


def centres(geometry: Geometry, selected: Selected, level: Level) -> FloatArray:
    """Find the fixed point of the rotation of each selected tile, shape (n, 3)."""
    tiles = selected.tiles
    if level == "tile":
        return geometry.tile_centres[tiles]
    if level == "module":
        return geometry.module_centres[geometry.detector.tile_modules[tiles]]
    if level == "group":
        return np.broadcast_to(geometry.tile_centres[tiles].mean(axis=0), (len(tiles), 3))
    return np.zeros((len(tiles), 3))


def rotation_matrices(angles: FloatArray) -> FloatArray:
    """Matrices Rx · Ry · Rz of right-handed rotations, radians: (n, 3) -> (n, 3, 3)."""
    sin, cos = np.sin(angles), np.cos(angles)
    product = np.broadcast_to(np.eye(3), (len(angles), 3, 3))
    for axis in range(3):
        i, j = (axis + 1) % 3, (axis + 2) % 3
        about = np.zeros((len(angles), 3, 3))
        about[:, axis, axis] = 1
        about[:, i, i] = about[:, j, j] = cos[:, axis]
        about[:, i, j], about[:, j, i] = -sin[:, axis], sin[:, axis]
        product = product @ about
    return product


def apply(matrices: FloatArray, vectors: FloatArray) -> FloatArray:
    """Apply one matrix a vector: (n, 3, 3) and (n, 3) -> (n, 3)."""
    return np.asarray((matrices @ vectors[:, :, np.newaxis])[:, :, 0])


def motors_of(detector: Detector) -> Motors:
    """Return the motors of a detector that has some."""
    if detector.motors is None:
        raise GeometryError(
            f"{detector.name} has no motors that geomlib knows (AGIPD-1M and JUNGFRAU-4M have)"
        )
    return detector.motors


def motor_shape(detector: Detector) -> tuple[int, int]:
    """Shape of an array of motor positions: (groups, motors)."""
    motors = motors_of(detector)
    return len(motors.modules), len(motors.axes[0][0])


def motor_shifts(detector: Detector, shifts: FloatArray, axes: npt.ArrayLike | None) -> FloatArray:
    """Shift of each tile, in metres, for shifts of the motors in millimetres."""
    motors = motors_of(detector)
    groups, count = motor_shape(detector)
    matrices = np.asarray(motors.axes if axes is None else axes, dtype=np.float64)
    if matrices.shape != (groups, 2, count):
        raise GeometryError(
            f"axes must have shape {(groups, 2, count)} (groups, xy, motors), not {matrices.shape}"
        )
    out = np.zeros((detector.n_tiles, 3))
    for group, modules in enumerate(motors.modules):
        tiles = np.isin(detector.tile_modules, modules)
        out[tiles, :2] = 1e-3 * (matrices[group] @ shifts[group])
    return out


def quadrant_unit(detector: Detector, unit: float | None) -> float:
    """Return the unit of quadrant positions in metres: the one given, or the usual one."""
    if detector.quadrants is None:
        raise GeometryError(f"{detector.name} has no quadrants")
    return detector.quadrants.unit if unit is None else unit


def quadrant_positions(geometry: Geometry) -> FloatArray:
    """Point that stands for each quadrant (see `Quadrants.corner`), metres, shape (n, 2)."""
    rule = geometry.detector.quadrants
    if rule is None:
        raise GeometryError(f"{geometry.detector.name} has no quadrants")
    outlines = geometry.tile_outlines()[..., :2]
    positions = []
    for modules in rule.modules:
        points = outlines[np.isin(geometry.detector.tile_modules, modules)].reshape(-1, 2)
        if rule.corner == "first":
            positions.append(geometry.tile_corners[geometry.detector.tiles_of(modules[0])[0], :2])
        else:
            positions.append(points.min(axis=0) if rule.corner == "low" else points.max(axis=0))
    return np.stack(positions)
