"""Put images together row by row, where every row of them is made of runs of memory.

Most detectors are like that: their tiles lie in the image as in memory, perhaps turned by 180°. One
row fits in the first-level cache, so that it is put together there and streamed out while the
processor reads ahead in the modules. Whole bands of rows (`geomlib.kernels.snap`) take up to twice
as long, since they go through the second-level cache twice.

Tiles and modules are described as in `geomlib.kernels.snap`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from geomlib.kernels.compile import kernel
from geomlib.kernels.snap import (
    FS,
    FS_ALONG,
    FS_UP,
    LEFT,
    MODULE,
    RIGHT,
    SS,
    SS_ALONG,
    SS_UP,
    TOP,
    Modules,
    Tiles,
    Work,
    address,
)
from geomlib.kernels.streams import BEYOND, CARRIED, finish, stream_on
from geomlib.kernels.vector import LINE, copy_row, fence, prefetch

NDArray = npt.NDArray[Any]
#: Rows of a tile that are asked for ahead of time: the processor does so by itself only upwards in
#: memory, and not where a row ends.
ROWS_AHEAD = 4
#: Rows of a tile that lie further apart than so many times their length have no neighbours.
_SPARSE = 4
#: Columns of a piece of a row: where it lies, bytes to its next row, where it goes, numbers, the
#: direction to read in, and bytes to ask for ahead of time.
_FROM, _UP, _TO, _WIDTH, _DIRECTION, _BYTES = range(6)


@kernel
def _place_pieces(  # type: ignore[no-untyped-def]
    wanted, modules, frame, steps, tiles, members, low, pieces
):
    """Work out where row ``low`` of each tile of a strip lies, and where it goes."""
    frame_in, ss_in, fs_in = steps
    for k in range(len(members)):
        tile = tiles[members[k]]
        up = tile[SS_UP] * ss_in + tile[FS_UP] * fs_in
        source = modules[tile[MODULE]] + frame * frame_in
        source += tile[SS] * ss_in + tile[FS] * fs_in + (low - tile[TOP]) * up
        pieces[k, _FROM], pieces[k, _UP] = source, up
        pieces[k, _TO] = tile[LEFT] * wanted.itemsize
        pieces[k, _WIDTH] = tile[RIGHT] - tile[LEFT]
        along = tile[SS_ALONG] * ss_in + tile[FS_ALONG] * fs_in
        pieces[k, _DIRECTION] = 1 if along > 0 else -1
        count = abs(along) * pieces[k, _WIDTH]
        # The line in which a row ends, unless its neighbour begins there.
        pieces[k, _BYTES] = count + (LINE - 1 if abs(up) > _SPARSE * count else 0)


@kernel
def _assemble_in_rows(  # type: ignore[no-untyped-def]
    given, modules, steps, tiles, wanted, image, image_shape, strips, members, blank, frames, rows,
    scratch,
):  # fmt: skip
    frame_out, width = image_shape
    size = given.itemsize
    row = width * wanted.itemsize
    # Two rows, used in turn, and what is carried from one to the next.
    apart = (row + BEYOND + LINE - 1) & -LINE
    carry = scratch + 2 * apart
    pieces = np.empty((len(tiles), 6), np.int64)
    for frame in range(frames[0], frames[1]):
        target = image + frame * frame_out + rows[0] * row
        begun, here = False, scratch
        for s in range(len(strips)):
            low, high = max(strips[s, 0], rows[0]), min(strips[s, 1], rows[1])
            if low >= high:
                continue
            inside = members[strips[s, 2] : strips[s, 3]]
            _place_pieces(wanted, modules, frame, steps, tiles, inside, low, pieces)
            for y in range(low, high):
                if y < low + 2:
                    # The gaps are the same in all rows of a strip.
                    copy_row(wanted, wanted, blank, here, width, 1)
                for k in range(len(inside)):
                    source, up, n = pieces[k, _FROM], pieces[k, _UP], pieces[k, _WIDTH]
                    direction = pieces[k, _DIRECTION]
                    lowest = source + min(direction, 0) * (n - 1) * size + ROWS_AHEAD * up
                    for there in range(0, pieces[k, _BYTES], LINE):
                        prefetch(lowest + there)
                    copy_row(given, wanted, source, here + pieces[k, _TO], n, direction)
                    pieces[k, _FROM] = source + up
                if y > rows[0]:
                    # The row before: what was only just stored cannot be loaded in wider pieces
                    # until it has reached the cache, behind all that was streamed before.
                    stream_on(scratch + scratch + apart - here, target, row, carry, begun)
                    target += row
                    begun = True
                here = scratch + scratch + apart - here
        stream_on(scratch + scratch + apart - here, target, row, carry, begun)
        finish(target + row, carry)
    fence()


def work_in_rows(
    modules: Modules,
    tiles: Tiles,
    image: NDArray,
    strips: npt.NDArray[np.int64],
    members: npt.NDArray[np.int64],
    blank: NDArray,
    frames: tuple[int, int],
    rows: tuple[int, int],
) -> Work:
    """Prepare to copy tiles into their images, a row at a time, and to fill the gaps.

    Parameters
    ----------
    modules, tiles
        As in `geomlib.kernels.snap.work_in_place`; a row of a tile in the image is a run of memory.
    image : ndarray, shape (frames, y, x)
        The output, all of it; its rows follow each other without a space, and have at least the
        bytes of a line of memory.
    strips : ndarray of int64, shape (n, 4)
        Rows of the image in which the same tiles lie: first and last-plus-one row, and where the
        numbers of these tiles begin and end in `members`.
    members : ndarray of int64
        Numbers of tiles, in the order of the table of tiles, so that the later one wins.
    blank : ndarray of the dtype of the image, shape (x,)
        The value of gaps, again and again.
    frames, rows : (int, int)
        Which frames and rows to write, the last ones excluded.
    """
    source = (modules.like, modules.addresses, modules.steps, tiles)
    target = (blank[:0], address(image), (image.strides[0], image.shape[-1]))
    rest = (strips, members, address(blank), frames, rows)
    room = 2 * -(-(blank.nbytes + BEYOND) // LINE) * LINE + CARRIED
    return Work(_assemble_in_rows, (*source, *target, *rest), room, blank)
