"""Fill an array through a table: for each of its pixels, a pixel of another array or none."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from geomlib.kernels.compile import kernel


@kernel
def gather(
    source: npt.NDArray[Any],
    table: npt.NDArray[np.int32],
    target: npt.NDArray[Any],
    fill: Any,
    low: int,
    high: int,
) -> None:
    """Fill rows ``low`` … ``high`` of one frame.

    Parameters
    ----------
    source : ndarray, shape (n,)
        The pixels to take from.
    table : ndarray of int32, shape (rows, columns)
        For each pixel of the target the index of one in the source; -1 for none.
    target : ndarray, shape (rows, columns)
        The output; values are converted to its dtype.
    fill : scalar
        Value of pixels without a source, in the dtype of the target.
    low, high : int
        Range of rows, the last one excluded.
    """
    for y in range(low, high):
        for x in range(table.shape[1]):
            index = table[y, x]
            target[y, x] = fill if index < 0 else source[np.uint32(index)]
