"""`dismantle_mask`: masks drawn on an image travel back to the modules."""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from geomlib import checks
from geomlib.assembly.assemble import Method
from geomlib.assembly.dismantle import check_window, dismantle_image
from geomlib.assembly.image import AssembledImage
from geomlib.assembly.inputs import check_geometry
from geomlib.assembly.plan import Grid, make_plan
from geomlib.assembly.split import plan_on_grid, split_plan
from geomlib.errors import GeometryError
from geomlib.geometry import Geometry
from geomlib.threads import check_threads

NDArray = npt.NDArray[Any]
BoolArray = npt.NDArray[np.bool_]
Rule = Literal["nearest", "any"]
#: A data pixel that overlaps a masked image pixel by less than this part of the smaller of the two
#: does so by rounding.
LEAST_OVERLAP = 1e-6


def dismantle_mask(
    mask: npt.ArrayLike | AssembledImage,
    geometry: Geometry,
    *,
    rule: Rule = "nearest",
    method: Method | None = None,
    pixel_size: float | tuple[float, float] | None = None,
    oversample: int = 1,
    distance: float | None = None,
    centred: bool = False,
    threads: int | None = None,
) -> BoolArray:
    """Take a mask that was drawn on an assembled image back to the modules.

    Parameters
    ----------
    mask : array_like of bool or AssembledImage, shape (…, y, x)
        True for masked image pixels. An `AssembledImage` knows its own pixels, and may be a region
        or binned: ``dataclasses.replace(image, data=image.data > 1e4)``. An array must have the
        shape of the image that the other options make.
    geometry : Geometry
        That the image was assembled with.
    rule : {"nearest", "any"}
        Mask the data pixels whose centres lie in a masked image pixel; or all whose areas, as they
        lie in space, overlap one by more than rounding errors.
    method : {"snap", "nearest", "split"}, optional
        How the image was assembled; default: that of an `AssembledImage`, else ``"snap"``. There
        every data pixel is one image pixel, so that the two rules are the same.
    pixel_size, oversample, centred
        Of the image, if it is an array; see `assemble_data`.
    distance : float, optional
        As it was given to `assemble_data`, with method ``"split"``; an `AssembledImage` knows it.
    threads : int, optional
        Default: the processors that this process may use.

    Returns
    -------
    ndarray of bool, shape (…, modules, ss, fs)
        False for data pixels outside of the image.

    Raises
    ------
    GeometryError
        If the mask is not of bool, has another shape than the image, or an option does not fit.
    """
    check_geometry(geometry, "dismantle_mask(mask, geometry)")
    if not isinstance(rule, str) or rule not in get_args(Rule):
        raise GeometryError(f"rule must be 'nearest' or 'any', not {checks.shown(rule)}")
    given = mask if isinstance(mask, AssembledImage) else None
    how = method or (given.method if given is not None else "snap")
    if how not in get_args(Method):
        raise GeometryError(f"method must be 'snap', 'nearest' or 'split', not {how!r}")
    if how != "split" and distance is not None:
        raise GeometryError(f"distance goes with method='split', not {how!r}")
    workers = check_threads(threads)
    array = _bool_array(mask if given is None else given.data)
    options: dict[str, Any] = {
        "pixel_size": pixel_size,
        "oversample": oversample,
        "centred": centred,
    }
    if given is not None:
        _check_image(given, geometry, options)
        check_window(given, geometry, "mask")
        if distance not in (None, given.distance):
            raise GeometryError(
                f"distance={distance!r}, but the image was assembled with distance="
                f"{given.distance!r}, which it knows itself"
            )
        distance = given.distance if how == "split" else None
        centre_y, centre_x = (float(c) for c in given.centre)
        grid = Grid(array.shape[-2:], (centre_y, centre_x), given.pixel_size)
    elif how == "split":
        grid = split_plan(geometry, **options, distance=distance, threads=workers).grid
    else:
        if pixel_size is not None or oversample != 1:
            raise GeometryError("pixel_size and oversample go with method='split'")
        grid = make_plan(geometry, how, checks.flag("centred", centred)).grid
    if array.ndim < 2 or array.shape[-2:] != grid.shape:
        raise GeometryError(
            f"mask has shape {array.shape}, but the image (…, {grid.shape[0]}, {grid.shape[1]})"
        )
    if how == "snap":
        return _snapped(array, grid, geometry, workers)
    away = None if distance is None else checks.number("distance", distance, positive=True)
    if rule == "any":
        return _overlapped(array, grid, geometry, away, workers)
    return _centred_in(array, grid, geometry, away)


