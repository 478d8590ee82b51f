"""``extra_geom.base``."""

from geomlib.compat.geometries.base import DetectorGeometryBase
from geomlib.compat.geometries.fragment import GeometryFragment

__all__ = ["DetectorGeometryBase", "GeometryFragment"]
