"""What people call a stack of module data, brought into one form and checked at the door."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from geomlib.assembly.fill import check_dtype
from geomlib.detector import Detector
from geomlib.errors import GeometryError

NDArray = npt.NDArray[Any]
Axes = Literal["stream"]


@dataclass(frozen=True, eq=False)
class Stack:
    """Module data with the axes in order, and which modules it holds.

    Attributes
    ----------
    parts : tuple of (ndarray, tuple of int)
        Arrays of shape (…, n, ss, fs) and the numbers of the n modules in each.
    frames : tuple of int
        The leading axes, the same in all parts.
    dtype : numpy.dtype
        The same in all parts.
    """

    parts: tuple[tuple[NDArray, tuple[int, ...]], ...]
    frames: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def modules(self) -> set[int]:
        """Numbers of the modules that are there."""
        return {module for _, numbers in self.parts for module in numbers}


def as_stack(data: Any, detector: Detector, axes: Axes | None = None) -> Stack:
    """Bring data into the form of a `Stack`, without copying where numpy can.

    Parameters
    ----------
    data : array_like, xarray.DataArray or mapping of int to array_like
        See `geomlib.assemble_data`.
    detector : Detector
        What the data is from.
    axes : {"stream"}, optional
        (…, module, fs, ss, pulse) instead of (…, module, ss, fs).

    Raises
    ------
    GeometryError
        If shape, dtype or module numbers do not fit the detector.
    """
    if axes not in (None, "stream"):
        raise GeometryError(f"axes must be None or 'stream', not {axes!r}")
    if isinstance(data, Mapping):
        return _from_mapping(data, detector, axes)
    xarray = sys.modules.get("xarray")
    if xarray is not None and isinstance(data, xarray.DataArray) and "module" in data.dims:
        return _from_labelled(data, detector, axes)
    array = plain_array(data, "data")
    array = to_modules(_from_stream(array) if axes == "stream" else array, detector)
    return Stack(((array, tuple(range(detector.n_modules))),), array.shape[:-3], array.dtype)


def plain_array(value: Any, name: str) -> NDArray:
    """Return an array of plain numbers in native byte order, aligned in memory.

    Raises
    ------
    GeometryError
        If it is ragged, masked or of another dtype.
    """
    if isinstance(value, np.ma.MaskedArray):
        raise GeometryError(
            f"{name} is a masked array; pass {name}.data, and its mask as mask={name}.mask"
        )
    try:
        array = np.asarray(value)
    except (TypeError, ValueError) as error:
        raise GeometryError(f"{name} is no array of numbers: {error}") from None
    if array.dtype == object and hasattr(value, "read"):
        raise GeometryError(f"{name} is a {type(value).__name__}: pass what its read() gives")
    array = array.astype(check_dtype(array.dtype, name), copy=False)
    return array if array.flags.aligned else array.copy()


def _from_stream(array: NDArray) -> NDArray:
    if array.ndim < 4:
        raise GeometryError(
            "data with axes='stream' must have the axes (…, module, fs, ss, pulse), got shape "
            f"{array.shape}"
        )
    return np.moveaxis(array, (-1, -4, -2, -3), (-4, -3, -2, -1))


def to_modules(array: NDArray, detector: Detector, name: str = "data") -> NDArray:
    """View data as (…, modules, ss, fs), also where it is stored in another form of its detector.

    Known forms: calibration rows still there (ePix), a single module without its axis (JUNGFRAU,
    ePix), all modules joined along slow scan (pnCCD, Cheetah files).

    Raises
    ------
    GeometryError
        If the shape fits none of them; the message says what is expected.
    """
    modules, ss, fs = detector.data_shape
    border = detector.calibration_rows
    if border and array.ndim >= 2 and array.shape[-2:] == (ss + 2 * border, fs):
        array = array[..., border:-border, :]
    if array.shape[-3:] == detector.data_shape:
        return array
    if modules == 1 and array.shape[-2:] == (ss, fs):
        return array[..., np.newaxis, :, :]
    if array.shape[-2:] == (modules * ss, fs):
        return array.reshape(*array.shape[:-2], modules, ss, fs)
    raise GeometryError(
        f"{name} has shape {array.shape}; {detector.name} needs (…, {modules}, {ss}, {fs}): "
        f"(…, modules, slow scan, fast scan)" + _shape_hint(array.shape, detector)
    )


def _shape_hint(shape: tuple[int, ...], detector: Detector) -> str:
    modules, ss, fs = detector.data_shape
    if len(shape) >= 4 and shape[-4:-1] == (modules, fs, ss):
        return ". This looks like stream order (module, fs, ss, pulse): pass axes='stream'"
    if len(shape) >= 4 and (shape[-4], *shape[-2:]) == detector.data_shape and shape[-3] < 4:
        return f". Axis {len(shape) - 3} looks like the gain axis of raw data: take [..., 0, :, :]"
    if shape[-3:] == (modules, fs, ss):
        return ". Slow and fast scan are swapped: pass data.swapaxes(-1, -2)"
    if len(shape) >= 3 and shape[-2:] == (ss, fs):
        if modules in shape[:-3]:
            axis = shape.index(modules)
            return f". The modules seem to be axis {axis}: pass np.moveaxis(data, {axis}, -3)"
        if shape[-3] < modules:
            return ". With modules missing, pass a dict {module number: array (…, ss, fs)}"
    return ""


def _from_mapping(data: Mapping[Any, Any], detector: Detector, axes: Axes | None) -> Stack:
    if not data:
        raise GeometryError("data is an empty dict: it must hold at least one module")
    parts = []
    _, ss, fs = detector.data_shape
    for number, value in data.items():
        module = _module_number(number, detector)
        array = plain_array(value, f"data[{number!r}]")
        if axes == "stream":
            array = _from_stream(array[np.newaxis])[..., 0, :, :]
        if array.shape[-2:] != (ss, fs):
            raise GeometryError(
                f"data[{number!r}] has shape {array.shape}; a module of {detector.name} needs "
                f"(…, {ss}, {fs})"
            )
        parts.append((array[..., np.newaxis, :, :], (module,)))
    first = parts[0][0]
    for (array, _), number in zip(parts, data, strict=True):
        if array.shape != first.shape or array.dtype != first.dtype:
            raise GeometryError(
                f"data[{number!r}] has {array.dtype} frames {array.shape[:-3]}, but the first "
                f"module has {first.dtype} {first.shape[:-3]}: all modules must be alike"
            )
    # In data order, so that of overlapping tiles the later one wins.
    parts.sort(key=lambda part: part[1])
    return Stack(tuple(parts), first.shape[:-3], first.dtype)


def _module_number(number: Any, detector: Detector) -> int:
    whole = isinstance(number, (int, np.integer)) and not isinstance(number, bool)
    if whole and 0 <= number < detector.n_modules:
        return int(number)
    hint = ""
    if detector.first_module_label and number == detector.n_modules:
        hint = f" (labels of {detector.name} modules start at 1; numbers in a dict start at 0)"
    raise GeometryError(
        f"data has the key {number!r}; keys are module numbers from 0 to "
        f"{detector.n_modules - 1}{hint}"
    )


def _from_labelled(data: Any, detector: Detector, axes: Axes | None) -> Stack:
    if "module" in data.coords:
        labels = np.atleast_1d(data.coords["module"].values)
    else:
        labels = np.arange(data.sizes["module"]) + detector.first_module_label
    first = detector.first_module_label
    numbers = labels - first if np.issubdtype(labels.dtype, np.integer) else np.array([-1])
    if numbers.min() < 0 or numbers.max() >= detector.n_modules:
        raise GeometryError(
            f"the module labels of data are {labels.tolist()}; {detector.name} has modules "
            f"{first} to {first + detector.n_modules - 1}"
        )
    if len(set(numbers.tolist())) != len(numbers):
        raise GeometryError(f"the module labels of data are not unique: {labels.tolist()}")
    _check_names(data.dims, axes)
    values = plain_array(data.values, "data")
    axis = data.dims.index("module")
    if axes == "stream":
        values = _from_stream(values)
    else:
        if axis >= values.ndim - 2:
            raise GeometryError(
                f"data has the dimensions {data.dims}; the last two must be slow and fast scan"
            )
        values = np.moveaxis(values, axis, -3)
    _, ss, fs = detector.data_shape
    if values.shape[-2:] != (ss, fs):
        raise GeometryError(
            f"data has modules of {values.shape[-2:]} pixels; {detector.name} needs ({ss}, {fs})"
        )
    return Stack(((values, tuple(int(n) for n in numbers)),), values.shape[:-3], values.dtype)


# Names that people and EXtra-data give to the axes of pixels.
_SLOW, _FAST = ("slow_scan", "ss", "dim_0"), ("fast_scan", "fs", "dim_1")


def _check_names(dims: tuple[Any, ...], axes: Axes | None) -> None:
    """Refuse axes whose names say that slow and fast scan are the other way round."""
    last = dims[-3:-1] if axes == "stream" else dims[-2:]
    if axes == "stream":
        last = last[::-1]
    if last[0] in _FAST or last[1] in _SLOW:
        raise GeometryError(
            f"data has the dimensions {dims}; slow scan must come before fast scan: "
            "data.transpose(…)"
            if axes is None
            else f"data has the dimensions {dims}; axes='stream' means (module, fs, ss, pulse)"
        )


def frame_blocks(frames: tuple[int, ...], *arrays: NDArray) -> Iterator[tuple[NDArray, ...]]:
    """Yield views of arrays in which their leading axes ``frames`` are one axis.

    Numpy can join axes without a copy only where memory allows; otherwise the outer axes are
    walked through, and the innermost one is left.
    """
    if not frames:
        yield tuple(a[np.newaxis] for a in arrays)
    elif len(frames) == 1:
        yield arrays
    elif all(_joinable(a, len(frames)) for a in arrays):
        yield tuple(a.reshape(-1, *a.shape[len(frames) :]) for a in arrays)
    else:
        for index in range(frames[0]):
            yield from frame_blocks(frames[1:], *(a[index] for a in arrays))


def _joinable(array: NDArray, count: int) -> bool:
    return all(
        array.strides[i] == array.strides[i + 1] * array.shape[i + 1] for i in range(count - 1)
    )
