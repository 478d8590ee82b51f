"""From a mask to bad regions: blocks of pixels, few where the mask is made of rectangles."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from geomlib.coordinates import BoolArray
from geomlib.detector import Detector, IntArray
from geomlib.errors import warn
from geomlib.metadata import BadRegion

#: A mask with more blocks is noise: it would have 1.6 % of the pixels of a 16-megapixel detector,
#: each on its own.
MOST_BLOCKS = 2**18


def blocks(mask: BoolArray) -> IntArray:
    """Cut a mask into blocks: equal runs in rows that follow each other.

    Parameters
    ----------
    mask : ndarray of bool, shape (rows, columns)
        True for what is to lie in a block.

    Returns
    -------
    ndarray of int, shape (n, 4)
        First and last-plus-one row, first and last-plus-one column of each block; no two share a
        pixel. In order of the first column, then of the last one, then of the row.
    """
    rows, columns = mask.shape
    framed = np.zeros((rows, columns + 2), dtype=np.bool_)
    framed[:, 1:-1] = mask
    # Where runs begin and end, by turns.
    row, column = np.divmod(np.flatnonzero(framed[:, 1:] != framed[:, :-1]), columns + 1)
    runs = np.stack([row[::2], column[::2], column[1::2]])
    runs = runs[:, np.lexsort(runs)]
    new = (np.diff(runs, axis=1) != [[1], [0], [0]]).any(axis=0)
    first, last = np.append(True, new)[: runs.shape[1]], np.append(new, True)[: runs.shape[1]]
    return np.column_stack([runs[0, first], runs[0, last] + 1, runs[1, first], runs[2, first]])


def regions_of_tiles(tiles: Iterable[tuple[int, IntArray]], where: str) -> list[BadRegion]:
    """Return the bad regions of a file that has a mask: none, with a warning, if it is noise.

    Parameters
    ----------
    tiles : iterable of (int, ndarray of int, shape (n, 4))
        Number of a tile, and `blocks` of its bad pixels, counted from its first pixel.
    where : str
        The mask, for the warning: its file, and its place in there.

    Warns
    -----
    GeometryWarning
        If there are more than `MOST_BLOCKS` of them.
    """
    kept: list[tuple[int, IntArray]] = []
    count = 0
    for tile, found in tiles:
        count += len(found)
        if count > MOST_BLOCKS:
            warn(
                f"{where}: has more than {MOST_BLOCKS} separate blocks of bad pixels; "
                "the mask is left out"
            )
            return []
        kept.append((tile, found))
    every = ((tile, block) for tile, found in kept for block in found.tolist())
    return [
        BadRegion(f"bad_mask{i}", tile, (ss0, ss1), (fs0, fs1))
        for i, (tile, (ss0, ss1, fs0, fs1)) in enumerate(every)
    ]


def regions_of_mask(detector: Detector, mask: npt.ArrayLike) -> tuple[BadRegion, ...]:
    """Return the bad regions that mark the pixels of a mask; data of no tile is left out.

    Parameters
    ----------
    detector : Detector
        Whose data the mask belongs to.
    mask : array_like of bool
        True for bad; of the shape of the data, or with modules joined along slow scan.
    """
    data = np.asarray(mask, dtype=np.bool_).reshape(detector.data_shape)
    found = []
    for tile, (_, ss, _, fs, _) in enumerate(detector.tile_bounds.tolist()):
        part = data[detector.tile_slice(tile)]
        if part.any():
            found += [
                (tile, a + ss, b + ss, c + fs, d + fs) for a, b, c, d in blocks(part).tolist()
            ]
    return tuple(
        BadRegion(f"bad_mask{i}", tile, (ss0, ss1), (fs0, fs1))
        for i, (tile, ss0, ss1, fs0, fs1) in enumerate(found)
    )
