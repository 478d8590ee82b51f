"""Options that treat numbers, in all forms that data may have, brought into one: arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from geomlib.assembly.inputs import (
    Axes,
    is_labelled,
    module_arrays,
    module_labels,
    module_number,
    order_labelled,
    plain_array,
)
from geomlib.assembly.not_data import check_is_data, is_instance
from geomlib.assembly.sources import Source, as_source, is_dask, is_frames, is_stored, key_data
from geomlib.detector import Detector
from geomlib.errors import GeometryError

NDArray = npt.NDArray[Any]
#: Options that treat numbers, and what holds for modules of which they say nothing.
NEUTRAL: dict[str, float] = {"mask": 0, "dark": 0, "gain": 1, "present": 1}


class StoredOption:
    """An option that is stored as data is: read a block of frames at a time, all modules of it.

    Attributes
    ----------
    shape : tuple of int
        (*frames, modules, ss, fs).
    dtype : dtype
        In native byte order.
    """

    def __init__(self, source: Source, detector: Detector, neutral: float) -> None:
        self._source, self._neutral = source, neutral
        self.shape = (*source.frames, *detector.data_shape)
        self.dtype = source.dtype
        self.ndim = len(self.shape)

    def __getitem__(self, index: Any) -> NDArray:
        """Read some frames; the index holds slices, and at its end perhaps an ellipsis."""
        steps = [i for i in (index if isinstance(index, tuple) else (index,)) if i is not Ellipsis]
        steps += [slice(None)] * (self.ndim - len(steps))
        n_frames = len(self._source.frames)
        block = [slice(*s.indices(n)) for s, n in zip(steps[:n_frames], self.shape, strict=False)]
        whole, cuts = list(block), self._source.cuts
        if cuts is not None:
            low = int(cuts[np.searchsorted(cuts, block[0].start, side="right") - 1])
            high = int(cuts[np.searchsorted(cuts, block[0].stop, side="left")])
            whole[0] = slice(low, max(low, high))
        inner = (
            slice(b.start - w.start, b.stop - w.start) for b, w in zip(block, whole, strict=True)
        )
        return self._read(tuple(whole))[(*inner, *steps[n_frames:])]

    def _read(self, block: tuple[slice, ...]) -> NDArray:
        values, present = self._source.read(block)
        frames = tuple(len(range(s.start, s.stop)) for s in block)
        if isinstance(values, Mapping):
            out = np.full((*frames, *self.shape[-3:]), self._neutral, dtype=self.dtype)
            for number, module in values.items():
                out[..., number, :, :] = module
        else:
            out = np.array(values, dtype=self.dtype).reshape(*frames, *self.shape[-3:])
        if present is not None:
            out[~present] = self._neutral
        return out

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> NDArray:
        return self[...].astype(self.dtype if dtype is None else dtype, copy=False)


def as_arrays(
    given: Mapping[str, Any], data: Any, detector: Detector, axes: Axes | None = None
) -> dict[str, Any]:
    """Return ``mask``, ``dark``, ``gain`` and ``present`` as arrays that span all modules.

    What an option says nothing of is not masked, has a dark of 0 and a gain of 1, and is present.

    Parameters
    ----------
    given : mapping of str to object
        Options, by name; None stays away.
    data : object
        What they are for: labelled frames must have the labels of its frames.
    detector : Detector
        What it is from.
    axes : {"stream"}, optional
        Of the data.

    Returns
    -------
    dict of str to object
        Arrays in memory, dask arrays, or what is read as a `StoredOption` is.

    Raises
    ------
    GeometryError
        If modules or labels do not fit.
    """
    found = {name: given[name] for name in NEUTRAL if given.get(name) is not None}
    for name, value in found.items():
        if isinstance(value, np.ndarray | float | int):
            continue
        check_is_data(value, name)
        if is_labelled(value):
            found[name] = _labelled(value, name, None if axes else data, detector)
        elif key_data(value) is not None or is_frames(value):
            _check_trains(value, name, data)
            found[name] = StoredOption(as_source(value, detector), detector, NEUTRAL[name])
        elif is_instance(value, "xarray", "DataArray"):
            found[name] = value.data
        else:
            modules = module_arrays(value, detector, name=name)
            if modules is not None:
                found[name] = _mapped(modules, name, data, detector)
        check_known(found[name], name)
    return found


def check_known(array: Any, name: str) -> None:
    """Refuse dask arrays that do not know their shape.

    Raises
    ------
    GeometryError
        The message says what to call.
    """
    shape = getattr(array, "shape", ())
    if any(size != size for size in shape):
        raise GeometryError(
            f"{name} is a dask array of unknown shape {shape}: call its compute_chunk_sizes()"
        )


def _n_pixel_axes(name: str) -> int:
    return 0 if name == "present" else 2


def _labelled(value: Any, name: str, data: Any, detector: Detector) -> Any:
    """Bring an xarray array with a dimension ``module`` in order."""
    numbers = module_labels(value, detector, name)
    values = value.data if is_dask(value) else plain_array(value.values, name)
    check_known(values, name)
    dims = value.dims
    if name == "present":
        values = np.moveaxis(values, dims.index("module"), -1)
        names = tuple(dim for dim in dims if dim != "module")
    elif dims == ("module",):
        values, names = values[:, np.newaxis, np.newaxis], ()
    elif value.ndim < 3:
        raise GeometryError(
            f"{name} has the dimensions {dims}; it needs module, slow scan and fast scan, or "
            "module only"
        )
    else:
        values = order_labelled(values, dims, detector, None, name)
        names = tuple(dim for dim in dims[:-2] if dim != "module")
    if is_labelled(data):
        values = _frames_of(values, names, value, data, name)
    if numbers == tuple(range(detector.n_modules)):
        return values
    axis = values.ndim - _n_pixel_axes(name) - 1
    modules = [values[(slice(None),) * axis + (i,)] for i in range(len(numbers))]
    return _span(dict(zip(numbers, modules, strict=True)), name, detector)


def _frames_of(values: Any, names: tuple[Any, ...], option: Any, data: Any, name: str) -> Any:
    """Bring named axes of frames into the order of those of the data."""
    own = tuple(dim for dim in data.dims[:-2] if dim != "module")
    for dim in {*names} & {*own}:
        one, other = option.indexes.get(dim), data.indexes.get(dim)
        both = one is not None and other is not None and len(one) == len(other) != 1
        if both and not one.equals(other):
            raise GeometryError(
                f"{name} has other labels along {dim!r} than data: bring both in order first, "
                f"as {name}.reindex_like(data) or xarray.align do"
            )
    if names == own or not {*names} <= {*own}:
        return values
    order = sorted(range(len(names)), key=lambda i: own.index(names[i]))
    values = values.transpose(*order, *range(len(names), values.ndim))
    return values[tuple(slice(None) if dim in names else np.newaxis for dim in own)]


def _check_trains(value: Any, name: str, data: Any) -> None:
    """Refuse key data of other trains than those of the data."""
    if key_data(value) is None or key_data(data) is None:
        return
    one, other = (np.asarray(each.train_id_coordinates()) for each in (value, data))
    if not np.array_equal(one, other):
        raise GeometryError(
            f"{name} has its frames in other trains than data ({len(one)} and {len(other)} "
            "frames): select the same trains of both"
        )


def _mapped(modules: Mapping[Any, Any], name: str, data: Any, detector: Detector) -> Any:
    """Join an option that is given module by module."""
    if not modules:
        raise GeometryError(f"{name} is an empty dict: it must hold at least one module")
    by_number = {module_number(key, detector, name): value for key, value in modules.items()}
    values = list(by_number.values())
    for number, value in by_number.items():
        check_is_data(value, f"{name}[{number}]")
        check_known(value, f"{name}[{number}]")
    if name != "present" and is_stored(values) and _alike(values, detector):
        return StoredOption(as_source(by_number, detector), detector, NEUTRAL[name])
    if not is_dask(values):
        by_number = {n: plain_array(v, f"{name}[{n}]") for n, v in by_number.items()}
    return _span(by_number, name, detector)


def _alike(values: list[Any], detector: Detector) -> bool:
    shapes = {getattr(value, "shape", None) for value in values}
    (shape,) = shapes if len(shapes) == 1 else (None,)
    return shape is not None and tuple(shape[-2:]) == detector.data_shape[1:]


def _span(modules: Mapping[int, Any], name: str, detector: Detector) -> Any:
    """Join arrays of modules into one that holds all modules of the detector."""
    n_pixel_axes = _n_pixel_axes(name)
    lazy = is_dask(list(modules.values()))
    arrays = {n: a.data if hasattr(a, "dims") else a for n, a in modules.items()}
    shapes = []
    for number, array in arrays.items():
        given = np.shape(array)
        shape = (1,) * (n_pixel_axes - len(given)) + given
        pixels = shape[len(shape) - n_pixel_axes :]
        if any(
            n not in (1, size) for n, size in zip(pixels, detector.data_shape[1:], strict=False)
        ):
            raise GeometryError(
                f"{name}[{number}] has shape {given}; a module of {detector.name} needs (…, "
                f"{detector.data_shape[1]}, {detector.data_shape[2]})"
            )
        shapes.append(shape)
    try:
        shape = np.broadcast_shapes(*shapes)
    except ValueError:
        raise GeometryError(
            f"{name} has modules of shapes {', '.join(map(str, dict.fromkeys(shapes)))}: all must "
            "have the same frames"
        ) from None
    axis = len(shape) - n_pixel_axes
    dtype = np.result_type(*(array.dtype for array in arrays.values()))
    if lazy:
        return _stacked(arrays, shape, axis, dtype, NEUTRAL[name], detector.n_modules)
    out = np.full((*shape[:axis], detector.n_modules, *shape[axis:]), NEUTRAL[name], dtype=dtype)
    for number, array in arrays.items():
        out[(slice(None),) * axis + (number,)] = array
    return out


def _stacked(
    arrays: Mapping[int, Any],
    shape: tuple[int, ...],
    axis: int,
    dtype: np.dtype[Any],
    neutral: float,
    n_modules: int,
) -> Any:
    """Stack modules, of which one or more are dask arrays."""
    import dask.array as da

    rest = da.full(shape, neutral, dtype=dtype)
    modules = [
        da.broadcast_to(da.asarray(arrays[n]), shape) if n in arrays else rest
        for n in range(n_modules)
    ]
    return da.stack(modules, axis=axis)
