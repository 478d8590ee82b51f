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
#: Side of the square blocks in which transposed tiles are copied. A power of two that is known
#: when the loops are compiled, so that they are unrolled.
BLOCK = 8


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
        for t in range(tiles.shape[0]):
            module = stack[frame, tiles[t, MODULE]]
            if tiles[t, Y_SS] != 0:
                _copy_upright(module, tiles[t], image[frame], low, high)
            else:
                _copy_transposed(module, tiles[t], image[frame], low, high)


@njit(nogil=True, cache=True)
def _copy_upright(module, tile, image, low, high):  # type: ignore[no-untyped-def]
    """Copy a tile whose fast scan runs along x, a row at a time."""
    n = tile[N_FS]
    for s in range(tile[N_SS]):
        y = tile[Y] + s * tile[Y_SS]
        if y < low or y >= high:
            continue
        # Slices of one row are known to be contiguous when the arrays are: these loops become
        # plain copies, with or without a reversal.
        source = module[tile[SS] + s][tile[FS] : tile[FS] + n]
        if tile[X_FS] > 0:
            target = image[y][tile[X] : tile[X] + n]
            for i in range(n):
                target[i] = source[i]
        else:
            target = image[y][tile[X] - n + 1 : tile[X] + 1]
            for i in range(n):
                target[i] = source[np.uint64(n - 1 - i)]


@njit(nogil=True, cache=True)
def _copy_transposed(module, tile, image, low, high):  # type: ignore[no-untyped-def]
    """Copy a tile whose fast scan runs along y, in square blocks."""
    n_ss, n_fs = tile[N_SS], tile[N_FS]
    y_step, x_step = tile[Y_FS], tile[X_SS]
    for f in range(0, n_fs, BLOCK):
        y = tile[Y] + f * y_step
        y_end = y + (BLOCK - 1) * y_step
        whole_rows = f + BLOCK <= n_fs and low <= min(y, y_end) and max(y, y_end) < high
        for s in range(0, n_ss, BLOCK):
            x = tile[X] + s * x_step
            block = module[tile[SS] + s : tile[SS] + n_ss, tile[FS] + f : tile[FS] + n_fs]
            if whole_rows and s + BLOCK <= n_ss:
                _copy_block(block, image, y, x, y_step, x_step)
                continue
            for j in range(min(BLOCK, n_fs - f)):
                if low <= y + j * y_step < high:
                    for i in range(min(BLOCK, n_ss - s)):
                        image[y + j * y_step, x + i * x_step] = block[i, j]


@njit(nogil=True, cache=True)
def _copy_block(block, image, y, x, y_step, x_step):  # type: ignore[no-untyped-def]
    """Copy a whole block.

    Unsigned indices spare the check for negative ones, a third of the time.
    """
    for j in range(BLOCK):
        row = image[y + j * y_step]
        if x_step > 0:
            target = row[x : x + BLOCK]
            for i in range(BLOCK):
                target[np.uint64(i)] = block[np.uint64(i), np.uint64(j)]
        else:
            target = row[x - BLOCK + 1 : x + 1]
            for i in range(BLOCK):
                target[np.uint64(i)] = block[np.uint64(BLOCK - 1 - i), np.uint64(j)]


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
