"""File formats of geometries: `read_geometry` and `write_geometry` find the right one."""

from geomlib.formats.registry import read_geometry, write_geometry

__all__ = ["read_geometry", "write_geometry"]
