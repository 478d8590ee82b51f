"""Dtypes of images: which conversions are made, and the value of missing pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from geomlib.errors import GeometryError

NDArray = npt.NDArray[Any]


def check_dtype(dtype: npt.DTypeLike, name: str) -> np.dtype[Any]:
    """Return a dtype in native byte order, if it is one of plain numbers.

    Raises
    ------
    GeometryError
        If it is anything else.
    """
    try:
        kind = np.dtype(dtype)
    except TypeError:
        raise GeometryError(f"{name} is {dtype!r}, which numpy does not know as a dtype") from None
    numbers = kind.kind in "biuf" and kind.itemsize <= 8
    if not (numbers or kind in (np.complex64, np.complex128)):
        raise GeometryError(
            f"{name} must be of booleans, integers, floating or complex numbers of up to 64 bits "
            f"(a part), not {kind}"
        )
    return kind.newbyteorder("=")


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
        if np.ndim(fill) == 0 and (dtype.kind == "c" or not np.iscomplexobj(fill)):
            with np.errstate(all="ignore"):
                value = np.asarray(fill).astype(dtype)[()]
                # A floating image rounds; it does not turn a finite value into an infinite one.
                rounds = dtype.kind in "fc" and bool(np.isfinite(value) or not np.isfinite(fill))
                same = rounds or bool(value == fill)
    except (TypeError, ValueError, OverflowError):
        same = False
    if not same:
        raise GeometryError(
            f"fill={fill!r} cannot be held by {dtype} pixels; an image that is to hold NaN must be "
            "floating"
        )
    return value


def check_cast(given: np.dtype[Any], wanted: np.dtype[Any]) -> None:
    """Allow what loses nothing, and any real number to floating: rounding is expected there.

    Raises
    ------
    GeometryError
        For any other conversion.
    """
    if np.can_cast(given, wanted, "safe") or (given.kind in "biuf" and wanted.kind == "f"):
        return
    raise GeometryError(
        f"data of {given} cannot be assembled into {wanted} without loss; convert it yourself if "
        "that is what you want: data.astype(...)"
    )


def raw_view(array: NDArray) -> NDArray:
    """View numbers as unsigned integers of the same size: one compiled copy serves them all."""
    return array if array.dtype.itemsize > 8 else array.view(f"u{array.dtype.itemsize}")


def plain_view(array: NDArray) -> NDArray:
    """View booleans as whole numbers, for conversion."""
    return array.view(np.uint8) if array.dtype == np.bool_ else array
