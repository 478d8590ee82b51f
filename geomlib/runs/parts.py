"""The folder of parts beside an output: finished blocks, which outlive an interruption.

Every block is a file of its own, which appears whole or not at all. So several processes, on
several machines, write at the same time without knowing of each other, and what is there is done.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy.typing as npt

from geomlib.atomic import replacing
from geomlib.data.hdf5 import open_hdf5
from geomlib.errors import GeometryError, GeometryFileError, system_error

NDArray = npt.NDArray[Any]
_BLOCK = re.compile(r"block-(\d+)\.h5\Z")
_NOTE = "job.json"
#: Longest note that is read: a run has a few thousand files.
_NOTE_BYTES = 64 * 2**20


@dataclass(frozen=True)
class Parts:
    """The folder of parts of an output.

    Attributes
    ----------
    output : Path
        What they are to become.
    """

    output: Path

    @property
    def folder(self) -> Path:
        """Where they lie."""
        return self.output.with_name(self.output.name + ".parts")

    def path(self, number: int) -> Path:
        """Return the file of a block."""
        return self.folder / f"block-{number:06d}.h5"

    def done(self) -> set[int]:
        """Return the numbers of finished blocks."""
        names = (_BLOCK.match(path.name) for path in self.folder.glob("block-*.h5"))
        return {int(match[1]) for match in names if match}

    def prepare(self, about: Mapping[str, Any], overwrite: bool) -> set[int]:
        """Begin, or go on where an earlier attempt stopped.

        Parameters
        ----------
        about : mapping
            All that the result depends on.
        overwrite : bool
            Throw away what another job has left.

        Returns
        -------
        set of int
            Blocks that are finished.

        Raises
        ------
        GeometryFileError
            If there are parts of another job, or the folder cannot be written.
        GeometryError
            If another process works on them.
        """
        if self.folder.is_dir():
            different = self._different(about)
            if different is None:
                return self.done()
            if not overwrite:
                raise GeometryFileError(
                    f"holds parts of another job than this, with other {different}: give the same "
                    "again to go on with it, or overwrite=True (--overwrite) to start anew",
                    path=self.folder,
                )
            with self.alone():
                self.remove()
        try:
            self.folder.mkdir()
        except OSError as error:
            raise system_error(error, self.folder, "written") from error
        with replacing(self.folder / _NOTE) as temporary:
            temporary.write_text(json.dumps(about, indent=1, sort_keys=True), encoding="utf-8")
        return set()

    def _different(self, about: Mapping[str, Any]) -> str | None:
        """Say in what this job differs from the one whose parts these are; None if in nothing."""
        note = self.folder / _NOTE
        try:
            with note.open(encoding="utf-8") as file:
                there = json.loads(file.read(_NOTE_BYTES))
        except FileNotFoundError:
            # Nothing was begun but the folder.
            return None if not self.done() and self._note(about) else "description (it is missing)"
        except (OSError, ValueError):
            return "description (it cannot be read)"
        return difference(about, there)

    def _note(self, about: Mapping[str, Any]) -> bool:
        with replacing(self.folder / _NOTE) as temporary:
            temporary.write_text(json.dumps(about, indent=1, sort_keys=True), encoding="utf-8")
        return True

    @contextmanager
    def writing(self, number: int) -> Iterator[Any]:
        """Give an open HDF5 file, which becomes the block when all went well."""
        import h5py

        with replacing(self.path(number)) as temporary, h5py.File(temporary, "w") as file:
            yield file

    @contextmanager
    def reading(self, number: int) -> Iterator[Any]:
        """Give the open HDF5 file of a finished block."""
        with open_hdf5(self.path(number)) as file:
            yield file

    def remove(self) -> None:
        """Delete the folder with all that is in it."""
        with suppress(FileNotFoundError):
            shutil.rmtree(self.folder)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Make sure that no other process works at the same output now.

        Raises
        ------
        GeometryError
            If one does. A process that was killed does not count.
        """
        try:
            import fcntl
        except ImportError:
            yield
            return
        try:
            descriptor = os.open(self.folder / _NOTE, os.O_RDONLY)
        except FileNotFoundError:
            # Nothing was begun but the folder.
            yield
            return
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise GeometryError(f"{self.output}: another process is at work on it") from None
            except OSError:
                pass  # a file system without locks
            yield
        finally:
            os.close(descriptor)


def difference(about: Mapping[str, Any], there: object) -> str | None:
    """Say in what a job differs from another, by their descriptions; None if in nothing."""
    wanted = json.loads(json.dumps(about))
    if not isinstance(there, dict):
        return "description (it cannot be read)"
    keys = [key for key in wanted if wanted[key] != there.get(key)]
    return ", ".join(keys) if keys else None
