"""Copy tiles between module data and an image: whole pixels, quarter turns.

A tile is a row of ``tiles`` (int64): module, first slow-scan and fast-scan index in it, pixels
along slow scan and fast scan, row and column of its first pixel in the image, and the steps in
(row, column) of one pixel along slow scan and along fast scan..
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

#: Columns of a table of tiles.
MODULE, SS, FS, N_SS, N_FS, Y, X, Y_SS, X_SS, Y_FS, X_FS = range(11)
#: Side of the square blocks in which transposed tiles are copied: a block's rows in source and
#: destination stay in the first-level cache together.
BLOCK = 16


@njit(nogil=True, cache=True)
def assemble_tiles(
    stack: npt.NDArray[np.generic],
    tiles: npt.NDArray[np.int64],
    image: npt.NDArray[np.generic],
    first: int,
    last: int,
    low: int,
    high: int,
) -> None:
    """Copy tiles of frames ``first`` … ``last`` into rows ``low`` … ``high`` of their images.

    Parameters
    ----------
    stack : ndarray, shape (frames, modules, ss, fs)
        Module data.
    tiles : ndarray of int64, shape (n_tiles, 11)
        The tiles, as described in this module. Where they overlap, the later one wins.
    image : ndarray, shape (frames, y, x)
        The output; values are converted to its dtype.
    first, last : int
        Range of frames, the last one excluded.
    low, high : int
        Range of image rows, the last one excluded.
    """
    for frame in range(first, last):
        out = image[frame]
        for t in range(tiles.shape[0]):
            s0, f0 = tiles[t, SS], tiles[t, FS]
            data = stack[
                frame, tiles[t, MODULE], s0 : s0 + tiles[t, N_SS], f0 : f0 + tiles[t, N_FS]
            ]
            y0, x0 = tiles[t, Y], tiles[t, X]
            if tiles[t, Y_SS] != 0:
                y_step, x_step = tiles[t, Y_SS], tiles[t, X_FS]
                for s in range(data.shape[0]):
                    y = y0 + s * y_step
                    if low <= y < high:
                        for f in range(data.shape[1]):
                            out[y, x0 + f * x_step] = data[s, f]
            else:
                y_step, x_step = tiles[t, Y_FS], tiles[t, X_SS]
                for s_block in range(0, data.shape[0], BLOCK):
                    s_end = min(s_block + BLOCK, data.shape[0])
                    for f_block in range(0, data.shape[1], BLOCK):
                        f_end = min(f_block + BLOCK, data.shape[1])
                        for f in range(f_block, f_end):
                            y = y0 + f * y_step
                            if low <= y < high:
                                for s in range(s_block, s_end):
                                    out[y, x0 + s * x_step] = data[s, f]


@njit(nogil=True, cache=True)
def dismantle_tiles(
    image: npt.NDArray[np.generic],
    tiles: npt.NDArray[np.int64],
    stack: npt.NDArray[np.generic],
    first: int,
    last: int,
) -> None:
    """Copy frames ``first`` … ``last`` of images back to module data: undo `assemble_tiles`.

    Parameters
    ----------
    image : ndarray, shape (frames, y, x)
        Assembled frames.
    tiles : ndarray of int64, shape (n_tiles, 11)
        As in `assemble_tiles`.
    stack : ndarray, shape (frames, modules, ss, fs)
        The output.
    first, last : int
        Range of frames, the last one excluded.
    """
    for frame in range(first, last):
        source = image[frame]
        for t in range(tiles.shape[0]):
            s0, f0 = tiles[t, SS], tiles[t, FS]
            data = stack[
                frame, tiles[t, MODULE], s0 : s0 + tiles[t, N_SS], f0 : f0 + tiles[t, N_FS]
            ]
            y0, x0 = tiles[t, Y], tiles[t, X]
            for s_block in range(0, data.shape[0], BLOCK):
                s_end = min(s_block + BLOCK, data.shape[0])
                for f_block in range(0, data.shape[1], BLOCK):
                    f_end = min(f_block + BLOCK, data.shape[1])
                    for s in range(s_block, s_end):
                        y_s = y0 + s * tiles[t, Y_SS]
                        x_s = x0 + s * tiles[t, X_SS]
                        for f in range(f_block, f_end):
                            y = y_s + f * tiles[t, Y_FS]
                            x = x_s + f * tiles[t, X_FS]
                            data[s, f] = source[y, x]
