"""Copy tiles between module data and an image: whole pixels, quarter turns.

A tile is a row of ``tiles`` (int64): its module; the slow-scan and fast-scan index of the data
pixel that becomes the image pixel of its lowest row and column; first and last-plus-one row, and
the same of columns, in the image; and the steps along slow scan and fast scan for one pixel up,
and for one pixel along the row. Each step is -1, 0 or 1.

Two ways into an image. `work_in_place` stores tiles where they belong. `work_in_bands` puts
whole bands of rows together in a scratch array that stays in the cache, and streams them out: every
line of the image is written once, whole, and never read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import config

from geomlib.kernels.compile import kernel
from geomlib.kernels.streams import stream
from geomlib.kernels.vector import LANES, LINE, copy_row, fence, prefetch, transpose_block

#: Columns of a table of tiles.
MODULE, SS, FS, TOP, BOTTOM, LEFT, RIGHT, SS_UP, FS_UP, SS_ALONG, FS_ALONG = range(11)
#: numba compiles a function anew for each literal 0 that it is given.
_ZERO = np.int64(0)
#: Lines of memory that are asked for ahead of time, where they become columns: a tile, or half of
#: one; and where they become rows.
AHEAD = 16
LINES_AHEAD = 8
#: Positions among the arguments of all loops.
ADDRESSES, IMAGE = 1, 5
NDArray = npt.NDArray[Any]
Tiles = npt.NDArray[np.int64]


class Modules(NamedTuple):
    """Module data as the kernels take it: of any layout, but the same one for all modules.

    Attributes
    ----------
    parts : tuple of (ndarray, tuple of int)
        Arrays of shape (frames, n, ss, fs) and the numbers of the n modules in each. A real dtype
        of 8 to 64 bits (no float16).
    like : ndarray, shape (0,)
        Stands for their dtype.
    addresses : ndarray of int64
        Where each module begins, by its number.
    steps : (int, int, int)
        Bytes from one frame, slow-scan row and fast-scan column to the next.
    """

    parts: tuple[tuple[NDArray, tuple[int, ...]], ...]
    like: NDArray
    addresses: npt.NDArray[np.int64]
    steps: tuple[int, int, int]


class Work(NamedTuple):
    """A compiled loop and what it is called with.

    Attributes
    ----------
    loop : callable
        Takes the arguments, and where the scratch lies if it needs any.
    arguments : tuple
        Among them, by position, the addresses of modules (`ADDRESSES`) and of the image (`IMAGE`).
    scratch : int
        Bytes of scratch.
    kept : ndarray
        The fill values, which are referred to by their address. Data and image are, too: they are
        the caller's to keep alive.
    """

    loop: Callable[..., None]
    arguments: tuple[Any, ...]
    scratch: int
    kept: NDArray

    def run(self, room: NDArray | None = None) -> None:
        """Do it; ``room`` (uint8, contiguous) is the scratch."""
        if room is None:
            self.loop(*self.arguments)
        else:
            self.loop(*self.arguments, address(room))

    def moved(self, data: int, image: int) -> Work:
        """Return the same for data and an image that lie so many bytes further on."""
        arguments = list(self.arguments)
        arguments[ADDRESSES] = arguments[ADDRESSES] + data
        arguments[IMAGE] += image
        return Work(self.loop, tuple(arguments), self.scratch, self.kept)


Parts = Sequence[tuple[NDArray, tuple[int, ...]]]


def one_layout(parts: Parts) -> tuple[tuple[NDArray, tuple[int, ...]], ...]:
    """Return arrays (…, n, ss, fs) that all have the same strides; copies where they differ."""
    if len(parts) == 1 or len({(*a.strides[:-3], *a.strides[-2:]) for a, _ in parts}) == 1:
        return tuple(parts)
    alike = [(np.ascontiguousarray(a), numbers) for a, numbers in parts]
    if len({a.shape[-3] for a, _ in alike}) > 1:
        one = [(a[..., i, :, :], n) for a, numbers in alike for i, n in enumerate(numbers)]
        alike = [(np.ascontiguousarray(a)[..., np.newaxis, :, :], (n,)) for a, n in one]
    return tuple(alike)


def modules_of(parts: Parts) -> Modules:
    """Describe arrays of shape (frames, n, ss, fs), all of one layout."""
    starts = {
        number: start + i * array.strides[1]
        for array, numbers in parts
        for start in (address(array),)
        for i, number in enumerate(numbers)
    }
    addresses = np.array([starts.get(n, 0) for n in range(1 + max(starts))], dtype=np.int64)
    frame, _, ss, fs = parts[0][0].strides
    return Modules(tuple(parts), np.empty(0, parts[0][0].dtype), addresses, (frame, ss, fs))


# The compiled functions take addresses and strides, so that one serves arrays of any layout;
# an empty array stands for the dtype.


@kernel
def _copy_box(  # type: ignore[no-untyped-def]
    source_like, target_like, source, target, size, source_steps, target_steps, ahead
):
    """Copy a box of numbers between two places, given by addresses and byte steps (up, along).

    Where runs of the source become columns of the target, the lines ``ahead`` bytes further on are
    asked for: the processor reads ahead along one run, not across short pieces of many.
    """
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
        if in_up < 0:
            source += (height - 1) * in_up
            target += (height - 1) * out_up
            in_up, out_up = -in_up, -out_up
        for i in range(height):
            start, end = source + i * in_up, target + i * out_up
            copy_row(source_like, target_like, start, end, width, in_along // in_size)
    elif out_along == out_size and abs(in_up) == in_size:
        if in_up < 0:
            source += (height - 1) * in_up
            target += (height - 1) * out_up
            in_up, out_up = -in_up, -out_up
        blocks_up, blocks_along = height // LANES * LANES, width // LANES * LANES
        for step in range(0, blocks_along, LANES):
            j = blocks_along - LANES - step if in_along < 0 else step
            for i in range(0, blocks_up, LANES):
                start = source + i * in_up + j * in_along
                if ahead != 0 and i * in_size % LINE == 0:
                    for run in range(LANES):
                        prefetch(start + run * in_along + ahead)
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


@kernel
def _same_lines(tiles, a, b, slow):  # type: ignore[no-untyped-def]
    """Say whether the data of two tiles lies in the same lines of memory, the same way round."""
    same = (tiles[a, MODULE] == tiles[b, MODULE]) & (tiles[a, slow] == tiles[b, slow])
    same &= tiles[a, BOTTOM] - tiles[a, TOP] == tiles[b, BOTTOM] - tiles[b, TOP]
    same &= (tiles[a, SS_UP] == tiles[b, SS_UP]) & (tiles[a, FS_UP] == tiles[b, FS_UP])
    same &= tiles[a, FS_ALONG] == tiles[b, FS_ALONG]
    return same & (tiles[a, SS_ALONG] == tiles[b, SS_ALONG])


@kernel
def _together(tiles, first, last, slow):  # type: ignore[no-untyped-def]
    """Say whether a tile shares lines with those before it, and lies on none of them.

    Of tiles that overlap the later one has to be on top, whole.
    """
    if not _same_lines(tiles, first, last, slow):
        return False
    for k in range(first, last):
        rows = tiles[k, TOP] < tiles[last, BOTTOM] and tiles[last, TOP] < tiles[k, BOTTOM]
        if rows and tiles[k, LEFT] < tiles[last, RIGHT] and tiles[last, LEFT] < tiles[k, RIGHT]:
            return False
    return True


@kernel
def _copy_tiles(  # type: ignore[no-untyped-def]
    given, modules, frame, steps, tiles, wanted, image, image_steps, low, high
):
    """Copy one frame into rows ``low`` … ``high``; ``image`` is where row ``low`` would begin."""
    frame_in, ss_in, fs_in = steps
    row_out, column_out = image_steps
    slow = SS if abs(ss_in) >= abs(fs_in) else FS
    places = np.empty((len(tiles), 4), np.int64)
    t = _ZERO
    while t < len(tiles):
        up = tiles[t, SS_UP] * ss_in + tiles[t, FS_UP] * fs_in
        along = tiles[t, SS_ALONG] * ss_in + tiles[t, FS_ALONG] * fs_in
        # Tiles whose rows are lines of memory may share these lines.
        upright = abs(up) >= abs(along)
        end = t
        while end < len(tiles) and (end == t or (upright and _together(tiles, t, end, slow))):
            first, last = max(tiles[end, TOP], low), min(tiles[end, BOTTOM], high)
            source = modules[tiles[end, MODULE]] + frame * frame_in
            source += tiles[end, SS] * ss_in + tiles[end, FS] * fs_in
            source += (first - tiles[end, TOP]) * up
            places[end, 0], places[end, 2] = source, last - first
            places[end, 1] = image + (first - low) * row_out + tiles[end, LEFT] * column_out
            places[end, 3] = tiles[end, RIGHT] - tiles[end, LEFT]
            end += 1
        if upright:
            _copy_lines(given, wanted, places[t:end], (up, along), image_steps)
        elif places[t, 2] > 0:
            size = (places[t, 2], places[t, 3])
            # What follows a tile in memory is most often the next one.
            ahead = AHEAD * abs(along)
            box = (places[t, 0], places[t, 1], size, (up, along), image_steps, ahead)
            _copy_box(given, wanted, *box)
        t = end


@kernel
def _copy_lines(given, wanted, places, steps, image_steps):  # type: ignore[no-untyped-def]
    """Copy tiles that share lines of memory, line by line, in the order they lie in.

    A few lines at a time of each tile would take twice as long. ``places`` holds for each tile
    where its first row lies and where it goes, the number of rows, and of columns.
    """
    up, along = steps
    row_out, column_out = image_steps
    height, together = _ZERO, _ZERO
    for k in range(len(places)):
        height = max(height, places[k, 2])
        together += places[k, 3]
    in_runs = abs(along) == given.itemsize and column_out == wanted.itemsize
    # The processor reads ahead by itself where one line begins at the end of the other.
    ahead = LINES_AHEAD * abs(up) if together * given.itemsize < abs(up) else _ZERO
    for line in range(height):
        for k in range(len(places)):
            rows, width = places[k, 2], places[k, 3]
            if line >= rows:
                continue
            y = line if up > 0 else rows - 1 - line
            source, target = places[k, 0] + y * up, places[k, 1] + y * row_out
            if not in_runs:
                size = (_ZERO + 1, width)
                _copy_box(given, wanted, source, target, size, steps, image_steps, _ZERO)
                continue
            if ahead != 0:
                lowest = source + min(along, 0) * (width - 1) + ahead
                for there in range(0, width * given.itemsize, LINE):
                    prefetch(lowest + there)
            copy_row(given, wanted, source, target, width, 1 if along > 0 else -1)


@kernel
def _copy_frames(  # type: ignore[no-untyped-def]
    given, modules, steps, tiles, wanted, image, image_steps, frames, low, high
):
    """Copy frames whose numbers lie side by side in memory, as live streams send them."""
    frame_in, ss_in, fs_in = steps
    frame_out, row_out, column_out = image_steps
    first, count = frames
    for k in range(len(tiles)):
        up = tiles[k, SS_UP] * ss_in + tiles[k, FS_UP] * fs_in
        along = tiles[k, SS_ALONG] * ss_in + tiles[k, FS_ALONG] * fs_in
        source = modules[tiles[k, MODULE]] + first * frame_in
        source += tiles[k, SS] * ss_in + tiles[k, FS] * fs_in
        width = tiles[k, RIGHT] - tiles[k, LEFT]
        for x in range(0, width, LANES):
            columns = min(LANES, width - x)
            for y in range(max(tiles[k, TOP], low), min(tiles[k, BOTTOM], high)):
                start = source + (y - tiles[k, TOP]) * up + x * along
                target = image + (y - low) * row_out + (tiles[k, LEFT] + x) * column_out
                box, to = (count, columns), (frame_out, column_out)
                _copy_box(given, wanted, start, target, box, (frame_in, along), to, _ZERO)


@kernel
def _fill_gaps(wanted, blank, gaps, image, image_steps, low, high):  # type: ignore[no-untyped-def]
    """Fill boxes in rows ``low`` … ``high`` from a row of fill values."""
    row_out, column_out = image_steps
    size = wanted.itemsize
    for g in range(len(gaps)):
        first, last = max(gaps[g, 0], low), min(gaps[g, 1], high)
        if first >= last:
            continue
        start = image + (first - low) * row_out + gaps[g, 2] * column_out
        height, width = last - first, gaps[g, 3] - gaps[g, 2]
        if width >= LANES:
            box = (height, width)
            _copy_box(wanted, wanted, blank, start, box, (_ZERO, size), image_steps, _ZERO)
            continue
        # Between two tiles: down the image, since starting on a row costs more than its pixels.
        for x in range(width):
            for y in range(height):
                there = start + y * row_out + x * column_out
                copy_row(wanted, wanted, blank, there, 1, 1)


@kernel
def _copy_some(  # type: ignore[no-untyped-def]
    given, modules, steps, tiles, wanted, image, image_strides, frames, rows, together
):
    """Copy rows of some frames; ``image`` is where the first of these rows would begin."""
    frame_out, row_out, column_out = image_strides
    first, last = frames
    low, high = rows
    if together > 1:
        count = (first, last - first)
        _copy_frames(given, modules, steps, tiles, wanted, image, image_strides, count, low, high)
        return
    to = (row_out, column_out)
    for frame in range(first, last):
        start = image + (frame - first) * frame_out
        _copy_tiles(given, modules, frame, steps, tiles, wanted, start, to, low, high)


@kernel
def _assemble_rows(  # type: ignore[no-untyped-def]
    given, modules, steps, tiles, wanted, image, image_strides, gaps, blank, frames, rows, together
):
    frame_out, row_out, column_out = image_strides
    for i in range(frames[1] - frames[0]):
        start = image + i * frame_out
        _fill_gaps(wanted, blank, gaps, start, (row_out, column_out), rows[0], rows[1])
    to = (wanted, image, image_strides)
    _copy_some(given, modules, steps, tiles, *to, frames, rows, together)


@kernel
def _assemble_in_bands(  # type: ignore[no-untyped-def]
    given, modules, steps, tiles, wanted, image, image_shape, gaps, blank, bands, frames, together,
    scratch,
):  # fmt: skip
    frame_out, width = image_shape
    size = wanted.itemsize
    row = width * size
    area = row * np.max(bands[1:] - bands[:-1])
    for b in range(len(bands) - 1):
        low, high = bands[b], bands[b + 1]
        # No tile ever reaches into the gaps of a band: they are filled once for all frames.
        for i in range(together):
            _fill_gaps(wanted, blank, gaps, scratch + i * area, (row, size), low, high)
        for first in range(frames[0], frames[1], together):
            last = min(first + together, frames[1])
            to = (wanted, scratch, (area, row, size))
            some = (first, last)
            _copy_some(given, modules, steps, tiles, *to, some, (low, high), together)
            for i in range(last - first):
                target = image + (first + i) * frame_out + low * row
                stream(scratch + i * area, target, (high - low) * row)
    fence()


def work_in_place(
    modules: Modules,
    tiles: Tiles,
    image: NDArray,
    gaps: npt.NDArray[np.int64],
    blank: NDArray,
    frames: tuple[int, int],
    rows: tuple[int, int],
    together: int = 1,
) -> Work:
    """Prepare to copy tiles into some rows of their images, and to fill the gaps.

    Parameters
    ----------
    modules : Modules
        The data.
    tiles : ndarray of int64, shape (n_tiles, 11)
        The tiles, as described in this module; all inside data and image: nothing is checked.
        Where they overlap, the later one wins.
    image : ndarray, shape (frames, rows, x)
        Some rows of the images of some frames: the output, of any layout; values are converted to
        its dtype.
    gaps : ndarray of int64, shape (n, 4)
        Boxes that no tile covers, as rows and columns.
    blank : ndarray of the dtype of the image, shape (x,)
        The value of gaps, again and again.
    frames, rows : (int, int)
        Which frames and image rows these are, the last ones excluded.
    together : int
        More than 1 where the numbers of the frames lie side by side in memory.
    """
    source = (modules.like, modules.addresses, modules.steps, tiles)
    target = (blank[:0], address(image), image.strides)
    rest = (gaps, address(blank), frames, rows, together)
    return Work(_assemble_rows, (*source, *target, *rest), 0, blank)


def work_in_bands(
    modules: Modules,
    tiles: Tiles,
    image: NDArray,
    gaps: npt.NDArray[np.int64],
    blank: NDArray,
    frames: tuple[int, int],
    bands: npt.NDArray[np.int64],
    together: int = 1,
) -> Work:
    """Prepare to copy tiles into their images in whole bands of rows, and to fill the gaps.

    Parameters
    ----------
    modules, tiles, gaps, blank, frames
        As in `work_in_place`.
    image : ndarray, shape (frames, y, x)
        The output, all of it; its rows follow each other without a space.
    bands : ndarray of int64
        First row of each band, and the row after the last.
    together : int
        Frames in one scratch array: more than 1 where their numbers lie side by side in memory.
    """
    width, size = image.shape[-1], image.itemsize
    source = (modules.like, modules.addresses, modules.steps, tiles)
    target = (blank[:0], address(image), (image.strides[0], width))
    rest = (gaps, address(blank), bands, frames, together)
    height = int((bands[1:] - bands[:-1]).max())
    room = together * height * width * size
    return Work(_assemble_in_bands, (*source, *target, *rest), room, blank)


def address(array: NDArray) -> int:
    """Return where an array begins: the same as ``ctypes.data``, in a third of the time."""
    return int(array.__array_interface__["data"][0])


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
    modules: Modules,
    tiles: Tiles,
    image: NDArray,
    gaps: npt.NDArray[np.int64],
    fill: Any,
    frames: tuple[int, int],
    rows: tuple[int, int],
    together: int = 1,
) -> None:
    """Copy as `work_in_place` does, for dtypes that it does not have."""
    low, high = rows
    for top, bottom, left, right in gaps:
        if top < high and bottom > low:
            image[:, max(top, low) - low : min(bottom, high) - low, left:right] = fill
    arrays = {n: a[:, i] for a, numbers in modules.parts for i, n in enumerate(numbers)}
    for i, frame in enumerate(range(*frames)):
        for tile in tiles:
            first, last = max(int(tile[TOP]), low), min(int(tile[BOTTOM]), high)
            if first < last:
                target = image[i, first - low : last - low, tile[LEFT] : tile[RIGHT]]
                target[...] = _box(arrays[int(tile[MODULE])][frame], tile, (first, last))


#: Whether the compiled loops are there; else numpy copies.
COMPILED = not config.DISABLE_JIT