def _bool_array(mask: Any) -> BoolArray:
    array = np.asarray(mask)
    if array.dtype != np.bool_:
        raise GeometryError(
            f"mask must be boolean, True for masked image pixels, not {array.dtype}"
        )
    return array


def _check_image(image: AssembledImage, geometry: Geometry, options: dict[str, Any]) -> None:
    """Refuse an image of another geometry, and options that contradict it."""
    if options != {"pixel_size": None, "oversample": 1, "centred": False}:
        raise GeometryError(
            "pixel_size, oversample and centred are for arrays: an AssembledImage knows its own"
        )
    own = image.geometry
    if own.detector != geometry.detector or not all(
        np.array_equal(a, b) for a, b in zip(own.tiles, geometry.tiles, strict=True)
    ):
        raise GeometryError(
            "mask is an image that was assembled with another geometry; pass mask.geometry, or "
            "mask.data for an array without one"
        )


def _snapped(mask: BoolArray, grid: Grid, geometry: Geometry, threads: int) -> BoolArray:
    """Follow each data pixel to its image pixel, also where those were binned."""
    pixel = make_plan(geometry, "snap", False).grid.pixel_size
    binning = max(1, round(grid.pixel_size[0] / pixel[0]))
    if binning > 1:
        mask = np.repeat(np.repeat(mask, binning, axis=-2), binning, axis=-1)
    centre = np.around(np.array(grid.centre) * binning).astype(int)
    size = (grid.pixel_size[0] / binning, grid.pixel_size[1] / binning)
    image = AssembledImage(mask, centre, size, geometry, "snap")
    modules: BoolArray = dismantle_image(image, geometry, fill=False, threads=threads)
    return modules


def _overlapped(
    mask: BoolArray, grid: Grid, geometry: Geometry, distance: float | None, threads: int
) -> BoolArray:
    overlaps = plan_on_grid(geometry, grid, distance, threads).overlaps
    least = LEAST_OVERLAP * np.minimum(overlaps.pixel_areas.ravel()[overlaps.pixels], 1)
    real = overlaps.areas > least
    counts = np.diff(overlaps.starts)
    out = np.zeros((*mask.shape[:-2], overlaps.pixel_areas.size), dtype=np.bool_)
    for frame in np.ndindex(mask.shape[:-2]):
        hit = np.repeat(mask[frame].ravel(), counts) & real
        out[frame][overlaps.pixels[hit]] = True
    return out.reshape(*mask.shape[:-2], *geometry.data_shape)


def _centred_in(
    mask: BoolArray, grid: Grid, geometry: Geometry, distance: float | None
) -> BoolArray:
    x, y, z = np.moveaxis(geometry.pixel_positions(), -1, 0)
    if distance is not None:
        scale = 1 + z / distance
        x, y = x / scale, y / scale
    (n_y, n_x), (centre_y, centre_x) = grid.shape, grid.centre
    # Rounding as in the plan: a centre on the border of two pixels goes the same way everywhere.
    row = np.floor(np.round(y / grid.pixel_size[0] + centre_y, 7))
    column = np.floor(np.round(x / grid.pixel_size[1] + centre_x, 7))
    inside = (row >= 0) & (row < n_y) & (column >= 0) & (column < n_x)
    index = np.where(inside, row * n_x + column, 0).astype(np.int64)
    flat = mask.reshape(*mask.shape[:-2], -1)
    out: BoolArray = flat[..., index]
    out &= inside
    return out
