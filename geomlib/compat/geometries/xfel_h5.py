"""European XFEL HDF5 geometry files of LPD-1M and DSSC-1M."""

from __future__ import annotations

from os import PathLike
from typing import Any, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt

from geomlib.compat.geometries.base import DetectorGeometryBase
from geomlib.detector import FloatArray
from geomlib.errors import quiet, warn
from geomlib.formats import read_geometry, write_geometry
from geomlib.geometry import Geometry

_MILLIMETRE = 1e-3


class XFELFileGeometry(DetectorGeometryBase):
    """A detector of four quadrants, with files of its own."""

    #: Module of a quadrant, and tile of that module, whose corner stands for the quadrant; and
    #: which corner: the one with the highest x and y, or the lowest.
    _reference: ClassVar[tuple[int, int, Literal["max", "min"]]]

    @classmethod
    def from_h5_file_and_quad_positions(
        cls, path: str | PathLike[str], positions: npt.ArrayLike, unit: float = _MILLIMETRE
    ) -> Self:
        """Read a file, with the positions of its quadrants told.

        Parameters
        ----------
        path : str or path-like
            The file.
        positions : array_like, shape (4, 2)
            As for `from_quad_positions`; they replace those in the file.
        unit : float
            Of all positions, in metres.
        """
        return cls._read(path, quad_positions=positions, unit=unit)

    @classmethod
    def from_h5_file(cls, path: str | PathLike[str]) -> Self:
        """Read a file that has positions of its quadrants."""
        return cls._read(path)

    @classmethod
    def _read(cls, path: str | PathLike[str], **options: Any) -> Self:
        geometry = read_geometry(path, format="euxfel", detector=cls._layout, **options)
        return cls(geometry, filename=path)

    def to_h5_file_and_quad_positions(self, path: str | PathLike[str]) -> FloatArray:
        """Write a file, and return the positions of the quadrants, shape (4, 2), in millimetres.

        Such files hold x and y of upright tiles. For others a warning says how far tiles will be
        from their place; `geomlib.write_geometry` refuses them.
        """
        report = write_geometry(self.geometry, path, format="euxfel", allow_loss=True)
        if report.moved:
            for message in report.messages():
                warn(f"{path}: {message}")
        return self.geometry.quad_positions(unit=_MILLIMETRE)

    def quad_positions(self, h5_file: str | PathLike[str] | None = None) -> FloatArray:
        """Positions of the quadrants, shape (4, 2), in millimetres.

        Parameters
        ----------
        h5_file : str or path-like, optional
            They are to be used with this file, whose modules may stand elsewhere in a quadrant.
        """
        if h5_file is None:
            return self.geometry.quad_positions(unit=_MILLIMETRE)
        with quiet():
            # With quadrants at the origin, which is doubtful, the rest is where things are in one.
            file = self._read(h5_file, quad_positions=np.zeros((4, 2)))
        return (self._corners(self.geometry) - self._corners(file.geometry)) / _MILLIMETRE

    @classmethod
    def _corners(cls, geometry: Geometry) -> FloatArray:
        """Corner that stands for each quadrant, shape (4, 2), in metres."""
        module, tile, extreme = cls._reference
        tiles = [geometry.detector.tiles_of(q + module)[tile] for q in range(0, 16, 4)]
        outlines = geometry.tile_outlines()[tiles, :, :2]
        return np.asarray(outlines.max(axis=1) if extreme == "max" else outlines.min(axis=1))
