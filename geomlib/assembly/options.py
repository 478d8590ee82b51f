"""Options of `assemble_data` that change the grid of the image: windows and binning."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import overload

import numpy as np

from geomlib import checks
from geomlib.assembly.plan import Grid, NearestPlan, Plan, SnapPlan, uncovered
from geomlib.assembly.split import SplitPlan
from geomlib.detector import IntArray
from geomlib.errors import GeometryError

Window = tuple[slice, slice]


@overload
def crop_plan(plan: Plan, region: Window) -> Plan: ...
@overload
def crop_plan(plan: SplitPlan, region: Window) -> SplitPlan: ...
def crop_plan(plan: Plan | SplitPlan, region: Window) -> Plan | SplitPlan:
    """Return the plan of a window of the image.

    Raises
    ------
    GeometryError
        If the region is not two slices, or holds no pixel.
    """
    (top, bottom), (left, right) = _window(region, plan.grid.shape)
    if isinstance(plan, SplitPlan):
        return plan.window(top, bottom, left, right)
    return _crop(plan, top, bottom, left, right)


@lru_cache(maxsize=32)
def _crop(plan: Plan, top: int, bottom: int, left: int, right: int) -> Plan:
    grid = replace(
        plan.grid,
        shape=(bottom - top, right - left),
        centre=(plan.grid.centre[0] - top, plan.grid.centre[1] - left),
    )
    if isinstance(plan, NearestPlan):
        return NearestPlan(grid, np.ascontiguousarray(plan.table[top:bottom, left:right]))
    tiles = move_tiles(plan.tiles, (-top, -left), grid.shape)
    return SnapPlan(grid, tiles, uncovered(grid.shape, tiles))


def _window(region: Window, shape: tuple[int, int]) -> list[tuple[int, int]]:
    try:
        rows, columns = region
        spans = [s.indices(n) for s, n in zip((rows, columns), shape, strict=True)]
    except (TypeError, ValueError, AttributeError):
        raise GeometryError(
            f"region must be two slices (rows, columns) such as np.s_[100:200, :50], not {region!r}"
        ) from None
    for name, given, (start, stop, step), size in zip(
        ("rows", "columns"), (rows, columns), spans, shape, strict=True
    ):
        asked = f"region asks for {name} {_typed(given)}"
        if step != 1:
            raise GeometryError(f"{asked}: only steps of 1 are possible; binning= makes fewer")
        if stop <= start:
            raise GeometryError(f"{asked}, which holds none of the {size} that the image has")
    return [(start, stop) for start, stop, _ in spans]


def _typed(span: slice) -> str:
    ends = ["" if n is None else str(n) for n in (span.start, span.stop, span.step)]
    return ":".join(ends if ends[2] else ends[:2])


def move_tiles(tiles: IntArray, shift: tuple[int, int], shape: tuple[int, int]) -> IntArray:
    """Shift a table of tiles by (rows, columns) and clip it to an image of a shape."""
    from geomlib.kernels import snap as s

    moved = tiles.copy()
    moved[:, [s.TOP, s.BOTTOM]] += shift[0]
    moved[:, [s.LEFT, s.RIGHT]] += shift[1]
    for first, last, ss_step, fs_step, size in (
        (s.TOP, s.BOTTOM, s.SS_UP, s.FS_UP, shape[0]),
        (s.LEFT, s.RIGHT, s.SS_ALONG, s.FS_ALONG, shape[1]),
    ):
        cut = np.maximum(-moved[:, first], 0)
        moved[:, s.SS] += cut * moved[:, ss_step]
        moved[:, s.FS] += cut * moved[:, fs_step]
        moved[:, first] += cut
        moved[:, last] = np.minimum(moved[:, last], size)
    return moved[(moved[:, s.TOP] < moved[:, s.BOTTOM]) & (moved[:, s.LEFT] < moved[:, s.RIGHT])]


def binned_grid(grid: Grid, binning: int) -> Grid:
    """Return the grid of an image in which blocks of pixels are one; incomplete ones are left out.

    Raises
    ------
    GeometryError
        If `binning` is not a whole number of at least 1, or the image is smaller than one block.
    """
    side = checks.integer("binning", binning, 1)
    n_y, n_x = (n // side for n in grid.shape)
    if not n_y or not n_x:
        raise GeometryError(
            f"binning={binning} is more than the image has pixels: {grid.shape} (y, x)"
        )
    size_y, size_x = grid.pixel_size
    centre_y, centre_x = grid.centre
    return Grid((n_y, n_x), (centre_y / side, centre_x / side), (size_y * side, size_x * side))
