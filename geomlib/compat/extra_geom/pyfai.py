"""``extra_geom.pyfai``: importing it imports pyFAI."""

from geomlib.compat.geometries.pyfai import (
    AGIPD1M,
    AGIPD500K,
    DSSC1M,
    LPD1M,
    LPDMINI,
    PNCCD1MP,
    Epix10K,
    Epix100,
    JUNGFRAU_EuXFEL,
)

__all__ = [
    "AGIPD1M",
    "AGIPD500K",
    "DSSC1M",
    "LPD1M",
    "LPDMINI",
    "PNCCD1MP",
    "Epix10K",
    "Epix100",
    "JUNGFRAU_EuXFEL",
]
