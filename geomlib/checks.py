"""Checks of what is given to geomlib: each returns the value in one form, or names what is wrong.

Messages tell the argument, what is expected of it, and what was found.
"""

from __future__ import annotations

import os
from operator import index
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from geomlib.errors import GeometryError

FloatArray = npt.NDArray[np.float64]

_LONGEST = 120


def shown(value: object) -> str:
    """Write a value as it would be typed, on one line, shortened if it is long."""
    line = " ".join(repr(value).split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"


def number(name: str, value: object, *, positive: bool = False) -> float:
    """Return a finite real number as a float.

    Raises
    ------
    GeometryError
        If it is none (text and booleans are not), or not positive though it has to be.
    """
    array = _real(value)
    if array is not None and array.ndim == 0:
        found = float(array)
        if np.isfinite(found) and (found > 0 or not positive):
            return found
    kind = "a positive, finite number" if positive else "a finite number"
    raise GeometryError(f"{name} must be {kind}, not {shown(value)}")


def integer(name: str, value: Any, low: int, high: int | None = None) -> int:
    """Return a whole number from `low` to `high`, inclusive.

    Raises
    ------
    GeometryError
        If it is none; numbers such as 2.0 are not, nor are booleans.
    """
    try:
        found = low - 1 if isinstance(value, bool) else index(value)
    except TypeError:
        found = low - 1
    if found < low or (high is not None and found > high):
        limits = f"at least {low}" if high is None else f"from {low} to {high}"
        raise GeometryError(f"{name} must be a whole number, {limits}, not {shown(value)}")
    return found


def integers(
    name: str, values: Any, low: int, high: int | None = None, count: int | None = None
) -> tuple[int, ...]:
    """Return whole numbers from `low` to `high`, inclusive, as a tuple.

    Raises
    ------
    GeometryError
        If there are not `count` of them, or one is none.
    """
    try:
        found = tuple(low - 1 if isinstance(value, bool) else index(value) for value in values)
    except TypeError:
        found = (low - 1,)
    in_range = not found or (min(found) >= low and (high is None or max(found) <= high))
    if not in_range or (count is not None and len(found) != count):
        many = "" if count is None else f"{count} "
        limits = f"at least {low}" if high is None else f"from {low} to {high}"
        raise GeometryError(f"{name} must be {many}whole numbers, {limits}, not {shown(values)}")
    return found


def text(name: str, value: object) -> str:
    """Return a text.

    Raises
    ------
    GeometryError
        If it is none.
    """
    if not isinstance(value, str):
        raise GeometryError(f"{name} must be text, not {shown(value)}")
    return value


def path(name: str, value: object) -> Path:
    """Return the path of a file.

    Raises
    ------
    GeometryError
        If it is neither text nor an object that stands for a path, or holds a NUL.
    """
    found = os.fspath(value) if isinstance(value, os.PathLike) else value
    if not isinstance(found, str) or "\0" in found:
        raise GeometryError(f"{name} must be the path of a file, not {shown(value)}")
    return Path(found)


def flag(name: str, value: object) -> bool:
    """Return True or False.

    Raises
    ------
    GeometryError
        If it is anything else: text such as ``"no"`` would count as true.
    """
    if not isinstance(value, bool | np.bool_):
        raise GeometryError(f"{name} must be True or False, not {shown(value)}")
    return bool(value)


def numbers(name: str, value: object, *, finite: bool = True) -> FloatArray:
    """Return real numbers of any shape as a new array.

    Parameters
    ----------
    name : str
        The argument.
    value : array_like
        What was given for it.
    finite : bool
        Whether NaN and infinities are wrong.

    Raises
    ------
    GeometryError
        If it holds anything else, or its rows differ in length.
    """
    array = _real(value)
    if array is None:
        raise GeometryError(f"{name} must be an array of real numbers, not {shown(value)}")
    if finite and not np.isfinite(array).all():
        where = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        at = str(list(where)) if where else ""
        raise GeometryError(f"{name}{at} is {array[where]}, not a finite number")
    return array.astype(np.float64)


def array(name: str, value: object, *shapes: tuple[int, ...]) -> FloatArray:
    """Return finite real numbers as a new, read-only array of one of some shapes.

    Raises
    ------
    GeometryError
        If the shape is another, or a number is not finite.
    """
    found = numbers(name, value, finite=False)
    if found.shape not in shapes:
        expected = " or ".join(map(str, shapes))
        raise GeometryError(f"{name} must have shape {expected}, not {found.shape}")
    found = numbers(name, found)
    found.flags.writeable = False
    return found


def _real(value: object) -> npt.NDArray[Any] | None:
    """Make an array of real numbers, or None: of text, booleans, complex numbers, ragged rows."""
    try:
        found = np.asarray(value)
    except (TypeError, ValueError):
        return None
    return found if found.dtype.kind in "iuf" else None
