"""From module data to rows of images, for methods ``"snap"`` and ``"nearest"``: two copiers.

A copier holds module arrays and a plan for those modules that are there, and fills rows of the
images of some frames, gaps and all. `geomlib.assembly.run` drives it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from geomlib.assembly.chains import chains
from geomlib.assembly.fill import plain_view, raw_view
from geomlib.assembly.memory import scratch
from geomlib.assembly.plan import NearestPlan, Plan, SnapPlan, overlapping, strips, uncovered
from geomlib.kernels import columns, lookup, rows, snap
from geomlib.kernels.vector import LINE

NDArray = npt.NDArray[Any]
Span = tuple[int, int]
#: First rows of bands of an image, and the row after the last.
Bands = npt.NDArray[np.int64]
#: Arrays of shape (frames, n, ss, fs) and the numbers of the n modules in each.
Parts = Sequence[tuple[NDArray, tuple[int, ...]]]
#: Frames whose numbers lie side by side in memory are copied so many at a time.
TOGETHER = 64
_BYTE = np.dtype(np.uint8)


def part_of_plan(plan: Plan, modules: tuple[int, ...], module_size: int) -> Plan:
    """Return a plan for data in which only some modules are there."""
    if isinstance(plan, SnapPlan):
        return _some_tiles(plan, modules)
    numbers = _modules_shown(plan, module_size)
    there = np.zeros(1 + max(int(numbers.max(initial=0)), *modules), dtype=np.bool_)
    there[list(modules)] = True
    here = (plan.table >= 0) & there[numbers]
    if (here == (plan.table >= 0)).all():
        return plan
    return NearestPlan(plan.grid, np.where(here, plan.table, np.int32(-1)))


@lru_cache(maxsize=64)
def _some_tiles(plan: SnapPlan, modules: tuple[int, ...]) -> SnapPlan:
    tiles = plan.tiles[np.isin(plan.tiles[:, snap.MODULE], modules)]
    if len(tiles) == len(plan.tiles):
        return plan
    tiles.flags.writeable = False
    return SnapPlan(plan.grid, tiles, uncovered(plan.grid.shape, tiles))


# Two bytes a pixel. The tables themselves are not kept: there is one for each set of modules.
@lru_cache(maxsize=4)
def _modules_shown(plan: NearestPlan, module_size: int) -> npt.NDArray[np.int16]:
    """Return the number of the module that each image pixel shows; 0 also for none."""
    return (np.maximum(plan.table, 0) // module_size).astype(np.int16)


def make_copier(
    plan: Plan, parts: Parts, modules: tuple[int, ...], dtype: np.dtype[Any], fill: Any
) -> TileCopier | TableCopier:
    """Make the copier for a plan.

    Parameters
    ----------
    plan : SnapPlan or NearestPlan
        For all modules of the detector.
    parts : sequence of (ndarray, tuple of int)
        The data, of one dtype.
    modules : tuple of int
        Those of the modules in the data that are there.
    dtype : dtype
        Of the images.
    fill : scalar of that dtype
        Value of gaps and missing modules.
    """
    given = parts[0][0]
    own = part_of_plan(plan, modules, given.shape[-2] * given.shape[-1])
    view = raw_view if given.dtype == dtype else plain_view
    value = view(np.array(fill, dtype=dtype))[()]
    seen = [(view(array), numbers) for array, numbers in parts]
    if isinstance(own, SnapPlan):
        return TileCopier(own, seen, view, value)
    return TableCopier(own, seen, view, value)


class _Copier:
    """What both copiers have in common."""

    together = 1

    def copy(self, frames: Span, rows: Span, target: NDArray) -> None:
        """Fill ``target`` (frames, rows, columns) with some rows of some frames."""
        raise NotImplementedError

    def copy_rows(self, image: NDArray, frames: Span, bands: Bands) -> None:
        """Fill bands of the images of some frames, as if they were one."""
        rows = (int(bands[0]), int(bands[-1]))
        self.copy(frames, rows, image[slice(*frames), slice(*rows)])


class TileCopier(_Copier):
    """Copies tiles: method ``"snap"``.

    Parameters
    ----------
    plan : SnapPlan
        For the modules that are there.
    parts : sequence of (ndarray, tuple of int)
        The data, as the kernels take it.
    view : callable
        Makes an image what the kernels take.
    fill : scalar
        Value of gaps, as the kernels take it.
    """

    def __init__(
        self, plan: SnapPlan, parts: Parts, view: Callable[[NDArray], NDArray], fill: Any
    ) -> None:
        self.plan, self.view, self.fill = plan, view, fill
        self.modules = snap.modules_of(parts)
        self.blank = np.full(plan.grid.shape[1], fill)
        given = parts[0][0]
        self.compiled = snap.COMPILED and not np.iscomplexobj(fill) and given.dtype.kind != "c"
        # As in live streams.
        side_by_side = len(given) > 1 and self.modules.steps[0] == given.itemsize
        self.together = TOGETHER if side_by_side and self.compiled else 1
        # Rows, or columns, of all tiles are runs of memory.
        _, ss, fs = self.modules.steps
        tiles, size = plan.tiles, given.itemsize
        along = tiles[:, snap.SS_ALONG] * ss + tiles[:, snap.FS_ALONG] * fs
        up = tiles[:, snap.SS_UP] * ss + tiles[:, snap.FS_UP] * fs
        whole_lines = self.together == 1 and self.blank.nbytes >= LINE
        self.in_runs = whole_lines and bool((abs(along) == size).all())
        upright = whole_lines and not self.in_runs and bool((abs(up) == size).all())
        self.in_columns = (
            upright
            and not overlapping(plan)
            and chains(plan).least_columns * self.blank.itemsize >= LINE
        )

    def copy(self, frames: Span, rows: Span, target: NDArray) -> None:
        """Fill ``target`` (frames, rows, columns) with some rows of some frames."""
        if self.compiled:
            self._work_in_place(frames, rows, target).run()
            return
        image, plan = self.view(target), self.plan
        snap.assemble_with_numpy(
            self.modules, plan.tiles, image, plan.gaps, self.fill, frames, rows
        )

    def _work_in_place(self, frames: Span, rows: Span, target: NDArray) -> snap.Work:
        image, plan = self.view(target), self.plan
        what = (self.modules, plan.tiles, image, plan.gaps, self.blank)
        return snap.work_in_place(*what, frames, rows, self.together)

    def clear(self, target: NDArray, rows: Span) -> None:
        """Fill the gaps of ``target`` once more."""
        image, (low, high) = self.view(target), rows
        for top, bottom, left, right in self.plan.gaps:
            if top < high and bottom > low:
                image[:, max(top, low) - low : min(bottom, high) - low, left:right] = self.fill

    def copy_in_bands(self, image: NDArray, frames: Span, bands: Bands) -> None:
        """Fill whole bands of rows of some frames in one go, past the caches."""
        run(self.work(image, frames, bands, in_bands=True))

    def work(self, image: NDArray, frames: Span, bands: Bands, in_bands: bool) -> snap.Work:
        """Return what `copy_in_bands` does, or else `copy_rows`, for later."""
        own = (int(bands[0]), int(bands[-1]))
        if not in_bands:
            return self._work_in_place(frames, own, image[slice(*frames), slice(*own)])
        seen, plan = self.view(image), self.plan
        if self.in_runs:
            how = (*strips(plan), self.blank, frames, own)
            return rows.work_in_rows(self.modules, plan.tiles, seen, *how)
        if self.in_columns and seen.flags.aligned:
            tables = (*chains(plan), seen, self.blank)
            return columns.work_in_columns(self.modules, *tables, frames, own)
        count = min(self.together, frames[1] - frames[0])
        what = (self.modules, plan.tiles, seen, plan.gaps, self.blank)
        return snap.work_in_bands(*what, frames, bands, count)


def run(work: snap.Work) -> None:
    """Do some work, with scratch of this thread's own."""
    work.run(scratch((work.scratch,), _BYTE, "values") if work.scratch else None)


