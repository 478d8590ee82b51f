"""Tiles with step vectors at right angles, for formats and programs that know no others.

Refined geometries have tiles that are slightly skewed, since nothing keeps the two step vectors at
right angles. NXmx as DIALS reads it, and psana's geometry, hold rotations only.
"""

from __future__ import annotations

import numpy as np

from geomlib.coordinates import Tiles, tile_centres
from geomlib.detector import Detector, FloatArray

#: Largest cosine between the step vectors of a tile that counts as a right angle: what dxtbx, the
#: strictest of the programs, lets pass. It moves the corners of a tile of 100 mm by less than 5 nm.
MAX_SKEW = 1e-7


def orthogonal(
    ss: FloatArray, fs: FloatArray, max_skew: float = MAX_SKEW
) -> tuple[FloatArray, FloatArray]:
    """Return the nearest step vectors at right angles, of the same lengths.

    Both turn by the same angle, in their own plane and away from each other, so that the diagonals
    keep their directions (the symmetric orthonormalisation of Löwdin).

    Parameters
    ----------
    ss, fs : ndarray, shape (n, 3)
        Steps of one pixel along slow scan and fast scan.
    max_skew : float
        Vectors whose directions have a cosine no larger than this stay as they are, to the bit.

    Returns
    -------
    ss, fs : ndarray, shape (n, 3)
        New arrays.
    """
    ss, fs = ss.copy(), fs.copy()
    length_ss, length_fs = (np.linalg.norm(v, axis=1, keepdims=True) for v in (ss, fs))
    a, b = ss / length_ss, fs / length_fs
    skewed = np.abs((a * b).sum(axis=1)) > max_skew
    # The diagonals of a rhombus are at right angles, whatever its angles.
    along, across = (_unit(diagonal[skewed]) for diagonal in (a + b, a - b))
    ss[skewed] = (along + across) / np.sqrt(2) * length_ss[skewed]
    fs[skewed] = (along - across) / np.sqrt(2) * length_fs[skewed]
    return ss, fs


def orthogonal_tiles(detector: Detector, tiles: Tiles, max_skew: float = MAX_SKEW) -> Tiles:
    """Return the nearest tiles with step vectors at right angles.

    The centres of tiles and the lengths of their step vectors stay. Tiles that are not skewed stay
    as they are, to the bit.

    Parameters
    ----------
    detector : Detector
        How many pixels the tiles have.
    tiles : Tiles
        Corners and step vectors.
    max_skew : float
        As in `orthogonal`.

    Returns
    -------
    Tiles
    """
    ss, fs = orthogonal(tiles.ss, tiles.fs, max_skew)
    changed = ((ss != tiles.ss) | (fs != tiles.fs)).any(axis=1)
    moved = tile_centres(detector, tiles) - tile_centres(detector, Tiles(tiles.corners, ss, fs))
    corners = np.where(changed[:, np.newaxis], tiles.corners + moved, tiles.corners)
    return Tiles(corners, ss, fs)


def _unit(vectors: FloatArray) -> FloatArray:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
