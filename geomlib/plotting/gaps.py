"""Which pixels of an integer image belong to no tile: it has no NaN to say so."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from geomlib.coordinates import BoolArray
from geomlib.geometry import Geometry

if TYPE_CHECKING:
    from geomlib.assembly import AssembledImage


def gaps_of(image: AssembledImage) -> BoolArray:
    """Find the pixels of an image that no tile covers.

    Parameters
    ----------
    image : AssembledImage
        Whole, a region or centred, but not binned.

    Returns
    -------
    ndarray of bool, shape (y, x)
    """
    covered, (centre_y, centre_x) = _coverage(image.geometry, image.method)
    gaps = np.ones(image.data.shape[-2:], dtype=np.bool_)
    # Row 0 of the image is this row of the coverage.
    first_y, first_x = (
        int(c) - int(own) for c, own in zip((centre_y, centre_x), image.centre, strict=True)
    )
    inner = gaps[max(-first_y, 0) :, max(-first_x, 0) :]
    part = covered[max(first_y, 0) :, max(first_x, 0) :][: inner.shape[0], : inner.shape[1]]
    inner[: part.shape[0], : part.shape[1]] = ~part
    return gaps


@lru_cache(maxsize=4)
def _coverage(geometry: Geometry, method: str) -> tuple[BoolArray, tuple[int, int]]:
    """Pixels of the whole image that a tile covers, and its centre (y, x)."""
    from geomlib.assembly import assemble_data

    ones = np.ones(geometry.data_shape, dtype=np.uint8)
    covered, centre = assemble_data(ones, geometry, method=method)  # type: ignore[arg-type]
    return covered.astype(np.bool_), (int(centre[0]), int(centre[1]))
