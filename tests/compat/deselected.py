"""Tests of EXtra-geom that the replacement does not run, and why.

By the name that pytest gives them, relative to EXtra-geom's folder of tests. Only tests of private
internals belong here; `docs/from-extra-geom.md` repeats each with its reason.
"""

from __future__ import annotations

DESELECTED: dict[str, str] = {}
