"""Pieces of a detector of pyFAI: blocks of pixels on one plane grid, fitted to their corners."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from geomlib.coordinates import BoolArray
from geomlib.detector import HEXAGON_CORNERS as HEXAGON
from geomlib.detector import RECTANGLE_CORNERS as RECTANGLE
from geomlib.detector import FloatArray
from geomlib.errors import GeometryError

NDArray = npt.NDArray[Any]
#: A coordinate in float32 is off by up to its size times this: half a unit in the last place.
FLOAT32 = 2.0**-24
#: Roundings that a coordinate has been through: a product with the pitch, a rotation, the offset of
#: its module, and the storage of the sum.
ROUNDINGS = 4
#: More tiles than any detector has; a detector with a smooth distortion has one a pixel.
MAX_TILES = 16384
#: Corners that are worked on at a time, to bound the memory.
BLOCK = 2**20

NO_GRIDS = f"detector is no set of tiles: it is smoothly distorted, or has more than {MAX_TILES}"


class Piece(NamedTuple):
    """A block of pixels on one grid: its first and last-plus-one row and column."""

    bounds: tuple[int, int, int, int]
    wide: tuple[bool, ...] = (False,) * 4  # which of these borders have wider pixels

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.bounds[1] - self.bounds[0], self.bounds[3] - self.bounds[2]


def fit_all(
    corners: NDArray, pieces: list[Piece], rounding: float
) -> tuple[list[Piece], list[FloatArray]]:
    """Fit corner, ss and fs, the rows of an array, to every piece; cut those that are no grid."""
    waiting, done = pieces[::-1], []
    while waiting:
        piece = waiting.pop()
        vectors, worst = fit(corners, piece)
        if worst > rounding:
            waiting += _cut(corners, piece, vectors)
        else:
            done.append((piece, from_corner(piece, vectors)))
        if len(done) + len(waiting) > MAX_TILES:
            raise GeometryError(NO_GRIDS)
    # In the order of their first pixels.
    done.sort(key=lambda one: one[0].bounds[::2])
    return [piece for piece, _ in done], [vectors for _, vectors in done]


def _blocks(
    corners: NDArray, piece: Piece
) -> Iterator[tuple[slice, BoolArray, FloatArray, FloatArray]]:
    """Go through the corners of a piece, some rows at a time.

    Yields the rows, which corners count (not those of wide borders, which are off the grid), and
    for all corners (1, u, v), in steps from the middle of the piece, and (x, y, z).
    """
    (n_ss, n_fs), n_corners, (ss0, _, fs0, fs1) = piece.size, corners.shape[2], piece.bounds
    cell = HEXAGON if n_corners == 6 else RECTANGLE
    step = max(1, BLOCK // (n_fs * n_corners))
    for row in range(0, n_ss, step):
        rows = slice(row, min(row + step, n_ss))
        s = np.arange(rows.start, rows.stop)[:, np.newaxis, np.newaxis]
        u, v = s + cell[:, 0], np.arange(n_fs)[:, np.newaxis] + cell[:, 1]
        count = np.ones((len(s), n_fs, n_corners), dtype=np.bool_)
        for wide, outer in zip(piece.wide, (u == 0, u == n_ss, v == 0, v == n_fs), strict=True):
            count &= ~(outer & wide)
        known = np.ones((*count.shape, 3))
        known[..., 1] = u - 0.5 * n_ss
        known[..., 2] = v - 0.5 * n_fs + (0.5 * (s % 2) if n_corners == 6 else 0)
        block = corners[ss0 + rows.start : ss0 + rows.stop, fs0:fs1, :, ::-1]
        yield rows, count, known, block.astype(np.float64)


def fit(corners: NDArray, piece: Piece) -> tuple[FloatArray, float]:
    """Fit a piece to its corners, by the normal equations.

    Returns
    -------
    vectors : ndarray, shape (3, 3)
        Middle, ss and fs, metres.
    worst : float
        How far the furthest corner is off the grid, along x, y or z.
    """
    matrix, right = np.zeros((3, 3)), np.zeros((3, 3))
    for _, count, known, places in _blocks(corners, piece):
        a = known[count]
        matrix += a.T @ a
        right += a.T @ places[count]
    vectors = np.asarray(np.linalg.solve(matrix, right), dtype=np.float64)
    off = [np.abs((p - k @ vectors)[count]).max() for _, count, k, p in _blocks(corners, piece)]
    return vectors, float(max(off))


def from_corner(piece: Piece, vectors: FloatArray) -> FloatArray:
    """Return corner, ss and fs of a piece from its middle, ss and fs."""
    middle, ss, fs = vectors
    corner = middle - 0.5 * (piece.size[0] * ss + piece.size[1] * fs)
    return np.array([corner, ss, fs])


def _cut(corners: NDArray, piece: Piece, vectors: FloatArray) -> list[Piece]:
    """Cut a piece in two where two grids fit it best.

    What one grid leaves of it is summed up for each row and each column: its mean, and how it grows
    along the row or column, since two grids may be turned about their common middle.
    """
    by_row, by_column = (np.zeros((n, 6)) for n in piece.size)
    for rows, count, known, places in _blocks(corners, piece):
        rest = np.where(count[..., np.newaxis], places - known @ vectors, 0.0)
        by_row[rows, :3] = rest.sum(axis=(1, 2))
        by_row[rows, 3:] = (rest * known[..., 2:]).sum(axis=(1, 2))
        by_column[:, :3] += rest.sum(axis=(0, 2))
        by_column[:, 3:] += (rest * known[..., 1:2]).sum(axis=(0, 2))
    # A tile of hexagons begins with an unshifted row.
    cuts = [_best_cut(by_row, 2 if corners.shape[2] == 6 else 1), _best_cut(by_column, 1)]
    axis = int(np.argmax([gain for _, gain in cuts]))
    at, gain = cuts[axis]
    if gain <= 0:
        raise GeometryError(
            f"detector is no set of tiles: pixel {piece.bounds[::2]} is no parallelogram or hexagon"
        )
    parts = []
    for side in (2 * axis, 2 * axis + 1):
        bounds, wide = list(piece.bounds), list(piece.wide)
        bounds[side], wide[side] = piece.bounds[2 * axis] + at, False
        parts.append(Piece((bounds[0], bounds[1], bounds[2], bounds[3]), tuple(wide)))
    return parts


def _best_cut(profile: FloatArray, step: int) -> tuple[int, float]:
    """Where two straight lines fit best, and by which part of the error one line is worse."""
    n = len(profile)
    cuts = np.arange(step, n, step)
    if not len(cuts):
        return 0, 0.0
    t = np.arange(n)[:, np.newaxis] - 0.5 * (n - 1)
    terms = np.broadcast_arrays(1.0, t, t * t, profile, t * profile, profile * profile)
    sums = np.cumsum(terms, axis=1)
    whole, first = sums[:, -1:], sums[:, cuts - 1]
    one = float(_line_error(whole).sum())
    two = (_line_error(first) + _line_error(whole - first)).sum(axis=1)
    best = int(np.argmin(two))
    return int(cuts[best]), 1.0 - float(two[best]) / one if one > 0 else 0.0


def _line_error(sums: FloatArray) -> FloatArray:
    """Sum of squares that a straight line leaves, from sums of 1, t, t², y, t·y and y²."""
    n, t, tt, y, ty, yy = sums
    spread, covariance = tt - t * t / n, ty - t * y / n
    slope = np.divide(covariance, spread, out=np.zeros_like(covariance), where=spread > 0)
    return np.asarray(np.clip(yy - y * y / n - slope * covariance, 0.0, None))
