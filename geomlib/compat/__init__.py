"""Interfaces of other packages, on top of geomlib.

`geomlib.compat.extra_geom` has the names of EXtra-geom 1.17. A notebook needs one changed line::

    from geomlib.compat import extra_geom

or, with all its imports as they are, `use_as_extra_geom` before them.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType

#: Modules of EXtra-geom that other code imports.
SUBMODULES = ("base", "crystfel_fmt", "detectors", "lpd_old", "motors", "pyfai", "snapped")
_PACKAGE = "geomlib.compat.extra_geom"


def __getattr__(name: str) -> ModuleType:
    if name != "extra_geom":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return import_module(_PACKAGE)


def use_as_extra_geom() -> ModuleType:
    """Make ``import extra_geom`` give the replacement, in this process from now on.

    The same as ``sys.modules["extra_geom"] = geomlib.compat.extra_geom``, and what of EXtra-geom
    was imported before is forgotten. Modules that hold names of it keep them.

    Returns
    -------
    module
        `geomlib.compat.extra_geom`.
    """
    for name in [name for name in sys.modules if name.partition(".")[0] == "extra_geom"]:
        del sys.modules[name]
    replacement = sys.modules["extra_geom"] = import_module(_PACKAGE)
    return replacement
