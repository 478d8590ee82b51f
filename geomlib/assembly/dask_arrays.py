"""Assembly of dask arrays: lazy in, lazy out.

This module is imported only where the caller has imported dask.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, count, islice
from typing import Any

import dask.array as da
import numpy as np
import numpy.typing as npt
from dask import delayed
from dask.base import tokenize

from geomlib.assembly.assemble import assemble_data
from geomlib.assembly.block_reduction import BlockReduction
from geomlib.assembly.fill import check_shape
from geomlib.assembly.image import AssembledImage
from geomlib.assembly.inputs import (
    Axes,
    as_stack,
    check_axes,
    from_stream,
    in_order,
    module_arrays,
    module_labels,
    order_labelled,
)
from geomlib.assembly.lazy import (
    FRAME_OPTIONS,
    Options,
    frame_axes,
    target_dtype,
    with_module_axis,
)
from geomlib.assembly.module_options import StoredOption, check_known
from geomlib.assembly.not_data import check_gain_axis
from geomlib.detector import Detector
from geomlib.errors import GeometryError
from geomlib.geometry import Geometry

NDArray = npt.NDArray[Any]
#: Dask arrays (…, n, ss, fs), with the numbers of their modules.
Parts = list[tuple[Any, tuple[int, ...]]]


def assemble_dask(
    data: Any, geometry: Geometry, out: Any = None, options: Mapping[str, Any] | None = None
) -> AssembledImage:
    """Assemble dask arrays; nothing is computed before the images are asked for.

    The leading axes keep their chunks; modules may be in chunks of their own, and are not joined.
    Each task works on one thread unless ``threads`` says otherwise: the scheduler runs several.

    Parameters
    ----------
    data : dask array, xarray.DataArray of one, or mapping or list of one for each module
        As `geomlib.assemble_data` takes arrays.
    geometry : Geometry
        Where the pixels are.
    out : ndarray or dataset, optional
        Compute the images now, and write them here.
    options : mapping, optional
        The other options of `geomlib.assemble_data`; ``mask``, ``dark``, ``gain`` and ``present``
        may be dask arrays too.

    Returns
    -------
    AssembledImage
        Its ``data`` is a dask array (…, y, x), or `out`.

    Raises
    ------
    GeometryError
        As `geomlib.assemble_data`, at once, for all that does not depend on the numbers.
    """
    given = {name: value for name, value in (options or {}).items() if value is not None}
    parts = dask_parts(data, geometry.detector, given.pop("axes", None))
    given.setdefault("threads", 1)
    if out is not None:
        given["dtype"] = target_dtype(out, given.get("dtype"))
    reducing = given.get("reduce") is not None
    image = (_reduced if reducing else _assembled)(parts, geometry, given)
    if out is None:
        return image
    check_shape(out, image.shape, reducing)
    da.store(image.data, out, lock=not isinstance(out, np.ndarray))
    return replace(image, data=out)


def dask_parts(data: Any, detector: Detector, axes: Axes | None) -> Parts:
    """Bring the axes of dask arrays in order, and each module's pixels into one chunk."""
    check_axes(axes)
    modules = module_arrays(data, detector, axes)
    if modules is not None:
        arrays = {n: da.asarray(value) for n, value in modules.items()}
        for array in arrays.values():
            check_known(array, "data")
        as_stack({n: stand_in(a.shape, a.dtype) for n, a in arrays.items()}, detector, axes)
        axis = -4 if axes == "stream" else -3
        arrays = {n: np.expand_dims(a, a.ndim + 1 + axis) for n, a in arrays.items()}
        parts: Parts = [
            (from_stream(arrays[n]) if axes == "stream" else arrays[n], (int(n),))
            for n in sorted(arrays)
        ]
    elif "module" in getattr(data, "dims", ()):
        check_known(data.data, "data")
        numbers = module_labels(data, detector)
        parts = [(order_labelled(data.data, data.dims, detector, axes), numbers)]
    else:
        array = getattr(data, "data", data) if hasattr(data, "dims") else data
        check_known(array, "data")
        parts = [(in_order(array, detector, axes), tuple(range(detector.n_modules)))]
    frames = parts[0][0].chunks[:-3]
    whole = {-1: -1, -2: -1, **dict(enumerate(frames))}
    return [(array.rechunk(whole), numbers) for array, numbers in parts]


def stand_in(shape: tuple[int, ...], dtype: npt.DTypeLike) -> NDArray:
    """Return an array of zeros that takes no memory."""
    return np.broadcast_to(np.zeros((), np.dtype(dtype).newbyteorder("=")), shape)


def changing_options(frames: Any, detector: Detector, options: Options) -> dict[str, Any]:
    """Return options that change from frame to frame, or are dask arrays, as the data is chunked.

    Their leading axes are those of the frames, of size 1 where nothing changes along them.
    """
    sizes = tuple(sum(chunks) for chunks in frames)
    changing = {}
    for name in FRAME_OPTIONS.keys() & options.keys():
        value = options[name]
        value = value if hasattr(value, "shape") else np.asarray(value)
        leading = frame_axes(name, value.shape, sizes, detector)
        if leading or isinstance(value, da.Array):
            if isinstance(value, StoredOption):
                own = frames[len(frames) - len(leading) :]
                chunks = tuple(c if n > 1 else 1 for c, n in zip(own, leading, strict=True))
                chunks += value.shape[len(leading) :]
                value = da.from_array(value, chunks=chunks, name=False, lock=True)
            array = with_module_axis(da.asarray(value), len(leading), detector)
            array = array[(np.newaxis,) * (len(sizes) - len(leading))]
            own = (c if n > 1 else -1 for c, n in zip(frames, array.shape, strict=False))
            after = (-1,) * (array.ndim - len(sizes))
            changing[name] = array.rechunk((*own, *after))
    return changing


