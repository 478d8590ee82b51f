"""geomlib: where every pixel of a multi-module X-ray detector is.

>>> import geomlib
>>> geom = geomlib.example_geometry("AGIPD-1M")

The public names load at first use, so that importing geomlib costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from geomlib._version import __version__

if TYPE_CHECKING:
    from geomlib import detectors
    from geomlib.assembly import AssembledImage, assemble_data, dismantle_image, output_array
    from geomlib.assembly.masks import dismantle_mask
    from geomlib.assembly.saved import load_plan, save_plan
    from geomlib.assembly.split import SplitPlan, check_plan, split_plan
    from geomlib.checking import check_geometry
    from geomlib.compile_ahead import warmup
    from geomlib.data import FrameStack, open_frames
    from geomlib.detector import Detector
    from geomlib.detectors import example_geometry
    from geomlib.errors import GeometryError, GeometryFileError, GeometryWarning
    from geomlib.formats import GeometryLossError, LossReport, read_geometry, write_geometry
    from geomlib.formats.crystfel import to_cfelpyutils
    from geomlib.geometry import Geometry
    from geomlib.integration.adapter import to_pyfai_detector, to_pyfai_integrator
    from geomlib.integration.from_pyfai import from_pyfai_detector
    from geomlib.integration.pattern import Pattern
    from geomlib.integration.stack import StackIntegrator, integrate1d, integrate2d
    from geomlib.metadata import BadRegion
    from geomlib.plotting import render
    from geomlib.runs import Run, assemble_run, integrate_run, open_run, reduce_run
    from geomlib.simulate import simulate_frames

_HOME = {
    "AssembledImage": "geomlib.assembly",
    "BadRegion": "geomlib.metadata",
    "Detector": "geomlib.detector",
    "FrameStack": "geomlib.data",
    "Geometry": "geomlib.geometry",
    "GeometryError": "geomlib.errors",
    "GeometryFileError": "geomlib.errors",
    "GeometryLossError": "geomlib.formats",
    "GeometryWarning": "geomlib.errors",
    "LossReport": "geomlib.formats",
    "Pattern": "geomlib.integration.pattern",
    "Run": "geomlib.runs",
    "SplitPlan": "geomlib.assembly.split",
    "StackIntegrator": "geomlib.integration.stack",
    "assemble_data": "geomlib.assembly",
    "assemble_run": "geomlib.runs",
    "check_geometry": "geomlib.checking",
    "check_plan": "geomlib.assembly.split",
    "dismantle_image": "geomlib.assembly",
    "dismantle_mask": "geomlib.assembly.masks",
    "example_geometry": "geomlib.detectors",
    "from_pyfai_detector": "geomlib.integration.from_pyfai",
    "integrate1d": "geomlib.integration.stack",
    "integrate2d": "geomlib.integration.stack",
    "integrate_run": "geomlib.runs",
    "load_plan": "geomlib.assembly.saved",
    "open_frames": "geomlib.data",
    "open_run": "geomlib.runs",
    "output_array": "geomlib.assembly",
    "read_geometry": "geomlib.formats",
    "reduce_run": "geomlib.runs",
    "render": "geomlib.plotting",
    "save_plan": "geomlib.assembly.saved",
    "simulate_frames": "geomlib.simulate",
    "split_plan": "geomlib.assembly.split",
    "to_cfelpyutils": "geomlib.formats.crystfel",
    "to_pyfai_detector": "geomlib.integration.adapter",
    "to_pyfai_integrator": "geomlib.integration.adapter",
    "warmup": "geomlib.compile_ahead",
    "write_geometry": "geomlib.formats",
}

# Subpackages that load when they are named, without an import of their own.
_SUBPACKAGES = (
    "assembly", "checking", "compat", "data", "detectors", "errors", "formats", "integration",
    "plotting", "runs", "simulate",
)  # fmt: skip

__all__ = [
    "AssembledImage",
    "BadRegion",
    "Detector",
    "FrameStack",
    "Geometry",
    "GeometryError",
    "GeometryFileError",
    "GeometryLossError",
    "GeometryWarning",
    "LossReport",
    "Pattern",
    "Run",
    "SplitPlan",
    "StackIntegrator",
    "__version__",
    "assemble_data",
    "assemble_run",
    "check_geometry",
    "check_plan",
    "detectors",
    "dismantle_image",
    "dismantle_mask",
    "example_geometry",
    "from_pyfai_detector",
    "integrate1d",
    "integrate2d",
    "integrate_run",
    "load_plan",
    "open_frames",
    "open_run",
    "output_array",
    "read_geometry",
    "reduce_run",
    "render",
    "save_plan",
    "simulate_frames",
    "split_plan",
    "to_cfelpyutils",
    "to_pyfai_detector",
    "to_pyfai_integrator",
    "warmup",
    "write_geometry",
]


def __getattr__(name: str) -> object:
    value: object
    if name in _SUBPACKAGES:
        value = import_module(f"geomlib.{name}")
    elif name in _HOME:
        value = getattr(import_module(_HOME[name]), name)
    else:
        raise AttributeError(f"module 'geomlib' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*__all__, *_SUBPACKAGES})
