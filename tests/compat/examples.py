"""Geometries that EXtra-geom and the replacement both build, from the same calls."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import extra_geom
import numpy as np

QUADS_AGIPD = [(-525, 625), (-550, -10), (520, -160), (542.5, 475)]
QUADS_LPD = [(11.4, 299), (-11.5, 8), (254.5, -16), (278.5, 275)]
QUADS_DSSC = [(-130, 5), (-130, -125), (5, -125), (5, 5)]
GENERIC: dict[str, Any] = {
    "pixel_size": 0.01,
    "slow_pixels": 64,
    "fast_pixels": 128,
    "corner_coordinates": 0.01 * np.array([[5, 1, 0], [-133, 5, 0], [-63, -130, 0]]),
    "n_tiles_per_module": 2,
    "tile_gap": 0.02,
    "tile_vec": [0, -1, 0],
}


def jungfrau_4m(package: Any) -> Any:
    """Two halves turned by 180° to each other."""
    places = [(1125 - 1030, 1078 - 514 - i * 547) for i in range(4)]
    places += [(-1125, -1078 + i * 547) for i in range(4)]
    sides = [(-1, -1)] * 4 + [(1, 1)] * 4
    return package.JUNGFRAUGeometry.from_module_positions(places, orientations=sides)


#: What builds each from a package: EXtra-geom, or the replacement.
EXAMPLES: dict[str, Callable[[Any], Any]] = {
    "AGIPD-1M": lambda x: x.AGIPD_1MGeometry.from_quad_positions(QUADS_AGIPD),
    "AGIPD-1M, gaps": lambda x: x.AGIPD_1MGeometry.from_quad_positions(QUADS_AGIPD, 2.1, 28.7),
    "AGIPD-500K": lambda x: x.AGIPD_500K2GGeometry.from_origin((-100.3, 37.7)),
    "AGIPD-500K, mm": lambda x: x.AGIPD_500K2GGeometry.from_origin(
        (20.1, 3.3), asic_gap=0.43, panel_gap=(3.1, 6.2), unit=1e-3
    ),
    "LPD-1M": lambda x: x.LPD_1MGeometry.from_quad_positions(QUADS_LPD),
    "LPD-1M, gaps": lambda x: x.LPD_1MGeometry.from_quad_positions(
        QUADS_LPD, asic_gap=2.1, panel_gap=1.9
    ),
    "LPD-Mini": lambda x: x.LPD_MiniGeometry.example(3),
    "LPD-Mini, turned": lambda x: x.LPD_MiniGeometry.from_module_positions(
        [(0, 0), (50.5, 3.1)], rotations=[90, 180], asic_gap=1.7
    ),
    "DSSC-1M": lambda x: x.DSSC_1MGeometry.from_quad_positions(QUADS_DSSC),
    "DSSC-1M, gaps": lambda x: x.DSSC_1MGeometry.from_quad_positions(
        QUADS_DSSC, asic_gap=1.9, panel_gap=3.7
    ),
    "JUNGFRAU-500K": lambda x: x.JUNGFRAUGeometry.example(),
    "JUNGFRAU, 3 modules": lambda x: x.JUNGFRAUGeometry.example(3),
    "JUNGFRAU-4M": jungfrau_4m,
    "JUNGFRAU, gaps": lambda x: x.JUNGFRAUGeometry.from_module_positions(
        [(3.3, 4.4), (-1100.7, 5.1)], [(1, -1), (-1, 1)], asic_gap=6.3
    ),
    "JUNGFRAU, mm": lambda x: x.JUNGFRAUGeometry.from_module_positions(
        [(3.3, 4.4)], asic_gap=0.2, unit=1e-3
    ),
    "pnCCD": lambda x: x.PNCCDGeometry.example(),
    "pnCCD, offsets": lambda x: x.PNCCDGeometry.from_relative_positions(
        3e-3, (1e-3, 2e-4, 1e-4), (-2e-3, 0, 0)
    ),
    "pnCCD, absolute": lambda x: x.PNCCDGeometry.from_absolute_positions(
        (-0.04, 0.0401, 0), (-0.039, -0.0023, 1e-3)
    ),
    "ePix100": lambda x: x.Epix100Geometry.example(),
    "ePix100, origin": lambda x: x.Epix100Geometry.from_origin((10.3, -7.7), asic_gap=6),
    "ePix100, pair": lambda x: x.Epix100Geometry.pair_geometry(),
    "ePix10K": lambda x: x.Epix10KGeometry.example(),
    "generic": lambda x: x.GenericGeometry.from_simple_description(**GENERIC),
    "generic, one tile": lambda x: x.GenericGeometry.from_simple_description(1e-4, 40, 30),
}

#: Real files that EXtra-geom brings for its tests.
TESTS_FOLDER = Path(extra_geom.__file__).parent / "tests"
