"""What a geometry carries besides positions: bad regions, and the file it came from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from geomlib.coordinates import BoolArray
from geomlib.detector import Detector, FloatArray, tile_map


class BadRegion(NamedTuple):
    """A part of the detector not to be used: a block of data pixels, or a rectangle in the lab.

    Attributes
    ----------
    name : str
        As in the file; CrystFEL demands that it begins with ``bad``.
    tile : int, optional
        For a block of data pixels: the tile that it belongs to.
    ss, fs : (int, int), optional
        First and last-plus-one index in the module, along slow scan and fast scan.
    x, y : (float, float), optional
        For a rectangle in the lab: smallest and largest coordinate, in metres.
    """

    name: str
    tile: int | None = None
    ss: tuple[int, int] | None = None
    fs: tuple[int, int] | None = None
    x: tuple[float, float] | None = None
    y: tuple[float, float] | None = None


class Source(NamedTuple):
    """Where a geometry came from.

    Attributes
    ----------
    path : str, optional
        The file it was read from.
    format : str
        Name of the file format.
    text : bytes, optional
        The whole file, for text formats: writing the geometry back changes only what changed.
    """

    path: str | None
    format: str
    text: bytes | None = None


def bad_pixels(
    detector: Detector, positions: Callable[[], FloatArray], regions: Sequence[BadRegion]
) -> BoolArray:
    """Mark the data pixels that lie in a bad region or belong to no tile.

    A rectangle in the lab holds the pixels whose centres lie in it. ``positions`` gives those
    centres, (modules, ss, fs, 3), and is called only when there is such a rectangle.
    """
    bad = tile_map(detector) < 0
    centres = positions() if any(region.x is not None for region in regions) else None
    for region in regions:
        if region.tile is not None and region.ss is not None and region.fs is not None:
            module = int(detector.tile_bounds[region.tile, 0])
            bad[module, slice(*region.ss), slice(*region.fs)] = True
        elif centres is not None and region.x is not None and region.y is not None:
            px, py = centres[..., 0], centres[..., 1]
            bad |= (
                (px >= region.x[0])
                & (px <= region.x[1])
                & (py >= region.y[0])
                & (py <= region.y[1])
            )
    return bad
