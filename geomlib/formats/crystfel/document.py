"""`Document`: the text of a CrystFEL ``.geom`` file, with nothing lost.

The lexical layer follows CrystFEL 0.12: lines end with LF, CR LF or a lone CR, a NUL ends the text,
``;`` starts a comment anywhere, ``=`` separates key and value with or without spaces, and the first
``/`` of the key separates the panel (or bad region) from its key.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from functools import cached_property
from os import PathLike, fspath
from typing import NamedTuple

from geomlib.errors import GeometryFileError

#: More than this is no geometry file: 4096 panels take 0.6 MB.
MAX_BYTES = 32_000_000
MAX_ASSIGNMENTS = 1_000_000
#: Some editors begin UTF-8 files with it; for CrystFEL it is part of the first key.
BYTE_ORDER_MARK = "\ufeff"

# A line that is neither empty nor a comment: panel, slash and key (or key alone), `=`, value.
# Possessive, so that no line can make it go back and forth; only for the value it goes back once,
# over the spaces behind it.
_LINE = re.compile(
    r"^[ \t]*+(?=[^;\n])([^;=/\n]*+)(/?)([^;=\n]*+)(=?[ \t]*+)([^;\n]*[^;\n \t]|)", re.MULTILINE
)
_Row = tuple[str, str, str, str, str]
_SHOWN = 80
_PREAMBLE = re.compile(r"(?:[ \t]*+(?:;[^\n]*+)?(?:\n|\Z))*+")
_LINE_END = re.compile(r"\r\n|\r|\n")


class Assignment(NamedTuple):
    """One ``key = value`` of the file.

    Attributes
    ----------
    line : int
        Line number, counted from 1.
    panel : str or None
        Panel or bad region; None at top level.
    key, value : str
        Without the spaces around them.
    start, stop : int
        Where the text of the value lies in `Document.text`.
    """

    line: int
    panel: str | None
    key: str
    value: str
    start: int
    stop: int


class Document:
    """The text of a ``.geom`` file and the assignments in it.

    Parameters
    ----------
    text : str
        The whole file, UTF-8 with other bytes as surrogate escapes, line ends as they are.
    path : str or path-like, optional
        Where it came from, for messages.
    """

    def __init__(self, text: str, path: str | PathLike[str] | None = None) -> None:
        self.text = text
        self.path = None if path is None else fspath(path)

    @classmethod
    def parse(cls, data: bytes, path: str | PathLike[str] | None = None) -> Document:
        """Read a document from the bytes of a file.

        Raises
        ------
        GeometryFileError
            If it is larger than any geometry file.
        """
        if len(data) > MAX_BYTES or data.count(b"=") > MAX_ASSIGNMENTS:
            raise GeometryFileError(
                f"{len(data)} bytes and {data.count(b'=')} assignments are more than a geometry "
                f"file holds (at most {MAX_BYTES} bytes, {MAX_ASSIGNMENTS} assignments)",
                path=path,
            )
        return cls(data.decode("utf-8", "surrogateescape"), path)

    def to_bytes(self) -> bytes:
        """Return the bytes of the file: exactly those that were read."""
        return self.text.encode("utf-8", "surrogateescape")

    # -- Parts --------------------------------------------------------------------------

    @cached_property
    def _lexed(self) -> str:
        # Offsets in it are offsets in `text`; a CR LF makes an empty line, which says nothing.
        end = self.text.find("\0")
        text = self.text if end < 0 else self.text[:end]
        return text.replace("\r", "\n")

    @cached_property
    def _lines(self) -> list[_Row]:
        return _LINE.findall(self._lexed)

    @cached_property
    def rows(self) -> list[_Row]:
        """Every assignment as (panel, ``"/"``, key, ``"= "``, value), or (key, ``""``, ``""``, …).

        The quick form of `assignments`, in the same order; spaces are left behind panels and keys.
        """
        rows = [line for line in self._lines if line[3]]
        if rows and rows[0][0].startswith(BYTE_ORDER_MARK):
            rows[0] = (rows[0][0].removeprefix(BYTE_ORDER_MARK), *rows[0][1:])
        return rows

    @cached_property
    def values(self) -> list[str]:
        """Value of every assignment, as text."""
        return [row[4] for row in self.rows]

    @cached_property
    def assignments(self) -> tuple[Assignment, ...]:
        """Every assignment, in the order of the file."""
        return tuple(self._assignment(match) for match in _LINE.finditer(self._lexed) if match[4])

    def _assignment(self, match: re.Match[str]) -> Assignment:
        name, slash, key, _, value = match.groups()
        name = name.removeprefix(BYTE_ORDER_MARK) if match.start() == 0 else name
        start = match.start(5)
        return Assignment(
            self.line_at(match.start(1)),
            name if slash else None,
            (key if slash else name).rstrip(" \t"),
            value,
            start,
            start + len(value),
        )

    @cached_property
    def stray_lines(self) -> tuple[tuple[int, str], ...]:
        """Lines that are neither an assignment nor a comment, as (line number, text)."""
        if len(self.rows) == len(self._lines):
            return ()
        return tuple(
            (self.line_at(match.start(1)), match[0].strip(" \t"))
            for match in _LINE.finditer(self._lexed)
            if not match[4]
        )

    @cached_property
    def comments(self) -> tuple[tuple[int, str], ...]:
        """Every comment, from its ``;`` on, as (line number, text)."""
        return tuple(
            (self.line_at(match.start()), match[0])
            for match in re.finditer(r";[^\n]*+", self._lexed)
        )

    @cached_property
    def preamble(self) -> str:
        """Comments and empty lines before the first assignment, as CrystFEL keeps them."""
        match = _PREAMBLE.match(self._lexed)
        return match[0].removesuffix("\n") if match else ""

    @property
    def newline(self) -> str:
        """The line end that the file uses; LF if it has none."""
        match = _LINE_END.search(self.text)
        return match[0] if match else "\n"

    @cached_property
    def _line_starts(self) -> list[int]:
        return [0, *(match.end() for match in _LINE_END.finditer(self.text))]

    def line_at(self, offset: int) -> int:
        """Line number, counted from 1, of a character of `text`."""
        return bisect_right(self._line_starts, offset)

    def error(
        self, message: str, index: int | None = None, key: str | None = None
    ) -> GeometryFileError:
        """Make an error that names the file and, by its index, an assignment (or another key)."""
        if index is None:
            return GeometryFileError(message, path=self.path, key=key)
        where = self.assignments[index]
        if key is None:
            key = where.key if where.panel is None else f"{where.panel}/{where.key}"
        return GeometryFileError(message, path=self.path, line=where.line, key=printable(key))


def printable(text: str) -> str:
    """Return text that can be shown anywhere: cut off if long, bytes that are no UTF-8 escaped."""
    short = text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
    return short.encode("utf-8", "backslashreplace").decode()


def quoted(text: str) -> str:
    """Return text in quotes for a message, cut off if it is long."""
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "…")
