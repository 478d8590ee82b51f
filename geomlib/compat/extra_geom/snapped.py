"""``extra_geom.snapped``."""

from geomlib.compat.geometries.snapped import GridGeometryFragment, SnappedGeometry

__all__ = ["GridGeometryFragment", "SnappedGeometry"]
