"""``extra_geom.detectors``."""

from geomlib.compat.geometries.agipd import (
    AGIPD_1MGeometry,
    AGIPD_500K2GGeometry,
    agipd_asic_seams,
)
from geomlib.compat.geometries.base import DetectorGeometryBase
from geomlib.compat.geometries.dssc import (
    DSSC_1MGeometry,
    DSSC_1MGeometryCartesian,
    DSSC_Geometry,
)
from geomlib.compat.geometries.epix import Epix10KGeometry, Epix100Geometry, EpixGeometryBase
from geomlib.compat.geometries.fragment import GeometryFragment
from geomlib.compat.geometries.generic import GenericGeometry
from geomlib.compat.geometries.jungfrau import JUNGFRAUGeometry
from geomlib.compat.geometries.lpd import (
    LPD_1MGeometry,
    LPD_MiniGeometry,
    LPDGeometryBase,
    invert_xfel_lpd_geom,
)
from geomlib.compat.geometries.pnccd import PNCCDGeometry

__all__ = [
    "AGIPD_1MGeometry",
    "AGIPD_500K2GGeometry",
    "DSSC_1MGeometry",
    "DSSC_1MGeometryCartesian",
    "DSSC_Geometry",
    "DetectorGeometryBase",
    "Epix10KGeometry",
    "Epix100Geometry",
    "EpixGeometryBase",
    "GenericGeometry",
    "GeometryFragment",
    "JUNGFRAUGeometry",
    "LPDGeometryBase",
    "LPD_1MGeometry",
    "LPD_MiniGeometry",
    "PNCCDGeometry",
    "agipd_asic_seams",
    "invert_xfel_lpd_geom",
]
