"""The names of EXtra-geom 1.17, on top of geomlib.

All modules of this package only name what `geomlib.compat.geometries` defines, so that they may be
loaded twice, as ``geomlib.compat.extra_geom.…`` and as ``extra_geom.…``.
"""

from geomlib.compat.extra_geom import base, crystfel_fmt, detectors, motors, snapped
from geomlib.compat.geometries.agipd import (
    AGIPD_1MGeometry,
    AGIPD_500K2GGeometry,
    agipd_asic_seams,
)
from geomlib.compat.geometries.dssc import DSSC_1MGeometry
from geomlib.compat.geometries.epix import Epix10KGeometry, Epix100Geometry
from geomlib.compat.geometries.generic import GenericGeometry
from geomlib.compat.geometries.jungfrau import JUNGFRAUGeometry
from geomlib.compat.geometries.lpd import LPD_1MGeometry, LPD_MiniGeometry
from geomlib.compat.geometries.pnccd import PNCCDGeometry

#: Of the EXtra-geom whose interface this is.
__version__ = "1.17.0"

__all__ = [
    "AGIPD_1MGeometry",
    "AGIPD_500K2GGeometry",
    "DSSC_1MGeometry",
    "Epix10KGeometry",
    "Epix100Geometry",
    "GenericGeometry",
    "JUNGFRAUGeometry",
    "LPD_1MGeometry",
    "LPD_MiniGeometry",
    "PNCCDGeometry",
    "agipd_asic_seams",
    "base",
    "crystfel_fmt",
    "detectors",
    "motors",
    "snapped",
]
