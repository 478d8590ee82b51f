import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geomlib.formats.crystfel import values
from geomlib.formats.crystfel.numerals import (
    STEP_NOISE,
    in_metres,
    in_pixels,
    positional,
    quotient,
    resolution,
    vector_text,
)

numbers = st.floats(-1e6, 1e6).filter(lambda x: x == 0 or abs(x) > 1e-30)


@given(numbers)
def test_positional_reads_back_to_the_same_double_without_an_exponent(value):
    text = positional(value)
    assert float(text) == value
    assert "e" not in text


def test_positional_is_short():
    assert positional(5000.0) == "5000"
    assert positional(0.1) == "0.1"
    assert positional(-0.0) == "0"
    assert positional(-1.158975502268676e-06) == "-0.000001158975502268676"


@given(st.lists(numbers, min_size=3, max_size=3))
def test_vectors_are_read_back_exactly(vector):
    text = vector_text(np.array(vector))
    assert values.vector(text) == tuple(vector)


def test_vectors_always_name_x_and_y():
    assert vector_text(np.array([1.0, -0.0, 0.0])) == "+1.0x +0.0y"
    assert vector_text(np.array([0.0, -1.0, 1e-7])) == "+0.0x -1.0y +0.0000001z"


@given(st.floats(-2000, 2000), st.sampled_from([200e-6, 75e-6, 236e-6, 1 / 9090.91]))
def test_quotient_comes_as_close_as_a_double_can(position, pitch):
    target = position * pitch
    found = quotient(target, pitch)
    assert abs(found * pitch - target) <= math.ulp(target)


def test_round_numbers_come_out_round():
    assert in_pixels(3 * 75e-6 - 2 * 75e-6 + 1e-17, 75e-6) == 1
    assert in_pixels(-525.125 * 200e-6 + 1e-17, 200e-6) == -525.125
    assert in_pixels(200e-6 * np.cos(np.pi / 2), 200e-6, STEP_NOISE) == 0
    assert in_metres(0.1 + 0.2) == 0.3
    assert in_metres(1e-17) == 0


@given(st.floats(-0.5, 0.5))
def test_others_are_kept_exactly(z):
    if abs(round(z, 9) - z) > 1e-16:
        assert in_metres(z) == z
        assert abs(in_pixels(z, 75e-6) * 75e-6 - z) <= math.ulp(z)


@pytest.mark.parametrize("pitch", [200e-6, 500e-6, 75e-6, 50e-6, 100e-6, 236e-6, 172e-6, 55e-6])
def test_resolution_gives_back_the_pitch(pitch):
    assert 1 / resolution(pitch) == pytest.approx(pitch, rel=1e-15)
    assert resolution(200e-6) == 5000
