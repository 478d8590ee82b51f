import numpy as np
import pytest

from geomlib import GeometryError, checks


@pytest.mark.parametrize("value", [2, 2.0, np.float32(2), np.uint8(2), np.array(2.0)])
def test_numbers_of_any_real_type_are_floats(value):
    found = checks.number("x", value, positive=True)
    assert found == 2.0
    assert type(found) is float


@pytest.mark.parametrize(
    "value", ["2", b"2", True, None, 2j, [2.0], np.array([2.0]), np.nan, -np.inf, 10**400, object]
)
def test_anything_else_is_no_number(value):
    with pytest.raises(GeometryError, match="x must be a finite number, not"):
        checks.number("x", value)


@pytest.mark.parametrize("value", [0, -1, np.nan])
def test_positive_numbers(value):
    assert checks.number("x", -1) == -1
    with pytest.raises(GeometryError, match="x must be a positive, finite number, not"):
        checks.number("x", value, positive=True)


def test_whole_numbers():
    assert checks.integer("x", np.int16(3), 0) == 3
    assert checks.integers("x", np.arange(3), 0, 2) == (0, 1, 2)
    assert checks.integers("x", (), 0, 2) == ()
    for value in (2.0, "2", None, True, -1, 3):
        with pytest.raises(GeometryError, match=r"x must be a whole number, from 0 to 2, not"):
            checks.integer("x", value, 0, 2)
    with pytest.raises(GeometryError, match="at least 1, not 0"):
        checks.integer("x", 0, 1)
    for values in ([2.0], "01", None, 2, [True], [-1], [0, 3]):
        with pytest.raises(GeometryError, match=r"x must be whole numbers, from 0 to 2, not"):
            checks.integers("x", values, 0, 2)
    with pytest.raises(GeometryError, match=r"x must be 2 whole numbers, at least 0, not \(1,\)"):
        checks.integers("x", (1,), 0, count=2)


def test_arrays_are_new_and_read_only():
    mine = np.zeros((2, 3), dtype=np.float32)
    found = checks.array("x", mine, (2,), (2, 3))
    assert found.dtype == np.float64
    mine[0] = 1
    assert not found.any()
    assert not found.flags.writeable


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("abc", "x must be an array of real numbers, not 'abc'"),
        ([[1, 2], [3]], "x must be an array of real numbers, not"),
        ([1j, 2], "x must be an array of real numbers"),
        ([True, False], "x must be an array of real numbers"),
        ([1, None], "x must be an array of real numbers"),
        (["1", "2"], "x must be an array of real numbers"),
        ([1, 2, 3], r"x must have shape \(2,\), not \(3,\)"),
        ([1, np.nan], r"x\[1\] is nan, not a finite number"),
    ],
)
def test_wrong_arrays(value, message):
    with pytest.raises(GeometryError, match=message):
        checks.array("x", value, (2,))


def test_numbers_may_be_missing_where_that_is_allowed():
    assert np.isnan(checks.numbers("x", [1, np.nan], finite=False)[1])
    with pytest.raises(GeometryError, match="x is inf, not a finite number"):
        checks.numbers("x", np.inf)


def test_long_values_are_shortened_to_one_line():
    assert checks.shown([1, "a"]) == "[1, 'a']"
    line = checks.shown(np.arange(3000).reshape(100, 30))
    assert "\n" not in line
    assert len(line) <= 120
    assert line.endswith("…")
