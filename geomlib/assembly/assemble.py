"""`assemble_data`: module data to images."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from geomlib.assembly.fill import (
    check_cast,
    check_dtype,
    fill_value,
    plain_view,
    raw_view,
)
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
from geomlib.assembly.reduction import How, mean_dtype
from geomlib.errors import GeometryError
from geomlib.geometry import Geometry
from geomlib.threads import check_threads, run_pieces

NDArray = npt.NDArray[Any]
Method = Literal["snap", "nearest"]
#: Frames or rows are cut into this many pieces a thread, so that no thread waits long at the end.
PIECES_A_THREAD = 4
#: Below so many bytes of output a second thread takes longer to wake than to help.
SERIAL_BYTES = 16 * 2**20


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
        with calibration rows, a single module without its axis (an array (1, ss, fs) then means
        one frame, not a stack of one), modules joined along slow scan.
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
        Average blocks of so many pixels a side; gaps, NaN and masked pixels do not count, and what
        does not fill a block at the high end is left out. The image becomes floating.
    threads : int, optional
        For copying into the image; default: the processors that this process may use, or 1 where
        there is little to copy. The result does not depend on it. Masks, `reduce` and `binning` are
        worked out on one thread.

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
    check_geometry(geometry, "assemble_data(data, geometry)")
    stack = as_stack(data, geometry.detector, axes)
    masked = None if mask is None else check_mask(mask, stack, geometry.detector)
    if reduce is not None:
        stack, masked = reduce_stack(stack, reduce, masked), None
    wanted = _image_dtype(stack, out, dtype)
    if binning is not None:
        check_binning(binning, out)
        wanted = _binned_dtype(stack, wanted if dtype is not None else None)
    check_cast(stack.dtype, wanted)
    if masked is not None:
        value = fill_value(None if binning is not None else fill, wanted)
        stack = mask_stack(stack, masked, value)
    plan = make_plan(geometry, method, bool(centred))
    if region is not None:
        plan = crop_plan(plan, region)
    grid = plan.grid
    if binning is None:
        image = run_plan(plan, stack, out, wanted, fill, threads)
    else:
        image, grid = bin_image(run_plan(plan, stack, None, wanted, None, threads), grid, binning)
        if fill is not None:
            image[np.isnan(image)] = fill_value(fill, wanted)
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

    Raises
    ------
    GeometryError
        If an argument does not fit.
    """
    check_geometry(geometry, "output_array(geometry, frames_shape)")
    given = (frames_shape,) if isinstance(frames_shape, (int, np.integer)) else frames_shape
    shape = tuple(given) if isinstance(given, (tuple, list)) else (None,)
    if not all(isinstance(n, (int, np.integer)) and n >= 0 for n in shape):
        raise GeometryError(
            f"frames_shape must be a number of frames, or a tuple of numbers, not {frames_shape!r}"
        )
    kind = check_dtype(dtype, "dtype")
    grid = make_plan(geometry, method, bool(centred)).grid
    return np.full((*shape, *grid.shape), fill_value(fill, kind), dtype=kind)


def check_geometry(geometry: object, call: str) -> None:
    """Refuse what is not a geometry.

    Raises
    ------
    GeometryError
        The message shows how the function is called.
    """
    if not isinstance(geometry, Geometry):
        raise GeometryError(
            f"geometry must be a Geometry, not {type(geometry).__name__}: the order is {call}"
        )


def run_plan(
    plan: Plan,
    stack: Stack,
    out: NDArray | None,
    dtype: np.dtype[Any],
    fill: float | None,
    threads: int | None,
) -> NDArray:
    """Carry out a plan on a stack; returns (…, y, x)."""
    shape = (*stack.frames, *plan.grid.shape)
    image = np.empty(shape, dtype=dtype) if out is None else _check_out(out, shape, dtype)
    workers = check_threads(threads)
    if threads is None and image.nbytes < SERIAL_BYTES:
        workers = 1
    if np.float16 in (stack.dtype, dtype) and stack.dtype != dtype:
        # The compiler has no half-precision arithmetic on this kind of processor.
        parts = tuple((data.astype(dtype), numbers) for data, numbers in stack.parts)
        stack = replace(stack, parts=parts, dtype=dtype)
    value = fill_value(fill, dtype)
    if isinstance(plan, NearestPlan):
        _run_nearest(plan, stack, image, value, workers)
    else:
        _run_snap(plan, stack, image, value, workers, gaps=out is None or fill is not None)
    return image


