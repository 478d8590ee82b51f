"""AGIPD-1M and AGIPD-500K."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from geomlib.compat.geometries.base import DetectorGeometryBase
from geomlib.detector import Detector, FloatArray
from geomlib.detectors.agipd import AGIPD_1M, AGIPD_500K, PITCH, agipd_1m, agipd_500k
from geomlib.detectors.examples import example_geometry


class AGIPD_1MGeometry(DetectorGeometryBase):  # noqa: N801
    """AGIPD-1M: 16 modules of 8 tiles, in four quadrants."""

    detector_type_name = "AGIPD-1M"
    pixel_size = PITCH
    frag_ss_pixels = 64
    frag_fs_pixels = 128
    expected_data_shape = (16, 512, 128)
    n_quads = 4
    n_modules = 16
    n_tiles_per_module = 8
    _layout: ClassVar[Detector | None] = AGIPD_1M
    _pyfai_cls_name = "AGIPD1M"

    @classmethod
    def from_quad_positions(
        cls,
        quad_pos: npt.ArrayLike,
        asic_gap: float = 2,
        panel_gap: float = 29,
        unit: float = PITCH,
    ) -> Self:
        """Build it from the first corner of each quadrant; see `geomlib.detectors.agipd_1m`."""
        return cls(agipd_1m(quad_pos, asic_gap=asic_gap, panel_gap=panel_gap, unit=unit))

    @classmethod
    def example(cls) -> Self:
        """Build an example."""
        return cls(example_geometry("AGIPD-1M"))

    def quad_positions(self) -> FloatArray:
        """First corner of each quadrant, shape (4, 2), in pixels."""
        return self.geometry.quad_positions()


class AGIPD_500K2GGeometry(DetectorGeometryBase):  # noqa: N801
    """AGIPD-500K of the second generation: 8 modules of 8 tiles."""

    detector_type_name = "AGIPD-500K2G"
    pixel_size = PITCH
    frag_ss_pixels = 64
    frag_fs_pixels = 128
    expected_data_shape = (8, 512, 128)
    n_modules = 8
    n_tiles_per_module = 8
    _layout: ClassVar[Detector | None] = AGIPD_500K
    _pyfai_cls_name = "AGIPD500K"

    @classmethod
    def from_origin(
        cls,
        origin: Sequence[float] = (0, 0),
        asic_gap: float | None = None,
        panel_gap: Sequence[float] | None = None,
        unit: float = PITCH,
    ) -> Self:
        """Build it from the place of the beam; see `geomlib.detectors.agipd_500k`."""
        return cls(agipd_500k(origin, asic_gap=asic_gap, panel_gap=panel_gap, unit=unit))

    @classmethod
    def example(cls) -> Self:
        """Build an example."""
        return cls.from_origin()

    def write_crystfel_geom(self, filename: str | PathLike[str], **kwargs: Any) -> None:
        """Write a ``.geom`` file, in which all modules are one quadrant."""
        # A file that was read keeps its groups.
        quadrants = 1 if self.geometry.source is None else None
        super().write_crystfel_geom(filename, **{"nquads": quadrants, **kwargs})


def agipd_asic_seams() -> npt.NDArray[np.bool_]:
    """Mark the wide pixels of a module, those where tiles meet: (512, 128)."""
    seams = np.zeros((512, 128), dtype=np.bool_)
    wide = AGIPD_1M.wide_edges
    assert wide is not None
    for tile in AGIPD_1M.tiles_of(0):
        _, rows, _ = AGIPD_1M.tile_slice(tile)
        low, high = wide[tile, :2] > 0
        seams[rows.start] |= low
        seams[rows.stop - 1] |= high
    return seams
