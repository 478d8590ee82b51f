"""`assemble_data`: module data to images."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, cast, get_args

import numpy as np
import numpy.typing as npt

from geomlib import checks
from geomlib.assembly.accumulators import How, check_how
from geomlib.assembly.fill import check_cast, check_dtype, check_no_mask, check_shape, fill_value
from geomlib.assembly.image import AssembledImage
from geomlib.assembly.inputs import Axes, Stack, as_stack
from geomlib.assembly.inputs import check_geometry as check_geometry
from geomlib.assembly.memory import image_room
from geomlib.assembly.module_options import as_arrays
from geomlib.assembly.not_data import check_gain_axis, check_is_data
from geomlib.assembly.options import Window, binned_grid, crop_plan
from geomlib.assembly.plan import Grid, Plan, make_plan
from geomlib.assembly.prepared import kind_of_call, recall, remember
from geomlib.assembly.reduction import mean_dtype, reduce_stack, without_value
from geomlib.assembly.sources import is_lazy
from geomlib.assembly.split import SplitPlan, Values, check_plan, run_split, split_plan
from geomlib.assembly.treatment import Treatment, check_treatment
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
        Where to write, shape (…, y, x), or (y, x) with `reduce`; all of it; see `output_array`.
    dtype : dtype, optional
        Of the image; default: that of `out`, else of the data, or of the result where numbers are
        worked out (`dark`, `gain`, `reduce`, `binning`, ``"split"``): a sum is float64 or of 64-bit
        integers, a maximum or minimum as the data; others are float32 for data of float32 or up
        to 16 bits, else float64. `dark` and `gain` are worked out in the wider of this default and
        `dtype`.
    fill : float, optional
        Value of gaps, missing modules and masked pixels; default NaN, or 0 where the image holds
        integers. NaN in `data`, `dark` or `gain` stays NaN with ``"snap"`` and ``"nearest"``; with
        `reduce`, `binning` and ``"split"``, which leave it out, what has no value at all is filled.
    mask : array_like of bool or integers, optional
        True, or any of the bits, for pixels to leave out; as `dark` and `gain` it broadcasts to the
        data: (modules, ss, fs), or one for each frame. All four of these may have any form of
        `data`; modules of which they say nothing are left as they are. Frames go by position, in
        xarray arrays by the names of dimensions.
    mask_bits : int, optional
        Which bits of an integer `mask` count; default all.
    dark, gain : array_like, optional
        Numbers become ``(number - dark) * gain``. NaN marks a bad pixel.
    present : array_like of bool, optional
        Which modules are there, shape (modules,) or (…, modules).
    reduce : {"mean", "sum", "max", "min", "std"}, optional
        Reduce all leading axes before assembling; NaN, masked pixels and missing modules do not
        count. A sum of 64-bit integers that does not fit in 64 bits wraps around; give ``dark=0``
        for one in float64.
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
        For ``"split"``: from `split_plan` or `load_plan`, instead of `centred`, `pixel_size`,
        `oversample` and `distance`.
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
    how = _check_options(given)
    check_is_data(data, "data")
    treatments = as_arrays(given, data, geometry.detector, axes)
    if is_lazy(data, out):
        from geomlib.assembly.lazy import assemble_lazily

        options = {name: given[name] for name in given if name not in ("data", "geometry", "out")}
        return assemble_lazily(data, geometry, out, options | treatments)
    grid_options = {"pixel_size": pixel_size, "oversample": oversample, "distance": distance}
    whole = _make_plan(geometry, how, centred, plan, grid_options, threads)
    stack = as_stack(data, geometry.detector, axes)
    kind = _given_dtype(out, dtype)
    treatment = check_treatment(
        stack.frames, geometry.detector, stack.dtype,
        wanted=kind, mask_bits=mask_bits, **treatments,
    )  # fmt: skip
    if reduce is not None:
        check_gain_axis(stack.frames, stack.dtype, geometry.detector)
        stack, blank = reduce_stack(stack, reduce, treatment, threads)
        certain = fill is None and stack.dtype.kind == "f"
        treatment = None if certain else without_value(stack, blank, geometry.detector)
    wanted = _image_dtype(stack, kind, _floating(how, binning, treatment), given)
    value = fill_value(fill, wanted)
    used = whole if region is None else crop_plan(whole, region)
    grid = used.grid if binning is None else binned_grid(used.grid, binning)
    image = _room(out, (*stack.frames, *grid.shape), wanted, reduce is not None)
    workers = choose_threads(threads, stack.frames, used.grid, wanted)
    if isinstance(used, SplitPlan):
        run_split(used, stack, treatment, image, values, fill, workers)
    else:
        # The kernels, and with them the compiler, load with the first image.
        from geomlib.assembly.run import Finish, run_plan

        finish = Finish(value, binning or 1, binning_mode == "mean")
        shape = geometry.data_shape
        run_plan(used, shape, stack, image, finish, workers, treatment)
        if call is not None and workers == 1:
            remember(call, geometry, used, data, stack, image, finish)
    centre, away = np.array(grid.centre), getattr(whole, "distance", None)
    return AssembledImage(image, centre, grid.pixel_size, geometry, how, away)


def output_array(
    geometry: Geometry,
    frames_shape: tuple[int, ...] | int = (),
    dtype: npt.DTypeLike = np.float32,
    *,
    method: Method = "snap",
    fill: float | None = None,
    centred: bool = False,
    region: Window | None = None,
    binning: int | None = None,
    pixel_size: float | tuple[float, float] | None = None,
    oversample: int = 1,
    distance: float | None = None,
    plan: SplitPlan | None = None,
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
    method, fill, centred, region, binning, pixel_size, oversample, distance, plan
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
    single = isinstance(frames_shape, int | np.integer)
    shape = checks.integers("frames_shape", (frames_shape,) if single else frames_shape, 0)
    kind = check_dtype(dtype, "dtype")
    given = dict(locals())
    value = fill_value(fill, kind)
    image = make_room((*shape, *image_grid(geometry, given).shape), kind)
    image[...] = value
    return image


def image_grid(geometry: Geometry, options: Mapping[str, Any]) -> Grid:
    """Return the grid of the images that some options of `assemble_data` make.

    Raises
    ------
    GeometryError
        If an option does not fit.
    """
    names = {"method": "snap", "centred": False, "plan": None, "region": None, "binning": None}
    method, centred, plan, region, binning = (options.get(n, names[n]) for n in names)
    own = {name: options.get(name) for name in ("pixel_size", "distance")}
    own["oversample"] = options.get("oversample", 1)
    how = _check_image(method, centred, plan, own)
    whole = _make_plan(geometry, how, centred, plan, own)
    grid = whole.grid if region is None else crop_plan(whole, region).grid
    if binning is None:
        return grid
    _check_binning(binning, how)
    return binned_grid(grid, binning)


def make_room(
    shape: tuple[int, ...], dtype: np.dtype[Any], make: Callable[..., NDArray] = image_room
) -> NDArray:
    """Return an array for images.

    Raises
    ------
    GeometryError
        If there is not enough memory; the message says what takes less.
    """
    try:
        return make(shape, dtype)
    except (MemoryError, ValueError, OverflowError):
        size = math.prod(shape) * dtype.itemsize / 2**30
        raise GeometryError(
            f"there is no memory for images of {dtype} and shape {shape}, {size:.4g} GiB: reduce=, "
            "binning= or region= make them fewer or smaller, out= can be a dataset in a file, and "
            "dask arrays stay lazy"
        ) from None


def choose_threads(
    threads: int | None, frames: tuple[int, ...], grid: Grid, dtype: np.dtype[Any]
) -> int:
    """Return the number of threads to use: one, if the caller does not say, for little work."""
    workers = check_threads(threads)
    n_bytes = math.prod(frames) * math.prod(grid.shape) * dtype.itemsize
    return 1 if threads is None and n_bytes < SERIAL_BYTES else workers


def _check_options(given: Mapping[str, Any]) -> Method:
    """Check what can be checked without the data; returns the method, once checked."""
    grid_options = {name: given[name] for name in ("pixel_size", "oversample", "distance")}
    how = _check_image(given["method"], given["centred"], given["plan"], grid_options)
    values, mode = given["values"], given["binning_mode"]
    if not isinstance(values, str) or values not in get_args(Values):
        raise GeometryError(f"values must be 'intensity' or 'counts', not {checks.shown(values)}")
    if values != "intensity" and how != "split":
        raise GeometryError(f"values={values!r} goes with method='split', not {how!r}")
    if not isinstance(mode, str) or mode not in ("mean", "sum"):
        raise GeometryError(f"binning_mode must be 'mean' or 'sum', not {checks.shown(mode)}")
    if given["binning"] is not None:
        _check_binning(given["binning"], how)
    if given["reduce"] is not None:
        check_how(given["reduce"])
    if given["dtype"] is not None:
        check_dtype(given["dtype"], "dtype")
    check_no_mask(given["out"])
    check_threads(given["threads"])
    return how


def _check_binning(binning: object, method: Method) -> None:
    checks.integer("binning", binning, 1)
    if method == "split":
        raise GeometryError("binning cannot be given with method='split': choose its pixel_size")


def _check_image(
    method: object, centred: object, plan: SplitPlan | None, options: Mapping[str, Any]
) -> Method:
    """Check which image is asked for; returns the method, once checked."""
    if not isinstance(method, str) or method not in get_args(Method):
        raise GeometryError(
            f"method must be 'snap', 'nearest' or 'split', not {checks.shown(method)}"
        )
    checks.flag("centred", centred)
    plain = checks.integer("oversample", options["oversample"], 1) == 1
    special = [name for name in ("pixel_size", "distance") if options[name] is not None]
    special += [] if plain else ["oversample"]
    if plan is not None:
        if method != "split":
            raise GeometryError(f"plan goes with method='split', not {method!r}")
        if special or centred:
            raise GeometryError(
                "plan says how the image is made: give it without centred, pixel_size, oversample "
                "and distance"
            )
        return "split"
    if method != "split" and special:
        raise GeometryError(f"{special[0]} goes with method='split', not {method!r}")
    return cast("Method", method)


def _make_plan(
    geometry: Geometry,
    method: Method,
    centred: bool,
    plan: SplitPlan | None,
    options: dict[str, Any],
    threads: int | None = None,
) -> Plan | SplitPlan:
    """Return the plan of the whole image, for checked options."""
    if plan is not None:
        check_plan(plan, geometry)
        return plan
    if method == "split":
        return split_plan(geometry, centred=centred, threads=threads, **options)
    return make_plan(geometry, method, bool(centred))


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


def _floating(how: Method, binning: int | None, treatment: Treatment | None) -> str:
    """Say which options make an image floating; "" if none does."""
    reasons = {
        "method='split'": how == "split",
        f"binning={binning}": binning is not None,
        "dark": treatment is not None and treatment.dark is not None,
        "gain": treatment is not None and treatment.gain is not None,
    }
    return " and ".join(reason for reason, given in reasons.items() if given)


def _image_dtype(
    stack: Stack, kind: np.dtype[Any] | None, floating: str, given: Mapping[str, Any]
) -> np.dtype[Any]:
    """Dtype of the image, which is floating where numbers are worked out."""
    name = "dtype" if given["out"] is None else "out"
    if not floating:
        wanted = stack.dtype if kind is None else kind
        check_cast(stack.dtype, wanted, name)
        return wanted
    wanted = mean_dtype(stack.dtype) if kind is None else kind
    if wanted.kind != "f" or stack.dtype.kind == "c":
        found = f"{wanted}, as {name} says" if wanted.kind != "f" else f"{stack.dtype}, as data is"
        raise GeometryError(f"with {floating} images are of real floating numbers, not {found}")
    return wanted


def _room(
    out: NDArray | None, shape: tuple[int, ...], dtype: np.dtype[Any], reduced: bool
) -> NDArray:
    if out is None:
        return make_room(shape, dtype)
    check_shape(out, shape, reduced)
    if not out.flags.writeable:
        raise GeometryError("out is read-only")
    return out
