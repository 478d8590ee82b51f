"""ePix100 and ePix10K, whose only module is stored without an axis of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from geomlib.compat.geometries.base import DetectorGeometryBase
from geomlib.detector import Detector, FloatArray
from geomlib.detectors.epix import EPIX10K, EPIX100, epix10k, epix100, epix100_pair
from geomlib.geometry import Geometry


class EpixGeometryBase(DetectorGeometryBase):
    """What ePix detectors have in common: 2 × 2 tiles, with wide pixels where they meet."""

    n_modules = 1
    n_tiles_per_module = 4
    fs_tiles = 2
    ss_tiles = 2
    #: Width of the wide pixels in metres, and the gap that they fill in pixels.
    inner_pixel_size: ClassVar[float]
    asic_gap: ClassVar[float]

    @staticmethod
    def _build(*args: Any, **kwargs: Any) -> Geometry:
        raise NotImplementedError

    @classmethod
    def from_origin(
        cls,
        origin: Sequence[float] = (0, 0),
        asic_gap: float | None = None,
        unit: float | None = None,
    ) -> Self:
        """Build it from the place of the beam; see `geomlib.detectors.epix100`."""
        length = cls.pixel_size if unit is None else unit
        return cls(cls._build(origin, asic_gap=asic_gap, unit=length))

    @classmethod
    def monolithic_geometry(cls) -> Self:
        """Build one with a single sensor."""
        return cls.from_origin()

    @classmethod
    def example(cls) -> Self:
        """Build an example."""
        return cls.monolithic_geometry()

    @classmethod
    def asic_seams(cls) -> npt.NDArray[np.bool_]:
        """Mark the wide pixels of a frame, those where tiles meet: (ss, fs)."""
        rows, columns = (sizes > cls.pixel_size for sizes in cls._pixel_sizes())
        return np.asarray(rows[:, np.newaxis] | columns)

    @classmethod
    def pixel_areas(cls) -> FloatArray:
        """Area of each pixel of a frame in square metres: (ss, fs)."""
        return np.outer(*cls._pixel_sizes())

    @classmethod
    def _pixel_sizes(cls) -> tuple[FloatArray, FloatArray]:
        """Height of each row and width of each column, in metres."""
        sizes = []
        for half in (cls.frag_ss_pixels, cls.frag_fs_pixels):
            size = np.full(2 * half, cls.pixel_size)
            size[half - 1 : half + 1] = cls.inner_pixel_size
            sizes.append(size)
        return sizes[0], sizes[1]

    @classmethod
    def normalize_data(cls, data: Any) -> Any:
        """Cut off the calibration rows of raw data, two at each end; other data stays as it is."""
        _, n_ss, n_fs = cls.expected_data_shape
        raw = data.shape[-2:] == (n_ss + 4, n_fs)
        return data[..., 2:-2, :] if raw else data

    def _ensure_shape(self, data: Any) -> Any:
        if not hasattr(data, "shape"):
            return data
        data = self.normalize_data(data)
        alone = data.ndim == 2 or (data.ndim > 2 and data.shape[-3] != 1)
        return data[..., np.newaxis, :, :] if alone and isinstance(data, np.ndarray) else data


class Epix100Geometry(EpixGeometryBase):
    """ePix100: one sensor, or a pair."""

    detector_type_name = "ePix100"
    pixel_size = 50e-6
    inner_pixel_size = 175e-6
    asic_gap = 5.0
    frag_ss_pixels = 352
    frag_fs_pixels = 384
    expected_data_shape = (1, 704, 768)
    _layout: ClassVar[Detector | None] = EPIX100
    _pyfai_cls_name = "Epix100"
    _build = staticmethod(epix100)

    @classmethod
    def from_relative_positions(
        cls,
        asic_gap: float | None = None,
        unit: float | None = None,
        top: npt.ArrayLike = (0.0, 0.0, 0.0),
        bottom: npt.ArrayLike = (0.0, 0.0, 0.0),
    ) -> Self:
        """Build a pair of sensors from the first corners of tiles 0 and 2."""
        length = cls.pixel_size if unit is None else unit
        return cls(epix100(asic_gap=asic_gap, unit=length, top=top, bottom=bottom))

    @classmethod
    def pair_geometry(cls) -> Self:
        """Build a pair of sensors, 25 pixels apart."""
        return cls(epix100_pair())


class Epix10KGeometry(EpixGeometryBase):
    """ePix10K: one sensor."""

    detector_type_name = "ePix10K"
    pixel_size = 100e-6
    inner_pixel_size = 250e-6
    asic_gap = 3.0
    frag_ss_pixels = 176
    frag_fs_pixels = 192
    expected_data_shape = (1, 352, 384)
    _layout: ClassVar[Detector | None] = EPIX10K
    _pyfai_cls_name = "Epix10K"
    _build = staticmethod(epix10k)
