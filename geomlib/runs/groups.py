"""Which frames are reduced together, and how that is cut into blocks."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Literal, NamedTuple, cast, get_args

import numpy as np

from geomlib import checks
from geomlib.detector import IntArray
from geomlib.errors import GeometryError
from geomlib.runs.run import Run
from geomlib.runs.tree import LEAF

By = Literal["pulse", "cell", "train"]
#: The running sums of a block may take so much memory.
STATE_BYTES = 512 * 2**20


class Unit(NamedTuple):
    """Some frames of some groups.

    Attributes
    ----------
    number : int
        From 0.
    start, stop : int
        The first group, and that after the last.
    first, last : int
        Of each group the frames from `first` on, up to before `last`, counted in it.
    """

    number: int
    start: int
    stop: int
    first: int
    last: int


@dataclass(frozen=True, eq=False)
class Groups:
    """Groups of frames: of each pulse, memory cell or train, or all in one.

    Attributes
    ----------
    by : {"pulse", "cell", "train"}, optional
        What frames of a group have in common.
    labels : ndarray of int, shape (groups,)
        The number of the pulse, cell or train.
    group : ndarray of int, shape (frames,)
        Of each frame, its group.
    rank : ndarray of int, shape (frames,)
        And how many frames of it came before.
    """

    by: By | None
    labels: IntArray
    group: IntArray
    rank: IntArray

    @property
    def largest(self) -> int:
        """Number of frames of the largest group."""
        return int(self.rank.max(initial=-1)) + 1

    def places(self, unit: Unit) -> IntArray:
        """Frames of a unit, in their order."""
        group, rank = self.group, self.rank
        inside = (group >= unit.start) & (group < unit.stop)
        return np.flatnonzero(inside & (rank >= unit.first) & (rank < unit.last)).astype(np.int64)

    def cut(self, frame_bytes: int, state_bytes: int, block_bytes: int) -> tuple[Unit, ...]:
        """Cut the frames so that sums fit in memory, and each unit reads about so many bytes.

        Units of the same groups follow each other.

        Parameters
        ----------
        frame_bytes, state_bytes : int
            Size of a frame, and of the running sums of a group.
        block_bytes : int
            What a unit is to read.
        """
        n_groups = len(self.labels)
        together = min(max(1, STATE_BYTES // max(state_bytes, 1)), n_groups)
        if self.by == "train":
            # Few frames a group: whole groups, as many as make a block.
            each = max(1, block_bytes // max(frame_bytes * self.largest, 1))
            together, step = min(together, each), self.largest
        else:
            step = LEAF
            while 2 * step * together * frame_bytes <= block_bytes and step < self.largest:
                step *= 2
        corners = product(range(0, n_groups, together), range(0, max(self.largest, 1), step))
        return tuple(
            Unit(number, start, min(start + together, n_groups), first, first + step)
            for number, (start, first) in enumerate(corners)
        )


def group_frames(run: Run, by: By | None) -> Groups:
    """Group the frames of a run.

    Raises
    ------
    GeometryError
        If `by` is something else, or the files do not tell.
    """
    kind = _check_by(by)
    if kind is None:
        none = np.zeros(run.n_frames, dtype=np.int64)
        return Groups(None, np.zeros(1, dtype=np.int64), none, np.arange(run.n_frames))
    ids = getattr(run, f"{kind}_ids")
    if ids is None:
        raise GeometryError(f"by={kind!r}: {run.path} does not tell the {kind}s of its frames")
    labels, group = np.unique(ids, return_inverse=True)
    order = np.argsort(group, kind="stable")
    starts = np.searchsorted(group[order], np.arange(len(labels)))
    rank = np.empty(len(group), dtype=np.int64)
    rank[order] = np.arange(len(group)) - starts[group[order]]
    return Groups(kind, labels.astype(np.int64), group.astype(np.int64), rank)


def _check_by(by: object) -> By | None:
    if by is None:
        return None
    names = get_args(By)
    if not isinstance(by, str) or by not in names:
        raise GeometryError(f"by must be 'pulse', 'cell', 'train' or None, not {checks.shown(by)}")
    return cast("By", by)
