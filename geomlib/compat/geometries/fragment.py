"""`GeometryFragment`: one tile, as EXtra-geom's users see it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from geomlib.compat.geometries.snapped import GridGeometryFragment
from geomlib.detector import FloatArray
from geomlib.errors import GeometryError


class GeometryFragment:
    """Where one tile is, in metres.

    Parameters
    ----------
    corner_pos : array_like, shape (3,)
        Outer corner of the first stored pixel.
    ss_vec, fs_vec : array_like, shape (3,)
        Steps of one pixel along slow scan and fast scan.
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
        self.corner_pos = np.asarray(corner_pos)
        self.ss_vec = np.asarray(ss_vec)
        self.fs_vec = np.asarray(fs_vec)
        self.ss_pixels = ss_pixels
        self.fs_pixels = fs_pixels

    @classmethod
    def from_panel_dict(cls, d: Mapping[str, Any]) -> GeometryFragment:
        """Make a tile of a panel as cfelpyutils has it."""

        def vector(*keys: str) -> FloatArray:
            return np.array([float(d[key]) for key in keys]) / float(d["res"])

        corner = np.array([d["cnx"] / d["res"], d["cny"] / d["res"], d["coffset"]])
        return cls(
            corner,
            vector("ssx", "ssy", "ssz"),
            vector("fsx", "fsy", "fsz"),
            d["orig_max_ss"] - d["orig_min_ss"] + 1,
            d["orig_max_fs"] - d["orig_min_fs"] + 1,
        )

    def corners(self) -> FloatArray:
        """Return the outer corners, shape (4, 3): first pixel, along fast scan, across, back."""
        along, across = self.fs_vec * self.fs_pixels, self.ss_vec * self.ss_pixels
        start = self.corner_pos
        return np.stack([start, start + along, start + across + along, start + across])

    def centre(self) -> FloatArray:
        """Return the centre."""
        middle: FloatArray = (
            self.corner_pos
            + 0.5 * self.ss_vec * self.ss_pixels
            + 0.5 * self.fs_vec * self.fs_pixels
        )
        return middle

    def offset(self, shift: npt.ArrayLike) -> GeometryFragment:
        """Return the tile moved by a vector."""
        return self._at(self.corner_pos + np.asarray(shift), self.ss_vec, self.fs_vec)

    def rotate(self, matrix: npt.ArrayLike, center: npt.ArrayLike) -> GeometryFragment:
        """Return the tile turned by a matrix about a point."""
        turn, fixed = np.asarray(matrix), np.asarray(center)
        corner = turn @ (self.corner_pos - fixed) + fixed
        return self._at(corner, turn @ self.ss_vec, turn @ self.fs_vec)

    def _at(self, corner: FloatArray, ss: FloatArray, fs: FloatArray) -> GeometryFragment:
        return type(self)(corner, ss, fs, self.ss_pixels, self.fs_pixels)

    def snap(self, px_shape: npt.ArrayLike) -> GridGeometryFragment:
        """Return the tile on the nearest pixels of a grid.

        Parameters
        ----------
        px_shape : array_like, shape (2,)
            Size of the grid's pixels along x and y, in metres.

        Raises
        ------
        GeometryError
            If it is turned too far from the grid.
        """
        size = np.asarray(px_shape)
        corner, ss, fs = (
            np.around(vector[:2] / size).astype(np.int32)
            for vector in (self.corner_pos, self.ss_vec, self.fs_vec)
        )
        if {tuple(np.abs(ss)), tuple(np.abs(fs))} != {(0, 1), (1, 0)}:
            raise GeometryError(
                "the tile is turned too far from the pixel grid of the image, or its pixels have "
                "another size"
            )
        return GridGeometryFragment(
            corner[::-1], ss[::-1], fs[::-1], self.ss_pixels, self.fs_pixels
        )

    def __repr__(self) -> str:
        x, y, z = (float(c) for c in self.corner_pos)
        return f"<GeometryFragment {self.ss_pixels} × {self.fs_pixels} at ({x:g}, {y:g}, {z:g}) m>"


#: Modules of tiles, as EXtra-geom has them.
Modules = list[list[GeometryFragment]]


def tile_vectors(modules: Sequence[Sequence[GeometryFragment]]) -> FloatArray:
    """Corners, ss and fs of all tiles, shape (3, tiles, 3).

    Raises
    ------
    GeometryError
        If there are none, or a vector has not three numbers.
    """
    tiles = [tile for module in modules for tile in module]
    if not tiles:
        raise GeometryError("modules must hold at least one tile")
    vectors = [getattr(t, name) for name in ("corner_pos", "ss_vec", "fs_vec") for t in tiles]
    try:
        return np.concatenate(vectors, dtype=np.float64).reshape(3, len(tiles), 3)
    except (TypeError, ValueError):
        raise GeometryError(
            "corner_pos, ss_vec and fs_vec of each tile must be three numbers"
        ) from None
