"""Which tiles a change concerns, and how rotations and motors move them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from geomlib import checks, coordinates
from geomlib.coordinates import Tiles
from geomlib.detector import Detector, FloatArray, IntArray, Motors
from geomlib.errors import GeometryError

Selection = int | slice | Sequence[int] | npt.NDArray[np.integer] | npt.NDArray[np.bool_]
Part = Literal["whole", "group", "module", "tile"]


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
    part : {"whole", "group", "module", "tile"}
        What kind of part of the detector the caller has chosen.
    """

    tiles: IntArray
    rows: IntArray
    columns: IntArray
    n_modules: int
    n_columns: int
    part: Part


class Choice(NamedTuple):
    """What the caller of a change selects: some tiles of some modules, or a group of tiles."""

    modules: Selection | None = None
    tiles: Selection | None = None
    group: str | None = None


def select(detector: Detector, groups: Mapping[str, tuple[int, ...]], choice: Choice) -> Selected:
    """Resolve which tiles a choice means.

    Raises
    ------
    GeometryError
        If there are no such modules, tiles or group.
    """
    modules, tiles, group = choice
    if group is not None:
        if modules is not None or tiles is not None:
            raise GeometryError("give either group or modules and tiles, not both")
        members = np.array(groups.get(checks.text("group", group), ()), dtype=np.int64)
        n = len(members)
        if group not in groups:
            raise GeometryError(f"no group {group!r}; this geometry has {', '.join(groups)}")
        if not n:
            raise GeometryError(f"group {group!r} holds no tiles")
        return Selected(members, np.zeros_like(members), np.arange(n), 1, n, "group")
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
        _part(modules, tiles),
    )


def _part(modules: Selection | None, tiles: Selection | None) -> Part:
    if not _is_everything(tiles):
        return "tile"
    return "whole" if _is_everything(modules) else "module"


def _is_everything(selection: Selection | None) -> bool:
    return selection is None or (isinstance(selection, slice) and selection == slice(None))


def _pick(name: str, selection: Selection | None, n: int) -> IntArray:
    if selection is None:
        return np.arange(n)
    try:
        # To numpy, a tuple is one index for each axis.
        chosen = list(selection) if isinstance(selection, tuple) else selection
        picked = np.atleast_1d(np.arange(n)[chosen])
    except (IndexError, TypeError, ValueError):
        picked = np.empty(0, dtype=np.int64)
    if picked.ndim != 1 or not len(picked) or len(set(picked.tolist())) != len(picked):
        raise GeometryError(
            f"{name} must select some of 0 … {n - 1}, each once, with a number, a slice or a "
            f"sequence; got {checks.shown(selection)}"
        )
    return picked


def spread(
    name: str, values: npt.ArrayLike, selected: Selected, last: tuple[int, ...]
) -> FloatArray:
    """Give each selected tile its own vector, from one for all, one a module or one a tile.

    Raises
    ------
    GeometryError
        If the values have another shape or are not finite numbers.
    """
    array = checks.numbers(name, values, finite=False)
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


def rotate(
    detector: Detector,
    tiles: Tiles,
    selected: Selected,
    angles: npt.ArrayLike,
    centre: npt.ArrayLike | None,
    degrees: bool,
) -> Tiles:
    """Rotate the selected tiles; see `Geometry.rotate`."""
    each = spread("angles", angles, selected, (3,))
    if centre is None:
        fixed = _fixed_points(detector, tiles, selected, np.ndim(angles))
    else:
        fixed = spread("centre", centre, selected, (3,))
    matrices = rotation_matrices(np.deg2rad(each) if degrees else each)
    turned = Tiles(*(array.copy() for array in tiles))
    chosen = selected.tiles
    turned.corners[chosen] = apply(matrices, turned.corners[chosen] - fixed) + fixed
    turned.ss[chosen] = apply(matrices, turned.ss[chosen])
    turned.fs[chosen] = apply(matrices, turned.fs[chosen])
    return turned


def _fixed_points(
    detector: Detector, tiles: Tiles, selected: Selected, angles_ndim: int
) -> FloatArray:
    """Find the point that stays in place for each selected tile, if the caller does not say."""
    chosen = selected.tiles
    centres = coordinates.tile_centres(detector, tiles)[chosen]
    if selected.part == "group":
        return np.broadcast_to(centres.mean(axis=0), centres.shape)
    if selected.part == "tile" or angles_ndim == 3:
        return centres
    if selected.part == "module" or angles_ndim == 2:
        return coordinates.module_centres(detector, tiles)[detector.tile_modules[chosen]]
    return np.zeros_like(centres)


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
    matrices = checks.array("axes", motors.axes if axes is None else axes, (groups, 2, count))
    out = np.zeros((detector.n_tiles, 3))
    for group, modules in enumerate(motors.modules):
        tiles = np.isin(detector.tile_modules, modules)
        out[tiles, :2] = 1e-3 * (matrices[group] @ shifts[group])
    return out


def quadrant_positions(detector: Detector, tiles: Tiles, unit: float | None) -> FloatArray:
    """Point that stands for each quadrant (see `Quadrants.corner`), shape (n, 2).

    In a unit given in metres, or the usual one; NaN for a quadrant whose point has no tile.
    """
    rule = detector.quadrants
    if rule is None:
        raise GeometryError(f"{detector.name} has no quadrants")
    length = rule.unit if unit is None else checks.number("unit", unit, positive=True)
    outlines = coordinates.tile_outlines(detector, tiles)[..., :2]
    positions = np.full((len(rule.modules), 2), np.nan)
    for quadrant, modules in enumerate(rule.modules):
        # The first corner of an outline is that of the first pixel.
        members = modules[:1] if rule.corner == "first" else modules
        points = outlines[np.isin(detector.tile_modules, members)]
        if len(points):
            first = points[0, 0]
            low, high = points.min(axis=(0, 1)), points.max(axis=(0, 1))
            positions[quadrant] = {"first": first, "low": low, "high": high}[rule.corner]
    return positions / length
