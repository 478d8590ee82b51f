"""Copy tiles between module data and an image: whole pixels, quarter turns.

A tile is a row of ``tiles`` (int64): its module; the slow-scan and fast-scan index of the data
pixel that becomes the image pixel of its lowest row and column; first and last-plus-one row, and
the same of columns, in the image; and the steps along slow scan and fast scan for one pixel up,
and for one pixel along the row. Each step is -1, 0 or 1.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import config

from geomlib.kernels.compile import kernel
from geomlib.kernels.vector import LANES, copy_row, transpose_block

#: Columns of a table of tiles.
MODULE, SS, FS, TOP, BOTTOM, LEFT, RIGHT, SS_UP, FS_UP, SS_ALONG, FS_ALONG = range(11)
NDArray = npt.NDArray[Any]
Tiles = npt.NDArray[np.int64]


# The compiled functions take addresses and strides, so that one serves arrays of any layout;
# an empty array stands for the dtype.


@kernel
def _assemble(  # type: ignore[no-untyped-def]
    given, stack, stack_strides, tiles, wanted, image, image_strides, first, last, low, high
):
    frame_in, module_in, ss_in, fs_in = stack_strides
    frame_out, row_out, column_out = image_strides
    for frame in range(first, last):
        t = 0
        while t < len(tiles):
            # Tiles of a module that fill the same rows are copied together, a few rows at a time:
            # their rows of the image lie next to each other in memory.
            end = t + 1
            while (
                end < len(tiles)
                and tiles[end, MODULE] == tiles[t, MODULE]
                and tiles[end, TOP] == tiles[t, TOP]
                and tiles[end, BOTTOM] == tiles[t, BOTTOM]
            ):
                end += 1
            bottom = min(tiles[t, BOTTOM], high)
            for y in range(max(tiles[t, TOP], low), bottom, LANES):
                for k in range(t, end):
                    up = tiles[k, SS_UP] * ss_in + tiles[k, FS_UP] * fs_in
                    along = tiles[k, SS_ALONG] * ss_in + tiles[k, FS_ALONG] * fs_in
                    source = stack + frame * frame_in + tiles[k, MODULE] * module_in
                    source += tiles[k, SS] * ss_in + tiles[k, FS] * fs_in
                    source += (y - tiles[k, TOP]) * up
                    target = image + frame * frame_out + y * row_out + tiles[k, LEFT] * column_out
                    size = (min(LANES, bottom - y), tiles[k, RIGHT] - tiles[k, LEFT])
                    steps = (row_out, column_out)
                    _copy_box(given, wanted, source, target, size, (up, along), steps)
            t = end


@kernel
def _dismantle(  # type: ignore[no-untyped-def]
    dtype, image, image_strides, tiles, stack, stack_strides, first, last
):
    frame_out, module_out, ss_out, fs_out = stack_strides
    frame_in, row_in, column_in = image_strides
    for frame in range(first, last):
        for k in range(len(tiles)):
            up = tiles[k, SS_UP] * ss_out + tiles[k, FS_UP] * fs_out
            along = tiles[k, SS_ALONG] * ss_out + tiles[k, FS_ALONG] * fs_out
            for y in range(tiles[k, TOP], tiles[k, BOTTOM], LANES):
                target = stack + frame * frame_out + tiles[k, MODULE] * module_out
                target += tiles[k, SS] * ss_out + tiles[k, FS] * fs_out
                target += (y - tiles[k, TOP]) * up
                source = image + frame * frame_in + y * row_in + tiles[k, LEFT] * column_in
                size = (min(LANES, tiles[k, BOTTOM] - y), tiles[k, RIGHT] - tiles[k, LEFT])
                _copy_box(dtype, dtype, source, target, size, (row_in, column_in), (up, along))


@kernel
def _copy_box(  # type: ignore[no-untyped-def]
    source_like, target_like, source, target, size, source_steps, target_steps
):
    """Copy a box of numbers between two places, given by addresses and byte steps (up, along)."""
    height, width = size
    in_up, in_along = source_steps
    out_up, out_along = target_steps
    in_size, out_size = source_like.itemsize, target_like.itemsize
    if abs(out_along) != out_size and abs(out_up) == out_size:
        height, width = width, height
        in_up, in_along = in_along, in_up
        out_up, out_along = out_along, out_up
    # Now the target is written in runs, if it can be; forwards.
    if out_along < 0:
        source += (width - 1) * in_along
        target += (width - 1) * out_along
        in_along, out_along = -in_along, -out_along
    if out_along == out_size and abs(in_along) == in_size:
        for i in range(height):
            start, end = source + i * in_up, target + i * out_up
            copy_row(source_like, target_like, start, end, width, in_along // in_size)
    elif out_along == out_size and abs(in_up) == in_size:
        if in_up < 0:
            source += (height - 1) * in_up
            target += (height - 1) * out_up
            in_up, out_up = -in_up, -out_up
        blocks_up, blocks_along = height // LANES * LANES, width // LANES * LANES
        for i in range(0, blocks_up, LANES):
            for j in range(0, blocks_along, LANES):
                start = source + i * in_up + j * in_along
                end = target + i * out_up + j * out_along
                transpose_block(source_like, target_like, start, in_along, end, out_up)
        for i in range(height):
            for j in range(blocks_along if i < blocks_up else 0, width):
                start = source + i * in_up + j * in_along
                copy_row(source_like, target_like, start, target + i * out_up + j * out_along, 1, 1)
    else:
        for i in range(height):
            for j in range(width):
                start = source + i * in_up + j * in_along
                copy_row(source_like, target_like, start, target + i * out_up + j * out_along, 1, 1)


def _box(module: NDArray, tile: npt.NDArray[np.int64], rows: tuple[int, int]) -> NDArray:
    """View the data of a tile as it lies in some rows of the image."""
    low, high = rows
    upright = tile[SS_ALONG] == 0
    up, along = (SS_UP, FS_ALONG) if upright else (FS_UP, SS_ALONG)
    start_up, start_along = (tile[SS], tile[FS]) if upright else (tile[FS], tile[SS])
    start_up = start_up + (low - tile[TOP]) * tile[up]
    data = module if upright else module.T
    return data[
        _steps(start_up, tile[up], high - low),
        _steps(start_along, tile[along], tile[RIGHT] - tile[LEFT]),
    ]


def _steps(start: int, step: int, count: int) -> slice:
    stop = start + step * count
    return slice(start, None if stop < 0 else stop, step)


def assemble_with_numpy(
    stack: NDArray, tiles: Tiles, image: NDArray, first: int, last: int, low: int, high: int
) -> None:
    """Do what `assemble_tiles` does, for dtypes that it does not have."""
    for frame in range(first, last):
        for tile in tiles:
            rows = max(int(tile[TOP]), low), min(int(tile[BOTTOM]), high)
            if rows[0] < rows[1]:
                target = image[frame, rows[0] : rows[1], tile[LEFT] : tile[RIGHT]]
                target[...] = _box(stack[frame, tile[MODULE]], tile, rows)


def dismantle_with_numpy(
    image: NDArray, tiles: Tiles, stack: NDArray, first: int, last: int
) -> None:
    """Do what `dismantle_tiles` does, for dtypes that it does not have."""
    for frame in range(first, last):
        for tile in tiles:
            source = image[frame, tile[TOP] : tile[BOTTOM], tile[LEFT] : tile[RIGHT]]
            _box(stack[frame, tile[MODULE]], tile, (tile[TOP], tile[BOTTOM]))[...] = source


def assemble_tiles(
    stack: NDArray, tiles: Tiles, image: NDArray, first: int, last: int, low: int, high: int
) -> None:
    """Copy tiles of frames ``first`` … ``last`` into rows ``low`` … ``high`` of their images.

    Parameters
    ----------
    stack : ndarray of a real dtype of 8 to 64 bits (no float16), shape (frames, modules, ss, fs)
        Module data, with any strides.
    tiles : ndarray of int64, shape (n_tiles, 11)
        The tiles, as described in this module; all inside stack and image: nothing is checked.
        Where they overlap, the later one wins.
    image : ndarray, shape (frames, y, x)
        The output; values are converted to its dtype.
    first, last : int
        Range of frames, the last one excluded.
    low, high : int
        Range of image rows, the last one excluded.
    """
    given, wanted = np.empty(0, stack.dtype), np.empty(0, image.dtype)
    source = (given, stack.ctypes.data, stack.strides)
    target = (wanted, image.ctypes.data, image.strides)
    _assemble(*source, tiles, *target, first, last, low, high)


def dismantle_tiles(image: NDArray, tiles: Tiles, stack: NDArray, first: int, last: int) -> None:
    """Copy frames ``first`` … ``last`` of images back to module data: undo `assemble_tiles`.

    Parameters
    ----------
    image : ndarray, shape (frames, y, x)
        Assembled frames.
    tiles : ndarray of int64, shape (n_tiles, 11)
        As in `assemble_tiles`.
    stack : ndarray, shape (frames, modules, ss, fs)
        The output, of the dtype of the image.
    first, last : int
        Range of frames, the last one excluded.
    """
    source = (np.empty(0, stack.dtype), image.ctypes.data, image.strides)
    target = (stack.ctypes.data, stack.strides)
    _dismantle(*source, tiles, *target, first, last)


if config.DISABLE_JIT:
    assemble_tiles = assemble_with_numpy
    dismantle_tiles = dismantle_with_numpy
