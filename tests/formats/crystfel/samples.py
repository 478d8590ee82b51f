"""A small .geom text to vary, and the real files with what CrystFEL reads from them."""

from __future__ import annotations

import gzip
import json
from functools import cache
from typing import Any

from tests.shared import SHARED_DATA

FOLDER = SHARED_DATA / "crystfel"

#: One panel of 5 × 10 pixels of 200 µm, accepted by every version of CrystFEL.
HEAD = """\
clen = 0.1
photon_energy = 9000
adu_per_eV = 1
res = 5000
"""
PANEL = """\
p0/min_fs = 0
p0/max_fs = 9
p0/min_ss = 0
p0/max_ss = 4
p0/corner_x = -5
p0/corner_y = -2.5
p0/fs = x
p0/ss = y
"""
SMALL = HEAD + PANEL


def panel(name: str, *extra: str, **changes: object) -> str:
    """Lines of a panel as in `PANEL`, with other values or more keys."""
    values = dict(line.split(" = ") for line in PANEL.replace("p0/", "").splitlines())
    values |= {key: str(value) for key, value in changes.items()}
    lines = [f"{name}/{key} = {value}\n" for key, value in values.items()]
    return "".join(lines + [f"{name}/{line}\n" for line in extra])


def changed(old: str, new: str) -> str:
    """`SMALL` with one text replaced by another."""
    assert SMALL.count(old) == 1
    return SMALL.replace(old, new)


@cache
def reference() -> dict[str, dict[str, Any]]:
    """What CrystFEL's own parser reads from each real file; empty where they are absent."""
    path = FOLDER / "expected.jsonl.gz"
    if not path.exists():
        return {}
    with gzip.open(path) as lines:
        rows = [json.loads(line) for line in lines]
    return {row["file"]: row for row in rows}


REAL_FILES = sorted(reference())