class TableCopier(_Copier):
    """Looks up each image pixel in a table: method ``"nearest"``.

    Parameters
    ----------
    plan : NearestPlan
        For the modules that are there.
    parts, view, fill
        As for `TileCopier`.
    """

    def __init__(
        self, plan: NearestPlan, parts: Parts, view: Callable[[NDArray], NDArray], fill: Any
    ) -> None:
        self.table, self.parts, self.view, self.fill = plan.table, parts, view, fill
        data, numbers = parts[0]
        in_order = len(parts) == 1 and numbers == tuple(range(len(numbers)))
        #: The pixels of a frame do not lie one after another: bands would gather them anew.
        self.gathers = not (in_order and data[:1].flags.c_contiguous)

    def copy(self, frames: Span, rows: Span, target: NDArray) -> None:
        """Fill ``target`` (frames, rows, columns) with some rows of some frames."""
        table = self.table[slice(*rows)]
        for i, frame in enumerate(range(*frames)):
            image = self.view(target[i])
            lookup.gather(self._pixels(frame), table, image, self.fill, 0, len(table))

    def clear(self, target: NDArray, rows: Span) -> None:
        """Fill the gaps of ``target`` once more."""
        self.view(target)[:, self.table[slice(*rows)] < 0] = self.fill

    def _pixels(self, frame: int) -> NDArray:
        """All pixels of a frame one after another, as the table counts them."""
        data = self.parts[0][0]
        if not self.gathers:
            pixels: NDArray = data[frame].reshape(-1)
            return pixels
        count = 1 + max(max(numbers) for _, numbers in self.parts)
        room = np.empty((count, *data.shape[-2:]), data.dtype)
        for data, numbers in self.parts:
            room[list(numbers)] = data[frame]
        return room.reshape(-1)
