"""`assemble_data`: module data to images."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from geomlib import checks
from geomlib.assembly.accumulators import How
from geomlib.assembly.fill import check_cast, check_dtype, fill_value
from geomlib.assembly.image import AssembledImage
from geomlib.assembly.inputs import Axes, Stack, as_stack
from geomlib.assembly.memory import image_room
from geomlib.assembly.options import Window, binned_grid, crop_plan
from geomlib.assembly.plan import Grid, Plan, make_plan
from geomlib.assembly.prepared import kind_of_call, recall, remember
from geomlib.assembly.reduction import mean_dtype, reduce_stack
from geomlib.assembly.run import Finish, run_plan
from geomlib.assembly.sources import is_lazy
from geomlib.assembly.split import SplitPlan, Values, check_plan, run_split, split_plan
from geomlib.assembly.treatment import check_treatment
from geomlib.errors import GeometryError
from geomlib.geometry import Geometry
from geomlib.threads import check_threads

NDArray = npt.NDArray[Any]
Method = Literal["snap", "nearest", "split"]
#: Below so many bytes of output a second thread takes longer to wake than to help.
SERIAL_BYTES = 16 * 2**20


def assemble_data(
    data: npt.ArrayLike | Mapping[int, npt.ArrayLike] | Sequence[npt.ArrayLike | None],
    geometry: Geometry,
    *,
    method: Method = "snap",
    axes: Axes | None = None,
    out: NDArray | None = None,
    dtype: npt.DTypeLike | None = None,
    fill: float | None = None,
    mask: npt.ArrayLike | None = None,
    mask_bits: int | None = None,
    dark: npt.ArrayLike | None = None,
    gain: npt.ArrayLike | None = None,
    present: npt.ArrayLike | None = None,
    reduce: How | None = None,
    centred: bool = False,
    region: Window | None = None,
    binning: int | None = None,
    binning_mode: Literal["mean", "sum"] = "mean",
    values: Values = "intensity",
    pixel_size: float | tuple[float, float] | None = None,
    oversample: int = 1,
    distance: float | None = None,
    plan: SplitPlan | None = None,
    threads: int | None = None,
) -> AssembledImage:
    """Assemble module data into images, according to where the pixels are.

    Parameters
    ----------
    data : array_like, mapping, sequence, dataset or lazy array
        Shape (…, modules, ss, fs), any leading axes, any memory layout. Or a mapping of module
        numbers (from 0) to arrays (…, ss, fs), a list of them with None for those that are missing,
        or an xarray array with a dimension ``module`` (its labels count from 1 for JUNGFRAU, else
        from 0): missing modules stay gaps. An HDF5 dataset or another stored array is read a block
        of frames at a time; a dask array stays lazy.
        Other forms in which data of a detector is stored are understood: pnCCD as one image, ePix
        with calibration rows, a single module without its axis (an array (1, ss, fs) then means
        one frame, not a stack of one), modules joined along slow scan.
    geometry : Geometry
        Where the pixels are.
    method : {"snap", "nearest", "split"}
        ``"snap"`` moves each tile to the nearest whole pixel and quarter turn: fast, and every
        data pixel is one image pixel. ``"nearest"`` takes, for each image pixel, the data pixel
        whose (nominal) area covers its centre: right for tiles at any angle and of any pitch.
        ``"split"`` shares out each data pixel over the image pixels that its true area overlaps.
    axes : {"stream"}, optional
        Data has the axes (…, module, fs, ss, pulse), as live streams send it; the frames come out
        as (…, pulse).
    out : ndarray or dataset, optional
        Where to write, shape (…, y, x), all of it; see `output_array`.
    dtype : dtype, optional
        Of the image; default: that of `out`, else of the data, or of the result where numbers are
        worked out (`dark`, `gain`, `reduce`, `binning`, ``"split"``).
    fill : float, optional
        Value of gaps, missing modules and masked pixels; default NaN, or 0 where the image holds
        integers.
    mask : array_like of bool or integers, optional
        True, or any of the bits, for pixels to leave out; as `dark` and `gain` it broadcasts to the
        data: (modules, ss, fs), or one for each frame.
    mask_bits : int, optional
        Which bits of an integer `mask` count; default all.
    dark, gain : array_like, optional
        Numbers become ``(number - dark) * gain``. NaN marks a bad pixel.
    present : array_like of bool, optional
        Which modules are there, shape (modules,) or (…, modules).
    reduce : {"mean", "sum", "max", "min", "std"}, optional
        Reduce all leading axes before assembling; NaN, masked pixels and missing modules do not
        count.
    centred : bool
        Make the image larger so that the origin of the lab lies in its middle.
    region : (slice, slice), optional
        Assemble only this window of the image, as rows and columns, for instance
        ``np.s_[100:200, :50]``.
    binning : int, optional
        Make one of blocks of so many pixels a side; gaps, NaN and masked pixels do not count, and
        what does not fill a block at the high end is left out. The image becomes floating.
    binning_mode : {"mean", "sum"}
        How.
    values : {"intensity", "counts"}
        For ``"split"``: the mean over what covers an image pixel, weighted with area; or the sum of
        the shares, which keeps the total.
    pixel_size : float or (float, float), optional
        For ``"split"``: of the image, along (y, x), in metres; default: the pitch of the detector.
    oversample : int
        For ``"split"``: divide the pixel size by this.
    distance : float, optional
        For ``"split"``: project onto the plane z = 0 as seen from a sample so many metres before
        it; default: along the beam.
    plan : SplitPlan, optional
        For ``"split"``: from `split_plan` or `load_plan`, instead of the options of the image.
    threads : int, optional
        Default: the processors that this process may use, or 1 where there is little to do. The
        result does not depend on it.

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
    given = dict(locals())
    call = kind_of_call(given)
    known = recall(call)
    if known is not None:
        return known.assemble(np.asarray(data), out)
    check_geometry(geometry, "assemble_data(data, geometry)")
    if is_lazy(data, out):
        from geomlib.assembly.lazy import assemble_lazily

        options = {name: given[name] for name in given if name not in ("data", "geometry", "out")}
        return assemble_lazily(data, geometry, out, options)
    grid_options = {"pixel_size": pixel_size, "oversample": oversample, "distance": distance}
    how, whole = _make_plan(geometry, method, centred, plan, grid_options)
    stack = as_stack(data, geometry.detector, axes)
    kind = _given_dtype(out, dtype)
    treatment = check_treatment(
        stack.frames, geometry.detector, stack.dtype if kind is None else kind,
        mask=mask, mask_bits=mask_bits, dark=dark, gain=gain, present=present,
    )  # fmt: skip
    if reduce is not None:
        stack, treatment = reduce_stack(stack, reduce, treatment, threads), None
    scaled = treatment is not None and not (treatment.dark is None and treatment.gain is None)
    wanted = _image_dtype(stack, kind, scaled or binning is not None or how == "split")
    value = fill_value(fill, wanted)
    if reduce is not None and fill is not None:
        stack = _without_nan(stack, fill)
    if binning is not None and how == "split":
        raise GeometryError("binning cannot be given with method='split': choose its pixel_size")
    if binning_mode not in ("mean", "sum"):
        shown = checks.shown(binning_mode)
        raise GeometryError(f"binning_mode must be 'mean' or 'sum', not {shown}")
    used = whole if region is None else crop_plan(whole, region)
    grid = used.grid if binning is None else binned_grid(used.grid, binning)
    image = _room(out, (*stack.frames, *grid.shape), wanted)
    workers = choose_threads(threads, stack.frames, used.grid, wanted)
    if isinstance(used, SplitPlan):
        run_split(used, stack, treatment, image, values, fill, workers)
    else:
        if values != "intensity":
            shown = checks.shown(values)
            raise GeometryError(f"values={shown} goes with method='split', not {how!r}")
        finish = Finish(value, binning or 1, binning_mode == "mean")
        shape = geometry.data_shape
        run_plan(used, shape, stack, image, finish, workers, treatment)
        if call is not None and workers == 1:
            remember(call, geometry, used, data, stack, image, finish)
    return AssembledImage(image, np.array(grid.centre), grid.pixel_size, geometry, how)


