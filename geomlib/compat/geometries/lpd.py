"""LPD-1M and LPD Mini."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt

from geomlib.compat.geometries.base import DetectorGeometryBase
from geomlib.compat.geometries.xfel_h5 import XFELFileGeometry
from geomlib.detector import Detector
from geomlib.detectors.examples import example_geometry
from geomlib.detectors.lpd import LPD_1M, PITCH, lpd_1m, lpd_mini, lpd_mini_detector
from geomlib.errors import GeometryError
from geomlib.formats import hdf5


class LPDGeometryBase(DetectorGeometryBase):
    """What the detectors of this family have in common."""

    pixel_size = PITCH
    frag_ss_pixels = 32
    frag_fs_pixels = 128


class LPD_1MGeometry(XFELFileGeometry, LPDGeometryBase):  # noqa: N801
    """LPD-1M: 16 modules of 16 tiles, in four quadrants."""

    detector_type_name = "LPD-1M"
    n_quads = 4
    n_modules = 16
    n_tiles_per_module = 16
    expected_data_shape = (16, 256, 256)
    _layout: ClassVar[Detector | None] = LPD_1M
    _pyfai_cls_name = "LPD1M"
    _reference: ClassVar[tuple[int, int, Literal["max", "min"]]] = (3, 15, "max")

    @classmethod
    def from_quad_positions(
        cls,
        quad_pos: npt.ArrayLike,
        *,
        unit: float = 1e-3,
        asic_gap: float | None = None,
        panel_gap: float | None = None,
    ) -> Self:
        """Build it from the high corner of each quadrant; see `geomlib.detectors.lpd_1m`."""
        return cls(lpd_1m(quad_pos, asic_gap=asic_gap, panel_gap=panel_gap, unit=unit))

    @classmethod
    def example(cls) -> Self:
        """Build an example."""
        return cls(example_geometry("LPD-1M"))


class LPD_MiniGeometry(LPDGeometryBase):  # noqa: N801
    """LPD Mini: modules of two tiles."""

    detector_type_name = "LPD-Mini"
    n_tiles_per_module = 2
    expected_data_shape = (0, 32, 256)
    _layout: ClassVar[Detector | None] = lpd_mini_detector(1)
    _pyfai_cls_name = "LPDMINI"

    @classmethod
    def from_module_positions(
        cls,
        positions: Iterable[Any],
        rotations: Sequence[float] | None = None,
        asic_gap: float | None = None,
        unit: float = 1e-3,
    ) -> Self:
        """Build it from the corner of each module; see `geomlib.detectors.lpd_mini`."""
        return cls(lpd_mini(list(positions), rotations, asic_gap=asic_gap, unit=unit))

    @classmethod
    def example(cls, n_modules: int = 1) -> Self:
        """Build an example: modules above each other, in steps of 39 mm."""
        return cls.from_module_positions([(0, 39.0 * module) for module in range(n_modules)])

    @classmethod
    def _of_modules(cls, n_modules: int) -> Detector | None:
        return lpd_mini_detector(n_modules)


def invert_xfel_lpd_geom(path_in: str | PathLike[str], path_out: str | PathLike[str]) -> None:
    """Copy a European XFEL HDF5 geometry file with the sign of all positions changed.

    Parameters
    ----------
    path_in : str or path-like
        A file whose positions count downwards and to the right, as the first ones for LPD do.
        `geomlib.read_geometry` reads it as it is, with ``invert=True``.
    path_out : str or path-like
        A new file.

    Raises
    ------
    FileExistsError
        If there is such a file.
    GeometryFileError
        If one cannot be read, or the other not written.
    """
    if Path(path_out).exists():
        raise FileExistsError(f"{path_out}: there is such a file already")
    with hdf5.opened(path_in) as source, hdf5.created(path_out) as target:

        def copy(name: str, item: Any) -> None:
            if not hasattr(item, "dtype"):
                return
            if name.rpartition("/")[2] == "Position":
                target[name] = -np.asarray(item[()])
                return
            # The first files misspell the name.
            new = target.create_dataset(name.replace("Describtion", "Description"), data=item[()])
            for key, value in item.attrs.items():
                new.attrs[key] = value

        source.visititems(copy)
        if "Q1/M1/Position" not in target:
            raise GeometryError(f"{path_in}: found no /Q1/M1/Position")
