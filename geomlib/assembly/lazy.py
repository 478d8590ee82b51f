"""Assembly of data that is not in memory: a block of frames at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from geomlib.assembly.assemble import assemble_data, image_grid, make_room
from geomlib.assembly.block_reduction import BlockReduction
from geomlib.assembly.fill import REDUCED_HINT, check_dtype, check_no_mask, check_shape
from geomlib.assembly.image import AssembledImage
from geomlib.assembly.not_data import check_gain_axis, is_instance
from geomlib.assembly.sources import Block, Source, as_source, chunk_shape, is_dask
from geomlib.detector import Detector
from geomlib.errors import GeometryError
from geomlib.geometry import Geometry
from geomlib.threads import check_threads, read_ahead

NDArray = npt.NDArray[Any]
Options = dict[str, Any]
#: Returns the options for a block of frames.
Cutter = Callable[[Block], Options]
#: Options of `assemble_data` that may change from frame to frame, and how many axes they have
#: after those of the frames.
FRAME_OPTIONS = {"mask": 3, "dark": 3, "gain": 3, "present": 1}


def assemble_lazily(
    data: Any, geometry: Geometry, out: Any = None, options: Mapping[str, Any] | None = None
) -> AssembledImage:
    """Assemble dask arrays, stored data, or into a dataset: what `is_lazy` tells.

    Parameters
    ----------
    data, geometry, out
        As for `geomlib.assemble_data`.
    options : mapping, optional
        Its other options.
    """
    if is_dask(data):
        from geomlib.assembly.dask_arrays import assemble_dask

        return assemble_dask(data, geometry, out, options)
    return assemble_stored(data, geometry, out, options)


def assemble_stored(
    data: Any, geometry: Geometry, out: Any = None, options: Mapping[str, Any] | None = None
) -> AssembledImage:
    """Assemble frames in bounded memory, but for the images themselves where `out` is not a file.

    Blocks of about 64 MiB are read, in whole chunks where that fits; the next one is read in a
    second thread while one is assembled, unless ``threads=1``.

    Parameters
    ----------
    data : object
        What `geomlib.assembly.sources.as_source` takes.
    geometry : Geometry
        Where the pixels are.
    out : ndarray or dataset, optional
        Where to write, shape (…, y, x).
    options : mapping, optional
        The other options of `geomlib.assemble_data`.

    Returns
    -------
    AssembledImage
        Its ``data`` is `out` where that is given.

    Raises
    ------
    GeometryError
        As `geomlib.assemble_data`.
    """
    given = {name: value for name, value in (options or {}).items() if value is not None}
    source = as_source(data, geometry.detector, given.get("axes"))
    threads = check_threads(given.get("threads"))
    if out is not None and not isinstance(out, np.ndarray):
        given["dtype"] = target_dtype(out, given.get("dtype"))
    if given.get("reduce") is not None or not source.frames:
        return _assemble_one(source, geometry, out, given, threads)
    if out is not None and out.shape[:-2] != source.frames:
        shape = (*source.frames, *image_grid(geometry, given).shape)
        raise GeometryError(f"out must have the shape {shape}, not {tuple(out.shape)}")
    cut = option_cutter(given, source.frames, geometry.detector)
    blocks = source.blocks(chunk_shape(out))
    with closing(read_ahead(partial(read_block, source, cut), blocks, threads)) as reading:
        return _assemble_blocks(reading, source.frames, geometry, out)


def _assemble_blocks(
    reading: Iterable[tuple[Block, Any, Options]],
    frames: tuple[int, ...],
    geometry: Geometry,
    out: Any,
) -> AssembledImage:
    image: AssembledImage | None = None
    for block, values, options in reading:
        direct = isinstance(out, np.ndarray)
        target = out[block] if direct else None
        image = assemble_data(values, geometry, out=target, **options)
        pixels = image.data
        shape = (*frames, *pixels.shape[-2:])
        if out is None:
            out = make_room(shape, pixels.dtype, np.empty)
        if not direct:
            check_shape(out, shape, False)
            out[block] = pixels
        # Nothing of this block may stay in memory beside the next.
        image = replace(image, data=out)
        del values, pixels
    assert image is not None
    return image


def _assemble_one(
    source: Source, geometry: Geometry, out: Any, options: Options, threads: int
) -> AssembledImage:
    """Assemble one image: of a reduction, or of a single frame."""
    direct = isinstance(out, np.ndarray)
    reduced = options.get("reduce") is not None
    if reduced:
        if out is not None and len(out.shape) != 2:
            shape, found = image_grid(geometry, options).shape, tuple(out.shape)
            raise GeometryError(f"out must have the shape {shape}, not {found}; {REDUCED_HINT}")
        check_gain_axis(source.frames, source.dtype, geometry.detector, certain=source.key_data)
        reduction = _reduce(source, geometry.detector, options, threads)
        image = reduction.assemble(geometry, options, out if direct else None)
    else:
        _, values, own = read_block(source, option_cutter(options, (), geometry.detector), ())
        if isinstance(values, np.ndarray):
            # There are no smaller blocks of one frame in which to do so.
            values = values.astype(values.dtype.newbyteorder("="), copy=False)
        image = assemble_data(values, geometry, out=out if direct else None, **own)
    if out is None or direct:
        return image
    check_shape(out, image.shape, reduced)
    out[...] = image.data
    return replace(image, data=out)


def _reduce(source: Source, detector: Detector, options: Options, threads: int) -> BlockReduction:
    """Reduce all frames."""
    reduction = BlockReduction(options["reduce"], detector.n_modules, options.get("threads"))
    reading = partial(read_block, source, option_cutter(options, source.frames, detector))
    with closing(read_ahead(reading, source.blocks(), threads)) as blocks:
        for _, values, own in blocks:
            reduction.add_values(values, detector, own)
            del values, own
    return reduction


def read_block(source: Source, cut: Cutter, block: Block) -> tuple[Block, Any, Options]:
    """Read a block, and the options for it."""
    values, present = source.read(block)
    options = cut(block)
    if present is not None and not present.all():
        known = options.get("present")
        options["present"] = present if known is None else np.logical_and(known, present)
    return block, values, options


def option_cutter(
    options: Mapping[str, Any], frames: tuple[int, ...], detector: Detector
) -> Cutter:
    """Return a function that gives the options for a block of frames.

    Options with leading axes are cut; where they are stored, the block of them is read.

    Raises
    ------
    GeometryError
        If the leading axes of one do not broadcast to the frames.
    """
    changing = {}
    for name in FRAME_OPTIONS.keys() & options.keys():
        value: Any = options[name]
        value = value if hasattr(value, "shape") else np.asarray(value)
        leading = frame_axes(name, value.shape, frames, detector)
        if leading:
            changing[name] = (value, leading)
        elif not isinstance(value, np.ndarray):
            # It serves for all blocks: read, or worked out, once.
            options = {**options, name: np.asarray(value)}

    def cut(block: Block) -> Options:
        own = dict(options)
        for name, (value, leading) in changing.items():
            parts = block[len(block) - len(leading) :]
            steps = (slice(None) if n == 1 else s for n, s in zip(leading, parts, strict=True))
            own[name] = with_module_axis(np.asarray(value[(*steps, ...)]), len(leading), detector)
        return own

    return cut


def frame_axes(
    name: str, shape: tuple[int, ...], frames: tuple[int, ...], detector: Detector
) -> tuple[int, ...]:
    """Return the sizes of those axes of an option that count frames.

    Raises
    ------
    GeometryError
        If they do not broadcast to the frames.
    """
    modules, ss, fs = detector.data_shape
    after = FRAME_OPTIONS[name]
    border = detector.calibration_rows
    joined = shape[-2:] == (modules * ss, fs) and shape[-3:] != detector.data_shape
    uncut = modules == 1 and border and shape[-2:] == (ss + 2 * border, fs)
    if after == 3 and (joined or (uncut and shape[-3:-2] != (1,))):
        after = 2
    leading = shape[: max(len(shape) - after, 0)]
    try:
        fits = np.broadcast_shapes(leading, frames) == frames
    except ValueError:
        fits = False
    if not fits:
        raise GeometryError(
            f"{name} has shape {shape}, which does not broadcast to the frames {frames} of the data"
        )
    return leading


def with_module_axis(array: Any, n_leading: int, detector: Detector) -> Any:
    """Give a mask, dark or gain of frames of a single module the axis of modules.

    Without it a block of one frame could be taken for one that is the same for all frames.

    Parameters
    ----------
    array : ndarray or dask array
        Part of the option.
    n_leading : int
        How many of its axes count frames.
    detector : Detector
        What the frames are from.
    """
    lacking = detector.n_modules == 1 and n_leading > 0 and array.ndim == n_leading + 2
    return array[..., np.newaxis, :, :] if lacking else array


def target_dtype(out: Any, dtype: npt.DTypeLike | None) -> np.dtype[Any]:
    """Return the dtype of images that go into an array or a dataset.

    Raises
    ------
    GeometryError
        If it is neither, or `dtype` says something else.
    """
    found = getattr(out, "dtype", None)
    if found is None or not hasattr(out, "shape") or not hasattr(out, "__setitem__"):
        raise GeometryError(
            f"out must be an array or a dataset, not {type(out).__name__}; "
            "output_array(geometry, frames_shape, dtype) makes an array"
        )
    check_no_mask(out)
    if is_instance(out, "h5py", "Dataset") and out.file.mode == "r":
        raise GeometryError("out is a dataset of a file that is open for reading only")
    kind = check_dtype(found, "out")
    if dtype is not None and check_dtype(dtype, "dtype") != kind:
        raise GeometryError(f"dtype={np.dtype(dtype)} and out of {kind} contradict each other")
    return kind
