"""Which data pixels overlap each pixel of an image, and by how much.

Wherever areas are meant, the unit is the area of an image pixel.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
import numpy.typing as npt

from geomlib.assembly.plan import Grid
from geomlib.coordinates import Tiles
from geomlib.detector import HEXAGON_CORNERS, RECTANGLE_CORNERS, Detector, FloatArray
from geomlib.errors import GeometryError
from geomlib.threads import run_pieces

Int32Array = npt.NDArray[np.int32]
Float32Array = npt.NDArray[np.float32]
Entries = tuple[Int32Array, Int32Array, Float32Array]
#: Data pixels that are shared out at once.
PIECE_PIXELS = 2**15
#: Most overlaps, and most data pixels.
MAX_ENTRIES = 2**31 - 1
#: Image pixels of which less than this part is covered are gaps in a mean: tiles that end at the
#: border of an image pixel but for the rounding of their geometry file still overlap it.
LEAST_COVERAGE = 1e-6


@dataclass(frozen=True, eq=False)
class Overlaps:
    """Overlaps of data pixels with image pixels, sorted by image pixel. Read-only.

    Attributes
    ----------
    starts : ndarray of int32, shape (n + 1,)
        Where the entries of each of n image pixels start, row by row; at last, their number.
    pixels : ndarray of int32, shape (entries,)
        The data pixel of each entry, counted through (modules, ss, fs); tile by tile in an image
        pixel.
    areas : ndarray of float32, shape (entries,)
        How much of the image pixel the data pixel covers.
    pixel_areas : ndarray of float32, shape (modules, ss, fs)
        Projected area of each data pixel, with what lies outside of the image; 0 where no tile uses
        the data.
    """

    starts: Int32Array
    pixels: Int32Array
    areas: Float32Array
    pixel_areas: Float32Array

    def __post_init__(self) -> None:
        for array in (self.starts, self.pixels, self.areas, self.pixel_areas):
            array.flags.writeable = False

    @cached_property
    def shares(self) -> Float32Array:
        """Of each entry: which part of its data pixel lies in the image pixel."""
        return _read_only(self.areas / self.pixel_areas.ravel()[self.pixels])

    @cached_property
    def parts(self) -> Float32Array:
        """Of each entry: its part of what is covered of the image pixel; NaN in a gap."""
        covered = self.coverage(None)
        covered[covered < LEAST_COVERAGE] = np.nan
        return _read_only(self.areas / np.repeat(covered, np.diff(self.starts)))

    def coverage(self, mask: npt.NDArray[np.bool_] | None) -> Float32Array:
        """Return which part of each image pixel unmasked data pixels cover, shape (n,)."""
        from geomlib.kernels.weights import add_weighted

        counted = np.ones(self.pixel_areas.shape, dtype=np.float32)
        if mask is not None:
            counted[mask] = 0
        out = np.empty((1, len(self.starts) - 1), dtype=np.float32)
        entries = (self.starts, self.pixels, self.areas)
        add_weighted(counted.ravel(), entries, (0, 0), False, 0.0, 0.0, (0, 1), out)
        return out.reshape(-1)


def find_overlaps(
    detector: Detector, tiles: Tiles, grid: Grid, distance: float | None, threads: int
) -> Overlaps:
    """Share out all data pixels over a grid, out of which they may reach.

    Parameters
    ----------
    detector : Detector
        The shapes of pixels; wide border pixels are taken as they are.
    tiles : Tiles
        Where they are.
    grid : Grid
        The image.
    distance : float, optional
        From the sample to z = 0, for a projection from the sample; all tiles lie behind it.
        Default: along the beam.
    threads : int
        Does not change the result.

    Raises
    ------
    GeometryError
        If there are too many overlaps, or data pixels, to be counted.
    """
    from geomlib.kernels.polygons import count_entries, sort_entries

    if np.prod(detector.data_shape) > MAX_ENTRIES:
        raise GeometryError(f"method='split' takes up to 2³¹ data pixels, not {detector!r}")
    pixel_areas = np.zeros(detector.data_shape, dtype=np.float32)
    transforms = _transforms(tiles, grid, distance)
    found = _share_out(detector, transforms, grid.shape, pixel_areas.reshape(-1), threads)
    starts = np.zeros(grid.shape[0] * grid.shape[1] + 1, dtype=np.int32)
    for cells, _, _ in found:
        count_entries(cells, starts)
    np.cumsum(starts, out=starts)
    following = starts[:-1].copy()
    _, pixels, areas = _empty_entries(int(starts[-1]))
    for entries in found:
        sort_entries(entries, following, pixels, areas)
    return Overlaps(starts, pixels, areas, pixel_areas)


def _transforms(tiles: Tiles, grid: Grid, distance: float | None) -> FloatArray:
    """Map (1, u, v) of each tile to homogeneous image pixels (x, y, w): (n_tiles, 3, 3)."""
    steps = np.stack(tiles, axis=2)  # n_tiles, (x, y, z), (corner, ss, fs)
    w = np.zeros_like(steps[:, 0])
    w[:, 0] = 1
    if distance is not None:
        w += steps[:, 2] / distance
    centre_y, centre_x = grid.centre
    size_y, size_x = grid.pixel_size
    x, y = steps[:, 0] / size_x + centre_x * w, steps[:, 1] / size_y + centre_y * w
    return np.stack([x, y, w], axis=1)


def _share_out(
    detector: Detector,
    transforms: FloatArray,
    shape: tuple[int, int],
    pixel_areas: Float32Array,
    threads: int,
) -> list[Entries]:
    """Overlaps of all data pixels with image pixels, tile by tile; in pieces."""
    from geomlib.kernels.polygons import overlap_rows

    hexagonal = detector.pixel_shape == "hexagon"
    outline = HEXAGON_CORNERS if hexagonal else RECTANGLE_CORNERS
    shift = 0.5 if hexagonal else 0.0
    _, all_ss, all_fs = detector.data_shape
    sizes = [(int(n_ss), int(n_fs)) for n_ss, n_fs in detector.tile_shapes]
    expected = [_expected_entries(transform, outline) for transform in transforms]
    total = sum(n_ss * n_fs * n for (n_ss, n_fs), n in zip(sizes, expected, strict=True))
    if not total < MAX_ENTRIES:
        raise GeometryError(
            f"data pixels would overlap image pixels {total:.2g} times; the most that is possible "
            f"is {MAX_ENTRIES:.2g}: is the pixel size too small by mistake?"
        )
    wide = np.zeros((len(sizes), 4)) if detector.wide_edges is None else detector.wide_edges
    cuts = [
        (tile, low, min(low + step, n_ss))
        for tile, (n_ss, n_fs) in enumerate(sizes)
        for step in [max(1, PIECE_PIXELS // n_fs)]
        for low in range(0, n_ss, step)
    ]
    found = [_empty_entries(0)] * len(cuts)

    def work(piece: int) -> None:
        tile, low, high = cuts[piece]
        module, ss, _, fs, _ = (int(n) for n in detector.tile_bounds[tile])
        data = ((module * all_ss + ss) * all_fs + fs, all_fs)
        fixed = (transforms[tile], outline, wide[tile], sizes[tile], shift, (low, high), data)
        room = int(1.05 * (high - low) * sizes[tile][1] * expected[tile]) + 64
        while True:
            entries = _empty_entries(room)
            count = overlap_rows(*fixed, shape, entries, pixel_areas)
            if count <= room:
                break
            room = count
        cells, pixels, areas = entries
        found[piece] = (cells[:count], pixels[:count], areas[:count])

    run_pieces([partial(work, piece) for piece in range(len(cuts))], threads)
    return found


def _expected_entries(transform: FloatArray, outline: FloatArray) -> float:
    """Mean number of image pixels that a data pixel of a tile touches.

    For a convex figure of some width, height and area, thrown at random on a grid of unit cells,
    that is area + width + height + 1.
    """
    corners = (outline @ transform[:2, 1:].T) / transform[2, 0]
    (x, y), (x_next, y_next) = corners.T, np.roll(corners, -1, axis=0).T
    area = 0.5 * abs(np.sum(x * y_next - x_next * y))
    return float(area + np.sum(np.ptp(corners, axis=0)) + 1)


def _empty_entries(count: int) -> Entries:
    return (
        np.empty(count, dtype=np.int32),
        np.empty(count, dtype=np.int32),
        np.empty(count, dtype=np.float32),
    )


def _read_only(array: npt.NDArray[Any]) -> Float32Array:
    array.flags.writeable = False
    return array
