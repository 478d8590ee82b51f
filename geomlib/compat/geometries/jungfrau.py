"""JUNGFRAU, of any number of modules."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

from geomlib.compat.geometries.assembling import is_labelled
from geomlib.compat.geometries.base import DetectorGeometryBase
from geomlib.detector import Detector
from geomlib.detectors.jungfrau import PITCH, jungfrau, jungfrau_detector

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: A module of the example takes up so many pixels along x and y, and the gaps between modules.
_WIDTH, _HEIGHT, _GAP_X, _GAP_Y = 1030, 514, 100, 20


class JUNGFRAUGeometry(DetectorGeometryBase):
    """JUNGFRAU: modules of 8 tiles. Labelled data counts them from 1."""

    detector_type_name = "JUNGFRAU"
    pixel_size = PITCH
    frag_ss_pixels = 256
    frag_fs_pixels = 256
    expected_data_shape = (0, 512, 1024)
    n_tiles_per_module = 8
    _layout: ClassVar[Detector | None] = jungfrau_detector(1)
    _pyfai_cls_name = "JUNGFRAU_EuXFEL"

    @classmethod
    def from_module_positions(
        cls,
        offsets: Iterable[Any] = ((0, 0),),
        orientations: Sequence[Sequence[int]] | None = None,
        asic_gap: float = 2,
        unit: float = PITCH,
    ) -> Self:
        """Build it from the low corner of each module; see `geomlib.detectors.jungfrau`."""
        return cls(jungfrau(list(offsets), orientations, asic_gap=asic_gap, unit=unit))

    @classmethod
    def example(cls, n_modules: int = 1) -> Self:
        """Build an example: modules in two columns, from the beam to the right and up."""
        places = [divmod(module, 2) for module in range(n_modules)]
        corners = [
            (-_WIDTH - column * (_WIDTH + _GAP_X), row * (_HEIGHT + _GAP_Y))
            for row, column in places
        ]
        return cls.from_module_positions(corners)

    @classmethod
    def _of_modules(cls, n_modules: int) -> Detector | None:
        return jungfrau_detector(n_modules)

    def _ensure_shape(self, data: Any) -> Any:
        if getattr(data, "ndim", 0) != 2:
            return data
        if is_labelled(data):
            return data.expand_dims("module").assign_coords(module=[1])
        return data[None]

    def inspect(
        self,
        axis_units: str = "px",
        frontview: bool = True,
        module_names: Iterable[object] | None = (),
    ) -> Axes:
        """Draw the tiles, with other names of modules if some are given."""
        from dataclasses import replace

        from geomlib.compat.geometries import pictures

        geometry = self.geometry
        names = tuple(map(str, () if module_names is None else module_names))
        if names:
            named = replace(geometry.detector, module_names=names)
            geometry = geometry.replace(detector=named)
        return pictures.inspect(self, geometry, axis_units, frontview)
