"""Fill an image from module data through a table: for each image pixel, a data pixel or none."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit


@njit(nogil=True, cache=True)
def gather(
    stack: npt.NDArray[np.generic],
    table: npt.NDArray[np.int32],
    image: npt.NDArray[np.generic],
    fill: np.generic,
    first: int,
    last: int,
    low: int,
    high: int,
) -> None:
    """Fill rows ``low`` … ``high`` of the images of frames ``first`` … ``last``.

    Parameters
    ----------
    stack : ndarray, shape (frames, modules, ss, fs)
        Module data.
    table : ndarray of int32, shape (y, x, 3)
        Module, ss and fs of the data pixel for each image pixel; module -1 for none.
    image : ndarray, shape (frames, y, x)
        The output; values are converted to its dtype.
    fill : scalar
        Value of pixels without data, in the dtype of the image.
    first, last : int
        Range of frames, the last one excluded.
    low, high : int
        Range of image rows, the last one excluded.
    """
    for frame in range(first, last):
        for y in range(low, high):
            for x in range(table.shape[1]):
                module = table[y, x, 0]
                if module < 0:
                    image[frame, y, x] = fill
                else:
                    image[frame, y, x] = stack[frame, module, table[y, x, 1], table[y, x, 2]]


@njit(nogil=True, cache=True)
def scatter_back(
    image: npt.NDArray[np.generic],
    table: npt.NDArray[np.int32],
    stack: npt.NDArray[np.generic],
    fill: np.generic,
    first: int,
    last: int,
) -> None:
    """Fill module data of frames ``first`` … ``last`` from images.

    Parameters
    ----------
    image : ndarray, shape (frames, y, x)
        Assembled frames.
    table : ndarray of int32, shape (modules, ss, fs, 2)
        Row and column of the image pixel for each data pixel; row -1 for none.
    stack : ndarray, shape (frames, modules, ss, fs)
        The output.
    fill : scalar
        Value of data pixels outside the image, in the dtype of the stack.
    first, last : int
        Range of frames, the last one excluded.
    """
    for frame in range(first, last):
        for m in range(table.shape[0]):
            for s in range(table.shape[1]):
                for f in range(table.shape[2]):
                    y = table[m, s, f, 0]
                    if y < 0:
                        stack[frame, m, s, f] = fill
                    else:
                        stack[frame, m, s, f] = image[frame, y, table[m, s, f, 1]]
