"""``extra_geom.crystfel_fmt``."""

from geomlib.compat.geometries.motors import motors_to_geom

__all__ = ["motors_to_geom"]
