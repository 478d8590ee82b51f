"""Step vectors as lengths and directions."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from geomlib.formats.directions import lengths_and_directions, unit_vector


def test_unit_vectors_stay_to_the_bit():
    nearly = np.array([1 / 3, 2 / 3, 2 / 3]) * (1 + 1e-14)
    assert unit_vector(nearly) is nearly
    np.testing.assert_array_equal(unit_vector(np.array([0.0, -3, 4])), [0, -0.6, 0.8])


def test_vectors_along_axes_have_plain_lengths_and_directions():
    lengths, directions = lengths_and_directions(np.array([[0, -200e-6, 0], [75e-6, 0, 0]]))
    assert lengths.tolist() == [200e-6, 75e-6]
    assert directions.tolist() == [[0, -1, 0], [1, 0, 0]]


@given(arrays(np.float64, (4, 3), elements=st.floats(1e-8, 1e-3)))
def test_products_are_the_vectors(vectors):
    lengths, directions = lengths_and_directions(vectors)
    np.testing.assert_allclose(np.linalg.norm(directions, axis=1), 1, rtol=0, atol=4e-15)
    product = lengths[:, np.newaxis] * directions
    assert (np.abs(product - vectors) <= np.spacing(vectors)).all()


def test_products_are_mostly_exact():
    vectors = np.random.default_rng(0).normal(0, 1e-4, (10_000, 3))
    lengths, directions = lengths_and_directions(vectors)
    inexact = (lengths[:, np.newaxis] * directions != vectors).any(axis=1)
    assert inexact.mean() < 0.01
