"""How far tiles are from each other, seen along the beam."""

from __future__ import annotations

import numpy as np

from geomlib.detector import FloatArray, IntArray

#: Pairs of tiles that are compared at once, 64 doubles each; and at all: thousands of tiles on one
#: spot need no count.
_PAIRS, MAX_PAIRS = 100_000, 500_000


def close_pairs(outlines: FloatArray) -> IntArray:
    """Find pairs of tiles whose bounding boxes in x and y overlap.

    Parameters
    ----------
    outlines : ndarray, shape (n, 4, 2)
        Corners of each tile.

    Returns
    -------
    ndarray of int, shape (pairs, 2)
        Each pair once, the smaller number first; no more than `MAX_PAIRS`, and some.
    """
    low, high = outlines.min(axis=1), outlines.max(axis=1)
    order = np.argsort(low[:, 0], kind="stable")
    starts = low[order, 0]
    pairs, n = [], 0
    for place, tile in enumerate(order):
        # Sorted by their left side: what can overlap follows, up to the right side of this one.
        stop = int(np.searchsorted(starts, high[tile, 0]))
        others = order[place + 1 : stop]
        meets = (low[others, 1] < high[tile, 1]) & (low[tile, 1] < high[others, 1])
        found = others[meets]
        pairs.append(np.column_stack([np.full(len(found), tile), found]))
        n += len(found)
        if n > MAX_PAIRS:
            break
    return np.sort(np.concatenate(pairs), axis=1) if pairs else np.empty((0, 2), dtype=np.int64)


def penetration(outlines: FloatArray, pairs: IntArray) -> FloatArray:
    """How deep pairs of convex tiles reach into each other, in the unit of the corners.

    The shortest way that one has to be moved to leave the other, by the theorem of separating axes:
    for parallelograms one of four directions, those across the sides.

    Parameters
    ----------
    outlines : ndarray, shape (n, 4, 2)
        Corners in order around each tile.
    pairs : ndarray of int, shape (pairs, 2)
        Which tiles to compare.

    Returns
    -------
    ndarray, shape (pairs,)
        Negative for tiles that are apart.
    """
    out = np.empty(len(pairs))
    for start in range(0, len(pairs), _PAIRS):
        part = slice(start, start + _PAIRS)
        out[part] = _penetration(*outlines[pairs[part]].swapaxes(0, 1))
    return out


def _penetration(first: FloatArray, second: FloatArray) -> FloatArray:
    sides = np.concatenate(
        [tiles[:, 1:3] - tiles[:, 0:2] for tiles in (first, second)], axis=1
    )  # (pairs, 4, 2)
    across = np.stack([-sides[..., 1], sides[..., 0]], axis=-1)
    length = np.linalg.norm(across, axis=-1, keepdims=True)
    across = across / np.where(length > 0, length, 1)
    on_first = first @ across.transpose(0, 2, 1)  # (pairs, corners, directions)
    on_second = second @ across.transpose(0, 2, 1)
    depth = np.minimum(
        on_first.max(axis=1) - on_second.min(axis=1),
        on_second.max(axis=1) - on_first.min(axis=1),
    )
    # A tile seen edge on has a side without a direction.
    depth[length[..., 0] == 0] = np.inf
    return np.asarray(depth.min(axis=1))


def box_gaps(outlines: FloatArray) -> list[tuple[float, IntArray, IntArray]]:
    """Gaps that part the tiles into two, the widest first.

    The links of the shortest tree that joins all tiles, by the gaps of their bounding boxes in x,
    y and z: without a link the tiles fall into two parts with nothing in between.

    Parameters
    ----------
    outlines : ndarray, shape (n, 4, 3)
        Corners of each tile.

    Returns
    -------
    list of (float, ndarray, ndarray)
        Width of each gap, and the tiles on the two sides of it, the larger part first. At most
        the four widest.
    """
    low, high = outlines.min(axis=1), outlines.max(axis=1)
    n = len(outlines)
    joined = np.zeros(n, dtype=np.bool_)
    joined[0] = True
    gap = _box_gap(low, high, 0)
    nearest = np.zeros(n, dtype=np.int64)
    links: list[tuple[float, int, int]] = []
    for _ in range(n - 1):
        tile = int(np.where(joined, np.inf, gap).argmin())
        links.append((float(gap[tile]), int(nearest[tile]), tile))
        joined[tile] = True
        new = _box_gap(low, high, tile)
        closer = new < gap
        gap, nearest = np.where(closer, new, gap), np.where(closer, tile, nearest)
    widest = sorted(range(len(links)), key=lambda i: -links[i][0])[:4]
    return [(links[i][0], *_parts(n, links[:i] + links[i + 1 :])) for i in widest]


def _box_gap(low: FloatArray, high: FloatArray, tile: int) -> FloatArray:
    apart = np.maximum(np.maximum(low - high[tile], low[tile] - high), 0)
    return np.asarray(np.sqrt((apart * apart).sum(axis=1)))


def _parts(n: int, links: list[tuple[float, int, int]]) -> tuple[IntArray, IntArray]:
    """Tiles that links join to the first one, and the others; the larger part first."""
    part = np.zeros(n, dtype=np.bool_)
    part[0] = True
    # Links are in the order in which the tree grew: each has its first end in the tree by then,
    # except those behind the missing link.
    for _, inside, new in links:
        part[new] = part[inside]
    first, second = np.flatnonzero(part), np.flatnonzero(~part)
    return (first, second) if len(first) >= len(second) else (second, first)
