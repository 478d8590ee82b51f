"""`Outcome`: what a call on a whole run did."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple


class Outcome(NamedTuple):
    """What was written.

    Attributes
    ----------
    path : Path
        The output.
    shapes : dict of str to tuple of int
        Path of each of its large datasets, and its shape.
    n_frames : int
        Frames that went in.
    n_blocks, n_reused : int
        Blocks that the work was cut into, and how many of them an earlier attempt had done.
    n_hits : int, optional
        Frames that count, where there was a threshold.
    """

    path: Path
    shapes: dict[str, tuple[int, ...]]
    n_frames: int
    n_blocks: int
    n_reused: int
    n_hits: int | None = None
