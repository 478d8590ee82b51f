"""Writing a file whole or not at all."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from geomlib import checks
from geomlib.errors import GeometryFileError, system_error


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path to write to, which becomes ``path`` when the block ends well.

    The temporary file lies in the same folder, so that the final rename cannot be half done. When
    the block raises, it is deleted and an older file of that name stays as it was.

    Parameters
    ----------
    path : str or path-like
        The file to be. A symbolic link is followed: its target is replaced, not the link.

    Yields
    ------
    Path
        An existing, empty file with the permissions of the file that it will replace, or those
        of any new file.

    Raises
    ------
    GeometryError
        If `path` is no path.
    GeometryFileError
        If it is a folder, a device or a pipe, or the system refuses to write; it names the file
        to be, not the temporary one.
    """
    target = Path(os.path.realpath(checks.path("path", path)))
    if target.is_dir():
        raise system_error(IsADirectoryError(), path, "written")
    if target.exists() and not target.is_file():
        # Renaming would put a file in its place, /dev/null too.
        raise GeometryFileError("is a device or a pipe; expected a file", path=path)
    # Systems limit the bytes of a name, to 255 mostly.
    start = target.name.encode("utf-8", "ignore")[:100].decode("utf-8", "ignore")
    temporary = target.with_name(f".{start}.{secrets.token_hex(6)}.tmp")
    # Not tempfile: its files are readable by their owner alone, whatever the umask says.
    try:
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        if target.exists():
            shutil.copymode(target, temporary)
        yield temporary
        temporary.replace(target)
    except BaseException as problem:
        with suppress(OSError):
            temporary.unlink()
        if isinstance(problem, OSError) and not isinstance(problem, GeometryFileError):
            raise system_error(problem, path, "written") from problem
        raise
