"""Checks of geometries and of geometry files, and safe mends."""

from __future__ import annotations

from geomlib.checking.check import check_document, check_geometry
from geomlib.checking.findings import Finding, Reading, Report
from geomlib.checking.mend import Mended, mend

__all__ = [
    "Finding",
    "Mended",
    "Reading",
    "Report",
    "check_document",
    "check_geometry",
    "mend",
]
