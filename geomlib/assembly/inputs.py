"""What people call a stack of module data, brought into one form and checked at the door."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from geomlib.assembly.fill import PLAIN_NUMBERS, check_dtype
from geomlib.detector import Detector
from geomlib.errors import GeometryError, warn
from geomlib.geometry import Geometry

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


def check_geometry(geometry: object, call: str) -> None:
    """Refuse what is not a geometry.

    Raises
    ------
    GeometryError
        The message shows how the function is called.
    """
    if isinstance(geometry, Geometry):
        return
    found = type(geometry).__name__
    if isinstance(getattr(geometry, "geometry", None), Geometry):
        raise GeometryError(f"geometry must be a Geometry, not {found}: pass its .geometry")
    raise GeometryError(f"geometry must be a Geometry, not {found}: the order is {call}")


def as_stack(data: Any, detector: Detector, axes: Axes | None = None) -> Stack:
    """Bring data into the form of a `Stack`, without copying where numpy can.

    Parameters
    ----------
    data : array_like, xarray.DataArray, mapping of int to array_like, sequence or StackView
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
    check_axes(axes)
    modules = module_arrays(data, detector, axes)
    if modules is not None:
        return _from_mapping(modules, detector, axes)
    if is_labelled(data):
        return _from_labelled(data, detector, axes)
    array = in_order(plain_array(data, "data"), detector, axes)
    return Stack(((array, tuple(range(detector.n_modules))),), array.shape[:-3], array.dtype)


def in_order(array: NDArray, detector: Detector, axes: Axes | None) -> NDArray:
    """View the data of all modules as (…, modules, ss, fs).

    Raises
    ------
    GeometryError
        If its shape does not fit; the message tells the one that was given.
    """
    if axes is None:
        return to_modules(array, detector)
    try:
        return to_modules(from_stream(array), detector)
    except GeometryError:
        modules, ss, fs = detector.data_shape
        plain = array.shape[-3:] == detector.data_shape
        hint = f". It has the usual order (…, {modules}, {ss}, {fs}): leave axes out"
        raise GeometryError(
            f"data has shape {array.shape}; with axes='stream' {detector.name} needs "
            f"(…, {modules}, {fs}, {ss}, n): (…, module, fs, ss, pulse)" + (hint if plain else "")
        ) from None


def check_axes(axes: object) -> None:
    """Refuse an order of axes that is not known.

    Raises
    ------
    GeometryError
        For anything but None and ``"stream"``.
    """
    if not (axes is None or (isinstance(axes, str) and axes == "stream")):
        raise GeometryError(f"axes must be None or 'stream', not {axes!r}")


def is_labelled(data: object) -> bool:
    """Tell whether data is an xarray array with a dimension ``module``."""
    xarray = sys.modules.get("xarray")
    return xarray is not None and isinstance(data, xarray.DataArray) and "module" in data.dims


def module_arrays(
    data: Any, detector: Detector, axes: Axes | None = None, name: str = "data"
) -> Mapping[Any, Any] | None:
    """Return data that consists of an array for each module as a mapping; None for other data.

    A mapping is returned as it is. A list or tuple counts if it has an entry for each module of
    the detector, arrays that fit one module, or None; the entries of EXtra-data's `StackView` are
    reached through its indexing, without the copy that its `asarray` makes.

    Raises
    ------
    GeometryError
        For a list with None that does not have an entry for each module.
    """
    if isinstance(data, Mapping):
        return data
    if isinstance(data, list | tuple):
        return _from_sequence(data, detector, axes, name)
    stacking = sys.modules.get("extra_data.stacking")
    if stacking is not None and isinstance(data, stacking.StackView):
        return _from_stack_view(data, detector, axes)
    return None


