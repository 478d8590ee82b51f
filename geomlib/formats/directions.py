"""Step vectors as a length and a direction, which is how NXmx and DIALS have them."""

from __future__ import annotations

import numpy as np

from geomlib.detector import FloatArray


def unit_vector(vector: FloatArray) -> FloatArray:
    """Return the direction of a vector, shape (3,), that is not zero.

    One of unit length but for rounding stays as it is: its product with a length may be exact.
    """
    length = float(np.linalg.norm(vector))
    return vector if abs(length - 1) < 1e-12 else vector / length


def lengths_and_directions(vectors: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return lengths and unit vectors whose products are given vectors, to the last bit if may be.

    The product of a length and a direction is rounded. Of lengths that differ from the true one by
    a few units in the last place, the first is taken with which the products of all components come
    out; without one (about one vector in 300), components are off by one such unit.

    Parameters
    ----------
    vectors : ndarray, shape (n, 3)
        Of some length each.

    Returns
    -------
    lengths : ndarray, shape (n,)
    directions : ndarray, shape (n, 3)
    """
    true = np.linalg.norm(vectors, axis=1)
    lengths, directions = true.copy(), vectors / true[:, np.newaxis]
    open_ = np.ones(len(vectors), dtype=np.bool_)
    for ulps in sorted(range(-8, 9), key=abs):
        length = true + ulps * np.spacing(true)
        direction = _divided(vectors, length[:, np.newaxis])
        exact = open_ & (length[:, np.newaxis] * direction == vectors).all(axis=1)
        lengths[exact], directions[exact] = length[exact], direction[exact]
        open_ &= ~exact
    return lengths, directions


def _divided(product: FloatArray, factor: FloatArray) -> FloatArray:
    """Quotient, or its neighbour where only that one's product with the factor is exact."""
    quotient = product / factor
    for side in (-np.inf, np.inf):
        near = np.nextafter(quotient, side)
        quotient = np.where(
            (quotient * factor != product) & (near * factor == product), near, quotient
        )
    return quotient
