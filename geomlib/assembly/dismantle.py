"""`dismantle_image`: the way back from images to module data."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, get_args

import numpy as np
import numpy.typing as npt

from geomlib import checks
from geomlib.assembly.assemble import Method, check_geometry, choose_threads
from geomlib.assembly.fill import check_no_mask, fill_value
from geomlib.assembly.image import AssembledImage
from geomlib.assembly.inputs import Stack, plain_array
from geomlib.assembly.memory import image_room
from geomlib.assembly.options import move_tiles
from geomlib.assembly.plan import (
    Grid,
    NearestPlan,
    Plan,
    SnapPlan,
    data_boxes,
    in_reading_order,
    make_plan,
    uncovered,
)
from geomlib.assembly.split import split_grid
from geomlib.errors import GeometryError
from geomlib.geometry import Geometry

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
    method : {"snap", "nearest", "split"}, optional
        How it was assembled; default: that of an `AssembledImage`, else ``"snap"``. With the others
        each data pixel takes the image pixel in which its centre lies.
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
    given = image if isinstance(image, AssembledImage) else None
    how = method or (given.method if given is not None else "snap")
    array = plain_array(image if given is None else given.data, "image")
    if how not in get_args(Method):
        raise GeometryError(f"method must be 'snap', 'nearest' or 'split', not {checks.shown(how)}")
    # Where pixels were split, each data pixel looks its centre up too.
    by = "snap" if how == "snap" else "nearest"
    plan = make_plan(geometry, by, checks.flag("centred", centred))
    if given is not None:
        _check_same(given, geometry)
        check_window(given, geometry)
    grid = _place(array, given, plan.grid)
    frames = array.shape[:-2]
    stack = _output(out, (*frames, *geometry.data_shape), array.dtype)
    if isinstance(plan, SnapPlan):
        back: Plan = _invert(plan, grid.shape, grid.centre, geometry.data_shape)
    else:
        away = None if given is None else given.distance
        table = pixel_table(geometry, grid.shape, grid.centre, grid.pixel_size, away)
        joined = table.reshape(-1, table.shape[-1])
        back = NearestPlan(Grid(joined.shape, (0, 0), grid.pixel_size), joined)
    pixels = Stack(((array[..., np.newaxis, :, :], (0,)),), frames, array.dtype)
    modules, ss, fs = geometry.data_shape
    target = stack.reshape(*frames, modules * ss, fs)
    from geomlib.assembly.run import Finish, run_plan

    finish = Finish(fill_value(fill, stack.dtype))
    workers = choose_threads(threads, frames, back.grid, stack.dtype)
    run_plan(back, (1, *grid.shape), pixels, target, finish, workers)
    if not np.may_share_memory(target, stack):
        stack[...] = target.reshape(stack.shape)
    return stack


@lru_cache(maxsize=32)
def _invert(
    plan: SnapPlan,
    shape: tuple[int, int],
    centre: tuple[float, float],
    data_shape: tuple[int, int, int],
) -> SnapPlan:
    """Return the plan of the way back, to an image of all modules one above the other.

    The assembled image, or the window of it that ``shape`` and ``centre`` tell, becomes the only
    module of the data. The steps of a tile form a matrix of quarter turns, so that its transpose is
    its inverse.
    """
    from geomlib.kernels import snap as s

    shift = (int(centre[0] - plan.grid.centre[0]), int(centre[1] - plan.grid.centre[1]))
    tiles = move_tiles(plan.tiles, shift, shape)
    modules, n_ss, n_fs = data_shape
    (first, last), here = data_boxes(tiles), tiles[:, [s.SS, s.FS]]
    away = first - here
    back = np.zeros_like(tiles)
    back[:, s.SS] = tiles[:, s.TOP] + (away * tiles[:, [s.SS_UP, s.FS_UP]]).sum(axis=1)
    back[:, s.FS] = tiles[:, s.LEFT] + (away * tiles[:, [s.SS_ALONG, s.FS_ALONG]]).sum(axis=1)
    above = tiles[:, s.MODULE] * n_ss
    back[:, s.TOP], back[:, s.BOTTOM] = above + first[:, 0], above + last[:, 0] + 1
    back[:, s.LEFT], back[:, s.RIGHT] = first[:, 1], last[:, 1] + 1
    steps = [s.SS_UP, s.SS_ALONG, s.FS_UP, s.FS_ALONG]
    back[:, [s.SS_UP, s.FS_UP, s.SS_ALONG, s.FS_ALONG]] = tiles[:, steps]
    grid = Grid((modules * n_ss, n_fs), (0, 0), (1.0, 1.0))
    back = in_reading_order(back)
    return SnapPlan(grid, back, uncovered(grid.shape, back))


@lru_cache(maxsize=4)
def pixel_table(
    geometry: Geometry,
    shape: tuple[int, int],
    centre: tuple[float, float],
    pixel_size: tuple[float, float],
    distance: float | None = None,
) -> npt.NDArray[np.int32]:
    """Find the image pixel that holds the centre of each data pixel, as seen from a distance.

    Returns
    -------
    ndarray of int32, shape (modules, ss, fs)
        Number of the pixel, counted through (y, x); -1 for none.
    """
    positions = geometry.pixel_positions()
    if distance is not None:
        positions = positions / (1 + positions[..., 2:] / distance)
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


def check_window(image: AssembledImage, geometry: Geometry, name: str = "image") -> None:
    """Refuse an image that reaches out of the whole image of its method.

    Raises
    ------
    GeometryError
        If it is larger, or its centre puts it elsewhere.
    """
    if image.method == "split":
        pixel = np.array(image.pixel_size[::-1])
        grid = split_grid(geometry, pixel, image.distance, True)
    else:
        grid = make_plan(geometry, image.method, True).grid
    size, whole_size = np.array(image.pixel_size), np.array(grid.pixel_size)
    low, whole_low = -np.array(image.centre) * size, -np.array(grid.centre) * whole_size
    high = low + np.array(image.shape[-2:]) * size
    whole_high = whole_low + np.array(grid.shape) * whole_size
    slack = 1e-3 * whole_size
    if (low < whole_low - slack).any() or (high > whole_high + slack).any():
        raise GeometryError(
            f"{name} has shape {image.shape} and centre {np.asarray(image.centre).tolist()}: it "
            "reaches out of the image that this geometry assembles into; keep the shape and the "
            "centre that assemble_data gave"
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
        return image_room(shape, dtype)
    check_no_mask(out)
    if not isinstance(out, np.ndarray) or out.shape != shape or out.dtype != dtype:
        found = f"{out.dtype} {out.shape}" if isinstance(out, np.ndarray) else type(out).__name__
        raise GeometryError(f"out must be a {dtype} array of shape {shape}, not {found}")
    if not out.flags.writeable:
        raise GeometryError("out is read-only")
    return out
