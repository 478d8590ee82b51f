"""``extra_geom.lpd_old``."""

from geomlib.compat.geometries.lpd_old import (
    GeometryFragment,
    LPDGeometry,
    splitChannelDataIntoTiles,
)

__all__ = ["GeometryFragment", "LPDGeometry", "splitChannelDataIntoTiles"]
