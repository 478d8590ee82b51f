"""How much of the plane across the beam a view shows."""

from __future__ import annotations

import numpy as np

from geomlib.detector import FloatArray


def padded(low: FloatArray, high: FloatArray, share: float) -> tuple[FloatArray, FloatArray]:
    """Widen a view by a share of its larger side; one without any size becomes a small one."""
    size = float((high - low).max())
    margin = share * size if size > 0 else 1.0
    return low - margin, high + margin


def with_beam(low: FloatArray, high: FloatArray) -> tuple[FloatArray, FloatArray, bool]:
    """Widen a view to the origin, unless the detector would then fill less than half of it.

    Parameters
    ----------
    low, high : ndarray, shape (2,)
        Lowest and highest x and y of the detector, in any unit.

    Returns
    -------
    low, high : ndarray, shape (2,)
        The view.
    inside : bool
        Whether the origin is in it.
    """
    wide_low, wide_high = np.minimum(low, 0), np.maximum(high, 0)
    if float((wide_high - wide_low).max()) > 2 * float((high - low).max()):
        return low, high, False
    return wide_low, wide_high, True
