"""CrystFEL ``.geom`` files: read, edited and written without loss."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from geomlib.formats.crystfel.cfelpy import to_cfelpyutils
    from geomlib.formats.crystfel.document import Document
    from geomlib.formats.crystfel.read import parse_crystfel, read_crystfel
    from geomlib.formats.crystfel.write import write_crystfel

_HOME = {
    "Document": "document",
    "parse_crystfel": "read",
    "read_crystfel": "read",
    "to_cfelpyutils": "cfelpy",
    "write_crystfel": "write",
}

__all__ = ["Document", "parse_crystfel", "read_crystfel", "to_cfelpyutils", "write_crystfel"]


def __getattr__(name: str) -> object:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value
