"""Values of missing pixels, and dtypes."""

import numpy as np
import pytest

from geomlib import GeometryError
from geomlib.assembly.fill import check_cast, check_no_mask, check_shape, fill_value


@pytest.mark.parametrize(
    ("fill", "dtype"),
    [
        (1e300, "f4"),
        (1e5, "f2"),
        (1e300, "c8"),
        (300, "u1"),
        (-1, "u2"),
        (0.5, "i4"),
        (float(2**64), "u8"),
        (float(2**63), "i8"),
        (2, "?"),
        (np.nan, "i4"),
        (1j, "f8"),
        ("1", "f4"),
        (np.array([1.0]), "f4"),
    ],
)
def test_what_a_dtype_cannot_hold(fill, dtype):
    with pytest.raises(GeometryError, match="cannot be held by"):
        fill_value(fill, np.dtype(dtype))


@pytest.mark.parametrize(
    ("fill", "dtype", "value"),
    [
        (0.1, "f4", np.float32(0.1)),
        (np.inf, "f4", np.inf),
        (3e38, "f4", np.float32(3e38)),
        (1e300, "f8", 1e300),
        (2**63, "u8", 2**63),
        (-1.0, "i2", -1),
        (np.uint8(7), "i8", 7),
        (1j, "c8", 1j),
        (None, "u2", 0),
    ],
)
def test_what_it_can(fill, dtype, value):
    found = fill_value(fill, np.dtype(dtype))
    assert found == value
    assert found.dtype == dtype


def test_nan_by_default():
    assert np.isnan(fill_value(None, np.dtype("f4")))
    assert np.isnan(fill_value(np.nan, np.dtype("f2")))


def test_messages_name_the_argument():
    with pytest.raises(GeometryError, match="dtype is int16, but data of float32"):
        check_cast(np.dtype("f4"), np.dtype("i2"), "dtype")
    with pytest.raises(GeometryError, match=r"out is a masked array; pass out\.data"):
        check_no_mask(np.ma.zeros(3))
    with pytest.raises(GeometryError, match=r"shape \(3, 4\), not \(2, 3, 4\); reduce takes"):
        check_shape(np.zeros((2, 3, 4)), (3, 4), True)
    with pytest.raises(GeometryError, match=r"shape \(3, 4\), not \(3, 5\); output_array"):
        check_shape(np.zeros((3, 5)), (3, 4), True)