def _from_sequence(
    data: Sequence[Any], detector: Detector, axes: Axes | None, name: str
) -> dict[int, Any] | None:
    missing = [entry is None for entry in data]
    if any(missing):
        if len(data) != detector.n_modules or all(missing):
            some = "all of them" if all(missing) else "some of them"
            raise GeometryError(
                f"{name} is a list of {len(data)} entries, {some} None; with None for missing "
                f"modules it must hold an entry for each of the {detector.n_modules} modules of "
                f"{detector.name}, in order, and at least one array"
            )
        return {i: entry for i, entry in enumerate(data) if entry is not None}
    shapes = {getattr(entry, "shape", None) for entry in data}
    if detector.n_modules == 1 or len(data) != detector.n_modules or len(shapes) != 1:
        return None
    (shape,) = shapes
    _, ss, fs = detector.data_shape
    place = slice(-3, -1) if axes == "stream" else slice(-2, None)
    if not isinstance(shape, tuple) or shape[place] != ((fs, ss) if axes == "stream" else (ss, fs)):
        return None
    outer = -4 if axes == "stream" else -3
    if len(shape) >= -outer and shape[outer] == detector.n_modules:
        warn(
            f"{name} is a list of {len(data)} arrays {shape}: taken as {len(data)} times all "
            f"modules of {detector.name}; if each array is one module, pass a dict "
            "{module number: array}"
        )
        return None
    return dict(enumerate(data))


def _from_stack_view(view: Any, detector: Detector, axes: Axes | None) -> dict[int, Any] | None:
    axis = -4 if axes == "stream" else -3
    if view.ndim < -axis or view.shape[axis] != detector.n_modules:
        return None
    after = (slice(None),) * (-1 - axis)
    # Asked for a module that it has not got, a view makes one of its fill value, which in whole
    # numbers nothing could tell from data. Which it has got, it keeps to itself.
    there = getattr(view, "_data", None)
    numbers = sorted(there) if isinstance(there, Mapping) and there else range(view.shape[axis])
    return {int(number): view[(..., int(number), *after)] for number in numbers}


