"""What is done to the numbers of a stack on the way: dark, gain, mask, missing modules.

A value is ``(number - dark) * gain``. It counts nowhere if its pixel is masked, its module is not
present in its frame, or it is NaN: in the data, the dark or the gain. In an image masked and
missing pixels have the fill value. NaN stays NaN where each image pixel is one data pixel; where
several are reduced, binned or split, a pixel to which no value contributes has the fill value.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from operator import index as as_index
from typing import Any

import numpy as np
import numpy.typing as npt

from geomlib import checks
from geomlib.assembly.inputs import plain_array, to_modules
from geomlib.detector import Detector
from geomlib.errors import GeometryError

NDArray = npt.NDArray[Any]
#: One integer or slice for each leading axis of a stack.
FrameIndex = tuple[int | slice, ...]


@dataclass(frozen=True, eq=False)
class Treatment:
    """Treatments, checked, each as an array that broadcasts against the stack.

    Attributes
    ----------
    dark, gain : ndarray of float32 or float64, optional
        With exactly the axes (*frames, modules, ss, fs), of size 1 where nothing changes along
        them; native byte order.
    mask : ndarray of unsigned integers, optional
        Likewise. A pixel is left out where ``mask & bits`` is not 0.
    bits : int
        Not 0 where there is a mask.
    present : ndarray of bool, optional
        With exactly the axes (*frames, modules), of size 1 where nothing changes along them. Where
        it is False, what the stack holds means nothing.
    """

    dark: NDArray | None = None
    gain: NDArray | None = None
    mask: NDArray | None = None
    bits: int = 0
    present: npt.NDArray[np.bool_] | None = None

    def block(self, index: FrameIndex) -> Treatment:
        """Return what concerns some frames, as ``stack[index]`` takes them.

        Parameters
        ----------
        index : tuple of int and slice
            One for each of the leading axes; an integer takes the axis away.
        """
        return self._each(lambda array: _take_frames(array, index))

    def of_modules(self, numbers: Sequence[int]) -> Treatment:
        """Return what concerns some modules, in the order of their numbers."""

        def take(array: NDArray, axis: int) -> NDArray:
            if array.shape[axis] == 1:
                return array
            first, count = numbers[0], len(numbers)
            together = list(numbers) == list(range(first, first + count))
            chosen = slice(first, first + count) if together else list(numbers)
            return array[(..., chosen, *(slice(None),) * (-1 - axis))]

        taken = replace(self, present=None)._each(lambda array: take(array, -3))
        return replace(taken, present=None if self.present is None else take(self.present, -1))

    def _each(self, function: Any) -> Treatment:
        names = ("dark", "gain", "mask", "present")
        arrays = {name: getattr(self, name) for name in names}
        return replace(self, **{n: function(a) for n, a in arrays.items() if a is not None})


def _take_frames(array: NDArray, index: FrameIndex) -> NDArray:
    """Index leading axes; one of size 1 stands for the same everywhere along it."""
    steps = [
        i if n > 1 else slice(None) if isinstance(i, slice) else 0
        for i, n in zip(index, array.shape, strict=False)
    ]
    return array[tuple(steps)]


def check_treatment(
    frames: tuple[int, ...],
    detector: Detector,
    dtype: npt.DTypeLike,
    *,
    wanted: npt.DTypeLike | None = None,
    mask: npt.ArrayLike | None = None,
    mask_bits: int | None = None,
    dark: npt.ArrayLike | None = None,
    gain: npt.ArrayLike | None = None,
    present: npt.ArrayLike | None = None,
) -> Treatment | None:
    """Check the options that treat numbers, and bring them into one form.

    Parameters
    ----------
    frames : tuple of int
        The leading axes of the stack.
    detector : Detector
        What the stack is from. `mask`, `dark` and `gain` may have any stored form of it.
    dtype : dtype
        Of the stack: `dark` and `gain` become float64 where a mean of it is float64, else float32.
    wanted : dtype, optional
        Of the result, if the caller asked for one: `dark` and `gain` become float64 also where a
        mean of this is.
    mask : array_like of bool or integers, optional
        True, or any of the bits, for pixels to leave out. As `dark` and `gain`, it broadcasts to
        (*frames, modules, ss, fs).
    mask_bits : int, optional
        The bits of an integer `mask` that count; default all.
    dark, gain : array_like of real numbers, optional
        Value = (number - dark) * gain. NaN marks a bad pixel.
    present : array_like of bool, optional
        Which modules are there; broadcasts to (*frames, modules).

    Returns
    -------
    Treatment or None
        None if there is nothing to do.

    Raises
    ------
    GeometryError
        If the dtype or shape of one does not fit, or `mask_bits` is not a positive whole number
        that selects bits of `mask`.
    """
    asked = [np.dtype(kind) for kind in (dtype, wanted) if kind is not None]
    shape = (*frames, *detector.data_shape)
    flags, bits = None, 0
    if mask is not None:
        flags, bits = _flags(mask, mask_bits)
        flags = _spread(flags, shape, detector, "mask")
    elif mask_bits is not None:
        raise GeometryError("mask_bits is given without mask, an array of integers")
    scales = {}
    for name, given in (("dark", dark), ("gain", gain)):
        if given is not None:
            numbers = _numbers(given, name, asked)
            scales[name] = _spread(numbers, shape, detector, name)
    there = None if present is None else _presence(present, shape[:-2])
    if flags is None and there is None and not scales:
        return None
    return Treatment(mask=flags, bits=bits, present=there, **scales)


def mean_dtype(dtype: npt.DTypeLike) -> np.dtype[Any]:
    """Return the dtype of a mean: float32 keeps all digits of small data, else float64."""
    kind = np.dtype(dtype).newbyteorder("=")
    narrow = kind.itemsize <= 2 or kind == np.float32
    return np.dtype(np.float32 if narrow else np.float64)


def _flags(mask: npt.ArrayLike, mask_bits: int | None) -> tuple[NDArray, int]:
    expected = "boolean, True for pixels to leave out, or integers that hold bit flags"
    array = plain_array(mask, "mask", expected)
    if array.dtype.kind not in "biu":
        raise GeometryError(
            f"mask must be {expected}, not {array.dtype}; pass mask != 0, or np.isnan(mask) where "
            "NaN marks bad pixels"
        )
    width = 8 * array.dtype.itemsize
    every = 2**width - 1
    if mask_bits is None:
        return array.view(f"u{width // 8}"), every
    if array.dtype == np.bool_:
        raise GeometryError("mask_bits goes with a mask of integers, but mask is boolean")
    try:
        bits = 0 if isinstance(mask_bits, bool | np.bool_) else as_index(mask_bits)
    except TypeError:
        bits = 0
    if bits <= 0:
        raise GeometryError(
            "mask_bits must be a positive whole number whose bits select flags of the mask, not "
            f"{checks.shown(mask_bits)}"
        )
    if not bits & every:
        raise GeometryError(
            f"mask_bits={bits} selects nothing: mask is {array.dtype}, which has {width} bits"
        )
    return array.view(f"u{width // 8}"), bits & every


def _numbers(given: npt.ArrayLike, name: str, asked: Sequence[np.dtype[Any]]) -> NDArray:
    array = plain_array(given, name, "an array of real numbers of up to 64 bits")
    complex_data = [kind for kind in asked if kind.kind == "c"]
    if array.dtype.kind == "c" or complex_data:
        raise GeometryError(
            f"{name} is for real numbers, but "
            + (
                f"it is {array.dtype}"
                if array.dtype.kind == "c"
                else f"the data are {complex_data[0]}"
            )
        )
    with np.errstate(over="ignore"):
        return array.astype(np.result_type(*map(mean_dtype, asked)), copy=False)


def _presence(given: npt.ArrayLike, shape: tuple[int, ...]) -> npt.NDArray[np.bool_] | None:
    expected = "boolean, True for modules that are there"
    array = plain_array(given, "present", expected)
    if array.dtype != np.bool_:
        raise GeometryError(f"present must be {expected}, not {array.dtype}")
    if not _broadcasts(array.shape, shape):
        hint = ". Its last axis is that of modules: pass present[..., np.newaxis]"
        raise GeometryError(
            f"present has shape {array.shape}, which does not broadcast to the frames and modules "
            f"{shape} of the data" + (hint if array.shape == shape[:-1] else "")
        )
    return None if array.all() else _pad(array, len(shape))


def _spread(array: NDArray, shape: tuple[int, ...], detector: Detector, name: str) -> NDArray:
    """Give an array the axes of the stack; size 1 where it is the same along one."""
    modules, ss, fs = detector.data_shape
    border = detector.calibration_rows
    stored = {(modules * ss, fs)} | ({(ss + 2 * border, fs)} if border else set())
    given = array.shape
    if given[-2:] in stored:
        array = to_modules(array, detector, name)
    if not _broadcasts(array.shape, shape):
        swapped = given[-2:] == (fs, ss) != (ss, fs)
        hint = f". Slow and fast scan are swapped: pass {name}.swapaxes(-1, -2)" if swapped else ""
        if given == (modules,):
            hint = f". For one number a module pass {name}[:, None, None]"
        elif name == "mask" and len(given) == 2 and given[0] > ss and given[1] > fs:
            hint = ". A mask drawn on the image: dismantle_mask(mask, geometry) takes it to modules"
        raise GeometryError(
            f"{name} has shape {given}, which does not broadcast to the data, of shape {shape}: "
            "(*frames, modules, slow scan, fast scan)" + hint
        )
    return _pad(array, len(shape))


def _broadcasts(given: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    try:
        return np.broadcast_shapes(given, shape) == shape
    except ValueError:
        return False


def _pad(array: NDArray, n_axes: int) -> NDArray:
    return array.reshape((1,) * (n_axes - array.ndim) + array.shape)
