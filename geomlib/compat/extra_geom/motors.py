"""``extra_geom.motors``."""

from geomlib.compat.geometries.motors import (
    AGIPD_1MMotors,
    BaseMotorTracker,
    JF4MMotors,
    read_motors_from_geom,
)

__all__ = ["AGIPD_1MMotors", "BaseMotorTracker", "JF4MMotors", "read_motors_from_geom"]
