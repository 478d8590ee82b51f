"""Chains: tiles that lie side by side in an image, for `geomlib.kernels.columns`."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from geomlib.assembly.plan import SnapPlan, rows_alike, tile_boxes
from geomlib.kernels.columns import MOST_BETWEEN, MOST_COLUMNS
from geomlib.kernels.snap import FS, FS_ALONG, LEFT, MODULE, RIGHT, SS, SS_ALONG

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


@lru_cache(maxsize=64)
def chains(plan: SnapPlan) -> Chains:
    """Chain tiles of the same rows between which there is no other one, and little space.

    Parameters
    ----------
    plan : SnapPlan
        Of tiles that do not overlap.
    """
    groups = _groups(plan.tiles)
    boxes = tile_boxes(plan.tiles)
    pieces: list[tuple[int, ...]] = []
    ends = []
    before = 0
    for number, group in enumerate(groups):
        own = [piece for t in group for piece in _cut(plan.tiles[t])]
        for i, piece in enumerate(own):
            start = own[i - 1][RIGHT] if i else piece[LEFT]
            pieces.append((*piece, number, start, int(i == 0), int(i + 1 == len(own))))
        top, bottom = (int(edge) for edge in boxes[group[0], :2])
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
    groups: list[list[int]] = []
    for t in np.lexsort((boxes[:, 2], boxes[:, 1], boxes[:, 0])).tolist():
        top, bottom, left, _ = boxes[t]
        if groups:
            last = boxes[groups[-1][-1]]
            near = 0 <= left - last[3] <= MOST_BETWEEN and (last[:2] == boxes[t, :2]).all()
            between = (boxes[:, 0] < bottom) & (boxes[:, 1] > top)
            between &= (boxes[:, 2] < left) & (boxes[:, 3] > last[3])
            if near and not between.any():
                groups[-1].append(t)
                continue
        groups.append([t])
    return sorted(groups, key=lambda group: int(tiles[group, MODULE].min()))


def _cut(tile: IntArray) -> list[tuple[int, ...]]:
    """Cut a tile into pieces of a number of columns that the kernel takes."""
    cut = []
    for left in range(int(tile[LEFT]), int(tile[RIGHT]), MOST_COLUMNS):
        piece = tile.copy()
        piece[LEFT], piece[RIGHT] = left, min(left + MOST_COLUMNS, tile[RIGHT])
        piece[SS] += (left - tile[LEFT]) * tile[SS_ALONG]
        piece[FS] += (left - tile[LEFT]) * tile[FS_ALONG]
        cut.append(tuple(piece.tolist()))
    return cut


def _strips(n_y: int, table: IntArray) -> tuple[IntArray, IntArray]:
    """Rows in which the same chains lie, and these from left to right."""
    order = np.argsort(table[:, 2], kind="stable")
    strips, members = rows_alike(table[order], n_y)
    return strips, order[members]
