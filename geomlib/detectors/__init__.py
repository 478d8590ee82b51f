"""Detectors, and the functions that build a geometry from what their users know."""

from geomlib.detectors.agipd import agipd_1m, agipd_500k
from geomlib.detectors.dssc import dssc_1m
from geomlib.detectors.epix import epix10k, epix100, epix100_pair
from geomlib.detectors.examples import EXAMPLE_NAMES, example_geometry
from geomlib.detectors.generic import generic
from geomlib.detectors.jungfrau import jungfrau
from geomlib.detectors.lpd import lpd_1m, lpd_mini
from geomlib.detectors.pnccd import pnccd

__all__ = [
    "EXAMPLE_NAMES",
    "agipd_1m",
    "agipd_500k",
    "dssc_1m",
    "epix10k",
    "epix100",
    "epix100_pair",
    "example_geometry",
    "generic",
    "jungfrau",
    "lpd_1m",
    "lpd_mini",
    "pnccd",
]
