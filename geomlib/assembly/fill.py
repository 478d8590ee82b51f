"""Where images go: their dtypes, which conversions are made, and the value of missing pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from geomlib.checks import shown
from geomlib.errors import GeometryError

NDArray = npt.NDArray[Any]


#: For messages about `out`.
REDUCED_HINT = "reduce takes the axes of frames away"
#: What `check_dtype` takes.
PLAIN_NUMBERS = "of booleans, integers, floating or complex numbers of up to 64 bits (a part)"


def check_dtype(dtype: npt.DTypeLike, name: str, expected: str = PLAIN_NUMBERS) -> np.dtype[Any]:
    """Return a dtype in native byte order, if it is one of plain numbers.

    Parameters
    ----------
    dtype : dtype
        What was given.
    name, expected : str
        For the message: the argument, and what it must be.

    Raises
    ------
    GeometryError
        If it is anything else.
    """
    try:
        kind = np.dtype(dtype).newbyteorder("=")
    except TypeError:
        raise GeometryError(f"{name} is {dtype!r}, which numpy does not know as a dtype") from None
    numbers = kind.kind in "biuf" and kind.itemsize <= 8
    if not (numbers or kind in (np.complex64, np.complex128)):
        raise GeometryError(f"{name} must be {expected}, not {kind}")
    return kind


def fill_value(fill: float | None, dtype: np.dtype[Any]) -> Any:
    """Return the value of missing pixels as a scalar of the image's dtype.

    Raises
    ------
    GeometryError
        If the dtype cannot hold it.
    """
    if fill is None:
        return dtype.type(np.nan if dtype.kind in "fc" else 0)
    same = False
    try:
        given = np.asarray(fill)
        if given.ndim == 0 and given.dtype.kind in ("biufc" if dtype.kind == "c" else "biuf"):
            with np.errstate(all="ignore"):
                value = given.astype(dtype)[()]
            if dtype.kind in "fc":
                # An image rounds; it does not turn a finite value into an infinite one.
                same = bool(np.isfinite(value) or not np.isfinite(given))
            else:
                same = value.item() == given.item()
    except (TypeError, ValueError, OverflowError):
        same = False
    if not same:
        floating = isinstance(fill, float | np.floating) and dtype.kind in "biu"
        hint = "; an image that is to hold it must be floating: dtype='f4'" if floating else ""
        raise GeometryError(f"fill={shown(fill)} cannot be held by {dtype} pixels{hint}")
    return value


def check_cast(given: np.dtype[Any], wanted: np.dtype[Any], name: str) -> None:
    """Allow what loses nothing, and any real number to floating: rounding is expected there.

    Parameters
    ----------
    given, wanted : dtype
        Of the data, and of the image.
    name : str
        The argument that asks for it, for the message.

    Raises
    ------
    GeometryError
        For any other conversion.
    """
    if np.can_cast(given, wanted, "safe") or (given.kind in "biuf" and wanted.kind == "f"):
        return
    raise GeometryError(
        f"{name} is {wanted}, but data of {given} cannot be assembled into {wanted} without loss; "
        "convert it yourself if that is what you want: data.astype(...)"
    )


def check_shape(out: Any, shape: tuple[int, ...], reduced: bool) -> None:
    """Refuse an array or dataset for images that has another shape than they.

    Raises
    ------
    GeometryError
        The message says what is expected.
    """
    found = tuple(out.shape)
    if found == shape:
        return
    if reduced and len(found) > len(shape):
        hint = REDUCED_HINT
    else:
        hint = "output_array(geometry, frames_shape, dtype) makes one"
    raise GeometryError(f"out must have the shape {shape}, not {found}; {hint}")


def check_no_mask(out: Any) -> None:
    """Refuse a masked array for images: its mask would go on hiding what is written.

    Raises
    ------
    GeometryError
        If `out` is one.
    """
    if isinstance(out, np.ma.MaskedArray):
        raise GeometryError("out is a masked array; pass out.data, which has no mask")


def raw_view(array: NDArray) -> NDArray:
    """View numbers as unsigned integers of the same size: one compiled copy serves them all."""
    return array if array.dtype.itemsize > 8 else array.view(f"u{array.dtype.itemsize}")


def plain_view(array: NDArray) -> NDArray:
    """View booleans as whole numbers, for conversion."""
    return array.view(np.uint8) if array.dtype == np.bool_ else array
