"""Text files: reading what is not to be trusted, and writing what everybody can read."""

from __future__ import annotations

import json
from os import PathLike
from pathlib import Path

from geomlib.errors import GeometryFileError, system_error


def read_text(path: str | PathLike[str], largest: int, *, errors: str = "strict") -> str:
    """Read a text file, and no more of it than it may have.

    Parameters
    ----------
    path : str or path-like
        The file: UTF-8, with a byte order mark or without. Ends of lines stay as they are.
    largest : int
        Most bytes that it may have: more than any file of its format.
    errors : {"strict", "replace"}
        What to do about bytes that are no UTF-8.

    Raises
    ------
    GeometryFileError
        If it cannot be read, is too large, or no text.
    """
    try:
        with Path(path).open("rb") as file:
            content = file.read(largest + 1)
    except OSError as problem:
        raise system_error(problem, path, "read") from None
    if len(content) > largest:
        size = f"{largest >> 20} MiB" if largest >= 1 << 20 else f"{largest >> 10} KiB"
        raise GeometryFileError(
            f"is larger than {size}, more than any geometry file of its kind", path=path
        )
    try:
        return content.decode("utf-8-sig", errors)
    except UnicodeDecodeError as problem:
        raise GeometryFileError(f"is no UTF-8 text ({problem})", path=path) from None


def ascii_json(text: str) -> str:
    """Escape whatever is not ASCII as JSON does: between the quotes of JSON it means the same."""
    return "".join(c if c.isascii() else json.dumps(c)[1:-1] for c in text)