def plain_array(value: Any, name: str, expected: str = PLAIN_NUMBERS) -> NDArray:
    """Return an array of plain numbers in native byte order, aligned in memory.

    Parameters
    ----------
    value : array_like
        What was given.
    name, expected : str
        For messages: the argument, and what it must be.

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
    if array.dtype == object and hasattr(value, "asarray"):
        array = np.asarray(value.asarray())
    array = array.astype(check_dtype(array.dtype, name, expected), copy=False)
    return array if array.flags.aligned else array.copy()


def from_stream(array: NDArray) -> NDArray:
    """View (…, module, fs, ss, pulse) as (…, pulse, module, ss, fs).

    Raises
    ------
    GeometryError
        If there are too few axes.
    """
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
    names = _of_shape(shape[-3:])
    other = f". This is the shape of {' and '.join(names)}" if names else ""
    if shape[-3:] == (modules, fs, ss):
        swapped = "slow and fast scan are swapped: pass data.swapaxes(-1, -2)"
        return f"{other}; or {swapped}" if other else f". S{swapped[1:]}"
    if other:
        return other
    if len(shape) >= 3 and shape[-2:] == (ss, fs):
        hints = []
        if modules in shape[:-3]:
            axis = shape.index(modules)
            hints.append(f"The modules seem to be axis {axis}: pass np.moveaxis(data, {axis}, -3)")
        if shape[-4:-3] == (modules,) and shape[-3] < 4:
            hints.append(
                f"If axis {len(shape) - 3} is the gain axis of raw data: take [..., 0, :, :]"
            )
        if not hints and shape[-3] < modules:
            hints.append("With modules missing, pass a dict {module number: array (…, ss, fs)}")
        return "".join(f". {hint}" for hint in hints)
    return ""


def _of_shape(shape: tuple[int, ...]) -> list[str]:
    """Return the names of detectors of several modules whose frames have a shape."""
    from geomlib.detectors.examples import EXAMPLE_NAMES, example_geometry

    if len(shape) < 3 or shape[0] == 1:
        return []
    return [name for name in EXAMPLE_NAMES if example_geometry(name).data_shape == shape]


def _from_mapping(data: Mapping[Any, Any], detector: Detector, axes: Axes | None) -> Stack:
    if not data:
        raise GeometryError("data is an empty dict: it must hold at least one module")
    parts = []
    _, ss, fs = detector.data_shape
    for number, value in data.items():
        module = module_number(number, detector)
        array = plain_array(value, f"data[{number!r}]")
        if axes == "stream":
            array = from_stream(array[..., np.newaxis, :, :, :])[..., 0, :, :]
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


def module_number(number: Any, detector: Detector, name: str = "data") -> int:
    """Return a key of a mapping as the number of a module.

    Raises
    ------
    GeometryError
        If the detector has no such module.
    """
    whole = isinstance(number, (int, np.integer)) and not isinstance(number, bool)
    if whole and 0 <= number < detector.n_modules:
        return int(number)
    hint = ""
    if detector.first_module_label and number == detector.n_modules:
        hint = f" (labels of {detector.name} modules start at 1; numbers in a dict start at 0)"
    raise GeometryError(
        f"{name} has the key {number!r}; keys are module numbers from 0 to "
        f"{detector.n_modules - 1}{hint}"
    )


def _from_labelled(data: Any, detector: Detector, axes: Axes | None) -> Stack:
    numbers = module_labels(data, detector)
    values = order_labelled(plain_array(data.values, "data"), data.dims, detector, axes)
    return Stack(((values, numbers),), values.shape[:-3], values.dtype)


def module_labels(data: Any, detector: Detector, name: str = "data") -> tuple[int, ...]:
    """Return the numbers, from 0, of the modules in an array with a dimension ``module``.

    Raises
    ------
    GeometryError
        If its labels are no modules of the detector, or not unique.
    """
    if "module" in data.coords:
        labels = np.atleast_1d(data.coords["module"].values)
    else:
        labels = np.arange(data.sizes["module"]) + detector.first_module_label
    first = detector.first_module_label
    if not labels.size:
        raise GeometryError(f"{name} holds no modules")
    numbers = labels - first if np.issubdtype(labels.dtype, np.integer) else np.array([-1])
    if numbers.min() < 0 or numbers.max() >= detector.n_modules:
        raise GeometryError(
            f"the module labels of {name} are {labels.tolist()}; {detector.name} has modules "
            f"{first} to {first + detector.n_modules - 1}"
        )
    if len(set(numbers.tolist())) != len(numbers):
        raise GeometryError(f"the module labels of {name} are not unique: {labels.tolist()}")
    return tuple(int(n) for n in numbers)


def order_labelled(
    values: NDArray,
    dims: tuple[Any, ...],
    detector: Detector,
    axes: Axes | None,
    name: str = "data",
) -> NDArray:
    """View values with named dimensions as (…, n, ss, fs).

    Raises
    ------
    GeometryError
        If slow and fast scan are not where they belong, or do not fit the detector.
    """
    _check_names(dims, axes, name)
    axis = dims.index("module")
    if axes == "stream":
        values = from_stream(values)
    else:
        if axis >= values.ndim - 2:
            raise GeometryError(
                f"{name} has the dimensions {dims}; the last two must be slow and fast scan"
            )
        values = np.moveaxis(values, axis, -3)
    _, ss, fs = detector.data_shape
    if values.shape[-2:] != (ss, fs):
        raise GeometryError(
            f"{name} has modules of {values.shape[-2:]} pixels; {detector.name} needs ({ss}, {fs})"
        )
    return values


# Names that people and EXtra-data give to the axes of pixels.
_SLOW, _FAST = ("slow_scan", "ss", "dim_0"), ("fast_scan", "fs", "dim_1")


def _check_names(dims: tuple[Any, ...], axes: Axes | None, name: str) -> None:
    """Refuse axes whose names say that slow and fast scan are the other way round."""
    found = f"{name} has the dimensions {dims}"
    if axes is None and dims[-3:] == ("dim_0", "dim_1", "dim_2"):
        raise GeometryError(
            f"{found}; dim_0 looks like the gain axis of raw data: {name}.isel(dim_0=0) takes the "
            "pixel values"
        )
    last = dims[-3:-1] if axes == "stream" else dims[-2:]
    if axes == "stream":
        last = last[::-1]
    if last[0] in _FAST or last[1] in _SLOW:
        raise GeometryError(
            f"{found}; slow scan must come before fast scan: {name}.transpose(…)"
            if axes is None
            else f"{found}; axes='stream' means (module, fs, ss, pulse)"
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
