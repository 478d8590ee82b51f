"""Any detector of equal tiles."""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from geomlib import checks
from geomlib.compat.geometries.base import DetectorGeometryBase
from geomlib.compat.geometries.fragment import Modules
from geomlib.detector import Detector
from geomlib.detectors.generic import generic
from geomlib.errors import GeometryError
from geomlib.geometry import Geometry

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NDArray = npt.NDArray[Any]


class GenericGeometry(DetectorGeometryBase):
    """Any detector whose modules are rows of equal tiles.

    Parameters
    ----------
    modules : list of list of GeometryFragment, or geomlib.Geometry
        The tiles; those of a module follow each other along slow scan in its data, or as the
        geometry says.
    filename, metadata
        As for other detectors.
    """

    detector_type_name = "Generic Detector"

    def __init__(self, modules: Modules | Geometry, *args: Any, **kwargs: Any) -> None:
        super().__init__(modules, *args, **kwargs)
        detector = self.geometry.detector
        _, n_ss, n_fs = self.expected_data_shape = detector.data_shape
        self.pixel_size = detector.pixel_size[1]
        self.frag_ss_pixels, self.frag_fs_pixels = map(int, detector.tile_shapes[0])
        self.n_tiles_per_module = len(detector.tiles_of(0))
        self.ss_tiles, self.fs_tiles = n_ss // self.frag_ss_pixels, n_fs // self.frag_fs_pixels

    @classmethod
    def from_simple_description(
        cls,
        pixel_size: float,
        slow_pixels: int,
        fast_pixels: int,
        corner_coordinates: npt.ArrayLike = ((0.0, 0.0, 0.0),),
        ss_vec: npt.ArrayLike = (1, 0, 0),
        fs_vec: npt.ArrayLike = (0, 1, 0),
        n_tiles_per_module: int = 1,
        tile_gap: float | None = None,
        tile_vec: npt.ArrayLike | None = None,
    ) -> Self:
        """Build it from the first corner of each module.

        Parameters
        ----------
        pixel_size : float
            In metres.
        slow_pixels, fast_pixels : int
            Of a tile.
        corner_coordinates : array_like, shape (modules, 3)
            First corner of each module, in metres.
        ss_vec, fs_vec : array_like, shape (3,)
            Directions of slow scan and fast scan, of length 1, perpendicular.
        n_tiles_per_module : int
            Tiles of a module, in a row.
        tile_gap : float, optional
            Between them, in metres; default: a pixel.
        tile_vec : array_like, shape (3,), optional
            Direction from one to the next, along slow scan or fast scan; default: slow scan.

        Raises
        ------
        GeometryError
            If the directions are not as described, or a number is wrong.
        """
        ss, fs = checks.array("ss_vec", ss_vec, (3,)), checks.array("fs_vec", fs_vec, (3,))
        along = ss if tile_vec is None else checks.array("tile_vec", tile_vec, (3,))
        corners = np.atleast_2d(checks.numbers("corner_coordinates", corner_coordinates))
        if corners.shape[1:] != (3,):
            raise GeometryError(
                f"corner_coordinates must have shape (modules, 3), not {corners.shape}"
            )
        checks.number("pixel_size", pixel_size, positive=True)
        checks.integer("n_tiles_per_module", n_tiles_per_module, 1)
        gap = pixel_size if tile_gap is None else checks.number("tile_gap", tile_gap)
        if abs(ss @ fs) > 1e-9 or not np.allclose((ss @ ss, fs @ fs), 1, rtol=1e-9):
            raise GeometryError(
                "ss_vec and fs_vec must be perpendicular and of length 1, "
                f"not {ss.tolist()} and {fs.tolist()}"
            )
        size = abs((fs * fast_pixels + ss * slow_pixels) @ along) * pixel_size
        step = size + gap
        numbers = np.arange(n_tiles_per_module)[:, np.newaxis]
        geometry = generic(
            (corners[:, np.newaxis] + along * numbers * step).reshape(-1, 3),
            (slow_pixels, fast_pixels),
            pixel_size,
            ss=ss,
            fs=fs,
            tiles_per_module=n_tiles_per_module,
            stacked="fs" if abs(fs @ along) > abs(ss @ along) else "ss",
        )
        return cls(geometry)

    def _detector(self, n_modules: int) -> Detector:
        first = [tile for module in (self._modules or []) for tile in module][:1]
        if not first:
            raise GeometryError("modules must hold at least one tile")
        tile = first[0]
        n = sum(map(len, self._modules or []))
        shape = (tile.ss_pixels, tile.fs_pixels)
        pitch = [float(np.linalg.norm(vector)) for vector in (tile.ss_vec, tile.fs_vec)]
        model = generic(
            np.zeros((n, 3)),
            shape,
            (pitch[0], pitch[1]),
            tiles_per_module=n // n_modules,
            # As it was before; at first only a pickle of EXtra-geom knows.
            stacked="fs" if getattr(self, "fs_tiles", 1) > 1 else "ss",
        )
        return model.detector

    @classmethod
    def from_crystfel_geom(cls, filename: str | PathLike[str]) -> Self:
        """Not for this class, as in EXtra-geom: `geomlib.read_geometry` reads any file."""
        raise NotImplementedError(
            "GenericGeometry reads no .geom files: "
            "GenericGeometry(geomlib.read_geometry(path)) does"
        )

    def _tile_slice(  # type: ignore[override]
        self, tileno: int
    ) -> tuple[slice, slice]:
        _, rows, columns = self.geometry.detector.tile_slice(tileno)
        return rows, columns

    def split_tiles(  # type: ignore[override]
        self, module_data: NDArray
    ) -> list[NDArray]:
        """Cut the data of a module, (…, ss, fs), into views of its tiles."""
        cuts = map(self._tile_slice, range(self.n_tiles_per_module))
        return [module_data[..., rows, columns] for rows, columns in cuts]

    def inspect(
        self, axis_units: str = "px", frontview: bool = True, aspect: str | float = "auto"
    ) -> Axes:
        """Draw the tiles, with an aspect ratio of matplotlib's."""
        ax = super().inspect(axis_units, frontview)
        ax.set_aspect(aspect)  # type: ignore[arg-type]
        return ax
