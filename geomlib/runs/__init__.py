"""Whole runs: opened without loading them, assembled, integrated and reduced in bounded memory."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from geomlib.runs.assemble import assemble_run
    from geomlib.runs.cxi import check_cxi_pair, write_cxi_geometry, write_virtual_cxi
    from geomlib.runs.integrate import integrate_run
    from geomlib.runs.open import open_run
    from geomlib.runs.outcome import Outcome
    from geomlib.runs.reduce import reduce_run
    from geomlib.runs.run import Run

# Runs can be opened without a compiler, and without pyFAI.
_HOME = {
    "Outcome": "outcome",
    "Run": "run",
    "assemble_run": "assemble",
    "check_cxi_pair": "cxi",
    "integrate_run": "integrate",
    "open_run": "open",
    "reduce_run": "reduce",
    "write_cxi_geometry": "cxi",
    "write_virtual_cxi": "cxi",
}

__all__ = [
    "Outcome",
    "Run",
    "assemble_run",
    "check_cxi_pair",
    "integrate_run",
    "open_run",
    "reduce_run",
    "write_cxi_geometry",
    "write_virtual_cxi",
]


def __getattr__(name: str) -> object:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value
