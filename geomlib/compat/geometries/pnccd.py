"""The pnCCD, whose two modules are stored as one image."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy.typing as npt

from geomlib.compat.geometries.base import DetectorGeometryBase
from geomlib.detector import Detector
from geomlib.detectors.pnccd import PITCH, PNCCD, TILE_FS, TILE_SS, pnccd


class PNCCDGeometry(DetectorGeometryBase):
    """The pnCCD: two modules of one tile, also as one image (1024, 1024)."""

    detector_type_name = "PNCCD1MP"
    pixel_size = PITCH
    frag_ss_pixels = TILE_SS
    frag_fs_pixels = TILE_FS
    n_modules = 2
    n_tiles_per_module = 1
    expected_data_shape = (2, TILE_SS, TILE_FS)
    #: Size of what is cut out of each module around the beam, in metres.
    cutout_width = PNCCD.cut_out[1] * PITCH
    cutout_height = PNCCD.cut_out[0] * PITCH
    _layout: ClassVar[Detector | None] = PNCCD
    _pyfai_cls_name = "PNCCD1MP"

    @classmethod
    def from_relative_positions(
        cls,
        gap: float = 4e-3,
        top_offset: npt.ArrayLike = (0.0, 0.0, 0.0),
        bottom_offset: npt.ArrayLike = (0.0, 0.0, 0.0),
    ) -> Self:
        """Build it from the gap between its modules; see `geomlib.detectors.pnccd`."""
        return cls(pnccd(gap, top_offset=top_offset, bottom_offset=bottom_offset))

    @classmethod
    def from_absolute_positions(cls, top: npt.ArrayLike, bottom: npt.ArrayLike) -> Self:
        """Build it from the first corner of each module, in metres."""
        return cls(pnccd(top=top, bottom=bottom))

    @classmethod
    def example(cls) -> Self:
        """Build an example."""
        return cls.from_relative_positions()

    def _ensure_shape(self, data: Any) -> Any:
        modules, n_ss, n_fs = self.expected_data_shape
        shape = getattr(data, "shape", ())
        if shape[-2:] != (modules * n_ss, n_fs) or not hasattr(data, "reshape"):
            return data
        return data.reshape(*shape[:-2], modules, n_ss, n_fs)
