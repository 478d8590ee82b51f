"""The geometry on whole pixels, for code that looks into it (geoAssembler does)."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from geomlib.assembly.plan import make_plan

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from geomlib.compat.geometries.base import DetectorGeometryBase

NDArray = npt.NDArray[Any]


class GridGeometryFragment:
    """Where one tile is in an image: everything as (y, x), in pixels.

    Parameters
    ----------
    corner_pos : array_like of int, shape (2,)
        Outer corner of the first stored pixel.
    ss_vec, fs_vec : array_like of int, shape (2,)
        Steps of one pixel: one along y and one along x, each 1 or -1 long.
    ss_pixels, fs_pixels : int
        Pixels along each.
    """

    def __init__(
        self,
        corner_pos: npt.ArrayLike,
        ss_vec: npt.ArrayLike,
        fs_vec: npt.ArrayLike,
        ss_pixels: int,
        fs_pixels: int,
    ) -> None:
        self.ss_vec, self.fs_vec = np.asarray(ss_vec), np.asarray(fs_vec)
        self.ss_pixels, self.fs_pixels = ss_pixels, fs_pixels
        steps = self.ss_vec + self.fs_vec
        #: Pixels of the tile in the image along (y, x).
        self.pixel_dims = (fs_pixels, ss_pixels) if self._turned else (ss_pixels, fs_pixels)
        corner = np.asarray(corner_pos) + np.minimum(steps, 0) * self.pixel_dims
        #: Lowest row and column of the tile in the image.
        self.corner_idx = tuple(corner)

    @property
    def _turned(self) -> bool:
        return bool(self.fs_vec[0] != 0)

    def transform(self, arr: NDArray) -> NDArray:
        """View the data of the tile (…, ss, fs) as it lies in the image (…, y, x)."""
        step_y, step_x = self.ss_vec + self.fs_vec
        upright = arr.swapaxes(-1, -2) if self._turned else arr
        return upright[..., ::step_y, ::step_x]

    def offset(self, y_x: npt.ArrayLike) -> GridGeometryFragment:
        """Return the tile moved by some pixels."""
        moved = copy(self)
        moved.corner_idx = tuple(np.array(self.corner_idx) + y_x)
        return moved


class SnappedGeometry:
    """A geometry on whole pixels.

    Parameters
    ----------
    modules : list of list of GridGeometryFragment
        The tiles; the lowest row and column are 0.
    geom : DetectorGeometryBase
        What it was made from.
    centre : array_like of int, shape (2,)
        The beam as (y, x).
    """

    def __init__(
        self,
        modules: list[list[GridGeometryFragment]],
        geom: DetectorGeometryBase,
        centre: npt.ArrayLike,
    ) -> None:
        self.modules, self.geom, self.centre = modules, geom, np.asarray(centre)
        ends = [np.add(t.corner_idx, t.pixel_dims) for module in modules for t in module]
        self.size_yx = tuple(np.max(ends, axis=0))

    def make_output_array(
        self, extra_shape: tuple[int, ...] = (), dtype: npt.DTypeLike = np.float32
    ) -> NDArray:
        """Make an array for `position_modules`."""
        return self.geom.output_array_for_position(extra_shape, dtype)

    def position_modules(
        self, data: Any, out: NDArray | None = None, threadpool: Any = None
    ) -> tuple[NDArray, NDArray]:
        """Assemble data, as the geometry's method does."""
        return self.geom.position_modules(data, out=out, threadpool=threadpool)

    def position_modules_symmetric(
        self, data: Any, out: NDArray | None = None, threadpool: Any = None
    ) -> NDArray:
        """Assemble data with the beam in the middle, as the geometry's method does."""
        return self.geom.position_modules_symmetric(data, out=out, threadpool=threadpool)

    def plot_data(self, modules_data: Any, **kwargs: Any) -> Axes:
        """Draw data, as the geometry's method does."""
        return self.geom.plot_data(modules_data, **kwargs)

    def take_modules(self, data: NDArray) -> NDArray:
        """Take an image apart, as the geometry's method does."""
        return self.geom.take_modules(data)


def snapped(geom: DetectorGeometryBase) -> SnappedGeometry:
    """Put the tiles of a geometry on the nearest whole pixels."""
    # Of the image, (x, y): hexagons that are turned lie on a grid that is turned.
    pixel = np.array(make_plan(geom.geometry, "snap", False).grid.pixel_size[::-1])
    modules = [[tile.snap(pixel) for tile in module] for module in geom.modules]
    centre = -np.min([t.corner_idx for module in modules for t in module], axis=0)
    moved = [[tile.offset(centre) for tile in module] for module in modules]
    return SnappedGeometry(moved, geom, centre)
