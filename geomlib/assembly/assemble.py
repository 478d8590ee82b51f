"""`assemble_data`: module data to images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from geomlib.assembly.image import AssembledImage
from geomlib.assembly.inputs import Axes, Stack, as_stack, frame_blocks
from geomlib.assembly.options import (
    Window,
    bin_image,
    check_binning,
    check_mask,
    crop_plan,
    mask_stack,
    reduce_stack,
)
from geomlib.assembly.plan import NearestPlan, Plan, SnapPlan, make_plan, tile_boxes
from geomlib.assembly.reduction import How
from geomlib.errors import GeometryError
from geomlib.geometry import Geometry
from geomlib.threads import check_threads, run_pieces

if TYPE_CHECKING:
    from collections.abc import Mapping

NDArray = npt.NDArray[Any]
Method = Literal["snap", "nearest"]
#: Frames or rows are cut into this many pieces a thread, so that no thread waits long at the end.
PIECES_A_THREAD = 4


def assemble_data(
    data: npt.ArrayLike | Mapping[int, npt.ArrayLike],
    geometry: Geometry,
    *,
    method: Method = "snap",
    axes: Axes | None = None,
    out: NDArray | None = None,
    dtype: npt.DTypeLike | None = None,
    fill: float | None = None,
    mask: npt.ArrayLike | None = None,
    reduce: How | None = None,
    centred: bool = False,
    region: Window | None = None,
    binning: int | None = None,
    threads: int | None = None,
) -> AssembledImage:
    """Assemble module data into images, according to where the pixels are.

    Parameters
    ----------
    data : array_like, xarray.DataArray or mapping of int to array_like
        Shape (…, modules, ss, fs), any leading axes. An xarray array with a dimension ``module``
        may hold some of the modules only (its labels count from 1 for JUNGFRAU, else from 0), as
        may a mapping of module numbers (from 0) to arrays (…, ss, fs); missing modules stay gaps.
        Other forms in which data of a detector is stored are understood: pnCCD as one image, ePix
        with calibration rows, a single JUNGFRAU module without its axis, modules joined along
        slow scan.
    geometry : Geometry
        Where the pixels are.
    method : {"snap", "nearest"}
        ``"snap"`` moves each tile to the nearest whole pixel and quarter turn: fast, and every
        data pixel is one image pixel. ``"nearest"`` takes, for each image pixel, the data pixel
        whose (nominal) area covers its centre: right for tiles at any angle and of any pitch.
    axes : {"stream"}, optional
        Data has the axes (…, module, fs, ss, pulse), as live streams send it; the frames come out
        as (…, pulse).
    out : ndarray, optional
        Where to write, shape (…, y, x); see `output_array`. Missing modules are overwritten with
        the fill value; with method ``"snap"`` pixels that belong to no tile are left alone unless
        `fill` is given.
    dtype : dtype, optional
        Of the image; default: that of `out`, else of the data (of the result, for `reduce`).
    fill : float, optional
        Value of gaps, missing modules and masked pixels; default NaN, or 0 where the image holds
        integers.
    mask : array_like of bool, optional
        True for pixels to leave out; must broadcast to the data, as (modules, ss, fs) does.
    reduce : {"mean", "sum", "max", "min", "std"}, optional
        Reduce all leading axes before assembling; NaN and masked pixels do not count.
    centred : bool
        Make the image larger so that the origin of the lab lies in its middle.
    region : (slice, slice), optional
        Assemble only this window of the image, as rows and columns, for instance
        ``np.s_[100:200, :50]``.
    binning : int, optional
        Average blocks of so many pixels a side; NaN does not count, and what does not fill a block
        at the high end is left out. The image becomes floating.
    threads : int, optional
        Default: the processors that this process may use. The result does not depend on it.

    Returns
    -------
    AssembledImage
        Rows count up in y, columns in x. Unpacks as ``data, centre``.

    Raises
    ------
    GeometryError
        If shape, dtype, module numbers or an option do not fit; the message says what is expected.

    Examples
    --------
    >>> import numpy as np, geomlib
    >>> geom = geomlib.example_geometry("AGIPD-1M")
    >>> image = geomlib.assemble_data(np.ones(geom.data_shape, dtype=np.float32), geom)
    >>> image.data.shape, image.centre.tolist()
    ((1256, 1092), [631, 550])
    """
    if not isinstance(geometry, Geometry):
        raise GeometryError(
            f"geometry must be a Geometry, not {type(geometry).__name__}: the order is "
            "assemble_data(data, geometry)"
        )
    workers = check_threads(threads)
    stack = as_stack(data, geometry.detector, axes)
    masked = None if mask is None else check_mask(mask, stack, geometry.detector)
    if reduce is not None:
        stack = reduce_stack(stack, reduce, masked)
    elif masked is not None:
        wanted = _image_dtype(stack, out, dtype)
        _check_cast(stack.dtype, wanted)
        stack = mask_stack(stack, masked, fill_value(fill, wanted))
    if binning is not None:
        check_binning(binning, out)
    plan = make_plan(geometry, method, bool(centred))
    if region is not None:
        plan = crop_plan(plan, region)
    image, grid = run_plan(plan, stack, out, dtype, fill, workers), plan.grid
    if binning is not None:
        image, grid = bin_image(image, grid, binning)
    return AssembledImage(image, np.array(grid.centre), grid.pixel_size, geometry, method)


def output_array(
    geometry: Geometry,
    frames_shape: tuple[int, ...] | int = (),
    dtype: npt.DTypeLike = np.float32,
    *,
    method: Method = "snap",
    fill: float | None = None,
    centred: bool = False,
) -> NDArray:
    """Make an array to use as ``out`` of `assemble_data`, again and again.

    Parameters
    ----------
    geometry : Geometry
        As for `assemble_data`.
    frames_shape : tuple of int or int
        The leading axes.
    dtype : dtype
        Of the images.
    method, fill, centred
        As for `assemble_data`.

    Returns
    -------
    ndarray, shape (*frames_shape, y, x)
        Full of the fill value: NaN, or 0 for integers, unless `fill` says otherwise.
    """
    shape = (frames_shape,) if isinstance(frames_shape, (int, np.integer)) else tuple(frames_shape)
    kind = np.dtype(dtype)
    grid = make_plan(geometry, method, bool(centred)).grid
    return np.full((*shape, *grid.shape), fill_value(fill, kind), dtype=kind)


def fill_value(fill: float | None, dtype: np.dtype[Any]) -> Any:
    """Return the value of missing pixels as a scalar of the image's dtype.

    Raises
    ------
    GeometryError
        If the dtype cannot hold it.
    """
    if fill is None:
        return dtype.type(np.nan if dtype.kind in "fc" else 0)
    try:
        with np.errstate(all="ignore"):
            value = np.asarray(fill).astype(dtype)[()]
        same = bool(value == fill) or dtype.kind in "fc"
    except (TypeError, ValueError, OverflowError, RuntimeWarning):
        same = False
    if not same:
        raise GeometryError(
            f"fill={fill!r} cannot be held by {dtype} pixels; pass dtype='float32' for NaN in "
            "images of integers"
        )
    return value


def run_plan(
    plan: Plan,
    stack: Stack,
    out: NDArray | None,
    dtype: npt.DTypeLike | None,
    fill: float | None,
    threads: int,
) -> NDArray:
    """Carry out a plan on a stack; returns (…, y, x)."""
    shape = (*stack.frames, *plan.grid.shape)
    wanted = _image_dtype(stack, out, dtype)
    _check_cast(stack.dtype, wanted)
    image = np.empty(shape, dtype=wanted) if out is None else _check_out(out, shape, dtype)
    if np.float16 in (stack.dtype, wanted) and stack.dtype != wanted:
        # The compiler has no half-precision arithmetic on this kind of processor.
        parts = tuple((data.astype(wanted), numbers) for data, numbers in stack.parts)
        stack = replace(stack, parts=parts, dtype=wanted)
    value = fill_value(fill, image.dtype)
    if isinstance(plan, NearestPlan):
        _run_nearest(plan, stack, image, value, threads)
    else:
        _run_snap(plan, stack, image, value, threads, gaps=out is None or fill is not None)
    return image


def _image_dtype(stack: Stack, out: NDArray | None, dtype: npt.DTypeLike | None) -> np.dtype[Any]:
    if isinstance(out, np.ndarray):
        return out.dtype
    return stack.dtype if dtype is None else np.dtype(dtype)


def _check_out(out: NDArray, shape: tuple[int, ...], dtype: npt.DTypeLike | None) -> NDArray:
    if not isinstance(out, np.ndarray) or out.shape != shape:
        found = f"shape {out.shape}" if isinstance(out, np.ndarray) else type(out).__name__
        raise GeometryError(
            f"out must be an array of shape {shape}, not {found}; "
            "output_array(geometry, frames_shape, dtype) makes one"
        )
    if not out.flags.writeable:
        raise GeometryError("out is read-only")
    if dtype is not None and np.dtype(dtype) != out.dtype:
        raise GeometryError(f"dtype={np.dtype(dtype)} and out of {out.dtype} contradict each other")
    if not out.dtype.isnative:
        raise GeometryError(f"out must have native byte order, not {out.dtype}")
    return out


def _check_cast(given: np.dtype[Any], wanted: np.dtype[Any]) -> None:
    """Allow what loses nothing, and any real number to floating: rounding is expected there."""
    if np.can_cast(given, wanted, "safe") or (given.kind in "biuf" and wanted.kind == "f"):
        return
    raise GeometryError(
        f"data of {given} cannot be assembled into {wanted} without loss; convert it yourself if "
        "that is what you want: data.astype(...)"
    )


def cut(n_frames: int, n_rows: int, threads: int) -> list[tuple[int, int, int, int]]:
    """Cut frames, or rows where there are fewer frames than threads, into disjoint pieces.

    Returns
    -------
    list of (int, int, int, int)
        First and last-plus-one frame, first and last-plus-one row.
    """
    wanted = threads * PIECES_A_THREAD if threads > 1 else 1
    if n_frames >= threads:
        steps = np.linspace(0, n_frames, min(wanted, n_frames) + 1).astype(int)
        return [(int(a), int(b), 0, n_rows) for a, b in pairwise(steps)]
    steps = np.linspace(0, n_rows, min(wanted, n_rows) + 1).astype(int)
    return [
        (frame, frame + 1, int(a), int(b)) for frame in range(n_frames) for a, b in pairwise(steps)
    ]


def raw_view(array: NDArray) -> NDArray:
    """View numbers as unsigned integers of the same size: one compiled copy serves them all."""
    if array.dtype.kind == "c" and array.dtype.itemsize == 16:
        return array
    return array.view(f"u{array.dtype.itemsize}")


def _run_snap(
    plan: SnapPlan, stack: Stack, image: NDArray, value: Any, threads: int, *, gaps: bool
) -> None:
    from geomlib.kernels import snap

    modules = plan.tiles[:, snap.MODULE]
    absent = ~np.isin(modules, list(stack.modules))
    boxes = [*(plan.gaps if gaps else ()), *tile_boxes(plan.tiles[absent])]
    for top, bottom, left, right in boxes:
        image[..., top:bottom, left:right] = value
    tables = []
    for _, numbers in stack.parts:
        order = {module: i for i, module in enumerate(numbers)}
        tiles = plan.tiles[np.isin(modules, numbers)].copy()
        tiles[:, snap.MODULE] = [order[int(m)] for m in tiles[:, snap.MODULE]]
        tables.append(tiles)
    view = raw_view if stack.dtype == image.dtype else np.asarray
    pieces: list[Callable[[], None]] = []
    for target, *sources in frame_blocks(stack.frames, image, *(data for data, _ in stack.parts)):
        copies = [
            partial(snap.assemble_tiles, view(source), tiles, view(target))
            for source, tiles in zip(sources, tables, strict=True)
        ]
        # All modules of a piece in turn, so that of two overlapping tiles the later one wins.
        pieces.extend(
            partial(_call_all, copies, piece)
            for piece in cut(len(target), target.shape[-2], threads)
        )
    run_pieces(pieces, threads)


def _call_all(functions: Sequence[Callable[..., None]], arguments: tuple[int, ...]) -> None:
    for function in functions:
        function(*arguments)


def _run_nearest(plan: NearestPlan, stack: Stack, image: NDArray, value: Any, threads: int) -> None:
    from geomlib.kernels.lookup import gather

    data, numbers = stack.parts[0]
    if len(stack.parts) > 1:
        data = np.concatenate([part for part, _ in stack.parts], axis=-3)
        numbers = tuple(n for _, part in stack.parts for n in part)
    table = plan.table
    if numbers != tuple(range(len(numbers))) or table[..., 0].max(initial=-1) >= len(numbers):
        position = np.full(int(table[..., 0].max(initial=0)) + 2, -1, dtype=np.int32)
        for i, number in enumerate(numbers):
            if number < len(position) - 1:
                position[number] = i
        table = table.copy()
        table[..., 0] = position[table[..., 0]]
    pieces: list[Callable[[], None]] = []
    for source, target in frame_blocks(stack.frames, data, image):
        for piece in cut(len(source), target.shape[-2], threads):
            pieces.append(partial(gather, source, table, target, value, *piece))
    run_pieces(pieces, threads)
