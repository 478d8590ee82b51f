"""Chains: tiles that lie side by side in an image, for `geomlib.kernels.columns`."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from geomlib.assembly.plan import SnapPlan, rows_alike, tile_boxes
from geomlib.kernels.columns import MOST_BETWEEN, MOST_COLUMNS
from geomlib.kernels.snap import BOTTOM, FS, FS_ALONG, LEFT, MODULE, RIGHT, SS, SS_ALONG, TOP

IntArray = npt.NDArray[np.int64]


class Chains(NamedTuple):
    """How the tiles of a plan are chained.

    Attributes
    ----------
    pieces : ndarray of int64, shape (n_pieces, 15)
        Tiles, wide ones cut up, as the kernel takes them: chain after chain, from left to right.
    chains : ndarray of int64, shape (n_chains, 5)
        First and last-plus-one row and column of each chain, and the number of rows of all chains
        before it.
    strips : ndarray of int64, shape (n_strips, 4)
        Rows of the image in which the same chains lie: first and last-plus-one row, and where the
        numbers of these chains begin and end in `members`.
    members : ndarray of int64
        Numbers of chains, from left to right.
    """

    pieces: IntArray
    chains: IntArray
    strips: IntArray
    members: IntArray

    @property
    def least_columns(self) -> int:
        """Columns of the narrowest chain."""
        return int((self.chains[:, 3] - self.chains[:, 2]).min())


@lru_cache(maxsize=64)
def chains(plan: SnapPlan) -> Chains:
    """Chain tiles of the same rows between which there is no other one, and little space.

    Parameters
    ----------
    plan : SnapPlan
        Of tiles that do not overlap.
    """
    tiles = plan.tiles.tolist()
    pieces: list[tuple[int, ...]] = []
    ends = []
    before = 0
    for number, group in enumerate(_groups(plan.tiles)):
        own = [piece for t in group for piece in _cut(tiles[t])]
        for i, piece in enumerate(own):
            start = own[i - 1][RIGHT] if i else piece[LEFT]
            pieces.append((*piece, number, start, int(i == 0), int(i + 1 == len(own))))
        top, bottom = own[0][TOP], own[0][BOTTOM]
        ends.append((top, bottom, own[0][LEFT], own[-1][RIGHT], before))
        before += bottom - top
    table = np.array(ends, dtype=np.int64)
    result = Chains(np.array(pieces, dtype=np.int64), table, *_strips(plan.grid.shape[0], table))
    for array in result:
        array.flags.writeable = False
    return result


def _groups(tiles: IntArray) -> list[list[int]]:
    """Numbers of the tiles of each chain, from left to right; chains in the order of modules."""
    boxes = tile_boxes(tiles)
    order = np.lexsort((boxes[:, 2], boxes[:, 1], boxes[:, 0]))
    one, following = boxes[order[:-1]], boxes[order[1:]]
    gap = following[:, 2] - one[:, 3]
    near = (one[:, :2] == following[:, :2]).all(axis=1) & (gap >= 0) & (gap <= MOST_BETWEEN)
    # Whether any tile (second axis) reaches into the space between two.
    inside = (boxes[:, 0] < following[:, 1, None]) & (boxes[:, 1] > following[:, 0, None])
    inside &= (boxes[:, 2] < following[:, 2, None]) & (boxes[:, 3] > one[:, 3, None])
    ends = np.flatnonzero(~(near & ~inside.any(axis=1))) + 1
    groups = [group.tolist() for group in np.split(order, ends)]
    modules = tiles[:, MODULE].tolist()
    return sorted(groups, key=lambda group: min(modules[t] for t in group))


def _cut(tile: list[int]) -> list[list[int]]:
    """Cut a tile into pieces of a number of columns that the kernel takes."""
    cut = []
    for left in range(tile[LEFT], tile[RIGHT], MOST_COLUMNS):
        piece = tile.copy()
        piece[LEFT], piece[RIGHT] = left, min(left + MOST_COLUMNS, tile[RIGHT])
        piece[SS] += (left - tile[LEFT]) * tile[SS_ALONG]
        piece[FS] += (left - tile[LEFT]) * tile[FS_ALONG]
        cut.append(piece)
    return cut


def _strips(n_y: int, table: IntArray) -> tuple[IntArray, IntArray]:
    """Rows in which the same chains lie, and these from left to right."""
    order = np.argsort(table[:, 2], kind="stable")
    strips, members = rows_alike(table[order], n_y)
    return strips, order[members]
