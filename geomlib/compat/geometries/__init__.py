"""The classes of `geomlib.compat.extra_geom`, one module a family of detectors.

Each holds a `geomlib.Geometry`, and translates: names, units, orders of axes and defaults are
EXtra-geom's, the work is geomlib's.
"""
