"""Cutting work into blocks of frames: what is done at a time, and never twice."""

from __future__ import annotations

from typing import NamedTuple

from geomlib import checks

#: Blocks of a small run read so much; of a large one more, so that there are not too many of them.
LEAST_BYTES, MOST_BLOCKS = 256 * 2**20, 4000
#: What is read at a time within a block.
CHUNK_BYTES = 64 * 2**20


class Block(NamedTuple):
    """Rows of the result that are worked out together.

    Attributes
    ----------
    number : int
        From 0.
    start, stop : int
        The first row, and that after the last.
    """

    number: int
    start: int
    stop: int


def block_size(total_bytes: int, wanted: int | None) -> int:
    """Return how many bytes a block is to read.

    Parameters
    ----------
    total_bytes : int
        Size of the run.
    wanted : int, optional
        What the user says.

    Raises
    ------
    GeometryError
        If that is no whole number of at least 1.
    """
    if wanted is not None:
        return checks.integer("block_bytes", wanted, 1)
    return max(LEAST_BYTES, total_bytes // MOST_BLOCKS)


def cut(n_rows: int, row_bytes: int, block_bytes: int) -> tuple[Block, ...]:
    """Cut rows into blocks of at most so many bytes, or of one row."""
    step = max(1, block_bytes // max(row_bytes, 1))
    starts = range(0, n_rows, step)
    return tuple(Block(k, a, min(a + step, n_rows)) for k, a in enumerate(starts))
