"""The exceptions and the warning that geomlib raises."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from errno import ENOENT
from os import PathLike, fspath
from typing import Any


class GeometryError(ValueError):
    """Something given to geomlib is wrong; the message says what was found and what is expected."""


class GeometryFileError(GeometryError):
    """A geometry file cannot be read, or cannot hold what it is asked to hold.

    Where there is no such file or folder, it is a `FileNotFoundError` as well.

    Parameters
    ----------
    message : str
        What was found and what is expected.
    path : str or path-like, optional
        The file.
    line : int, optional
        Line number, counted from 1.
    key : str, optional
        The key, dataset or attribute concerned, as it is written in the file.
    """

    def __init__(
        self,
        message: str,
        *,
        path: str | PathLike[str] | None = None,
        line: int | None = None,
        key: str | None = None,
    ) -> None:
        self.message = message
        self.path = None if path is None else fspath(path)
        self.line = line
        self.key = key
        super().__init__(self._text())

    def _text(self) -> str:
        where = self.path or ""
        if self.line is not None:
            where += f":{self.line}" if where else f"line {self.line}"
        if self.key is not None:
            where += f" [{self.key}]" if where else f"[{self.key}]"
        return f"{where}: {self.message}" if where else self.message

    def __str__(self) -> str:
        return self._text()

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.message, self.path, self.line, self.key)


def _rebuild(
    kind: type[GeometryFileError], message: str, path: str | None, line: int | None, key: str | None
) -> GeometryFileError:
    return kind(message, path=path, line=line, key=key)


class MissingFileError(GeometryFileError, FileNotFoundError):
    """There is no such file or folder."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.errno, self.strerror, self.filename = ENOENT, self.message, self.path


def system_error(problem: OSError, path: str | PathLike[str], verb: str) -> GeometryFileError:
    """Say why the system would not let a file be read or written.

    Parameters
    ----------
    problem : OSError
        What the system said.
    path : str or path-like
        The file as the caller knows it, not a temporary one.
    verb : {"read", "written"}
        What could not be done.
    """
    if isinstance(problem, GeometryFileError):
        # Somebody has said so already, perhaps of another file.
        return problem
    if isinstance(problem, FileNotFoundError):
        what = "file" if verb == "read" else "folder"
        return MissingFileError(f"there is no such {what}", path=path)
    if isinstance(problem, IsADirectoryError):
        reason = "is a folder; expected a file"
    else:
        reason = f"cannot be {verb}: {problem.strerror or problem}"
    return GeometryFileError(reason, path=path)


class GeometryWarning(UserWarning):
    """Something was accepted, but is doubtful: in a file, in data, or in a conversion."""


# In this context, where warnings go instead of to `warnings`, whose filters are the process's.
_collected: ContextVar[list[str] | None] = ContextVar("_collected", default=None)


@contextmanager
def collected() -> Iterator[list[str]]:
    """Collect every `GeometryWarning` of this block, and of this thread alone.

    They go nowhere else: filters of `warnings` and blocks around this one do not see them.

    Yields
    ------
    list of str
        The messages so far.
    """
    messages: list[str] = []
    before = _collected.set(messages)
    try:
        yield messages
    finally:
        _collected.reset(before)


@contextmanager
def quiet() -> Iterator[None]:
    """Give no `GeometryWarning` in this block, in this thread alone."""
    with collected():
        yield


def warn(message: str) -> None:
    """Give a `GeometryWarning` that points at the line of the user's code, not of geomlib's.

    Parameters
    ----------
    message : str
        What was accepted, and what is doubtful about it.
    """
    messages = _collected.get()
    if messages is not None:
        messages.append(message)
        return
    level = 2
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("geomlib."):
        frame = frame.f_back
        level += 1
    warnings.warn(message, GeometryWarning, stacklevel=level)
