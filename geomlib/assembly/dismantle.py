"""`dismantle_image`: the way back from images to module data."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import numpy as np
import numpy.typing as npt

from geomlib.assembly.assemble import Method, check_geometry, cut
from geomlib.assembly.fill import fill_value, raw_view
from geomlib.assembly.image import AssembledImage
from geomlib.assembly.inputs import frame_blocks, plain_array
from geomlib.assembly.options import move_tiles
from geomlib.assembly.plan import Grid, SnapPlan, make_plan, tile_boxes
from geomlib.detector import Detector, tile_map
from geomlib.errors import GeometryError
from geomlib.geometry import Geometry
from geomlib.threads import check_threads, run_pieces

NDArray = npt.NDArray[Any]


def dismantle_image(
    image: npt.ArrayLike | AssembledImage,
    geometry: Geometry,
    *,
    method: Method | None = None,
    out: NDArray | None = None,
    fill: float | None = None,
    centred: bool = False,
    threads: int | None = None,
) -> NDArray:
    """Take assembled images, or a mask drawn on one, apart into module data.

    The exact inverse of `assemble_data` with method ``"snap"``, but where tiles overlap: there
    both get the values of the later tile.

    Parameters
    ----------
    image : array_like or AssembledImage, shape (…, y, x)
        An array must have the shape that `assemble_data` gives; an `AssembledImage` may be a
        region.
    geometry : Geometry
        That it was assembled with.
    method : {"snap", "nearest"}, optional
        How it was assembled; default: that of an `AssembledImage`, else ``"snap"``. With
        ``"nearest"`` each data pixel takes the image pixel in which its centre lies.
    out : ndarray, shape (…, modules, ss, fs), optional
        Where to write.
    fill : float, optional
        Value of data outside the image or without a tile; default NaN, or 0 for integers.
    centred : bool
        An array was assembled with ``centred=True``.
    threads : int, optional
        Default: the processors that this process may use. Frames are shared out among them.

    Returns
    -------
    ndarray, shape (…, modules, ss, fs)

    Raises
    ------
    GeometryError
        If the image does not have the shape that the geometry gives, or is binned.
    """
    check_geometry(geometry, "dismantle_image(image, geometry)")
    workers = check_threads(threads)
    given = image if isinstance(image, AssembledImage) else None
    how = method or (given.method if given is not None else "snap")
    array = plain_array(image if given is None else given.data, "image")
    plan = make_plan(geometry, how, bool(centred))
    if given is not None:
        _check_same(given, geometry)
    grid = _place(array, given, plan.grid)
    frames = array.shape[:-2]
    stack = _output(out, (*frames, *geometry.data_shape), array.dtype)
    value = fill_value(fill, stack.dtype)
    if isinstance(plan, SnapPlan):
        copy = _snap_copy(plan, grid, geometry.detector, stack, value)
    else:
        copy = _nearest_copy(geometry, grid, value)
    pieces = [
        partial(copy, source, target, first, last)
        for source, target in frame_blocks(frames, array, stack)
        for first, last, _, _ in cut(len(source), 1, min(workers, len(source)))
    ]
    run_pieces(pieces, workers)
    return stack


Copy = Callable[[NDArray, NDArray, int, int], None]


def _snap_copy(plan: SnapPlan, grid: Grid, detector: Detector, stack: NDArray, value: Any) -> Copy:
    from geomlib.kernels.snap import dismantle_tiles, dismantle_with_numpy

    shift = tuple(int(a - b) for a, b in zip(grid.centre, plan.grid.centre, strict=True))
    tiles = move_tiles(plan.tiles, (shift[0], shift[1]), grid.shape)
    clipped = not np.array_equal(np.diff(tile_boxes(tiles)), np.diff(tile_boxes(plan.tiles)))
    if clipped or (tile_map(detector) < 0).any():
        stack[...] = value
    kernel = dismantle_with_numpy if stack.dtype.kind == "c" else dismantle_tiles

    def copy(source: NDArray, target: NDArray, first: int, last: int) -> None:
        kernel(raw_view(source), tiles, raw_view(target), first, last)

    return copy


def _nearest_copy(geometry: Geometry, grid: Grid, value: Any) -> Copy:
    from geomlib.kernels.lookup import gather

    table = pixel_table(geometry, grid.shape, grid.centre, grid.pixel_size)
    scalar = raw_view(np.array(value))[()]

    def copy(source: NDArray, target: NDArray, first: int, last: int) -> None:
        for frame in range(first, last):
            pixels = raw_view(source[frame]).reshape(-1)
            for module in range(len(table)):
                one = raw_view(target[frame, module])
                gather(pixels, table[module], one, scalar, 0, len(one))

    return copy


@lru_cache(maxsize=4)
def pixel_table(
    geometry: Geometry,
    shape: tuple[int, int],
    centre: tuple[float, float],
    pixel_size: tuple[float, float],
) -> npt.NDArray[np.int32]:
    """Find the image pixel that holds the centre of each data pixel.

    Returns
    -------
    ndarray of int32, shape (modules, ss, fs)
        Number of the pixel, counted through (y, x); -1 for none.
    """
    positions = geometry.pixel_positions()
    # Rounding as in the plan: a centre on the border of two pixels goes the same way everywhere.
    y = np.floor(np.round(positions[..., 1] / pixel_size[0] + centre[0], 7))
    x = np.floor(np.round(positions[..., 0] / pixel_size[1] + centre[1], 7))
    inside = (y >= 0) & (y < shape[0]) & (x >= 0) & (x < shape[1])
    table = np.where(inside, y * shape[1] + x, -1).astype(np.int32)
    table.flags.writeable = False
    return table


def _check_same(image: AssembledImage, geometry: Geometry) -> None:
    """Refuse an image that was assembled with another geometry."""
    own = image.geometry
    if own.detector != geometry.detector:
        raise GeometryError(f"image is of {own.detector!r}, but geometry of {geometry.detector!r}")
    if not all(np.array_equal(a, b) for a, b in zip(own.tiles, geometry.tiles, strict=True)):
        raise GeometryError(
            "image was assembled with another geometry; pass image.geometry, or image.data for an "
            "array without one"
        )


def _place(array: NDArray, image: AssembledImage | None, grid: Grid) -> Grid:
    """Return the grid of the image that is given."""
    if image is None:
        if array.ndim < 2 or array.shape[-2:] != grid.shape:
            raise GeometryError(
                f"image has shape {array.shape}; this geometry assembles into (…, "
                f"{grid.shape[0]}, {grid.shape[1]})"
            )
        return grid
    if not np.allclose(image.pixel_size, grid.pixel_size, rtol=1e-9):
        raise GeometryError(
            f"image has pixels of {image.pixel_size} m (y, x), the geometry's grid "
            f"{grid.pixel_size} m: a binned image cannot be taken apart"
        )
    n_y, n_x = array.shape[-2:]
    centre_y, centre_x = (int(c) for c in image.centre)
    return Grid((n_y, n_x), (centre_y, centre_x), grid.pixel_size)


def _output(out: NDArray | None, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray:
    if out is None:
        return np.empty(shape, dtype=dtype)
    if not isinstance(out, np.ndarray) or out.shape != shape or out.dtype != dtype:
        found = f"{out.dtype} {out.shape}" if isinstance(out, np.ndarray) else type(out).__name__
        raise GeometryError(f"out must be a {dtype} array of shape {shape}, not {found}")
    if not out.flags.writeable:
        raise GeometryError("out is read-only")
    return out