def output_array(
    geometry: Geometry,
    frames_shape: tuple[int, ...] | int = (),
    dtype: npt.DTypeLike = np.float32,
    *,
    method: Method = "snap",
    fill: float | None = None,
    centred: bool = False,
    pixel_size: float | tuple[float, float] | None = None,
    oversample: int = 1,
    distance: float | None = None,
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
    method, fill, centred, pixel_size, oversample, distance
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
    options = {"pixel_size": pixel_size, "oversample": oversample, "distance": distance}
    grid = _make_plan(geometry, method, centred, None, options)[1].grid
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


def choose_threads(
    threads: int | None, frames: tuple[int, ...], grid: Grid, dtype: np.dtype[Any]
) -> int:
    """Return the number of threads to use: one, if the caller does not say, for little work."""
    workers = check_threads(threads)
    n_bytes = math.prod(frames) * math.prod(grid.shape) * dtype.itemsize
    return 1 if threads is None and n_bytes < SERIAL_BYTES else workers


def _make_plan(
    geometry: Geometry,
    method: Method,
    centred: bool,
    plan: SplitPlan | None,
    options: dict[str, Any],
) -> tuple[Method, Plan | SplitPlan]:
    """Return the method, which a plan implies, and the plan of the whole image."""
    plain = options == {"pixel_size": None, "oversample": 1, "distance": None}
    if plan is not None:
        if not plain or centred or method == "nearest":
            raise GeometryError(
                "plan says how the image is made: give it without centred, pixel_size, oversample "
                "and distance, and with method='split'"
            )
        check_plan(plan, geometry)
        return "split", plan
    if method == "split":
        return method, split_plan(geometry, centred=centred, **options)
    if method not in ("snap", "nearest"):
        raise GeometryError(
            f"method must be 'snap', 'nearest' or 'split', not {checks.shown(method)}"
        )
    if not plain:
        name = next(n for n, v in options.items() if v != (1 if n == "oversample" else None))
        raise GeometryError(f"{name} goes with method='split', not {method!r}")
    return method, make_plan(geometry, method, bool(centred))


def _given_dtype(out: NDArray | None, dtype: npt.DTypeLike | None) -> np.dtype[Any] | None:
    """Dtype that the caller asks for, with `out` or `dtype`."""
    if out is None:
        return None if dtype is None else check_dtype(dtype, "dtype")
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


def _image_dtype(stack: Stack, given: np.dtype[Any] | None, floating: bool) -> np.dtype[Any]:
    """Dtype of the image, which is floating where numbers are worked out."""
    if not floating:
        wanted = stack.dtype if given is None else given
        check_cast(stack.dtype, wanted)
        return wanted
    wanted = mean_dtype(stack.dtype) if given is None else given
    if wanted.kind != "f" or stack.dtype.kind == "c":
        raise GeometryError(
            "images that are binned, split or scaled are of real floating numbers, not "
            f"{wanted if wanted.kind != 'f' else stack.dtype}"
        )
    return wanted


def _without_nan(stack: Stack, fill: float) -> Stack:
    """Put the fill value where a reduction found not a single number."""
    if stack.dtype.kind != "f":
        return stack
    parts = tuple(
        (np.where(np.isnan(data), data.dtype.type(fill), data), numbers)
        for data, numbers in stack.parts
    )
    return replace(stack, parts=parts)


def _room(out: NDArray | None, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray:
    if out is None:
        return image_room(shape, dtype)
    if out.shape != shape:
        raise GeometryError(
            f"out must be an array of shape {shape}, not shape {out.shape}; "
            "output_array(geometry, frames_shape, dtype) makes one"
        )
    if not out.flags.writeable:
        raise GeometryError("out is read-only")
    return out
