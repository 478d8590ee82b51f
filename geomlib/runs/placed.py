"""Rows of an HDF5 file that are written past the library, to where it has made room for them.

An HDF5 file has one writer at a time, and one that is killed may leave it unreadable. But where
chunks are not compressed their places are known when the file is made. So it is made whole, with
all that it holds but the rows, and closed; from then on rows are bytes in a file, which any number
of processes write, and which a kill cannot damage. Nothing is written twice.
"""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from geomlib.errors import GeometryFileError

if TYPE_CHECKING:
    import h5py

    from geomlib.runs.job import Column

NDArray = npt.NDArray[Any]
#: Room for everything but the rows of columns.
_SLACK_BYTES = 2**20


def can_be_placed(columns: Mapping[str, Column]) -> bool:
    """Tell whether all rows are known block by block, and none compressed."""
    if not hasattr(os, "pwrite"):
        return False  # not a system of this kind
    return all(column.early and not column.compress for column in columns.values())


def create_placed(parent: h5py.Group, name: str, column: Column) -> h5py.Dataset:
    """Make a dataset that has all of its room in the file, but nothing written there."""
    from h5py import h5d, h5p, h5s, h5t

    plan = h5p.create(h5p.DATASET_CREATE)
    plan.set_chunk(chunks_of(column))
    plan.set_alloc_time(h5d.ALLOC_TIME_EARLY)
    plan.set_fill_time(h5d.FILL_TIME_NEVER)
    # The same rows give the same file.
    plan.set_obj_track_times(False)
    kind = h5t.py_create(column.dtype, logical=True)
    h5d.create(parent.id, name.encode(), kind, h5s.create_simple(column.shape), plan)
    return parent[name]


def chunks_of(column: Column) -> tuple[int, ...]:
    """Shape of the chunks of a column."""
    return (min(column.chunk_rows, max(column.shape[0], 1)), *column.shape[1:])


def check_room(path: Path, columns: Iterable[Column]) -> None:
    """Refuse to begin where an output has no room.

    Raises
    ------
    GeometryFileError
        If less is free than rows take that are not compressed.
    """
    wanted = sum(math.prod(c.shape) * c.dtype.itemsize for c in columns if not c.compress)
    try:
        free = shutil.disk_usage(path.absolute().parent).free
    except OSError:
        return
    if free < wanted + _SLACK_BYTES:
        raise GeometryFileError(
            f"needs {wanted / 1e9:.3g} GB, but {free / 1e9:.3g} GB are free there", path=path
        )


class Placer:
    """Writes rows of a block to where they belong.

    Parameters
    ----------
    path : Path
        The file.
    columns : mapping of str to Column
        Its columns.
    start, stop : int
        First row of the block, and that after the last; blocks begin where chunks do.
    """

    def __init__(self, path: Path, columns: Mapping[str, Column], start: int, stop: int) -> None:
        import h5py

        self._columns = columns
        with h5py.File(path, "r") as file:
            self._offsets = {
                name: _offsets(file[column.path], chunks_of(column)[0], start, stop)
                for name, column in columns.items()
            }
        self._path = path
        self._file = os.open(path, os.O_WRONLY)

    def put(self, name: str, first: int, rows: NDArray) -> None:
        """Write rows, of which the first has this number."""
        column = self._columns[name]
        each = chunks_of(column)[0]
        data = np.ascontiguousarray(rows, dtype=column.dtype)
        row_bytes = data.nbytes // max(len(data), 1)
        row = first
        while row < first + len(data):
            stop = min((row // each + 1) * each, first + len(data))
            offset = self._offsets[name][row // each] + row % each * row_bytes
            self._write(data[row - first : stop - first], offset)
            row = stop

    def _write(self, data: NDArray, offset: int) -> None:
        left = memoryview(data.reshape(-1).view(np.uint8))
        while len(left):
            n = os.pwrite(self._file, left, offset)
            left, offset = left[n:], offset + n

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


def _offsets(dataset: h5py.Dataset, each: int, start: int, stop: int) -> dict[int, int]:
    """Where the chunks of some rows lie in the file, by their numbers."""
    rest = (0,) * (dataset.ndim - 1)
    found = {}
    for chunk in range(start // each, -(-stop // each)):
        info = dataset.id.get_chunk_info_by_coord((chunk * each, *rest))
        if info.byte_offset is None:
            raise GeometryFileError("has no room for its rows", path=dataset.file.filename)
        found[chunk] = int(info.byte_offset)
    return found
