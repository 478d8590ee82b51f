"""The same geometries in EXtra-geom."""

from __future__ import annotations

from typing import Any

import geomlib


def extra_geom_geometry(name: str) -> Any:
    """Build an example geometry in EXtra-geom; None where EXtra-geom is not installed."""
    try:
        import extra_geom
    except ImportError:
        return None
    makers = {
        "AGIPD-1M": extra_geom.AGIPD_1MGeometry,
        "LPD-1M": extra_geom.LPD_1MGeometry,
        "DSSC-1M": extra_geom.DSSC_1MGeometry,
    }
    geometry = geomlib.example_geometry(name)
    if name in makers:
        return makers[name].from_quad_positions(geometry.quad_positions())
    corners = geometry.tile_outlines()[..., :2].reshape(8, -1, 2)
    return extra_geom.JUNGFRAUGeometry.from_module_positions(
        corners.min(axis=1) / 75e-6, [(-1, -1)] * 4 + [(1, 1)] * 4
    )
