"""The options of `assemble_data` that work before or after the kernels."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from geomlib.assembly.inputs import Stack, to_modules
from geomlib.assembly.plan import Grid, NearestPlan, Plan, SnapPlan, uncovered
from geomlib.assembly.reduction import How, Reduction, is_value
from geomlib.detector import Detector, IntArray
from geomlib.errors import GeometryError

NDArray = npt.NDArray[Any]
Window = tuple[slice, slice]
#: Frames are reduced in chunks of about this many bytes, so that temporaries stay small.
CHUNK_BYTES = 64 * 2**20


def check_mask(mask: npt.ArrayLike, stack: Stack, detector: Detector) -> NDArray:
    """Return a mask as an array of bool that broadcasts to (*frames, modules, ss, fs).

    Raises
    ------
    GeometryError
        If it is not of bool, or does not broadcast.
    """
    array = np.asarray(mask)
    if array.dtype != np.bool_:
        raise GeometryError(
            f"mask must be boolean, True for pixels to leave out, not {array.dtype}; for bit flags "
            "pass (flags & bits) != 0"
        )
    array = to_modules(array, detector, "mask")
    try:
        fits = np.broadcast_shapes(array.shape[:-3], stack.frames) == stack.frames
    except ValueError:
        fits = False
    if not fits:
        raise GeometryError(
            f"mask has shape {array.shape}, which does not broadcast to the frames {stack.frames} "
            "of the data"
        )
    return array


def mask_stack(stack: Stack, mask: NDArray, value: Any) -> Stack:
    """Replace masked pixels by a value, whose dtype the stack takes on."""
    dtype = value.dtype
    parts = tuple(
        (np.where(mask[..., list(numbers), :, :], value, data).astype(dtype, copy=False), numbers)
        for data, numbers in stack.parts
    )
    return replace(stack, parts=parts, dtype=dtype)


def reduce_stack(stack: Stack, how: How, mask: NDArray | None) -> Stack:
    """Reduce the leading axes of a stack; masked pixels and NaN do not count."""
    parts = []
    for data, numbers in stack.parts:
        reduction = Reduction(how)
        frames = data if stack.frames else data[np.newaxis]
        valid = None
        if mask is not None:
            valid = np.broadcast_to(~mask[..., list(numbers), :, :], data.shape)
            valid = valid.reshape(frames.shape)
        step = max(1, CHUNK_BYTES // (8 * int(np.prod(data.shape[-3:]))))
        for index in np.ndindex(frames.shape[:-4]):
            for start in range(0, frames.shape[-4], step):
                chunk = (*index, slice(start, start + step))
                reduction.add(frames[chunk], None if valid is None else valid[chunk])
        parts.append((reduction.result(), numbers))
    return Stack(tuple(parts), (), parts[0][0].dtype)


def crop_plan(plan: Plan, region: Window) -> Plan:
    """Return the plan of a window of the image.

    Raises
    ------
    GeometryError
        If the region is not two slices, or holds no pixel.
    """
    (top, bottom), (left, right) = _window(region, plan.grid.shape)
    grid = replace(
        plan.grid,
        shape=(bottom - top, right - left),
        centre=(plan.grid.centre[0] - top, plan.grid.centre[1] - left),
    )
    if isinstance(plan, NearestPlan):
        return NearestPlan(grid, plan.table[top:bottom, left:right])
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
    if any(step != 1 or stop <= start for start, stop, step in spans):
        raise GeometryError(
            f"region {region!r} holds no pixels in steps of 1 of the image, which has "
            f"{shape[0]} × {shape[1]} pixels (y, x)"
        )
    return [(start, stop) for start, stop, _ in spans]


def move_tiles(tiles: IntArray, shift: tuple[int, int], shape: tuple[int, int]) -> IntArray:
    """Shift a table of tiles by (rows, columns) and clip it to an image of a shape."""
    from geomlib.kernels.snap import (
        BOTTOM,
        FS,
        FS_ALONG,
        FS_UP,
        LEFT,
        RIGHT,
        SS,
        SS_ALONG,
        SS_UP,
        TOP,
    )

    moved = tiles.copy()
    moved[:, [TOP, BOTTOM]] += shift[0]
    moved[:, [LEFT, RIGHT]] += shift[1]
    for first, last, ss_step, fs_step, size in (
        (TOP, BOTTOM, SS_UP, FS_UP, shape[0]),
        (LEFT, RIGHT, SS_ALONG, FS_ALONG, shape[1]),
    ):
        cut = np.maximum(-moved[:, first], 0)
        moved[:, SS] += cut * moved[:, ss_step]
        moved[:, FS] += cut * moved[:, fs_step]
        moved[:, first] += cut
        moved[:, last] = np.minimum(moved[:, last], size)
    return moved[(moved[:, TOP] < moved[:, BOTTOM]) & (moved[:, LEFT] < moved[:, RIGHT])]


def check_binning(binning: int, out: NDArray | None) -> None:
    """Check the option ``binning``.

    Raises
    ------
    GeometryError
        If it is not a whole number of at least 1, or comes with `out`.
    """
    whole = isinstance(binning, (int, np.integer)) and not isinstance(binning, bool)
    if not whole or binning < 1:
        raise GeometryError(f"binning must be a whole number of at least 1, not {binning!r}")
    if out is not None:
        raise GeometryError("out cannot be given together with binning")


def bin_image(image: NDArray, grid: Grid, binning: int) -> tuple[NDArray, Grid]:
    """Average blocks of pixels; NaN does not count, an incomplete last block is left out.

    Parameters
    ----------
    image : ndarray of floating numbers, shape (…, y, x)
        Assembled frames, NaN where there is nothing.
    grid : Grid
        Of the image.
    binning : int
        Side of a block, in pixels.

    Raises
    ------
    GeometryError
        If the image is smaller than one block.
    """
    n_y, n_x = (n // binning for n in grid.shape)
    if not n_y or not n_x:
        raise GeometryError(
            f"binning={binning} is more than the image has pixels: {grid.shape} (y, x)"
        )
    cut = image[..., : n_y * binning, : n_x * binning]
    blocks = cut.reshape(*cut.shape[:-2], n_y, binning, n_x, binning)
    out = np.empty((*cut.shape[:-2], n_y, n_x), dtype=image.dtype)
    for frame in np.ndindex(cut.shape[:-2]):
        good = is_value(blocks[frame])
        total = np.sum(blocks[frame], axis=(1, 3), dtype=np.float64, where=good)
        with np.errstate(invalid="ignore"):
            out[frame] = total / good.sum(axis=(1, 3))
    size_y, size_x = grid.pixel_size
    centre_y, centre_x = grid.centre
    binned = Grid(
        (n_y, n_x),
        (centre_y / binning, centre_x / binning),
        (size_y * binning, size_x * binning),
    )
    return out, binned