def _assembled(parts: Parts, geometry: Geometry, options: Options) -> AssembledImage:
    frames = parts[0][0].chunks[:-3]
    changing = changing_options(frames, geometry.detector, options)
    image = _sample(parts, geometry, options, changing)
    fixed = {name: value for name, value in options.items() if name not in changing}
    leading = tuple(range(len(frames)))
    labels = count(len(frames))
    y, x = next(labels), next(labels)
    arguments: list[Any] = []
    for array in (*(array for array, _ in parts), *changing.values()):
        arguments += [array, (*leading, *islice(labels, array.ndim - len(frames)))]
    pixels = da.blockwise(
        _assemble_blocks,
        (*leading, y, x),
        *arguments,
        name="assemble_data-" + tokenize(*arguments, geometry, parts, fixed),
        geometry=geometry,
        numbers=tuple(numbers for _, numbers in parts),
        names=tuple(changing),
        options=fixed,
        new_axes={y: image.shape[-2], x: image.shape[-1]},
        concatenate=None,
        align_arrays=False,
        dtype=image.data.dtype,
        meta=np.empty((0,) * (len(frames) + 2), dtype=image.data.dtype),
    )
    return replace(image, data=pixels)


def _reduced(parts: Parts, geometry: Geometry, options: Options) -> AssembledImage:
    """Reduce each block of frames, merge the results in pairs, and assemble what is left."""
    frames = parts[0][0].chunks[:-3]
    if 0 in map(sum, frames):
        raise GeometryError(f"reduce={options['reduce']!r}: there are no frames to reduce")
    check_gain_axis(tuple(map(sum, frames)), parts[0][0].dtype, geometry.detector)
    changing = changing_options(frames, geometry.detector, options)
    image = _sample(parts, geometry, options, changing)
    fixed = {name: value for name, value in options.items() if name not in changing}
    numbers = tuple(numbers for _, numbers in parts)
    start, merge = delayed(_reduce_blocks, pure=True), delayed(BlockReduction.merge, pure=True)
    about = (geometry.detector, numbers, tuple(changing), fixed)
    arrays = [array.to_delayed() for array in (*(array for array, _ in parts), *changing.values())]
    states = [
        start(about, *(_at(chunks, index).tolist() for chunks in arrays))
        for index in np.ndindex(*map(len, frames))
    ]
    while len(states) > 1:
        pairs = (states[i : i + 2] for i in range(0, len(states), 2))
        states = [merge(*pair) if len(pair) == 2 else pair[0] for pair in pairs]
    pixels = delayed(_finish, pure=True)(states[0], geometry, fixed)
    return replace(image, data=da.from_delayed(pixels, image.shape, image.data.dtype))


def _at(chunks: Any, index: tuple[int, ...]) -> Any:
    """Chunks of some frames; those of axes with a single chunk serve for all frames."""
    return chunks[tuple(i if n > 1 else 0 for i, n in zip(index, chunks.shape, strict=False))]


def _reduce_blocks(about: Any, *blocks: Any) -> BlockReduction:
    """Reduce the chunks of some frames: the work of one task."""
    detector, numbers, names, options = about
    arrays = [list(flattened(nested)) for nested in blocks]
    values = block_values(arrays[: len(numbers)], numbers, detector)
    own = {name: array for name, (array,) in zip(names, arrays[len(numbers) :], strict=True)}
    reduction = BlockReduction(options["reduce"], detector.n_modules, options["threads"])
    reduction.add_values(values, detector, options | own)
    return reduction


def _finish(state: BlockReduction, geometry: Geometry, options: Options) -> NDArray:
    return state.assemble(geometry, options).data


def _sample(
    parts: Parts, geometry: Geometry, options: Options, changing: Mapping[str, Any]
) -> AssembledImage:
    """Assemble one frame of zeros: what is wrong shows here, and what the images will be like."""
    n_frames = parts[0][0].ndim - 3
    one = (1,) * n_frames
    blocks = [[stand_in((*one, *a.shape[n_frames:]), a.dtype)] for a, _ in parts]
    values = block_values(blocks, tuple(numbers for _, numbers in parts), geometry.detector)
    samples: Options = {
        n: stand_in((*one, *a.shape[n_frames:]), a.dtype) for n, a in changing.items()
    }
    everything: Options = options | samples
    return assemble_data(values, geometry, **everything)


def _assemble_blocks(
    *blocks: Any,
    geometry: Geometry,
    numbers: tuple[tuple[int, ...], ...],
    names: tuple[str, ...],
    options: Options,
) -> NDArray:
    """Assemble the chunks of some frames: the work of one task."""
    arrays = [list(flattened(nested)) for nested in blocks]
    values = block_values(arrays[: len(numbers)], numbers, geometry.detector)
    own: Options = {
        name: array for name, (array,) in zip(names, arrays[len(numbers) :], strict=True)
    }
    return assemble_data(values, geometry, **options, **own).data


def block_values(
    blocks: Sequence[Sequence[NDArray]], numbers: Sequence[tuple[int, ...]], detector: Detector
) -> Any:
    """Put chunks of modules together as `assemble_data` takes them, without a copy."""
    if len(blocks) == len(blocks[0]) == 1 and numbers[0] == tuple(range(detector.n_modules)):
        return blocks[0][0]
    modules = (
        array[..., place, :, :]
        for arrays in blocks
        for array in arrays
        for place in range(array.shape[-3])
    )
    return dict(zip(chain.from_iterable(numbers), modules, strict=True))


def flattened(nested: Any) -> Iterator[NDArray]:
    """Walk through the lists of lists in which dask hands over the chunks along several axes."""
    if isinstance(nested, list):
        for entry in nested:
            yield from flattened(entry)
    else:
        yield nested
