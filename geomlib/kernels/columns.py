"""Put images together tile by tile, where columns of the tiles are runs of memory.

The tiles of an AGIPD lie like that: what follows in memory lies below in the image. Eight rows of a
tile are brought into rows of scratch by 8 × 8 vector transposes, and streamed out while the next
eight are put together. Four things make this twice as fast as whole bands of the image
(`geomlib.kernels.snap`):

- The rows of scratch stay in the first-level cache, and none of them crosses the end of a page of
  memory: a store that does takes as long as dozens.
- What is streamed out was stored eight rows before. Lines that were only just stored, in smaller
  parts, can be loaded when they have reached the cache: behind all that was streamed before.
- Every line of the image is written once, whole. Tiles side by side are a chain: the part of a line
  at the end of a row of one is kept for the next one. What lies at both ends of a row of a chain is
  kept too, until `_join_ends` writes the gaps, and these lines with them.
- The data of the next tile is asked for meanwhile, a few lines after each row.

Tiles and modules are described as in `geomlib.kernels.snap`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from geomlib.kernels.compile import kernel
from geomlib.kernels.snap import (
    _ZERO,
    BOTTOM,
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
    Work,
    _copy_box,
    address,
)
from geomlib.kernels.vector import (
    LANES,
    LINE,
    copy_bytes,
    copy_line,
    fence,
    prefetch,
    stream_lines,
    transpose_block,
)

NDArray = npt.NDArray[Any]
IntArray = npt.NDArray[np.int64]
#: Columns that are put together at a time; wider tiles come in several pieces.
MOST_COLUMNS = LANES * LANES
#: Columns between two tiles of a chain, at most.
MOST_BETWEEN = 16
#: Columns of a table of pieces, behind those of a table of tiles: the chain; the column where the
#: piece before ends, or its own first one; whether it is the first and the last one of its chain.
CHAIN, FROM, FIRST, LAST = range(11, 15)
#: Columns of a table of chains: rows and columns as in a table of tiles, and how many rows of
#: chains come before.
_TOP, _BOTTOM, _LEFT, _RIGHT, _BEFORE = range(5)
#: Rooms for eight rows: two used in turn, and one for the last rows, with room before it.
SLOTS = 4
_PAGE = 4096
#: Bytes kept for each row of a chain: the line in which it begins, and the one in which it ends.
_ENDS = 2 * LINE


def _pitch(size: int) -> int:
    """Bytes between rows of scratch, but for what keeps them in step with the image.

    A row holds the part of a line before it, a gap, its numbers, and a line of fill values, and
    loses up to three quarters of a line to `_rows_of_scratch`.
    """
    return max(_PAGE // LANES, 2 * MOST_COLUMNS * size)


@kernel
def _slot(pitch):  # type: ignore[no-untyped-def]
    """Bytes of scratch for eight rows of a piece: whole pages."""
    return (LANES * (pitch + LINE) + LINE + _PAGE - 1) & -_PAGE


@kernel
def _rows_of_scratch(row, pitch):  # type: ignore[no-untyped-def]
    """Return bytes of a slot before its rows, and bytes from one to the next.

    Each begins at the same place inside a line as its row of the image, which has ``row`` bytes.
    """
    drift = row & (LINE - 1)
    if drift <= LINE // 4:
        return _ZERO, pitch + drift
    drift -= LINE
    return (-drift * (LANES - 1) + LINE - 1) & -LINE, pitch + drift


@kernel
def _where(piece, modules, frame, steps, rows):  # type: ignore[no-untyped-def]
    """Return where the first of some rows of a piece begins, and the steps up and along."""
    frame_in, ss_in, fs_in = steps
    up = piece[SS_UP] * ss_in + piece[FS_UP] * fs_in
    along = piece[SS_ALONG] * ss_in + piece[FS_ALONG] * fs_in
    first, last = max(piece[TOP], rows[0]), min(piece[BOTTOM], rows[1])
    source = modules[piece[MODULE]] + frame * frame_in
    source += piece[SS] * ss_in + piece[FS] * fs_in + (first - piece[TOP]) * up
    return source, up, along, first, last


@kernel
def _lines(piece, modules, frame, steps, rows, size):  # type: ignore[no-untyped-def]
    """Return the lines of memory of a piece: where they begin, bytes between runs, lines, runs."""
    source, up, along, first, last = _where(piece, modules, frame, steps, rows)
    width = piece[RIGHT] - piece[LEFT]
    lowest = source + min(up, 0) * (last - first - 1) + min(along, 0) * (width - 1)
    run = (last - first) * size
    if abs(along) == run:
        return lowest, _ZERO, (run * width + LINE - 1) // LINE, _ZERO + 1
    # A run that begins inside a line ends in one more.
    return lowest, abs(along), (run + 2 * LINE - 2) // LINE, width


@kernel
def _begin_rows(count, here, pitch, gap, blank, kept):  # type: ignore[no-untyped-def]
    """Put what is kept of a line, or fill values, and a gap at the beginning of rows of scratch."""
    for k in range(count):
        to = here + k * pitch
        copy_line(blank if kept == 0 else kept + k * _ENDS, to & -LINE)
        for between in range(0, gap, LINE):
            copy_line(blank, to + between)


@kernel
def _transpose(given, wanted, source, steps, there, pitch):  # type: ignore[no-untyped-def]
    """Bring eight columns of eight numbers into rows of scratch."""
    up, along = steps
    if up > 0:
        transpose_block(given, wanted, source, along, there, pitch)
    else:
        last = LANES - 1
        transpose_block(given, wanted, source + last * up, along, there + last * pitch, -pitch)


@kernel
def _send_row(there, target, count, from_start, kept):  # type: ignore[no-untyped-def]
    """Stream the whole lines of a row, and keep the line in which it ends.

    The line in which its chain begins is kept too: it lies ``from_start`` bytes before the row.
    """
    inside = target & (LINE - 1)
    there, target = there - inside, target - inside
    whole = (inside + count) & -LINE
    done = _ZERO
    if whole > 0 and inside > from_start:
        copy_line(there, kept)
        done = _ZERO + LINE
    stream_lines(there + done, target + done, whole - done)
    copy_line(there + whole, kept + LINE)


@kernel
def _copy_piece(  # type: ignore[no-untyped-def]
    given, wanted, piece, chain, place, image, row, blank, ends, scratch, pitch, ahead
):
    """Copy a piece of a chain, eight rows at a time.

    ``place`` is what `_where` returns, ``ends`` where the ends of the first of these rows are kept,
    ``ahead`` what `_lines` returns for the piece that follows.
    """
    source, up, along, first, last = place
    begins, ends_here = piece[FIRST] != 0, piece[LAST] != 0
    size = wanted.itemsize
    width = piece[RIGHT] - piece[LEFT]
    gap = (piece[LEFT] - piece[FROM]) * size
    bytes_wide = gap + width * size
    from_start = (piece[FROM] - chain[_LEFT]) * size
    slot = _slot(pitch)
    room, pitch = _rows_of_scratch(row, pitch)
    bands = (last - first + LANES - 1) // LANES
    blocks = width // LANES
    wanted_line, run_step, lines, runs = ahead
    line = 0
    share = (lines * runs + LANES * bands - 1) // (LANES * bands)
    start = image + first * row + piece[FROM] * size
    before = scratch
    for band in range(bands + 1):
        here = scratch + (band & 1) * slot + room + (start & (LINE - 1))
        count = min(LANES, last - first - band * LANES)
        # The last rows may be fewer: transposed with rows of the tile behind them, or before.
        left = piece[BOTTOM] - first - band * LANES
        whole_blocks, shift = blocks, _ZERO
        if count < LANES and left < LANES:
            here += (SLOTS - 1 - (band & 1)) * slot
            shift = LANES - left
            if piece[BOTTOM] - piece[TOP] < LANES or count <= 0:
                whole_blocks, shift = _ZERO, _ZERO
        own = ends + band * LANES * _ENDS
        _begin_rows(count, here, pitch, gap, blank, _ZERO if begins else own + LINE)
        for k in range(LANES):
            x = k * LANES
            if count > 0 and k < whole_blocks:
                there = here + gap + x * size - shift * pitch
                lies = source + x * along - shift * up
                _transpose(given, wanted, lies, (up, along), there, pitch)
            if band > 0:
                # A row of the band before.
                for _ in range(share):
                    if runs > 0:
                        prefetch(wanted_line + line * LINE)
                        line += 1
                        if line == lines:
                            wanted_line += run_step
                            line = 0
                            runs -= 1
                if (band - 1) * LANES + k < last - first:
                    kept = own + (k - LANES) * _ENDS
                    target = start + (k - LANES) * row
                    _send_row(before + k * pitch, target, bytes_wide, from_start, kept)
        if count > 0:
            # What does not fill a block.
            x = whole_blocks * LANES
            box, there = (count, width - x), here + gap + x * size
            if width > x:
                to = (pitch, size)
                _copy_box(given, wanted, source + x * along, there, box, (up, along), to, _ZERO)
            if ends_here:
                for k in range(count):
                    copy_line(blank, here + k * pitch + bytes_wide)
        before = here
        source += LANES * up
        start += LANES * row


@kernel
def _stream_gap(first, last, blank):  # type: ignore[no-untyped-def]
    """Stream fill values into whole lines."""
    for line in range(first, last, LINE):
        stream_lines(blank, line, LINE)


@kernel
def _join(at, tail, start, head, blank):  # type: ignore[no-untyped-def]
    """Write from where a row of a chain ends (``at``) to where the next one begins (``start``).

    ``tail`` and ``head`` are where their lines are kept; ``tail`` is 0 where no row comes before,
    so that the first part of the line is somebody else's.
    """
    line, inside = at & -LINE, at & (LINE - 1)
    last = start & -LINE
    if line == last:
        if start == last:
            return
        if tail != 0:
            copy_bytes(tail, head, inside)
            stream_lines(head, last, LINE)
        else:
            copy_bytes(head + inside, at, LINE - inside)
        return
    if inside != 0:
        if tail != 0:
            stream_lines(tail, line, LINE)
        else:
            copy_bytes(blank, at, LINE - inside)
        line += LINE
    _stream_gap(line, last, blank)
    if start > last:
        stream_lines(head, last, LINE)


@kernel
def _join_last(at, tail, end, blank):  # type: ignore[no-untyped-def]
    """Write from where the last row of a chain ends to the end of the last row of the image."""
    line, last = at & -LINE, end & -LINE
    if line == last:
        if tail != 0:
            copy_bytes(tail, line, end - line)
        else:
            copy_bytes(blank, at, end - at)
        return
    _join(at, tail, last, _ZERO, blank)
    copy_bytes(blank, last, end - last)


@kernel
def _join_ends(  # type: ignore[no-untyped-def]
    image, row, size, chains, strips, members, rows, blank, ends
):
    """Write what lies between the rows of chains, in the order of memory."""
    at, tail = image + rows[0] * row, _ZERO
    for s in range(len(strips)):
        for y in range(max(strips[s, 0], rows[0]), min(strips[s, 1], rows[1])):
            for m in range(strips[s, 2], strips[s, 3]):
                chain = chains[members[m]]
                kept = ends + (chain[_BEFORE] + y - chain[_TOP]) * _ENDS
                start = image + y * row
                _join(at, tail, start + chain[_LEFT] * size, kept, blank)
                at, tail = start + chain[_RIGHT] * size, kept + LINE
    _join_last(at, tail, image + rows[1] * row, blank)


@kernel
def _assemble_in_columns(  # type: ignore[no-untyped-def]
    given, modules, steps, pieces, wanted, image, image_shape, chains, strips, members, blank,
    frames, rows, pitch, scratch,
):  # fmt: skip
    frame_out, width = image_shape
    size = wanted.itemsize
    row = width * size
    scratch = (scratch + _PAGE - 1) & -_PAGE
    ends = scratch + SLOTS * _slot(pitch)
    inside = np.empty(len(pieces), np.int64)
    count = 0
    for p in range(len(pieces)):
        if pieces[p, TOP] < rows[1] and pieces[p, BOTTOM] > rows[0]:
            inside[count] = p
            count += 1
    for frame in range(frames[0], frames[1]):
        target = image + frame * frame_out
        for i in range(count):
            piece = pieces[inside[i]]
            place = _where(piece, modules, frame, steps, rows)
            if i + 1 < count:
                following = pieces[inside[i + 1]]
                ahead = _lines(following, modules, frame, steps, rows, given.itemsize)
            elif frame + 1 < frames[1]:
                following = pieces[inside[0]]
                ahead = _lines(following, modules, frame + 1, steps, rows, given.itemsize)
            else:
                ahead = (_ZERO, _ZERO, _ZERO, _ZERO)
            chain = chains[piece[CHAIN]]
            kept = ends + (chain[_BEFORE] + place[3] - chain[_TOP]) * _ENDS
            to = (target, row, blank, kept, scratch, pitch, ahead)
            _copy_piece(given, wanted, piece, chain, place, *to)
        _join_ends(target, row, size, chains, strips, members, rows, blank, ends)
    fence()


def work_in_columns(
    modules: Modules,
    pieces: IntArray,
    chains: IntArray,
    strips: IntArray,
    members: IntArray,
    image: NDArray,
    blank: NDArray,
    frames: tuple[int, int],
    rows: tuple[int, int],
) -> Work:
    """Prepare to copy tiles into their images, tile by tile, and to fill the gaps.

    Parameters
    ----------
    modules
        As in `geomlib.kernels.snap.work_in_place`; a column of a tile in the image is a run of
        memory.
    pieces, chains, strips, members : ndarray of int64
        As `geomlib.assembly.chains.chains` returns them. Tiles do not overlap, and each row of
        a chain has at least the bytes of a line of memory.
    image : ndarray, shape (frames, y, x)
        The output, all of it; its rows follow each other without a space, and its numbers do not
        reach over the end of a line of memory.
    blank : ndarray of the dtype of the image, shape (x,)
        The value of gaps, again and again, for a line of memory at least.
    frames, rows : (int, int)
        Which frames and rows to write, the last ones excluded.
    """
    source = (modules.like, modules.addresses, modules.steps, pieces)
    target = (blank[:0], address(image), (image.strides[0], image.shape[-1]))
    pitch = _pitch(image.itemsize)
    rest = (chains, strips, members, address(blank), frames, rows, pitch)
    kept = _ENDS * int((chains[:, _BOTTOM] - chains[:, _TOP]).sum())
    room = SLOTS * _slot(pitch) + kept + _PAGE
    return Work(_assemble_in_columns, (*source, *target, *rest), room, blank)
