import numpy as np
import pytest

from geomlib.plotting.value_range import SAMPLE, colour_limits


def test_hot_pixels_do_not_count():
    data = np.random.default_rng(0).normal(100, 10, (500, 500))
    clean = colour_limits(data, None, None)
    data.ravel()[::1000] = 1e6
    data.ravel()[500::1000] = np.nan
    low, high = colour_limits(data, None, None)
    assert low == pytest.approx(clean[0], abs=1)
    assert high == pytest.approx(clean[1], abs=3)
    # 0.5 and 99.5 % of a normal distribution lie 2.58 standard deviations out.
    assert clean == pytest.approx((74.2, 125.8), abs=1)


def test_counts_that_are_nearly_all_zero():
    rng = np.random.default_rng(1)
    data = np.zeros(1_000_000, np.uint16)
    data[rng.integers(0, data.size, 3000)] = rng.integers(1, 5, 3000)
    data[:20] = 60000
    low, high = colour_limits(data.reshape(1000, 1000), None, None)
    assert low == 0
    assert 3 <= high <= 40


def test_one_photon_in_a_large_image():
    data = np.zeros((1000, 1000), np.uint8)
    data[123, 456] = 1
    assert colour_limits(data, None, None) == (0, 1)
    stack = np.zeros((3, 400, 400), np.float32)
    stack[2, 17, 5] = 3
    assert colour_limits(stack, None, None) == (0, 3)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (np.full((2, 2), np.nan), (0, 1)),
        (np.full((2, 2), np.inf), (0, 1)),
        (np.zeros((2, 2)), (0, 1)),
        (np.full((2, 2), 7), (7, 14)),
        (np.full((2, 2), -7.0), (-7, 0)),
        (np.zeros((2, 2), bool), (0, 1)),
        (np.ma.MaskedArray([[1, 2], [3, 900]], mask=[[0, 0], [0, 1]]), (1, 3)),
    ],
)
def test_images_without_a_spread(data, expected):
    assert colour_limits(data, None, None) == pytest.approx(expected)


def test_given_limits_are_kept():
    data = np.arange(100.0).reshape(10, 10)
    assert colour_limits(data, 5, 7) == (5, 7)
    assert colour_limits(data, 5, None)[0] == 5
    assert colour_limits(data, None, 7)[1] == 7
    assert colour_limits(data, 500, None) == (500, 1000)
    assert colour_limits(data, None, -3) == (-6, -3)


def test_logarithm_uses_positive_values_only():
    data = np.concatenate([np.zeros(500), -np.ones(500), np.geomspace(1, 1000, 1000)])
    low, high = colour_limits(data.reshape(40, 50), None, None, log=True)
    assert low == pytest.approx(1.07, abs=0.01)
    assert high == pytest.approx(993, abs=2)
    assert colour_limits(np.zeros((2, 2)), None, None, log=True) == (1, 10)
    assert colour_limits(np.full((2, 2), 5.0), None, None, log=True) == (5, 50)
    assert colour_limits(data.reshape(40, 50), None, 0.5, log=True) == (0.05, 0.5)


def test_a_sample_sees_every_column():
    # One bright column in a large image whose width shares factors with a plain step.
    data = np.zeros((2048, 1024), np.float32)
    data[:, 3] = 10
    data[:, 4:20] = 5
    assert data.size > 4 * SAMPLE
    low, high = colour_limits(data, None, None)
    assert (low, high) == (0, 5)
