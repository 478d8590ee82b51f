"""File formats of geometries: `read_geometry` and `write_geometry` find the right one."""

from geomlib.formats.format import Format
from geomlib.formats.losses import GeometryLossError, LossReport
from geomlib.formats.registry import read_geometry, register, write_geometry

__all__ = [
    "Format",
    "GeometryLossError",
    "LossReport",
    "read_geometry",
    "register",
    "write_geometry",
]
