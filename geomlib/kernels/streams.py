"""Write to memory past the caches, in whole lines.

What begins or ends inside a line is stored there in the ordinary way: the processor then reads the
line first. Where rows of an image follow each other, `stream_on` keeps the part of a line at the
end of one row until the next row completes it; for rows of 4 KB that saves an eighth of the time.

All take addresses. ``carry`` is where two lines of scratch lie.
"""

from __future__ import annotations

from geomlib.kernels.compile import kernel
from geomlib.kernels.vector import LINE, copy_bytes, copy_line, stream_lines

#: Bytes that may be read behind what is streamed, and of scratch for what is carried.
BEYOND, CARRIED = LINE, 2 * LINE


@kernel
def stream(source: int, target: int, count: int) -> None:
    """Copy ``count`` bytes."""
    head = min(-target & (LINE - 1), count)
    whole = (count - head) & -LINE
    copy_bytes(source, target, head)
    stream_lines(source + head, target + head, whole)
    copy_bytes(source + head + whole, target + head + whole, count - head - whole)


@kernel
def stream_on(source: int, target: int, count: int, carry: int, begun: bool) -> None:
    """Copy ``count`` bytes, at least a line, but for the part of a line at their end.

    ``begun`` says that ``carry`` holds the first part of the line in which the target begins. Up to
    `BEYOND` bytes behind the source are read. `finish` stores what is left.
    """
    before = target & (LINE - 1)
    done = -target & (LINE - 1)
    if before != 0:
        if begun:
            copy_line(source, carry + before)
            stream_lines(carry, target - before, LINE)
        else:
            copy_bytes(source, target, done)
    whole = (count - done) & -LINE
    stream_lines(source + done, target + done, whole)
    copy_line(source + done + whole, carry)


@kernel
def finish(end: int, carry: int) -> None:
    """Store what was carried; the last row ends at ``end``."""
    count = end & (LINE - 1)
    copy_bytes(carry, end - count, count)
