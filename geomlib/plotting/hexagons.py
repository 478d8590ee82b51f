"""Images of hexagonal pixels in their true shape and place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.artist import allow_rasterization
from matplotlib.cm import ScalarMappable
from matplotlib.collections import PolyCollection
from matplotlib.transforms import Affine2D, Bbox

from geomlib import checks
from geomlib.assembly import dismantle_image
from geomlib.coordinates import tile_extent
from geomlib.detector import HEXAGON_CORNERS, FloatArray
from geomlib.errors import GeometryError
from geomlib.plotting.extent import padded
from geomlib.plotting.view import Unit

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.backend_bases import RendererBase

    from geomlib.assembly import AssembledImage
    from geomlib.geometry import Geometry


class TileHexagons(PolyCollection):
    """The hexagons of one tile: one shape at many places, drawn when some of them are in view."""

    def __init__(self, shape: FloatArray, places: FloatArray, box: Bbox, **look: Any) -> None:
        super().__init__([shape], offsets=places, **look)
        self._box = box

    @allow_rasterization  # type: ignore[untyped-decorator]
    def draw(self, renderer: RendererBase) -> None:
        """Draw the tile, unless it lies outside of the axes."""
        if self.axes is None or not self.axes.viewLim.overlaps(self._box):
            return
        # The shape follows the axes' scale, as they are now, but only its places their origin.
        matrix = self.axes.transData.get_affine().get_matrix().copy()
        matrix[:2, 2] = 0
        self.set_transform(Affine2D(matrix))
        super().draw(renderer)


def hexagon_tiles(geometry: Geometry, modules: int | Sequence[int] | None) -> list[int]:
    """Return the tiles of some modules, or of all, of a detector with hexagonal pixels.

    Raises
    ------
    GeometryError
        If the pixels are not hexagons, or there is no such module.
    """
    detector = geometry.detector
    if detector.pixel_shape != "hexagon":
        raise GeometryError(
            f"hexagons=True is for detectors with hexagonal pixels; those of {detector.name} are "
            f"rectangles"
        )
    n_modules = detector.n_modules
    try:
        chosen = np.arange(n_modules) if modules is None else np.atleast_1d(np.asarray(modules))
    except ValueError:
        chosen = np.empty(0)
    known = np.isin(chosen, np.arange(n_modules))
    if chosen.dtype.kind not in "iu" or not len(chosen) or not known.all():
        raise GeometryError(
            f"modules must be numbers from 0 to {n_modules - 1}, not {checks.shown(modules)}"
        )
    return [int(t) for t in np.flatnonzero(np.isin(detector.tile_modules, chosen))]


def hexagon_view(
    geometry: Geometry, tiles: Sequence[int], unit: Unit
) -> tuple[FloatArray, FloatArray]:
    """Lowest and highest x and y of some tiles, with a margin, in the unit of the axes."""
    boxes = np.array([_tile_box(geometry, tile) for tile in tiles]) / unit.lengths
    return padded(boxes[:, 0].min(axis=0), boxes[:, 1].max(axis=0), 0.02)


def draw_hexagons(
    ax: Axes, image: AssembledImage, tiles: Sequence[int], unit: Unit, look: Mapping[str, Any]
) -> ScalarMappable:
    """Draw some tiles of one image as hexagons.

    Parameters
    ----------
    ax : Axes
        Where to draw.
    image : AssembledImage
        One image, not a stack.
    tiles : sequence of int
        What to draw.
    unit : Unit
        Of the axes.
    look : mapping
        ``cmap``, ``norm``, and more for `PolyCollection`.

    Returns
    -------
    ScalarMappable
        For the colour bar.
    """
    geometry = image.geometry
    values = np.ma.masked_invalid(dismantle_image(image, geometry))
    for tile in tiles:
        shape, places = _hexagon_grid(geometry, tile)
        collection = TileHexagons(
            shape / unit.lengths,
            places / unit.lengths,
            Bbox(_tile_box(geometry, tile) / unit.lengths),
            # Without smoothing, neighbours meet without a seam.
            **{"offset_transform": ax.transData, "antialiaseds": False, "linewidths": 0, **look},
        )
        collection.set_array(values[geometry.detector.tile_slice(tile)].ravel())
        ax.add_collection(collection, autolim=False)
    return ScalarMappable(norm=look["norm"], cmap=look["cmap"])


def _tile_box(geometry: Geometry, tile: int) -> FloatArray:
    """Lowest and highest (x, y) of the hexagons of a tile, shape (2, 2), in metres."""
    n_ss, n_fs = (int(n) for n in geometry.detector.tile_shapes[tile])
    vectors = geometry.tile_corners[tile], geometry.tile_ss[tile], geometry.tile_fs[tile]
    return np.array(tile_extent(*vectors, n_ss, n_fs, True))


def _hexagon_grid(geometry: Geometry, tile: int) -> tuple[FloatArray, FloatArray]:
    """Corners (6, 2) of the hexagons of a tile, and the place (pixels, 2) of each, in metres."""
    corner, ss, fs = (
        a[tile, :2] for a in (geometry.tile_corners, geometry.tile_ss, geometry.tile_fs)
    )
    n_ss, n_fs = geometry.detector.tile_shapes[tile]
    u, v = np.meshgrid(np.arange(n_ss), np.arange(n_fs, dtype=np.float64), indexing="ij")
    v[1::2] += 0.5
    places = corner + u.reshape(-1, 1) * ss + v.reshape(-1, 1) * fs
    return HEXAGON_CORNERS[:, :1] * ss + HEXAGON_CORNERS[:, 1:] * fs, places
