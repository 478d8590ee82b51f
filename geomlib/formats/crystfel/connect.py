"""How a ``.geom`` file is recognised, without loading what reads it."""

from __future__ import annotations

import re
from pathlib import Path

# A key that only such files have; they begin with comments and top-level keys, so that all of the
# first bytes count.
_LINE = re.compile(
    rb"^[ \t]*(?:[^;=/\s]+[ \t]*/)?"
    rb"(?:(?:min|max)_(?:fs|ss)|corner_[xy]|clen|coffset|photon_energy|adu_per_(?:eV|photon)|dim\d)"
    rb"[ \t]*=",
    re.MULTILINE,
)


def is_crystfel(path: Path, first: bytes) -> bool:
    """Tell whether a file that begins with some bytes is a ``.geom`` file, whatever its name."""
    return b"\0" not in first[:1024] and _LINE.search(first) is not None