def _image_dtype(stack: Stack, out: NDArray | None, dtype: npt.DTypeLike | None) -> np.dtype[Any]:
    if out is None:
        return stack.dtype if dtype is None else check_dtype(dtype, "dtype")
    if not isinstance(out, np.ndarray):
        raise GeometryError(
            f"out must be an array, not {type(out).__name__}; "
            "output_array(geometry, frames_shape, dtype) makes one"
        )
    if not out.dtype.isnative or not out.flags.aligned:
        raise GeometryError(f"out must have native byte order and be aligned, not {out.dtype.str}")
    if dtype is not None and check_dtype(dtype, "dtype") != out.dtype:
        raise GeometryError(f"dtype={np.dtype(dtype)} and out of {out.dtype} contradict each other")
    return check_dtype(out.dtype, "out")


def _binned_dtype(stack: Stack, wanted: np.dtype[Any] | None) -> np.dtype[Any]:
    """Floating, so that gaps can be NaN and do not count."""
    dtype = wanted or mean_dtype(stack.dtype)
    if dtype.kind != "f" or stack.dtype.kind == "c":
        raise GeometryError(f"binned images are of real floating numbers, not {dtype}")
    return dtype


def _check_out(out: NDArray, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray:
    if out.shape != shape:
        raise GeometryError(
            f"out must be an array of shape {shape}, not shape {out.shape}; "
            "output_array(geometry, frames_shape, dtype) makes one"
        )
    if not out.flags.writeable:
        raise GeometryError("out is read-only")
    return out


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
    view = raw_view if stack.dtype == image.dtype else plain_view
    kernel = snap.assemble_with_numpy if image.dtype.kind == "c" else snap.assemble_tiles
    pieces: list[Callable[[], None]] = []
    for target, *sources in frame_blocks(stack.frames, image, *(data for data, _ in stack.parts)):
        copies = [
            partial(kernel, view(source), tiles, view(target))
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
    numbers = [n for _, part in stack.parts for n in part]
    table = _present(plan.table, numbers, int(np.prod(stack.parts[0][0].shape[-2:])))
    view = raw_view if stack.dtype == image.dtype else plain_view
    scalar = view(np.array(value))[()]
    pieces: list[Callable[[], None]] = []
    for target, *sources in frame_blocks(stack.frames, image, *(data for data, _ in stack.parts)):
        sources = [view(source) for source in sources]
        for first, last, low, high in cut(len(target), target.shape[-2], threads):
            piece = (slice(first, last), low, high)
            pieces.append(partial(_gather_frames, sources, table, view(target), scalar, piece))
    run_pieces(pieces, threads)


def _present(
    table: npt.NDArray[np.int32], numbers: list[int], module_size: int
) -> npt.NDArray[np.int32]:
    """Return the table for data that holds only some modules, one after another."""
    highest = int(table.max(initial=-1)) // module_size
    if numbers[: highest + 1] == list(range(highest + 1)):
        return table
    place = np.full(max(highest, *numbers) + 1, -1)
    place[numbers] = np.arange(len(numbers))
    module, rest = np.divmod(table, module_size)
    there = (table >= 0) & (place[module] >= 0)
    return np.where(there, place[module] * module_size + rest, -1).astype(np.int32)


def _gather_frames(
    sources: Sequence[NDArray],
    table: npt.NDArray[np.int32],
    image: NDArray,
    value: Any,
    piece: tuple[slice, int, int],
) -> None:
    from geomlib.kernels.lookup import gather

    frames, low, high = piece
    for frame in range(frames.start, frames.stop):
        parts = [source[frame] for source in sources]
        # Modules in one piece of memory, a frame at a time; nothing is copied where they are.
        pixels = parts[0] if len(parts) == 1 else np.concatenate(parts)
        gather(pixels.reshape(-1), table, image[frame], value, low, high)
